import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { clockLagOf, normaliseMessage, plainContext, refOfRow, SessionNormaliser, unreadableOfRow } from '../../../src/core/systems/happy/normalise/index.ts';

const start = 1_800_000_000_000;
let last = 0;
function message(content: JsonValue | undefined, more: Partial<MessageInput> = {}): MessageInput {
  last += 1;
  return { id: `m${last}`, seq: last, localId: null, createdAt: start + last * 100, content, ...more };
}
const prompt = (text: string, meta: JsonObject = {}, localId: string | null = null): MessageInput => message({ role: 'user', content: { type: 'text', text }, meta }, { localId });
const envelope = (ev: JsonObject, more: JsonObject = {}, role = 'agent'): MessageInput => {
  const at = start + (last + 1) * 100 - 10;
  return message({ role: 'session', content: { id: `e${last}`, time: at, role, ev, ...more }, meta: { sentFrom: 'cli' } });
};
const call = (id: string, name: string, args: JsonObject, turn = 't1'): MessageInput => envelope({ t: 'tool-call-start', call: id, name, title: `${name} call`, description: '', args }, { turn });
const entriesOf = (...messages: readonly MessageInput[]): Entry[] => new SessionNormaliser(plainContext).messages(messages);
const rows = (...messages: readonly MessageInput[]): Row[] => viewOf(entriesOf(...messages));
const kinds = (list: readonly Row[]): readonly string[] => list.map((row) => row.kind);
const toolRows = (list: readonly Row[]): readonly Extract<Row, { kind: 'tool' }>[] => list.filter((row) => row.kind === 'tool');

describe('prompts', () => {
  it('of ours carry the id that we gave them, those of others do not', () => {
    const [ours, others] = rows(prompt('a', { sentFrom: 'pilothouse' }, 'client-1'), prompt('b', { sentFrom: 'ios' }, 'client-2'));
    expect(ours).toMatchObject({ kind: 'prompt', text: 'a', clientId: 'client-1' });
    expect(others).toMatchObject({ kind: 'prompt', text: 'b', clientId: null });
  });

  it('show displayText in place of what the agent was sent', () => {
    expect(rows(prompt('long instructions', { displayText: 'Review' }))).toMatchObject([{ text: 'Review' }]);
  });

  it('that waited and came back joined show once, with prompts of another mode between them', () => {
    const shown = rows(prompt('one'), prompt('other', { model: 'haiku' }), prompt('two\nlines'), envelope({ t: 'text', text: 'one\ntwo\nlines' }, {}, 'user'));
    expect(shown.map((row) => row.kind === 'prompt' && row.text)).toEqual(['one', 'other', 'two\nlines']);
  });

  it('typed in the terminal stay, in any number of lines', () => {
    const shown = rows(prompt('one'), envelope({ t: 'text', text: 'one\nthree' }, {}, 'user'), envelope({ t: 'text', text: 'one' }, {}, 'user'), prompt('three'));
    expect(shown.map((row) => row.kind === 'prompt' && row.text)).toEqual(['one', 'one\nthree', 'one', 'three']);
  });

  it('that a client sent in two lines are no echo of themselves', () => {
    expect(rows(prompt('a\nb'), envelope({ t: 'text', text: 'a\nb' }, {}, 'user'))).toHaveLength(2);
  });
});

describe('what could not be decrypted', () => {
  it('is a row that names its message, and goes when a key arrives', () => {
    const log = new SessionNormaliser(plainContext);
    const sealed = message(undefined);
    const before = log.messages([sealed]);
    expect(viewOf(before)).toMatchObject([{ kind: 'notice', code: 'cannot_decrypt' }]);
    expect(unreadableOfRow(viewOf(before)[0]?.key ?? '')).toBe(sealed.id);
    expect(log.unreadable).toEqual([sealed.id]);
    const after = log.messages([{ ...sealed, content: { role: 'user', content: { type: 'text', text: 'hello' } } }]);
    expect(viewOf([...after, ...before])).toMatchObject([{ kind: 'prompt', text: 'hello' }]);
    expect(log.unreadable).toEqual([]);
  });

  it('goes as well when another run of the program had shown it', () => {
    const sealed = message(null);
    const before = normaliseMessage(sealed, plainContext);
    const after = normaliseMessage({ ...sealed, content: { role: 'user', content: { type: 'text', text: 'hello' } }, retried: true }, plainContext);
    expect(kinds(viewOf([...before, ...after]))).toEqual(['prompt']);
  });
});

describe('order', () => {
  it('is by envelope time where the outbox sent the newest first', () => {
    const landed = start + 900_000;
    const late = (text: string, time: number, seq: number): MessageInput => ({
      id: `late${seq}`, seq, localId: null, createdAt: landed + seq, content: { role: 'session', content: { id: `late${seq}`, time, role: 'agent', turn: 't', ev: { t: 'text', text } } },
    });
    expect(rows(late('third', start + 30, 1), late('fourth', start + 40, 2), late('first', start + 10, 3), late('second', start + 20, 4)).map((row) => row.kind === 'text' && row.text)).toEqual(['first', 'second', 'third', 'fourth']);
  });

  it('holds prompts before their answers when the machine\'s clock is wrong', () => {
    const lag = 120_000;
    const asked = (seq: number): MessageInput => ({ id: `p${seq}`, seq, localId: null, createdAt: start + seq * 1000, content: { role: 'user', content: { type: 'text', text: `${seq}` } } });
    const answered = (seq: number): MessageInput => ({
      id: `a${seq}`, seq, localId: null, createdAt: start + seq * 1000, content: { role: 'session', content: { id: `a${seq}`, time: start + seq * 1000 - 40 - lag, role: 'agent', turn: 't', ev: { t: 'text', text: `${seq}` } } },
    });
    const messages = [asked(1), answered(2), asked(3), answered(4)];
    expect(clockLagOf(messages)).toBe(lag + 40);
    const log = new SessionNormaliser({ ...plainContext, clockLagMs: clockLagOf(messages) });
    expect(kinds(viewOf(log.messages(messages)))).toEqual(['prompt', 'text', 'prompt', 'text']);
    // A clock that is ahead changes nothing: nothing was made after it arrived.
    const ahead = messages.map((one) => (one.id.startsWith('a') ? { ...one, createdAt: one.createdAt - lag - 100 } : { ...one, createdAt: one.createdAt - lag - 100 }));
    expect(kinds(rows(...ahead))).toEqual(['prompt', 'text', 'prompt', 'text']);
  });
});

describe('tools', () => {
  it('have verb, title, command and diffs from their arguments, and a state without output', () => {
    const log = new SessionNormaliser({ ...plainContext, folder: '/home/dev/p' });
    const shown = toolRows(viewOf(log.messages([
      call('c1', 'Bash', { command: 'npm test\necho', description: 'Test' }), call('c2', 'Edit', { file_path: '/home/dev/p/src/a.ts', old_string: 'one', new_string: 'two\nthree' }),
      call('c3', 'MultiEdit', { file_path: '/home/dev/p/b.ts', edits: [{ old_string: 'a', new_string: 'b' }, { old_string: 'c', new_string: 'd' }] }),
      call('c4', 'CodexBash', { command: ['/bin/bash', '-lc', 'git status'], cwd: '/w' }),
      call('c5', 'CodexPatch', { changes: { '/w/x.ts': { add: { content: 'x\n' } }, '/w/y.ts': { type: 'update', unified_diff: '@@ -1 +1 @@\n-a\n+b\n', move_path: '/w/z.ts' }, '/w/d.ts': { kind: { type: 'delete' }, diff: 'gone\n' } } }),
      call('c6', 'Read', { file_path: '/etc/hosts', offset: 7 }), envelope({ t: 'tool-call-end', call: 'c1' }, { turn: 't1' }),
    ])));
    expect(shown.map((row) => [row.verb, row.title, row.command, row.status])).toEqual([
      ['execute', 'npm test', 'npm test\necho', 'ok'], ['edit', 'src/a.ts', null, 'running'], ['edit', 'b.ts', null, 'running'], ['execute', 'git status', 'git status', 'running'],
      ['edit', '/w/x.ts and 2 more', null, 'running'], ['read', '/etc/hosts', null, 'running'],
    ]);
    expect(shown[0]).toMatchObject({ output: '', exitCode: null });
    expect(shown[1]?.diffs).toMatchObject([{ change: 'modify', patch: '@@ -1,1 +1,2 @@\n-one\n+two\n+three', added: 2, removed: 1 }]);
    expect(shown[2]?.diffs).toHaveLength(2);
    expect(shown[3]?.cwd).toBe('/w');
    expect(shown[4]?.diffs.map((diff) => [diff.path, diff.change, diff.oldPath, diff.added, diff.removed])).toEqual([['/w/x.ts', 'create', null, 1, 0], ['/w/z.ts', 'rename', '/w/y.ts', 1, 1], ['/w/d.ts', 'delete', null, 0, 1]]);
    expect(shown[5]?.locations).toEqual([{ path: '/etc/hosts', line: 7 }]);
  });

  it('that were never told to end are over with their turn; what runs when it is broken off is cancelled', () => {
    const end = (status: string, turn: string): MessageInput => envelope({ t: 'turn-end', status }, { turn });
    const shown = toolRows(rows(call('o1', 'Bash', { command: 'a' }, 'A'), end('completed', 'A'), call('o2', 'Bash', { command: 'b' }, 'B'), envelope({ t: 'tool-call-end', call: 'o2' }, { turn: 'B' }), call('o3', 'Bash', { command: 'c' }, 'B'), end('cancelled', 'B'), envelope({ t: 'tool-call-end', call: 'o3' }, { turn: 'left' })));
    expect(shown.map((row) => row.status)).toEqual(['ok', 'ok', 'cancelled']);
  });

  it('of a subagent are within its row, children first or not, for Claude and for Codex', () => {
    const inner = (subagent: string): readonly MessageInput[] => [envelope({ t: 'start', title: 'Look around' }, { turn: 't1', subagent }), envelope({ t: 'text', text: 'within' }, { turn: 't1', subagent })];
    const claude = [call('toolu_01Lab0000941osum83u', 'Agent', { description: 'Look around', prompt: 'x', sessionSubagent: 'c513ae7961ec621be18b7277' }), ...inner('c513ae7961ec621be18b7277'), envelope({ t: 'tool-call-end', call: 'toolu_01Lab0000941osum83u' }, { turn: 't1' })];
    for (const order of [claude, [...claude].reverse()]) {
      const shown = rows(...order);
      expect(shown).toMatchObject([{ kind: 'tool', name: 'Agent', title: 'Look around', status: 'ok', children: [{ kind: 'text', text: 'within' }] }]);
    }
    const codex = [call('call_1', 'CodexSubagent', { tool: 'spawnAgent', prompt: 'Look', sessionSubagent: 'cabc' }), ...inner('cabc')];
    expect(rows(...[...codex].reverse())).toMatchObject([{ kind: 'tool', name: 'CodexSubagent', children: [{ kind: 'tool', title: 'Look around', children: [{ kind: 'text', text: 'within' }] }] }]);
    // Claude's Task tells of no call at all.
    expect(rows(...inner('cdef'))).toMatchObject([{ kind: 'tool', title: 'Look around', children: [{ kind: 'text' }] }]);
  });
});

describe('turns', () => {
  it('last from their prompt to their end and tell the files that they changed, but those that were refused', () => {
    const log = new SessionNormaliser(plainContext);
    const asked = prompt('go');
    const messages = [asked, envelope({ t: 'turn-start' }, { turn: 'T' }), call('w1', 'Write', { file_path: '/w/a', content: 'a' }, 'T'), call('w2', 'Write', { file_path: '/w/b', content: 'b' }, 'T'), envelope({ t: 'turn-end', status: 'completed' }, { turn: 'T' })];
    const refused = { requests: {}, completedRequests: { w2: { tool: 'Write', arguments: { file_path: '/w/b', content: 'b' }, createdAt: asked.createdAt + 250, completedAt: asked.createdAt + 260, status: 'denied', reason: 'no' } } };
    const shown = viewOf([...log.agentState(refused, 1), ...log.messages(messages)]);
    expect(shown.find((row) => row.kind === 'turn')).toMatchObject({ state: 'completed', durationMs: 390, filesChanged: ['/w/a'] });
    expect(toolRows(shown).map((row) => row.status)).toEqual(['ok', 'denied']);
    expect(shown.find((row) => row.kind === 'permission')).toMatchObject({ outcome: 'denied', answerReason: 'no' });
  });

  it('without an end, with an end alone and with text after the end are all shown', () => {
    expect(kinds(rows(envelope({ t: 'text', text: 'a' }, { turn: 'x' })))).toEqual(['text']);
    expect(kinds(rows(envelope({ t: 'turn-end', status: 'failed' }, { turn: 'x' })))).toEqual(['turn']);
    expect(kinds(rows(envelope({ t: 'turn-end', status: 'completed' }, { turn: 'x' }), envelope({ t: 'text', text: 'b' }, { turn: 'y' })))).toEqual(['text', 'turn']);
  });

  it('are a hint with the agent\'s own error', () => {
    const log = new SessionNormaliser(plainContext);
    log.messages([envelope({ t: 'turn-start' }, { turn: 'x' }), message({ role: 'agent', content: { id: 'i', type: 'event', data: { type: 'message', message: 'Codex error: no route\nmore' } } }), envelope({ t: 'turn-end', status: 'failed' }, { turn: 'x' })]);
    expect(log.turnHint()).toMatchObject({ turn: 'x', state: 'failed', error: 'Codex error: no route' });
  });
});

describe('what Happy\'s own app loses', () => {
  it('an unknown block costs its message nothing', () => {
    const shown = rows(message({ role: 'agent', content: { type: 'output', data: { type: 'assistant', message: { role: 'assistant', content: [{ type: 'text', text: 'Hi' }, { type: 'hologram', x: 1 }] } } } }));
    expect(kinds(shown)).toEqual(['text', 'unknown']);
    expect(shown[1]).toMatchObject({ raw: { type: 'hologram', x: 1 } });
  });

  it('a result with an image is a result', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    expect(rows(message({ role: 'agent', content: { type: 'output', data: { type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: [image] }] } } } }))).toMatchObject([{ kind: 'tool', status: 'ok', attachments: [{ mediaType: 'image/png', data: 'AAAA' }] }]);
  });

  it('any provider, agent text without a turn, subagents of any name and unknown events are rows', () => {
    expect(rows(message({ role: 'agent', content: { type: 'acp', provider: 'openclaw', data: { type: 'message', message: 'hello' } } }))).toMatchObject([{ kind: 'text', text: 'hello' }]);
    expect(rows(envelope({ t: 'text', text: 'no turn' }))).toMatchObject([{ kind: 'text', text: 'no turn' }]);
    expect(rows(envelope({ t: 'text', text: 'lost child' }, { turn: 't', subagent: 'Not A Cuid' }))).toMatchObject([{ kind: 'text', text: 'lost child' }]);
    expect(rows(envelope({ t: 'beam' }, { turn: 't' }))).toMatchObject([{ kind: 'unknown', raw: { ev: { t: 'beam' } } }]);
    expect(rows(message({ role: 'agent', content: { type: 'acp', provider: 'x', data: { type: 'plan', steps: [] } } }))).toMatchObject([{ kind: 'unknown' }]);
  });

  it('notifications keep the text that follows them, and give the subagent\'s row its result', () => {
    const text = '<task-notification><tool-use-id>toolu_1</tool-use-id><status>failed</status><summary>It broke</summary><result>why</result></task-notification>\nAnd now?';
    const shown = rows(call('toolu_1', 'Agent', { description: 'Look' }), envelope({ t: 'text', text }, {}, 'user'));
    expect(shown).toMatchObject([{ kind: 'tool', status: 'error', output: 'why' }, { kind: 'notice', level: 'warning', text: 'It broke' }, { kind: 'prompt', text: 'And now?' }]);
  });

  it('files keep the reference of their blob in the key of their row', () => {
    const [row] = rows(message({ role: 'session', content: { type: 'session', data: { id: 'f', time: start, role: 'user', ev: { t: 'file', ref: 'sessions/a/b.enc', name: 'dot.png', size: 70, mimeType: 'image/png' } } } }));
    expect(row).toMatchObject({ kind: 'file', file: { name: 'dot.png', mediaType: 'image/png', size: 70 } });
    expect(refOfRow(row?.key ?? '')).toBe('sessions/a/b.enc');
  });

  it('usage tells what the conversation takes up, the newest one', () => {
    const usage = (tokens: number): JsonObject => ({ input_tokens: tokens, cache_read_input_tokens: 100, cache_creation_input_tokens: 10, output_tokens: 1, context_window: 200_000 });
    const entries = entriesOf(envelope({ t: 'service', text: '' }, { usage: usage(1) }), envelope({ t: 'text', text: '', thinking: true }, { turn: 't', usage: usage(5) }));
    const newest = entries.filter((entry) => entry.kind === 'usage').reduce((a, b) => (b.rev > a.rev ? b : a));
    expect(newest).toMatchObject({ id: 'usage:session', row: null, figures: { contextTokens: 115, contextWindow: 200_000 } });
    expect(viewOf(entries)).toEqual([]);
  });
});

describe('the end of a turn', () => {
  const start1 = (turn: string): MessageInput => envelope({ t: 'turn-start' }, { turn });
  const said = (text: string, turn: string): MessageInput => envelope({ t: 'text', text }, { turn });
  const end = (turn: string): MessageInput => envelope({ t: 'turn-end', status: 'completed' }, { turn });
  const shown = (messages: readonly MessageInput[]): unknown[] => rows(...messages).map((row) => (row.kind === 'turn' ? row.turn : row.kind === 'text' || row.kind === 'prompt' ? row.text : row.kind));
  const late = (build: () => readonly MessageInput[], expected: readonly unknown[]): void => {
    const messages = build();
    expect(shown(messages)).toEqual(expected);
    expect(shown(messages.toReversed())).toEqual(expected);
    const log = new SessionNormaliser(plainContext);
    expect(viewOf(messages.flatMap((one) => log.messages([one]))).map((row) => row.kind)).toEqual(rows(...messages).map((row) => row.kind));
  };

  it('stands after the text that came behind it, in its own turn or in another, and before the next prompt', () => {
    late(() => [prompt('a'), start1('t'), said('one', 't'), end('t'), said('two', 't'), prompt('b'), said('three', 't')], ['a', 'one', 'two', 't', 'b', 'three']);
    late(() => [prompt('a'), start1('t'), said('one', 't'), end('t'), start1('u'), said('two', 'u'), end('u'), prompt('b')], ['a', 'one', 'two', 't', 'u', 'b']);
  });

  it('stays before what another turn answers to a prompt that waited', () => {
    late(() => [prompt('a'), start1('t'), said('one', 't'), prompt('b'), end('t'), start1('u'), said('two', 'u'), end('u')], ['a', 'one', 'b', 't', 'two', 'u']);
  });
});
