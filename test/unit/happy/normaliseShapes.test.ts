import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { plainContext, SessionNormaliser } from '../../../src/core/systems/happy/normalise/index.ts';

const start = 1_800_000_000_000;
const message = (content: JsonValue, seq: number): MessageInput => ({ id: `m${seq}`, seq, localId: null, createdAt: start + seq * 100, content });
const entriesOf = (contents: readonly JsonValue[]): Entry[] => new SessionNormaliser(plainContext).messages(contents.map((content, index) => message(content, index + 1)));
const rows = (...contents: readonly JsonValue[]): Row[] => viewOf(entriesOf(contents));
const agent = (type: string, data: JsonObject, more: JsonObject = {}): JsonObject => ({ role: 'agent', content: { type, data, ...more } });
const output = (data: JsonObject): JsonObject => agent('output', data);
const assistant = (blocks: JsonValue, more: JsonObject = {}): JsonObject => output({ type: 'assistant', uuid: 'u', message: { role: 'assistant', content: blocks, ...more } });
const said = (content: JsonValue, more: JsonObject = {}): JsonObject => output({ type: 'user', uuid: 'u', message: { role: 'user', content }, ...more });
const acp = (data: JsonObject, provider = 'opencode'): JsonObject => agent('acp', data, { provider });
const codex = (data: JsonObject): JsonObject => agent('codex', data);
const envelope = (ev: JsonObject, more: JsonObject = {}): JsonObject => ({ role: 'session', content: { id: `e-${JSON.stringify(ev)}`, time: start + 50, role: 'agent', turn: 't', ev, ...more } });

/** One case for every row of the table in happy.md B3. */
describe('B3: every message shape', () => {
  it('role user, content text, and meta.displayText', () => {
    expect(rows({ role: 'user', content: { type: 'text', text: 'Hello' } }, { role: 'user', content: { type: 'text', text: 'long' }, meta: { displayText: 'short' } })).toMatchObject([{ kind: 'prompt', text: 'Hello' }, { kind: 'prompt', text: 'short' }]);
  });

  it('agent/output assistant: text, thinking, tool_use, usage, sidechain', () => {
    const usage = { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 1 };
    const contents = [
      assistant([{ type: 'thinking', thinking: 'Hm' }, { type: 'text', text: 'Hi' }, { type: 'tool_use', id: 'c', name: 'Bash', input: { command: 'ls' } }], { usage }),
      output({ type: 'assistant', uuid: 'v', isSidechain: true, parent_tool_use_id: 'c', message: { role: 'assistant', content: [{ type: 'text', text: 'inner' }] } }),
    ];
    expect(rows(...contents)).toMatchObject([{ kind: 'thinking', text: 'Hm' }, { kind: 'text', text: 'Hi' }, { kind: 'tool', command: 'ls', children: [{ kind: 'text', text: 'inner' }] }]);
    expect(entriesOf(contents).find((entry) => entry.kind === 'usage')).toMatchObject({ figures: { contextTokens: 12 } });
    // Happy's app drops one without a uuid.
    expect(rows(output({ type: 'assistant', message: { role: 'assistant', content: [{ type: 'text', text: 'no uuid' }] } }))).toMatchObject([{ kind: 'text', text: 'no uuid' }]);
  });

  it('agent/output user: a text, the root of a sidechain, results with toolUseResult and permissions', () => {
    expect(rows(said('typed in the terminal'))).toMatchObject([{ kind: 'prompt', text: 'typed in the terminal' }]);
    expect(rows(said('look around', { isSidechain: true }))).toMatchObject([{ kind: 'text', text: 'look around' }]);
    const result = (more: JsonObject, whole: JsonObject = {}): Row[] => rows(said([{ type: 'tool_result', tool_use_id: 'c', ...more }], whole));
    expect(result({ content: 'out' })).toMatchObject([{ kind: 'tool', output: 'out', status: 'ok' }]);
    expect(result({ content: '' }, { toolUseResult: { stdout: 'one', stderr: 'two' } })).toMatchObject([{ output: 'one\ntwo' }]);
    expect(result({ content: 'no', permissions: { date: 1, result: 'denied', decision: 'denied' } })).toMatchObject([{ status: 'denied' }]);
    expect(result({ content: 'bad', is_error: true })).toMatchObject([{ status: 'error' }]);
  });

  it('agent/output result; system, summary, isMeta and isCompactSummary are the agent\'s own and show nothing', () => {
    expect(rows(output({ type: 'result', result: 'Done.' }), output({ type: 'result', result: '' }))).toMatchObject([{ kind: 'text', text: 'Done.' }]);
    expect(rows(output({ type: 'system', subtype: 'init' }), output({ type: 'summary', summary: 'S', leafUuid: 'x' }), said('meta', { isMeta: true }), said('compact', { isCompactSummary: true }))).toEqual([]);
  });

  it('hyphen forms tool-call and tool-call-result', () => {
    expect(rows(assistant([{ type: 'tool-call', callId: 'c', name: 'Bash', input: { command: 'ls' } }]), said([{ type: 'tool-call-result', callId: 'c', output: 'out' }]))).toMatchObject([{ kind: 'tool', command: 'ls', output: 'out', status: 'ok' }]);
  });

  it('agent/codex: message, reasoning, tool-call, tool-call-result', () => {
    expect(rows(
      codex({ type: 'reasoning', message: 'Hm', id: '1' }), codex({ type: 'message', message: 'Hi', id: '2' }), codex({ type: 'tool-call', callId: 'c', name: 'CodexBash', input: { command: ['ls'] }, id: '3' }),
      codex({ type: 'tool-call-result', callId: 'c', output: { content: 'out', exit_code: 2 }, id: '4' }),
    )).toMatchObject([{ kind: 'thinking', text: 'Hm' }, { kind: 'text', text: 'Hi' }, { kind: 'tool', command: 'ls', output: 'out', exitCode: 2, status: 'error' }]);
  });

  it.each(['gemini', 'codex', 'claude', 'opencode', 'openclaw'])('agent/acp of %s: what is said, thought and called', (provider) => {
    expect(rows(
      acp({ type: 'thinking', text: 'Hm' }, provider), acp({ type: 'reasoning', message: 'Why', id: '1' }, provider), acp({ type: 'message', message: 'Hi', id: '2' }, provider),
      acp({ type: 'tool-call', callId: 'c', name: 'read', input: { locations: [{ path: '/a' }] }, id: '3' }, provider), acp({ type: 'tool-result', callId: 'c', output: 'out', isError: true, id: '4' }, provider),
      acp({ type: 'tool-call-result', callId: 'd', output: 'late', id: '5' }, provider),
    )).toMatchObject([{ kind: 'thinking', text: 'Hm' }, { kind: 'thinking', text: 'Why' }, { kind: 'text', text: 'Hi' }, { kind: 'tool', title: '/a', output: 'out', status: 'error' }, { kind: 'tool', output: 'late' }]);
  });

  it('agent/acp: file-edit, terminal-output, permission-request', () => {
    expect(rows(acp({ type: 'file-edit', filePath: '/a', oldContent: 'x\n', newContent: 'y\n', description: 'Edit', id: 'f' }))).toMatchObject([{ kind: 'tool', name: 'file-edit', diffs: [{ path: '/a', added: 1, removed: 1 }] }]);
    expect(rows(acp({ type: 'tool-call', callId: 'c', name: 'execute', input: {} }), acp({ type: 'terminal-output', data: 'out', callId: 'c' }))).toMatchObject([{ kind: 'tool', output: 'out' }]);
    expect(rows(acp({ type: 'permission-request', permissionId: 'p', toolName: 'execute', description: 'Run it', options: {} }))).toMatchObject([{ kind: 'tool', name: 'execute', title: 'Run it', status: 'running' }]);
  });

  it('agent/acp: task_started, task_complete, turn_aborted and token_count tell of turns and figures', () => {
    const contents = [acp({ type: 'task_started', id: 'a' }), acp({ type: 'message', message: 'Hi', id: 'm' }), acp({ type: 'token_count', id: 'n', info: { last_token_usage: { total_tokens: 40 }, model_context_window: 100 } }), acp({ type: 'task_complete', id: 'b' })];
    expect(rows(...contents)).toMatchObject([{ kind: 'text' }, { kind: 'turn', state: 'completed', durationMs: 300 }]);
    expect(entriesOf(contents).find((entry) => entry.kind === 'usage' && entry.scope === 'session')).toMatchObject({ figures: { contextTokens: 40, contextWindow: 100 } });
    expect(rows(acp({ type: 'task_started', id: 'a' }), acp({ type: 'turn_aborted', id: 'b' }), acp({ type: 'task_complete', id: 'c' }))).toMatchObject([{ kind: 'turn', state: 'cancelled' }]);
  });

  it('agent/event: switch, message, limit-reached, ready', () => {
    const event = (data: JsonObject): JsonObject => agent('event', data);
    expect(rows(event({ type: 'switch', mode: 'local' }), event({ type: 'switch', mode: 'remote' }), event({ type: 'message', message: 'Aborted by user' }), event({ type: 'limit-reached', endsAt: 1_800_000_000 }), event({ type: 'ready' })).map((row) => row.kind === 'notice' && [row.code, row.level])).toEqual([
      ['switched_local', 'info'], ['switched_remote', 'info'], ['interrupted', 'info'], ['usage_limit', 'warning'],
    ]);
  });

  it('session envelopes, bare and wrapped as agent/session: text, thinking, service, calls, file, start, stop, turns', () => {
    const evs: JsonObject[] = [
      { t: 'turn-start' }, { t: 'text', text: 'Hm', thinking: true }, { t: 'text', text: 'Hi' }, { t: 'service', text: 'By the way' }, { t: 'tool-call-start', call: 'c', name: 'Bash', title: '', description: '', args: { command: 'ls' } },
      { t: 'tool-call-end', call: 'c' }, { t: 'file', ref: 'r', name: 'a.png', size: 3, image: { width: 1, height: 1 } }, { t: 'turn-end', status: 'failed' },
    ];
    const expected = [{ kind: 'thinking', text: 'Hm' }, { kind: 'text', text: 'Hi' }, { kind: 'text', text: 'By the way' }, { kind: 'tool', command: 'ls', status: 'ok' }, { kind: 'file', file: { name: 'a.png' } }, { kind: 'turn', state: 'failed' }];
    expect(rows(...evs.map((ev) => envelope(ev)))).toMatchObject(expected);
    expect(rows(...evs.map((ev) => ({ role: 'agent', content: { type: 'session', data: envelope(ev)['content'] ?? null } })))).toMatchObject(expected);
    expect(rows(envelope({ t: 'start', title: 'Look' }, { subagent: 'c1' }), envelope({ t: 'text', text: 'inner' }, { subagent: 'c1' }), envelope({ t: 'stop' }, { subagent: 'c1' }))).toMatchObject([{ kind: 'tool', title: 'Look', status: 'ok', children: [{ kind: 'text', text: 'inner' }] }]);
  });

  it('inline conversions: the usage limit as a text, change_title, EnterPlanMode', () => {
    expect(rows(envelope({ t: 'text', text: 'Claude AI usage limit reached|1800000000' }))).toMatchObject([{ kind: 'notice', code: 'usage_limit' }]);
    expect(rows(assistant([{ type: 'text', text: 'I name it.' }, { type: 'tool_use', id: 'c', name: 'mcp__happy__change_title', input: { title: 'Tides' } }]))).toMatchObject([{ kind: 'text', text: 'I name it.' }, { kind: 'tool', title: 'happy: change_title (Tides)' }]);
    expect(rows(assistant([{ type: 'tool_use', id: 'c', name: 'EnterPlanMode', input: {} }]))).toMatchObject([{ kind: 'tool', title: 'Plan mode', verb: 'think' }]);
  });
});

/** One case for every loss of B3 that Happy's own app was seen to have. */
describe('B3: losses that are not copied', () => {
  it('an unknown block drops no text; a server tool is a call', () => {
    expect(rows(assistant([{ type: 'text', text: 'Hi' }, { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'tides' } }, { type: 'hologram' }]))).toMatchObject([{ kind: 'text' }, { kind: 'tool', title: 'tides' }, { kind: 'unknown' }]);
  });

  it('a result with an image ends its call', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    expect(rows(assistant([{ type: 'tool_use', id: 'c', name: 'Read', input: {} }]), said([{ type: 'tool_result', tool_use_id: 'c', content: [image] }]))).toMatchObject([{ kind: 'tool', status: 'ok', attachments: [{ mediaType: 'image/png' }] }]);
  });

  it('an unknown provider and an unknown type are rows', () => {
    expect(rows(acp({ type: 'message', message: 'Hi' }, 'somebody'), acp({ type: 'plan', steps: [] }))).toMatchObject([{ kind: 'text', text: 'Hi' }, { kind: 'unknown', raw: { data: { type: 'plan' } } }]);
  });

  it('a subagent of any name, agent text without a turn, and an unknown ev are rows', () => {
    expect(rows(envelope({ t: 'text', text: 'inner' }, { subagent: 'Not A Cuid' }))).toMatchObject([{ text: 'inner' }]);
    const { turn: _turn, ...bare } = envelope({ t: 'text', text: 'no turn' })['content'] as JsonObject;
    expect(rows({ role: 'session', content: bare })).toMatchObject([{ kind: 'text', text: 'no turn' }]);
    expect(rows(envelope({ t: 'hologram', beams: 3 }))).toMatchObject([{ kind: 'unknown', raw: { ev: { t: 'hologram', beams: 3 } } }]);
  });

  it.each(['failed', 'cancelled'])('a turn that %s says so', (status) => {
    expect(rows(envelope({ t: 'turn-end', status }))).toMatchObject([{ kind: 'turn', state: status }]);
  });

  it('a change of the title hides no text beside it', () => {
    expect(rows(assistant([{ type: 'tool_use', id: 'c', name: 'mcp__happy__change_title', input: { title: 'T' } }, { type: 'text', text: 'Beside it.' }])).map((row) => row.kind)).toEqual(['tool', 'text']);
  });

  it('a message of no known role, and one without content, are rows that keep their JSON', () => {
    expect(rows({ role: 'oracle', content: { type: 'x' } }, { some: 'thing' })).toMatchObject([{ kind: 'unknown', raw: { role: 'oracle' } }, { kind: 'unknown', raw: { some: 'thing' } }]);
  });
});
