import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { answerCall, openAsks, plainContext, SessionNormaliser } from '../../../src/core/systems/happy/normalise/index.ts';

const claude = { ...plainContext, agent: 'claude' };
const codex = { ...plainContext, agent: 'codex' };
const start = 1_800_000_000_000;
const bash: JsonObject = { tool: 'Bash', arguments: { command: 'rm -f x' }, createdAt: start + 50 };
const message = (seq: number, ev: JsonObject) => ({ id: `m${seq}`, seq, localId: null, createdAt: start + seq * 10, content: { role: 'session', content: { id: `e${seq}`, time: start + seq * 10, role: 'agent', turn: 't', ev } } as JsonValue });
const call = (seq: number, id: string, name: string, args: JsonObject) => message(seq, { t: 'tool-call-start', call: id, name, title: '', description: '', args });
const permissions = (rows: readonly Row[]): readonly Extract<Row, { kind: 'permission' }>[] => rows.filter((row) => row.kind === 'permission');
function states(context: typeof plainContext, ...list: readonly JsonValue[]): readonly Extract<Row, { kind: 'permission' }>[] {
  const log = new SessionNormaliser(context);
  const entries: Entry[] = log.messages([message(1, { t: 'text', text: 'x' })]);
  list.forEach((state, version) => entries.push(...log.agentState(state, version)));
  return permissions(viewOf(entries));
}
function askIn(state: JsonValue) {
  const [ask] = openAsks(state);
  if (ask === undefined) throw new Error('the state has no open request');
  return ask;
}

describe('requests', () => {
  it('wait, with every decision that their agent knows', () => {
    const [ours] = states(claude, { requests: { r: bash } });
    expect(ours).toMatchObject({ requestId: 'r', ask: 'tool', tool: 'Bash', title: 'rm -f x', command: 'rm -f x', outcome: null, takesReason: true });
    expect(ours?.options.map((option) => [option.id, option.scope])).toEqual([['approved', 'once'], ['tools:Bash(rm -f x)', 'session'], ['denied', 'reject']]);
    const [edit] = states(claude, { requests: { r: { tool: 'Edit', arguments: { file_path: '/a', old_string: 'x', new_string: 'y' }, createdAt: start } } });
    expect(edit?.options.map((option) => option.id)).toEqual(['approved', 'mode:acceptEdits', 'denied']);
    expect(edit?.diffs).toMatchObject([{ path: '/a', added: 1, removed: 1 }]);
    const [other] = states(codex, { requests: { 'thread:1': { tool: 'CodexBash', arguments: { command: ['ls'], cwd: '/w' }, createdAt: start } } });
    expect(other).toMatchObject({ command: 'ls', cwd: '/w', takesReason: false });
    expect(other?.options.map((option) => option.id)).toEqual(['approved', 'approved_for_session', 'denied', 'abort']);
  });

  it.each([
    [{ status: 'approved' }, 'allowed'], [{ status: 'approved', mode: 'acceptEdits' }, 'allowed-session'], [{ status: 'approved', mode: 'default' }, 'allowed'],
    [{ status: 'approved', allowTools: ['Bash(ls:*)'] }, 'allowed-session'], [{ status: 'approved', allowedTools: ['Bash(ls:*)'] }, 'allowed-session'],
    [{ status: 'approved', decision: 'approved_for_session' }, 'allowed-session'], [{ status: 'denied', reason: 'no' }, 'denied'], [{ status: 'denied', decision: 'abort' }, 'denied'],
    [{ status: 'canceled', reason: 'Session switched to local mode' }, 'withdrawn'],
  ])('completed as %j are %s', (completed, outcome) => {
    const [row] = states(claude, { requests: { r: bash } }, { requests: {}, completedRequests: { r: { ...bash, completedAt: start + 60, ...completed } } });
    expect(row).toMatchObject({ outcome, answerReason: 'reason' in completed ? completed.reason : null });
  });

  it('that are nowhere any more are withdrawn, and wait again when they come back', () => {
    expect(states(claude, { requests: { r: bash } }, { requests: {} })).toMatchObject([{ outcome: 'withdrawn' }]);
    expect(states(claude, { requests: { r: bash } }, { requests: {} }, { requests: { r: bash } })).toMatchObject([{ outcome: null }]);
    expect(states(claude, { requests: { r: bash } }, {}, { completedRequests: { r: { ...bash, completedAt: start + 70, status: 'approved' } } })).toMatchObject([{ outcome: 'allowed' }]);
    const later = new SessionNormaliser(claude, [{ row: 'ask:r@1', requestId: 'r', createdAt: 1 }]);
    expect(later.agentState({ requests: {} }, 9)).toMatchObject([{ kind: 'answer', row: 'ask:r@1', outcome: 'withdrawn' }]);
  });

  it('that are raised again under the same id are asked again', () => {
    const rows = states(codex, { requests: { r: bash } }, { completedRequests: { r: { ...bash, status: 'approved', completedAt: start + 60 } } }, { requests: { r: { ...bash, createdAt: start + 90 } }, completedRequests: {} });
    expect(rows.map((row) => row.outcome)).toEqual(['allowed', null]);
  });

  it('go by version: a lower one changes nothing (P7)', () => {
    const log = new SessionNormaliser(claude);
    expect(log.agentState({ requests: { r: bash } }, 5).length).toBeGreaterThan(0);
    expect(log.agentState({ requests: {} }, 4)).toEqual([]);
    expect(log.agentState({ requests: {} }, 5)).toEqual([]);
    expect(log.openRequests).toMatchObject([{ requestId: 'r' }]);
  });

  it('stay open where a version cannot be read, and are withdrawn by one that is empty', () => {
    const log = new SessionNormaliser(claude);
    log.agentState({ requests: { r: bash } }, 5);
    expect(log.agentState(undefined, 6)).toEqual([]);
    expect(log.openRequests).toMatchObject([{ requestId: 'r' }]);
    expect(log.agentState(null, 7)).toMatchObject([{ kind: 'answer', outcome: 'withdrawn' }]);
  });

  it('from before the messages that are here wait until theirs are', () => {
    const log = new SessionNormaliser(claude);
    const done = { completedRequests: { r: { ...bash, completedAt: start + 60, status: 'denied' } } };
    const first = [...log.agentState(done, 1), ...log.messages([message(100, { t: 'text', text: 'newest' })])];
    expect(viewOf(first).map((row) => row.kind)).toEqual(['text']);
    const all = viewOf([...first, ...log.messages([call(4, 'r', 'Bash', { command: 'rm -f x' })])]);
    expect(all.map((row) => (row.kind === 'tool' ? row.status : row.kind))).toEqual(['denied', 'permission', 'text']);
  });

  it('that were completed are built once, when the messages of their time are here, and again when they change', () => {
    const edit = (at: number, more: JsonObject = {}): JsonObject => ({ tool: 'Edit', arguments: { file_path: `/f${at}`, old_string: 'a', new_string: 'b' }, createdAt: start + at, completedAt: start + at + 1, status: 'approved', ...more });
    const log = new SessionNormaliser(claude);
    const asked = (entries: readonly Entry[]): unknown[] => entries.flatMap((entry) => (entry.kind === 'permission' ? [entry.requestId] : []));
    const completed: JsonObject = { a: edit(15), b: edit(55), c: edit(105) };
    log.messages([message(10, { t: 'text', text: 'newest' })]);
    expect(asked(log.agentState({ completedRequests: completed }, 1))).toEqual(['c']);
    expect(asked(log.messages([message(5, { t: 'text', text: 'older' })]))).toEqual(['b']);
    expect(asked(log.agentState({ completedRequests: structuredClone(completed) }, 2))).toEqual([]);
    expect(asked(log.agentState({ completedRequests: { ...completed, b: edit(55, { status: 'denied' }), d: edit(110) } }, 3))).toEqual(['b', 'd']);
    expect(asked(log.messages([message(1, { t: 'text', text: 'oldest' })]))).toEqual(['a']);
  });

  it('of a subagent belong to its call by toolUseId', () => {
    const log = new SessionNormaliser(claude);
    const scoped = { ...bash, toolUseId: 'toolu_9' };
    const entries = [...log.messages([call(1, 'toolu_9', 'Bash', { command: 'rm -f x' })]), ...log.agentState({ completedRequests: { 'agent7:toolu_9': { ...scoped, completedAt: start + 60, status: 'denied' } } }, 1)];
    expect(entries.find((entry) => entry.kind === 'permission')).toMatchObject({ requestId: 'agent7:toolu_9', callId: 'toolu_9' });
    expect(viewOf(entries).find((row) => row.kind === 'tool')).toMatchObject({ status: 'denied', command: 'rm -f x' });
  });

  it('for a plan have it from its tool call, whichever comes first', () => {
    const request = { requests: { p: { tool: 'ExitPlanMode', arguments: {}, createdAt: start + 60 } } };
    const plan = call(5, 'p', 'ExitPlanMode', { plan: '# Plan' });
    const [one, other] = [new SessionNormaliser(claude), new SessionNormaliser(claude)];
    for (const entries of [[...one.agentState(request, 1), ...one.messages([plan])], [...other.messages([plan]), ...other.agentState(request, 1)]]) {
      expect(permissions(viewOf(entries))).toMatchObject([{ ask: 'plan', plan: '# Plan', outcome: null }]);
    }
  });
});

describe('answers', () => {
  const ask = askIn({ requests: { r: bash } });
  it('are told to the permission RPC', () => {
    expect(answerCall(ask, { outcome: 'allow' }, claude)).toEqual({ method: 'permission', mode: null, params: { id: 'r', approved: true, decision: 'approved' } });
    expect(answerCall(ask, { outcome: 'allow-session' }, claude).params).toEqual({ id: 'r', approved: true, decision: 'approved', allowTools: ['Bash(rm -f x)'] });
    expect(answerCall(ask, { outcome: 'allow-session' }, codex).params).toEqual({ id: 'r', approved: true, decision: 'approved_for_session' });
    expect(answerCall(ask, { outcome: 'deny', reason: ' not now ' }, claude).params).toEqual({ id: 'r', approved: false, decision: 'denied', reason: 'not now' });
    expect(answerCall(ask, { outcome: 'deny', optionId: 'abort' }, codex).params).toEqual({ id: 'r', approved: false, decision: 'abort' });
  });

  it('to a plan say which mode the next prompt must carry', () => {
    const plan = askIn({ requests: { p: { tool: 'ExitPlanMode', arguments: {}, createdAt: 1 } } });
    expect(answerCall(plan, { outcome: 'allow' }, claude)).toMatchObject({ mode: 'default', params: { approved: true } });
    expect(answerCall(plan, { outcome: 'allow', optionId: 'mode:acceptEdits' }, claude)).toMatchObject({ mode: 'acceptEdits', params: { approved: true, mode: 'acceptEdits' } });
    expect(answerCall(plan, { outcome: 'deny', reason: 'shorter' }, claude)).toMatchObject({ mode: null, params: { approved: false, reason: 'shorter' } });
  });

  it('to questions go by the question\'s text', () => {
    const question = askIn({ requests: { q: { tool: 'AskUserQuestion', arguments: { questions: [{ question: 'Which?', header: 'H', options: [{ label: 'Red' }, { label: 'Blue' }], multiSelect: true }] }, createdAt: 1 } } });
    expect(answerCall(question, { outcome: 'answer', answers: { 'Which?': ['Red', 'Blue'] } }, claude).params).toMatchObject({ id: 'q', approved: true, updatedInput: { answers: { 'Which?': 'Red, Blue' } } });
    expect(() => answerCall(question, { outcome: 'allow' }, claude)).toThrow(/question/);
  });

  it('to forms go to the communication RPC', () => {
    const state = { communications: { f: { kind: 'form', createdAt: start + 55, form: { questions: [{ id: 'a', header: 'A', question: 'Which?', options: [{ label: 'Red' }], allowCustom: true }] } } } };
    const [row] = states(claude, state);
    expect(row).toMatchObject({ requestId: 'communication:f', ask: 'question', title: 'Which?', questions: [{ id: 'a', free: true }], outcome: null });
    const form = askIn(state);
    expect(answerCall(form, { outcome: 'answer', answers: { a: ['Red', 'and more'] } }, claude)).toEqual({ method: 'communication', mode: null, params: { id: 'f', kind: 'form', status: 'answered', answers: { a: { options: ['Red'], custom: 'and more' } } } });
    expect(answerCall(form, { outcome: 'deny' }, claude).params).toEqual({ id: 'f', kind: 'form', status: 'cancelled' });
    const asked = state.communications.f;
    expect(states(claude, state, { completedCommunications: { f: { ...asked, completedAt: start + 90, status: 'answered', answers: { a: { options: ['Red'], custom: 'x' } } } } })).toMatchObject([{ outcome: 'answered', answers: { a: ['Red', 'x'] } }]);
  });

  it('that are none of the options, or no decision, allow nothing', () => {
    expect(() => answerCall(ask, { outcome: 'allow', optionId: 'mode:bypassPermissions' }, claude)).toThrow(/no option/);
    expect(() => answerCall(ask, { outcome: 'answer' }, claude)).toThrow(/no decision/);
    expect(() => answerCall(ask, { outcome: 'sure' as 'allow' }, claude)).toThrow(/no decision/);
    const plan = askIn({ requests: { p: { tool: 'ExitPlanMode', arguments: {}, createdAt: 1 } } });
    for (const outcome of ['nonsense', 'answer', 'deny'] as const) expect(() => answerCall(plan, { outcome: outcome as 'allow', optionId: 'mode:bypassPermissions' }, claude)).toThrow(/no way to decide/);
    expect(() => answerCall(plan, { outcome: 'allow', optionId: 'denied' }, claude)).toThrow(/no way to decide/);
  });

  it('never make a rule for more than was asked', () => {
    for (const args of [{ command: 'git push:*' }, {}]) {
      const wide = askIn({ requests: { r: { tool: 'Bash', arguments: args, createdAt: 1 } } });
      expect(states(claude, { requests: { r: { tool: 'Bash', arguments: args, createdAt: 1 } } })[0]?.options.map(({ id }) => id)).toEqual(['approved', 'denied']);
      expect(answerCall(wide, { outcome: 'allow-session' }, claude).params).toEqual({ id: 'r', approved: true, decision: 'approved' });
    }
    const plan = askIn({ requests: { p: { tool: 'ExitPlanMode', arguments: {}, createdAt: 1 } } });
    expect(answerCall(plan, { outcome: 'allow-session' }, claude)).toEqual({ method: 'permission', mode: 'default', params: { id: 'p', approved: true, decision: 'approved' } });
  });
});

describe('what else the state tells', () => {
  it('goals and limits are notices, once each', () => {
    const log = new SessionNormaliser(claude);
    const limits = { capturedAt: start + 5, windows: [{ id: 'five_hour', status: 'allowed_warning', utilization: 91.6, resetsAt: start }, { id: 'seven_day', status: 'allowed' }] };
    const entries = [
      ...log.agentState({ agentGoalStatus: { source: 'claude', observedAt: start + 1, status: 'active', text: 'Ship it' }, usageLimits: limits }, 1),
      ...log.agentState({ agentGoalStatus: { source: 'claude', observedAt: start + 2, status: 'inactive', reason: 'completed' }, usageLimits: { ...limits, capturedAt: start + 9 } }, 2),
    ];
    expect(viewOf(entries).map((row) => row.kind === 'notice' && [row.code, row.text])).toEqual([
      ['goal', 'Goal: Ship it'], ['goal', 'The goal was reached.'], ['usage_limit', '92 % of the five hour limit is used. It starts anew at 2027-01-15 08:00 UTC.'],
    ]);
  });
});
