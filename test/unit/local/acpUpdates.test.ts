import type { SessionUpdate } from '@agentclientprotocol/sdk';
import type { SessionUpdate as UnstableUpdate } from '@agentclientprotocol/sdk/unstable';
import { describe, expect, it } from 'vitest';
import type { Entry, EntryKind } from '../../../src/core/model/entry.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { waitingOf } from '../../../src/core/model/whole.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { SessionLog } from '../../../src/core/systems/local/acp/normalise.ts';

type Kind = UnstableUpdate['sessionUpdate'] | SessionUpdate['sessionUpdate'];
const text = (said: string): JsonObject => ({ type: 'text', text: said });

/** Every kind that the SDK's types have, stable or not (a missing one does not compile), an update of it, and what comes of it: nothing for what is a state or a picker. */
const kinds: Readonly<Record<Kind, readonly [JsonObject, EntryKind | null]>> = {
  user_message_chunk: [{ content: text('From elsewhere') }, 'prompt'],
  agent_message_chunk: [{ content: text('Hello') }, 'delta'],
  agent_thought_chunk: [{ content: text('Hm') }, 'delta'],
  tool_call: [{ toolCallId: 't', title: 'Look' }, 'tool'],
  tool_call_update: [{ toolCallId: 't', title: 'Look' }, 'tool'],
  plan: [{ entries: [{ content: 'One', priority: 'high', status: 'pending' }] }, 'todo'],
  plan_update: [{ plan: { type: 'items', planId: 'p', entries: [] } }, 'todo'],
  plan_removed: [{ planId: 'p' }, null],
  available_commands_update: [{ availableCommands: [] }, null],
  current_mode_update: [{ currentModeId: 'ask' }, null],
  config_option_update: [{ configOptions: [] }, null],
  session_info_update: [{ title: 'T' }, null],
  usage_update: [{ used: 1, size: 2 }, 'usage'],
  notice: [{ severity: 'info', title: 'Note' }, 'notice'],
  compaction_update: [{ compactionId: 'c', status: 'in_progress' }, 'notice'],
  compaction_summary_chunk: [{ compactionId: 'c', content: text('We spoke of tides.') }, 'delta'],
  subagent_update: [{ sessionId: 's', title: 'Helper' }, 'unknown'],
  session_message: [{ messageId: 'm', content: [text('Hi')] }, 'unknown'],
  session_message_chunk: [{ messageId: 'm', content: text('Hi') }, 'unknown'],
};

/** A turn under way, its entries, and how it looks now. */
class Talk {
  readonly entries: Entry[];
  readonly log = new SessionLog({ scope: 'run:test' });
  private now = 1000;

  constructor() {
    this.entries = this.log.beginTurn({ clientId: 'p1', text: 'go', attachments: [] }, 1000);
  }

  hear(sessionUpdate: string, update: JsonObject): readonly Entry[] {
    this.now += 1;
    const entries = this.log.update({ sessionUpdate, ...update }, this.now);
    this.entries.push(...entries);
    return entries;
  }

  end(): void {
    this.entries.push(...this.log.endTurn({ state: 'completed', error: null, figures: null, openTools: 'ok' }, this.now + 1));
  }

  rows<K extends Row['kind']>(kind: K): Extract<Row, { kind: K }>[] {
    return viewOf(this.entries).filter((row): row is Extract<Row, { kind: K }> => row.kind === kind);
  }
}

describe('every kind of update that the SDK has', () => {
  it.each(Object.entries(kinds))('%s', (kind, [update, wanted]) => {
    const talk = new Talk();
    const entries = talk.hear(kind, update);
    expect(entries.map((entry) => entry.kind)).toEqual(wanted === null ? [] : [wanted]);
  });

  it('and one that it has not is kept whole, all about the same thing in one row', () => {
    const talk = new Talk();
    talk.hear('session_message', { messageId: 'm', senderSessionId: 'a' });
    for (const said of ['one ', 'two ', 'three']) talk.hear('session_message_chunk', { messageId: 'm', content: text(said) });
    talk.hear('session_message_chunk', { messageId: 'n', content: text('other') });
    talk.hear('from_the_future', { anything: 1 });
    const rows = talk.rows('unknown');
    expect(rows.map((row) => row.source)).toEqual(['acp session_message', 'acp session_message_chunk', 'acp session_message_chunk', 'acp from_the_future']);
    expect(rows[1]?.raw).toHaveLength(3);
    expect(JSON.stringify(rows[1]?.raw)).toContain('three');
  });
});

describe('a tool call that is told piece by piece', () => {
  it('shows each piece of its input, its title and its diff at once', () => {
    const talk = new Talk();
    const shown = (): unknown => talk.rows('tool').map((row) => [row.title, row.input, row.diffs.map((diff) => diff.patch)])[0];
    talk.hear('tool_call', { toolCallId: 't', title: 'Edit', kind: 'edit', status: 'pending', rawInput: {}, content: [] });
    expect(shown()).toEqual(['Edit', {}, []]);
    talk.hear('tool_call_update', { toolCallId: 't', title: 'Edit a.txt', rawInput: { file_path: '/a.txt' } });
    expect(shown()).toEqual(['Edit a.txt', { file_path: '/a.txt' }, []]);
    talk.hear('tool_call_update', { toolCallId: 't', rawInput: { file_path: '/a.txt', old_string: 'two' } });
    expect(shown()).toEqual(['Edit a.txt', { file_path: '/a.txt', old_string: 'two' }, []]);
    talk.hear('tool_call_update', { toolCallId: 't', content: [{ type: 'diff', path: '/a.txt', oldText: 'two', newText: 'TWO' }] });
    expect(shown()).toEqual(['Edit a.txt', { file_path: '/a.txt', old_string: 'two' }, ['@@ -1,1 +1,1 @@\n-two\n\\ No newline at end of file\n+TWO\n\\ No newline at end of file']]);
    expect(talk.hear('tool_call_update', { toolCallId: 't' })).toEqual([]);
  });

  it('shows its content as it grows, also where the agent never says that it runs, and its result in the end', () => {
    const talk = new Talk();
    const output = (): string | undefined => talk.rows('tool')[0]?.output;
    const says = (said: string, rest: JsonObject = {}): readonly Entry[] => talk.hear('tool_call_update', { toolCallId: 't', content: [{ type: 'content', content: text(said) }], ...rest });
    talk.hear('tool_call', { toolCallId: 't', title: 'Count', kind: 'other', rawInput: { description: 'counts' } });
    says('counts');
    expect(output()).toBe('');
    says('one');
    expect(output()).toBe('one');
    expect(says('one two').map((entry) => (entry.kind === 'delta' ? entry.text : entry.kind))).toEqual([' two']);
    says('three', { status: 'in_progress' });
    expect(output()).toBe('three');
    says('three four', { status: 'completed' });
    expect(talk.rows('tool')[0]).toMatchObject({ output: 'three four', status: 'ok' });
  });

  it('content of a kind that nobody knows is one row, however often it is told anew', () => {
    const talk = new Talk();
    for (const count of [1, 2, 3]) talk.hear('tool_call_update', { toolCallId: 't', title: 'Map', content: [{ type: 'map', count }] });
    expect(talk.rows('unknown').map((row) => row.raw)).toEqual([{ type: 'map', count: 3 }]);
  });
});

describe('plans', () => {
  const entries = (...states: readonly string[]): JsonObject[] => states.map((status, index) => ({ content: `Step ${index + 1}`, priority: 'medium', status }));

  it('are one list that is told anew each time, and what is left of one that is taken back is cancelled', () => {
    const talk = new Talk();
    talk.hear('plan', { entries: entries('in_progress', 'pending') });
    talk.hear('plan', { entries: entries('completed', 'in_progress', 'pending') });
    expect(talk.rows('todo').map((row) => row.items.map((item) => item.status))).toEqual([['done', 'running', 'pending']]);
    talk.hear('plan_update', { plan: { type: 'items', planId: 'b', entries: entries('completed', 'pending') } });
    talk.end();
    talk.entries.push(...talk.log.beginTurn({ clientId: 'p2', text: 'on', attachments: [] }, 5000));
    talk.hear('plan_removed', { planId: 'b' });
    expect(talk.rows('todo').map((row) => row.items.map((item) => item.status))).toEqual([['done', 'running', 'pending'], ['done', 'cancelled']]);
  });

  it('may be a text or a file', () => {
    const talk = new Talk();
    talk.hear('plan_update', { plan: { type: 'markdown', planId: 'm', content: '# First' } });
    talk.hear('plan_update', { plan: { type: 'markdown', planId: 'm', content: '# Then' } });
    talk.hear('plan_update', { plan: { type: 'file', planId: 'f', uri: 'file:///code/PLAN.md' } });
    talk.hear('plan_update', { plan: { type: 'scroll', planId: 'x' } });
    expect(talk.rows('text').map((row) => row.text)).toEqual(['# Then']);
    expect(talk.rows('file').map((row) => row.file.path)).toEqual(['/code/PLAN.md']);
    expect(talk.rows('unknown')).toHaveLength(1);
  });
});

describe('a compaction', () => {
  it('is one notice that goes on, and its summary streams beside it', () => {
    const talk = new Talk();
    talk.hear('compaction_update', { compactionId: 'c', status: 'in_progress' });
    talk.hear('compaction_summary_chunk', { compactionId: 'c', content: text('We spoke ') });
    talk.hear('compaction_summary_chunk', { compactionId: 'c', content: text('of tides.') });
    expect(talk.rows('thinking').map((row) => [row.text, row.streaming])).toEqual([['We spoke of tides.', true]]);
    talk.hear('compaction_update', { compactionId: 'c', status: 'completed' });
    expect(talk.rows('notice').map((row) => row.text)).toEqual(['The conversation was compacted.']);
    expect(talk.rows('thinking').map((row) => [row.text, row.streaming])).toEqual([['We spoke of tides.', false]]);
  });

  it('that is never ended ends with the turn, and one whose summary is told whole has that', () => {
    const talk = new Talk();
    talk.hear('compaction_summary_chunk', { compactionId: 'c', content: text('Half') });
    talk.end();
    expect(talk.rows('thinking').map((row) => [row.text, row.streaming])).toEqual([['Half', false]]);
    talk.hear('compaction_update', { compactionId: 'c', status: 'completed', summary: [text('Whole')] });
    expect(talk.rows('thinking').map((row) => row.text)).toEqual(['Whole']);
  });
});

it('a subagent asks where the person sees it, though its calls are folded into its row', () => {
  const talk = new Talk();
  talk.hear('tool_call', { toolCallId: 'agent', title: 'Look' });
  const call: JsonObject = { toolCallId: 'inner', title: 'ls', kind: 'execute', _meta: { claudeCode: { parentToolUseId: 'agent' } } };
  talk.hear('tool_call', call);
  const { requestId, entries } = talk.log.asked({ toolCall: call, options: [] }, 2000);
  talk.entries.push(...entries);
  expect(talk.rows('permission').map((row) => row.outcome)).toEqual([null]);
  talk.entries.push(...talk.log.answered(requestId, { outcome: 'allowed', by: 'person', reason: null, answers: {} }, 3000));
  expect(talk.rows('permission').map((row) => row.outcome)).toEqual(['allowed']);
  expect(talk.rows('tool')[0]?.children.map((child) => child.kind)).toEqual(['tool']);
});

it('a command is one of this computer only where the agent says that its tool executes', () => {
  const asked = (call: JsonObject) => {
    const entry = new Talk().log.asked({ toolCall: { toolCallId: 'c', title: 'exec', rawInput: { command: 'git status' }, ...call }, options: [] }, 1).entries.find((each) => each.kind === 'permission');
    return entry === undefined ? null : [entry.command, waitingOf(entry, '/', 1).whole];
  };
  expect(asked({ kind: 'execute' })).toEqual(['git status', 'git status']);
  expect(asked({ kind: 'other', name: 'mcp__prod__exec' })).toEqual([null, 'mcp__prod__exec git status']);
  expect(asked({ title: 'exec on the server' })).toEqual([null, undefined]);
});
