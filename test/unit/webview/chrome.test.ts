import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decisionButtons, isGiven, readAnswers } from '../../../webview-ui/src/cards/decide.ts';
import { complete, matchCommands, mentionCandidates, mentions, triggerAt } from '../../../webview-ui/src/chrome/complete.ts';
import { mentionOf } from '../../../webview-ui/src/types.ts';
import { draggedPaths, MAX_FILE, MAX_FILES, refusal } from '../../../webview-ui/src/chrome/limits.ts';
import { announcementOf, changeOf } from '../../../webview-ui/src/model/announce.ts';
import { noChanges, RowModel } from '../../../webview-ui/src/model/rows.ts';
import { outcomeLine, rowLabel, toolLine, toolName, turnLine, usageParts } from '../../../webview-ui/src/model/words.ts';
import type { Attachment, ChatState, Patch, PermissionRow, Question, Row, ToolRow } from '../../../webview-ui/src/types.ts';

const base = { key: 'k', at: null, turn: null };

describe('answers', () => {
  const option = (id: string, scope: PermissionRow['options'][number]['scope'], label = id): PermissionRow['options'][number] => ({ id, scope, label });

  it('offers all three where the agent names no options', () => {
    const { buttons, deny } = decisionButtons({ options: [] });
    expect(buttons.map((each) => each.label)).toEqual(['Allow', 'Allow for Session', 'Deny']);
    expect(deny).toEqual({ outcome: 'deny' });
  });

  it('gives the agent its own options back, the lasting ones last, and invents none', () => {
    const { buttons, deny } = decisionButtons({ options: [option('a', 'always', "Yes, don't ask again"), option('o', 'once', 'Yes'), option('r', 'reject', 'No')] });
    expect(buttons.map((each) => [each.label, each.decision, each.look])).toEqual([
      ['Allow', { outcome: 'allow', optionId: 'o' }, 'primary'], ['Deny', { outcome: 'deny', optionId: 'r' }, 'secondary'], ["Yes, don't ask again", { outcome: 'allow-always', optionId: 'a' }, 'text'],
    ]);
    expect(deny).toEqual({ outcome: 'deny', optionId: 'r' });
    expect(isGiven({ outcome: 'deny', optionId: 'r' }, deny)).toBe(true);
    expect(isGiven({ outcome: 'deny', optionId: 'r', reason: 'no' }, deny)).toBe(false);
  });

  it('never maps an option to another one, whatever the agent offers', () => {
    const scopes = fc.constantFrom('once', 'session', 'always', 'reject', 'reject-always') as fc.Arbitrary<PermissionRow['options'][number]['scope']>;
    fc.assert(fc.property(fc.array(scopes, { minLength: 1, maxLength: 7 }), (given) => {
      const options = given.map((scope, place) => option(`id${place}`, scope));
      const { buttons } = decisionButtons({ options });
      expect(buttons).toHaveLength(options.length);
      expect(new Set(buttons.map((each) => each.decision.optionId))).toEqual(new Set(options.map((each) => each.id)));
      for (const each of buttons) {
        const scope = options.find((one) => one.id === each.decision.optionId)?.scope;
        expect({ once: 'allow', session: 'allow-session', always: 'allow-always', reject: 'deny', 'reject-always': 'deny' }[scope ?? 'once']).toBe(each.decision.outcome);
      }
    }));
  });

  it('takes answers only when every question has one', () => {
    const one: Question = { id: 'a', header: null, text: 'Which?', multiple: false, free: true, options: [{ label: 'x', description: null }] };
    const many: Question = { id: 'b', header: null, text: 'Which ones?', multiple: true, free: false, options: [{ label: 'y', description: null }, { label: 'z', description: null }] };
    expect(readAnswers([one, many], { a: ['x'] }, {})).toBeNull();
    expect(readAnswers([one, many], { a: ['x'], b: ['z', 'y', 'gone'] }, {})).toEqual({ a: ['x'], b: ['z', 'y'] });
    expect(readAnswers([one], { a: ['x'] }, { a: ' own words ' })).toEqual({ a: ['own words'] });
    expect(readAnswers([many], { b: ['y'] }, { b: 'not taken' })).toEqual({ b: ['y'] });
  });
});

describe('completion', () => {
  it.each([
    ['look at @src/re', 15, { kind: 'mention', from: 8, query: 'src/re' }], ['@', 1, { kind: 'mention', from: 0, query: '' }], ['mail@host', 9, null], ['/com', 4, { kind: 'command', from: 0, query: 'com' }], ['say /com', 8, null], ['/com more', 9, null],
    ['(@a', 3, { kind: 'mention', from: 1, query: 'a' }], ['@a b', 4, null],
    ['see @"my no', 11, { kind: 'mention', from: 4, query: 'my no' }], ['see @"my notes.md" no', 21, null], ['@"a\nb', 5, null],
  ])('%j at %d', (text, caret, trigger) => {
    expect(triggerAt(text, caret)).toEqual(trigger);
  });

  it('puts the choice in the place of what was typed', () => {
    const [candidate] = mentionCandidates([{ kind: 'file', insert: '@src/report.ts ', label: 'report.ts', detail: 'src' }]);
    const trigger = triggerAt('see @re now', 7);
    if (candidate === undefined || trigger === null) throw new Error('nothing to complete');
    expect(complete('see @re now', 7, trigger, candidate)).toEqual({ text: 'see @src/report.ts now', caret: 19 });
    expect(complete('see @re', 7, trigger, candidate)).toEqual({ text: 'see @src/report.ts ', caret: 19 });
    const quoted = triggerAt('see @"my no" now', 11);
    if (quoted === null) throw new Error('nothing to complete');
    expect(complete('see @"my no" now', 11, quoted, { ...candidate, insert: `${mentionOf('my notes.md')} ` })).toEqual({ text: 'see @"my notes.md" now', caret: 19 });
  });

  it('names a path so that nothing in it ends the name', () => {
    expect(['src/a.ts', 'docs/größe/b-1.ts', 'src/'].map((path) => mentionOf(path))).toEqual(['@src/a.ts', '@docs/größe/b-1.ts', '@src/']);
    expect(['my notes.md', 'app/[id]/page.tsx', 'a(1)', 'don’t.md', 'it\'s.md', '@types/node.d.ts', 'a,b.csv', '資料'].map((path) => mentionOf(path)))
      .toEqual(['@"my notes.md"', '@"app/[id]/page.tsx"', '@"a(1)"', '@"don’t.md"', '@"it\'s.md"', '@"@types/node.d.ts"', '@"a,b.csv"', '@"資料"']);
    // The lines stand within the quotes: so Claude Code reads them.
    expect([mentionOf('src/a.ts', '#L5-10'), mentionOf('my notes.md', '#L5')]).toEqual(['@src/a.ts#L5-10', '@"my notes.md#L5"']);
    expect(mentionOf('say "hi".md')).toBe('@say "hi".md');
    for (const path of ['my notes.md', 'app/[id]/page.tsx', '@types/node.d.ts']) expect(mentions(`see ${mentionOf(path)}, please`).filter((part) => part.mention).map((part) => part.text)).toEqual([mentionOf(path)]);
  });

  it('finds commands by their letters, those that begin with them first', () => {
    const command = (name: string): { name: string; description: string; argumentHint: null } => ({ name, description: '', argumentHint: null });
    expect(matchCommands(['precompact', 'compact', 'cm-pct', 'review'].map(command), 'compact').map((each) => each.label)).toEqual(['/compact', '/precompact']);
    expect(matchCommands(['review', 'init'].map(command), '').map((each) => each.label)).toEqual(['/init', '/review']);
  });

  it('marks what is mentioned and loses no text', () => {
    expect(mentions('/review @src/a.ts, please').filter((part) => part.mention).map((part) => part.text)).toEqual(['/review', '@src/a.ts']);
    fc.assert(fc.property(fc.string(), (text) => {
      expect(mentions(text).map((part) => part.text).join('')).toBe(text);
    }));
  });
});

describe('files of a message', () => {
  const file = (size: number, type = 'text/plain'): { name: string; size: number; type: string } => ({ name: 'a.txt', size, type });
  const held = (count: number, size: number): Attachment[] => Array.from({ length: count }, () => ({ name: 'x', mediaType: 'text/plain', size, data: '', path: null }));

  it('says why a file is not taken', () => {
    expect(refusal(file(10), [], true, 'Codex')).toBeNull();
    expect(refusal(file(10, 'image/png'), [], false, 'Codex')).toContain('Codex takes no pictures');
    expect(refusal(file(MAX_FILE + 1), [], true, 'Codex')).toContain('8.0 MB');
    expect(refusal(file(1), held(MAX_FILES, 1), true, 'Codex')).toContain('20 files');
    expect(refusal(file(MAX_FILE), held(2, MAX_FILE), true, 'Codex')).toContain('together');
  });

  it('mentions what was dragged from the explorer, relative where it stands under the folder', () => {
    expect(draggedPaths('file:///home/me/billing/src/a%20b.ts\r\nfile:///etc/hosts\n# comment', '/home/me/billing')).toEqual(['src/a b.ts', '/etc/hosts']);
    expect(draggedPaths('vscode-remote://ssh/home/me/billing/x.ts', '~/billing')).toEqual(['x.ts']);
    expect(draggedPaths('https://example.com/x', '/home')).toEqual([]);
  });
});

describe('what is read out', () => {
  const patch = (...rows: Row[]): Patch => ({ type: 'patch', generation: 1, seq: 1, total: 1 + rows.length, ops: [{ op: 'splice', at: 1, remove: 0, rows }] });
  const said = (...rows: Row[]): string | null => {
    const model = new RowModel();
    model.reset({ generation: 1, total: 1, start: 0, rows: [{ ...base, kind: 'text', text: 'All 41 pass.', streaming: false }] });
    const one = patch(...rows);
    expect(model.apply(one, noChanges())).toBeNull();
    return announcementOf(one, model, 'Codex');
  };

  it('the end of a turn with its answer, what waits, errors, and nothing else', () => {
    expect(said({ ...base, kind: 'turn', state: 'completed', durationMs: 4_000, figures: null, filesChanged: ['a'], error: null })).toBe('Codex finished. All 41 pass. 4 s, 1 file changed');
    expect(said({ ...base, kind: 'turn', state: 'failed', durationMs: null, figures: null, filesChanged: [], error: 'Overloaded' })).toBe('Codex failed. Overloaded');
    expect(said({ ...base, kind: 'notice', level: 'error', code: 'x', text: 'It broke.', remedy: null })).toBe('Error: It broke.');
    expect(said({ ...base, kind: 'notice', level: 'info', code: 'x', text: 'Compacted.', remedy: null })).toBeNull();
    expect(said({ ...base, kind: 'text', text: 'more', streaming: true })).toBeNull();
  });

  it('twenty thousand pieces of an answer with twenty tools: its end, once', () => {
    const model = new RowModel();
    model.reset({ generation: 1, total: 1, start: 0, rows: [{ ...base, key: 'a', kind: 'text', text: '', streaming: true }] });
    const heard: string[] = [];
    let seq = 0;
    let length = 0;
    const hear = (ops: Patch['ops'], total: number): void => {
      seq += 1;
      const one: Patch = { type: 'patch', generation: 1, seq, total, ops };
      expect(model.apply(one, noChanges())).toBeNull();
      const words = announcementOf(one, model, 'Codex');
      if (words !== null) heard.push(words);
    };
    for (let piece = 0; piece < 20_000; piece += 1) {
      hear([{ op: 'append', at: 0, key: 'a', field: 'text', from: length, text: 'word ' }], 1);
      length += 5;
    }
    for (let at = 1; at <= 20; at += 1) {
      const row = { ...base, key: `t${at}`, kind: 'tool', name: 'Read', verb: 'read', title: 'a.ts', status: 'running', input: null, command: null, cwd: null, locations: [], diffs: [], output: '', outputOmitted: 0, exitCode: null, durationMs: null, attachments: [], children: [] } as const;
      hear([{ op: 'splice', at, remove: 0, rows: [row] }], at + 1);
      hear([{ op: 'update', at, row: { ...row, status: 'ok' } }], at + 1);
    }
    hear([{ op: 'splice', at: 21, remove: 0, rows: [{ ...base, key: 'e', kind: 'turn', state: 'completed', durationMs: 4_000, figures: null, filesChanged: [], error: null }] }], 22);
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatch(/^Codex finished\. word word/);
  });

  it('a state that became another, once: a silent model, a limit, an agent that is gone, a full context', () => {
    const now = Date.UTC(2026, 5, 1, 12);
    const at = (extra: object): ChatState => ({ canRun: true, owner: 'this', ownerName: null, state: 'running', problem: null, activity: null, usage: null, traits: { resume: true, fork: true }, controls: { commands: [{ name: 'compact', description: '', argumentHint: null }] }, ...extra }) as unknown as ChatState;
    const phase = (name: string, until: number | null = null): object => ({ activity: { phase: name, since: now, detail: null, until } });
    const full = (contextTokens: number): object => ({ usage: { inputTokens: null, outputTokens: null, cachedTokens: null, costUsd: null, contextTokens, contextWindow: 100 } });
    expect(changeOf(at(phase('thinking')), at(phase('stalled')), now)).toMatch(/^No answer from the model since/);
    expect(changeOf(at(phase('stalled')), at(phase('stalled')), now)).toBeNull();
    expect(changeOf(at(phase('thinking')), at(phase('retrying', now + 5_000)), now)).toBe('Retrying in 5 s');
    expect(changeOf(at(phase('retrying', now + 5_000)), at(phase('retrying', now + 9_000)), now)).toBeNull();
    expect(changeOf(at({}), at({ limit: { text: 'The weekly limit is reached.', until: now + 60_000 } }), now)).toMatch(/^The weekly limit is reached\. It starts anew at /);
    expect(changeOf(at({}), at({ state: 'failed', problem: { message: 'Codex ended.', remedy: { text: 'Resume it.', command: null } } }), now)).toBe('Codex ended. Resume it.');
    expect(changeOf(at(full(80)), at(full(91)), now)).toMatch(/^91 % of the context is used\. Compacting makes room/);
    expect(changeOf(at(full(91)), at(full(94)), now)).toBeNull();
  });
});

describe('what a row is called', () => {
  const tool = (extra: Partial<ToolRow>): ToolRow => ({
    ...base, kind: 'tool', name: 'x', verb: 'other', title: '', status: 'ok', input: {}, command: null, cwd: null, locations: [], diffs: [], output: '', outputOmitted: 0, exitCode: null, durationMs: null, attachments: [], children: [], ...extra,
  });
  const diff = (path: string, change: 'create' | 'modify' | 'rename' = 'modify'): ToolRow['diffs'][number] => ({ path, change, oldPath: change === 'rename' ? 'old.ts' : null, patch: '', added: 12, removed: 3, before: null, after: null });

  it.each<[Partial<ToolRow>, string]>([
    [{ verb: 'edit', diffs: [diff('src/a.ts')] }, 'Edited src/a.ts, 12 added, 3 removed'],
    [{ verb: 'edit', diffs: [diff('a'), diff('b')] }, 'Edited 2 files, 24 added, 6 removed'],
    [{ verb: 'edit', diffs: [diff('n.ts', 'create')] }, 'Created n.ts, 12 added, 3 removed'],
    [{ verb: 'move', diffs: [diff('new.ts', 'rename')] }, 'Moved old.ts → new.ts, 12 added, 3 removed'],
    [{ verb: 'execute', command: 'npm test', exitCode: 1, status: 'error' }, 'Ran npm test, exit 1'],
    [{ verb: 'execute', command: 'npm test', status: 'running' }, 'Running npm test'],
    [{ verb: 'execute', command: 'rm x', status: 'denied' }, 'Run rm x, denied'],
    [{ verb: 'execute', command: 'sleep 9', status: 'cancelled' }, 'Ran sleep 9, stopped'],
    [{ verb: 'edit', title: 'src/a.ts', status: 'waiting' }, 'Wants to edit src/a.ts, waits for you'],
    [{ verb: 'execute', command: 'rm x', status: 'waiting' }, 'Wants to run rm x, waits for you'],
    [{ verb: 'agent', title: 'Find callers', status: 'waiting' }, 'Wants to start an agent: Find callers, waits for you'],
    [{ verb: 'delete', title: 'src/a.ts', status: 'error' }, 'Delete src/a.ts, failed'],
    [{ verb: 'fetch', title: 'https://x.test', status: 'cancelled' }, 'Fetch https://x.test, stopped'],
    [{ verb: 'move', diffs: [{ ...diff('new.ts', 'rename'), added: 0, removed: 0 }] }, 'Moved old.ts → new.ts'],
    [{ verb: 'read', title: 'a.ts', locations: [{ path: 'src/a.ts', line: 4 }] }, 'Read src/a.ts'],
    [{ verb: 'other', name: 'mcp__tracker__list_issues', title: 'open ones' }, 'Used tracker: list_issues · open ones'],
  ])('%#', (extra, label) => {
    expect(rowLabel(tool(extra), 'Codex')).toBe(label);
  });

  it.each<[Partial<ToolRow>, string]>([
    [{ name: 'AskUserQuestion', title: 'Which limit?', status: 'running' }, 'Asking you Which limit?'],
    [{ name: 'AskUserQuestion', title: 'Which limit?', status: 'waiting' }, 'Asking you Which limit?, waits for you'],
    [{ name: 'AskUserQuestion', title: 'Question' }, 'Asked you Question'],
    [{ name: 'ExitPlanMode', verb: 'think', title: 'Plan', status: 'running' }, 'Proposing a plan '],
    [{ name: 'exit_plan_mode', verb: 'think', title: 'Plan', status: 'denied' }, 'Propose a plan , denied'],
    [{ name: 'EnterPlanMode', verb: 'think', title: 'Plan mode' }, 'Started to plan '],
    [{ name: 'Skill', title: 'pdf' }, 'Used the skill pdf'],
    [{ name: 'WebSearch', verb: 'fetch', title: 'node sqlite', status: 'waiting' }, 'Wants to search the web for node sqlite, waits for you'],
    [{ name: 'WebSearch', verb: 'fetch', title: 'WebSearch' }, 'Searched the web '],
    [{ name: 'KillShell', verb: 'execute', title: 'KillShell' }, 'Ended what ran in the background '],
    [{ name: 'TaskList', verb: 'todo', title: 'To-do list' }, 'Looked at the to-do list '],
    [{ name: 'mcp__happy__change_title', title: 'happy: change_title' }, 'Named the session '],
    [{ name: 'happy.change_title', title: 'happy · change_title' }, 'Named the session '],
    [{ name: 'wait', verb: 'agent', title: 'wait' }, 'Waited for its agents '],
    [{ name: 'wait', title: 'wait' }, 'Used wait'],
    [{ name: 'sendInput', verb: 'agent', title: 'Look again' }, 'Told an agent: Look again'],
    [{ name: 'spawnAgent', verb: 'agent', title: 'Find callers' }, 'Agent Find callers'],
    [{ name: 'sleep', title: 'Wait 5 s' }, 'Waited: 5 s'],
    [{ name: 'tool', title: 'Check the weather' }, 'Used a tool: Check the weather'],
    [{ name: 'CodexBash', verb: 'execute', title: 'CodexBash' }, 'Ran a command'],
    [{ name: 'Edit', verb: 'edit', title: 'Edit' }, 'Edited a file'],
    [{ name: 'toString', title: 'x' }, 'Used toString · x'],
  ])('has plain words for %j', (extra, label) => {
    expect(rowLabel(tool(extra), 'Claude')).toBe(label);
  });

  it('knows each tool of the agents that its kind alone does not tell', () => {
    // Tools of Claude Code 2.1.329, of Codex 0.169 and of happy 1.2.5 that read, search, edit, run, fetch or delegate nothing that has a name of its own.
    const names = [
      'AskUserQuestion', 'CronCreate', 'CronDelete', 'CronList', 'EnterPlanMode', 'EnterWorktree', 'ExitPlanMode', 'ExitWorktree', 'ListAgents', 'Monitor', 'ReportFindings', 'ScheduleWakeup', 'SendMessage', 'Skill', 'TaskOutput', 'TaskStop', 'ToolSearch',
      'WebSearch', 'Workflow', 'TaskGet', 'TaskList', 'SlashCommand', 'BashOutput', 'KillShell', 'request_user_input', 'image_generation', 'sleep', 'mcp__happy__change_title', 'switch_mode',
    ];
    for (const name of names) expect(toolLine(tool({ name, title: name })).verb, name).not.toMatch(/^Us(?:ed|ing)$/);
  });

  it('says of an answered request what was asked, in words', () => {
    expect(rowLabel({ ...base, kind: 'permission', ask: 'question', tool: 'AskUserQuestion', title: 'Rounding', outcome: 'answered', questions: [{ text: 'How to round?' }] } as unknown as PermissionRow, 'Claude')).toBe('Answered: How to round?');
    expect(rowLabel({ ...base, kind: 'permission', ask: 'plan', tool: 'ExitPlanMode', title: 'Plan', outcome: 'allowed', questions: [] } as unknown as PermissionRow, 'Claude')).toBe('Plan approved: Plan');
    expect(rowLabel({ ...base, kind: 'permission', ask: 'tool', tool: 'Bash', title: 'ls', outcome: 'allowed', questions: [] } as unknown as PermissionRow, 'Claude')).toBe('Allowed: Bash');
  });

  it('marks as failed what failed, and only that', () => {
    expect(toolLine(tool({ status: 'error' })).failed).toBe(true);
    expect(toolLine(tool({ exitCode: 2 })).failed).toBe(true);
    expect(toolLine(tool({ exitCode: 0 })).failed).toBe(false);
    expect(toolLine(tool({ status: 'cancelled' })).failed).toBe(false);
    expect(toolName('Bash')).toBe('Bash');
  });

  it('says outcomes, turns and usage shortly', () => {
    expect(outcomeLine({ ask: 'plan', outcome: 'denied' } as PermissionRow)).toBe('Plan sent back');
    expect(outcomeLine({ ask: 'tool', outcome: 'allowed-session' } as PermissionRow)).toBe('Allowed for the session');
    const figures = { inputTokens: 17_000, outputTokens: 1_200, cachedTokens: null, costUsd: 0.14, contextTokens: 76_000, contextWindow: 200_000 };
    expect(turnLine({ ...base, kind: 'turn', state: 'completed', durationMs: 72_000, figures, filesChanged: ['a', 'b', 'c'], error: null })).toEqual(['1 m 12 s', '3 files changed', '18.2k tokens', '$0.14']);
    expect(usageParts(figures)).toEqual({ context: 38, cost: '$0.14' });
    expect(usageParts(null)).toEqual({ context: null, cost: null });
  });
});
