import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../../src/core/model/backend.ts';
import type { Clock } from '../../../src/core/model/context.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { shellScript } from '../../../src/core/model/shell.ts';
import { waitingOf } from '../../../src/core/model/whole.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { callOf, outcomeOf } from '../../../src/core/systems/local/codex/calls.ts';
import { diffOf } from '../../../src/core/systems/local/codex/diffs.ts';
import { readItem, readRolloutItem } from '../../../src/core/systems/local/codex/item.ts';
import { controlsOf, modeOfThread, turnSettings } from '../../../src/core/systems/local/codex/modes.ts';
import { ThreadLog } from '../../../src/core/systems/local/codex/normalise.ts';
import { inputOf } from '../../../src/core/systems/local/codex/prompt.ts';
import { askedOf } from '../../../src/core/systems/local/codex/requests.ts';
import { RolloutLog } from '../../../src/core/systems/local/codex/rollout.ts';
import { LiveThread } from '../../../src/core/systems/local/codex/thread.ts';
import { errorKind, errorText } from '../../../src/core/systems/local/codex/wire.ts';
import { messagesOf } from './codexRecording.ts';

const place = { order: [1, 1], at: 1, turn: 'turn', parent: null };

describe('words of the wire', () => {
  it('a shell call shows its script', () => {
    expect(shellScript("/bin/bash -lc 'echo hi > a.txt && cat a.txt'")).toBe('echo hi > a.txt && cat a.txt');
    expect(shellScript(`/usr/bin/zsh -lc "echo \\"it's\\" \\$HOME"`)).toBe(`echo "it's" $HOME`);
    expect(shellScript('bash -lc ls')).toBe('ls');
    const shown = (command: string): unknown => askedOf('item/commandExecution/requestApproval', { itemId: 'c', command, cwd: '/' }, null, place, '1')?.entry.command;
    expect(shown("/bin/bash -lc 'npm test'")).toBe('npm test');
    for (const line of ["/home/ada/web/.cache/bash -lc 'git status'", "./push -c 'npm test'", "node_modules/.bin/bash -ic 'npm test'", "./bash -lc 'ls'", 'bash script.sh -c x', 'git status']) expect(shown(line)).toBe(line);
    expect(callOf({ type: 'function_call', call_id: 'c', name: 'shell', arguments: '{"command":["./push","-c","npm test"]}' })?.command).toBe('./push -c npm test');
  });

  it('the file spells a command as the wire does, however it is quoted', () => {
    fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme-ascii' }).filter((script) => script.trim() !== ''), (script) => {
      const item = readRolloutItem({ type: 'CommandExecution', id: 'c', command: ['/bin/bash', '-lc', script], cwd: 'file:///home/dev', status: 'completed' });
      expect(item.type === 'commandExecution' && shellScript(item.command)).toBe(script);
    }));
  });

  it("a model's error is one line, and its kind and status are known in both spellings", () => {
    expect(errorText('{"error":{"message":"bad thing","type":"x"}}')).toBe('bad thing');
    expect(errorText('{broken')).toBe('{broken');
    expect(errorKind({ httpConnectionFailed: { httpStatusCode: 401 } })).toEqual({ kind: 'httpconnectionfailed', status: 401 });
    expect(errorKind({ http_connection_failed: { http_status_code: 401 } })).toEqual({ kind: 'httpconnectionfailed', status: 401 });
    expect(errorKind('usage_limit_exceeded')).toEqual(errorKind('usageLimitExceeded'));
  });

  it('changes of files come as hunks', () => {
    expect(diffOf({ path: '/a', kind: { type: 'update', move_path: '/b' }, diff: '@@ -1 +1 @@\n-x\n+y\n\n\nMoved to: /b' })).toMatchObject({ path: '/b', oldPath: '/a', change: 'rename', patch: '@@ -1 +1 @@\n-x\n+y', added: 1, removed: 1 });
    expect(diffOf({ path: '/a', kind: { type: 'add', move_path: null }, diff: 'x' })).toMatchObject({ change: 'create', patch: '@@ -0,0 +1,1 @@\n+x\n\\ No newline at end of file', after: 'x', before: null });
    expect(diffOf({ path: '/a', kind: { type: 'delete', move_path: null }, diff: 'x\ny\n' })).toMatchObject({ change: 'delete', removed: 2, before: 'x\ny\n' });
    expect(diffOf({ path: '/a', kind: { type: 'update', move_path: null }, diff: '--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n' }).patch).toBe('@@ -1 +1 @@\n-x\n+y');
  });

  it('bare calls tell their outcome as the model heard it', () => {
    expect(outcomeOf('Chunk ID: 1\nWall time: 0.5000 seconds\nProcess exited with code 3\nOriginal token count: 1\nOutput:\nOutput:\nhi\n')).toEqual({ status: 'error', output: 'Output:\nhi\n', exitCode: 3, durationMs: 500 });
    expect(outcomeOf('{"output":"x","metadata":{"exit_code":0,"duration_seconds":0.2}}')).toEqual({ status: 'ok', output: 'x', exitCode: 0, durationMs: 200 });
    expect(outcomeOf('Wall time: 0.8 seconds\naborted by user').status).toBe('cancelled');
    expect(outcomeOf('exec_command failed: Rejected("rejected by user")').status).toBe('denied');
    expect(callOf({ type: 'function_call', call_id: 'c', name: 'shell', arguments: '{"command":["bash","-lc","ls -l"],"workdir":"/x"}' })).toMatchObject({ command: 'ls -l', cwd: '/x' });
    expect(callOf({ type: 'custom_tool_call', call_id: 'c', name: 'apply_patch', input: '*** Begin Patch\n*** Update File: a b.ts\n*** End Patch' })?.files).toEqual(['a b.ts']);
  });
});

describe('anything that JSON can carry', () => {
  const methods = [...new Set(['appserver', 'noauth', 'compat-0.73.0'].flatMap((name) => messagesOf(name).map(({ method }) => method)))];
  const samples = ['appserver', 'noauth'].flatMap((name) => messagesOf(name).map(({ params }) => params));

  it('is an item, known or unknown, and never throws', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      expect(['string', 'object']).toContain(typeof readItem(value as JsonValue).id);
      readRolloutItem(value as JsonValue);
    }));
    expect(readItem({ type: 'hologram', id: 'h1', text: 'keep me' })).toEqual({ type: 'unknown', id: 'h1', raw: { type: 'hologram', id: 'h1', text: 'keep me' } });
  });

  it('goes through a thread without a throw, and gives sound entries', () => {
    const message = fc.record({
      method: fc.oneof(fc.constantFrom(...methods), fc.string({ maxLength: 20 })),
      params: fc.oneof(fc.constantFrom(...samples), fc.jsonValue() as fc.Arbitrary<JsonValue>),
      now: fc.integer({ min: 0, max: 2_000_000_000_000 }),
    });
    fc.assert(fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
      const log = new ThreadLog({ scope: 's' });
      const entries: Entry[] = messages.flatMap(({ method, params, now }) => log.notification(method, params, now));
      for (const { method, params } of messages) askedOf(method, params, null, place, '1');
      for (const entry of entries) expect(entry.order.every((element) => Number.isFinite(element)) && entry.id !== '' && Number.isFinite(entry.rev)).toBe(true);
      viewOf(entries);
    }));
  });

  it('as a line of a file never throws', () => {
    const line = fc.oneof(fc.string(), fc.jsonValue().map((value) => JSON.stringify(value)), fc.record({ timestamp: fc.oneof(fc.constant('2026-11-21T10:00:00.000Z'), fc.string()), type: fc.constantFrom('event_msg', 'response_item', 'turn_context', 'compacted'), payload: fc.jsonValue() }).map((value) => JSON.stringify(value)));
    fc.assert(fc.property(fc.array(line, { maxLength: 20 }), fc.boolean(), (lines, paginated) => {
      const log = new RolloutLog({ paginated });
      viewOf([...lines.flatMap((one, index) => log.push(one, index * 100)), ...log.finish()]);
    }));
  });

  it('what is unknown is kept whole, in one row', () => {
    const log = new ThreadLog({ scope: 's' });
    log.notification('turn/started', { turn: { id: 't' } }, 1);
    const entries = [1, 2, 3].flatMap((part) => log.notification('item/hologram/delta', { itemId: 'h', part }, 1 + part));
    const [row] = viewOf(entries);
    expect(viewOf(entries)).toHaveLength(1);
    expect(row).toMatchObject({ kind: 'unknown', source: 'codex item/hologram/delta', raw: [{ itemId: 'h', part: 1 }, { itemId: 'h', part: 2 }, { itemId: 'h', part: 3 }] });
  });
});

describe('a turn', () => {
  const start = { turn: { id: 't', status: 'inProgress' } };

  it('that fails before it began has its footer all the same, once', () => {
    const log = new ThreadLog({ scope: 's' });
    const end = { turn: { id: 't', status: 'failed', error: { message: 'No.', codexErrorInfo: 'unauthorized' } } };
    const entries = [...log.notification('turn/completed', end, 5), ...log.notification('turn/completed', end, 6)];
    expect(viewOf(entries)).toMatchObject([{ kind: 'notice', code: 'login_failed', remedy: 'codex login' }, { kind: 'turn', state: 'failed', error: 'No.' }]);
  });

  it('keeps the text that an interruption cut off, and cancels the open command', () => {
    const log = new ThreadLog({ scope: 's' });
    const entries = [
      ...log.notification('turn/started', start, 1),
      ...log.notification('item/started', { item: { type: 'agentMessage', id: 'm', text: '' } }, 2),
      ...log.notification('item/agentMessage/delta', { itemId: 'm', delta: 'Half a' }, 3),
      ...log.notification('item/started', { item: { type: 'commandExecution', id: 'c', command: 'sleep 9', cwd: '/', status: 'inProgress' } }, 4),
      ...log.notification('item/commandExecution/outputDelta', { itemId: 'c', delta: 'out' }, 5),
      ...log.notification('turn/completed', { turn: { id: 't', status: 'interrupted' } }, 6),
    ];
    expect(viewOf(entries)).toMatchObject([{ kind: 'text', text: 'Half a', streaming: false }, { kind: 'tool', status: 'cancelled', output: 'out' }, { kind: 'turn', state: 'cancelled' }]);
    // The command ends when its terminal is cleaned: cancelled still, now with all of its output.
    entries.push(...log.notification('item/completed', { item: { type: 'commandExecution', id: 'c', command: 'sleep 9', cwd: '/', status: 'failed', exitCode: -1, aggregatedOutput: 'out\nend\n' } }, 9));
    expect(viewOf(entries)[1]).toMatchObject({ status: 'cancelled', output: 'out\nend\n', exitCode: -1 });
  });

  it('leaves a command that runs on in the background running', () => {
    const log = new ThreadLog({ scope: 's' });
    const command = { type: 'commandExecution', id: 'c', command: 'serve', cwd: '/' };
    const entries = [...log.notification('turn/started', start, 1), ...log.notification('item/started', { item: { ...command, status: 'inProgress' } }, 2), ...log.notification('turn/completed', { turn: { id: 't', status: 'completed' } }, 3)];
    expect(viewOf(entries)[0]).toMatchObject({ status: 'running' });
    entries.push(...log.notification('item/completed', { item: { ...command, status: 'failed', exitCode: 1 } }, 9));
    expect(viewOf(entries)[0]).toMatchObject({ status: 'error', exitCode: 1 });
  });

  it('shows a plan as one list that changes in its place', () => {
    const log = new ThreadLog({ scope: 's' });
    const plan = (status: string): JsonValue => ({ turnId: 't', explanation: null, plan: [{ step: 'Read', status: 'completed' }, { step: 'Write', status }] });
    const entries = [...log.notification('turn/started', start, 1), ...log.notification('turn/plan/updated', plan('pending'), 2), ...log.notification('turn/plan/updated', plan('inProgress'), 3)];
    expect(viewOf(entries)).toEqual([expect.objectContaining({ kind: 'todo', items: [{ text: 'Read', status: 'done' }, { text: 'Write', status: 'running' }] })]);
  });

  it('of a subagent is shown within the row of the call', () => {
    const log = new ThreadLog({ scope: 's', parent: 'call' });
    const entries = [
      ...log.notification('turn/started', start, 1),
      ...log.notification('item/started', { item: { type: 'userMessage', id: 'u', content: [{ type: 'text', text: 'do it' }] } }, 2),
      ...log.notification('item/completed', { item: { type: 'agentMessage', id: 'm', text: 'Did it.' } }, 3),
      ...log.notification('turn/completed', { turn: { id: 't', status: 'completed' } }, 4),
    ];
    expect(entries.map((entry) => [entry.kind, entry.parent])).toEqual([['text', 'call']]);
  });
});

/** A clock that only moves when told to. */
class ManualClock implements Clock {
  private time = 1_000_000;
  private timers: { readonly at: number; readonly run: () => void; gone: boolean }[] = [];
  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
  setTimeout(run: () => void, ms: number): { cancel(): void } {
    const timer = { at: this.time + ms, run, gone: false };
    this.timers.push(timer);
    return { cancel: () => void (timer.gone = true) };
  }
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.filter((timer) => !timer.gone && timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.time = next.at;
      next.gone = true;
      next.run();
    }
    this.time = end;
  }
}

describe('silence', () => {
  function thread(): { readonly clock: ManualClock; readonly live: LiveThread; readonly entries: Entry[]; readonly gaveUp: () => number } {
    const clock = new ManualClock();
    const entries: Entry[] = [];
    let unreachable = 0;
    const live = new LiveThread({ clock, folder: () => '', respond: () => Promise.resolve(), events: { entries: (some) => entries.push(...some), changed: () => undefined, turnBegan: () => undefined, turnEnded: () => undefined, unreachable: () => (unreachable += 1) } });
    live.onNotification('turn/started', { turn: { id: 't' } });
    return { clock, live, entries, gaveUp: () => unreachable };
  }
  const codes = (entries: readonly Entry[]): readonly string[] => entries.flatMap((entry) => (entry.kind === 'notice' ? [entry.code] : []));
  const refused = { error: { message: 'Reconnecting... waiting for network', additionalDetails: 'Connection failed', codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: null } } }, willRetry: true };

  it('of the model is said after twenty seconds, once, and is over with its next word', () => {
    const { clock, live, entries } = thread();
    clock.pass(19_000);
    expect(codes(entries)).toEqual([]);
    clock.pass(2000);
    expect(codes(entries)).toEqual(['stalled']);
    expect(live.log.activity?.phase).toBe('stalled');
    clock.pass(60_000);
    expect(codes(entries)).toEqual(['stalled']);
    live.onNotification('item/started', { item: { type: 'agentMessage', id: 'm', text: '' } });
    expect(live.log.activity?.phase).toBe('answering');
    clock.pass(21_000);
    expect(codes(entries)).toEqual(['stalled', 'stalled']);
  });

  it('is no stall while a command runs or the person is asked', async () => {
    const { clock, live, entries } = thread();
    live.onNotification('item/started', { item: { type: 'commandExecution', id: 'c', command: 'make', cwd: '/', status: 'inProgress' } });
    clock.pass(600_000);
    live.onNotification('item/completed', { item: { type: 'commandExecution', id: 'c', command: 'make', cwd: '/', status: 'completed' } });
    live.onRequest('item/tool/requestUserInput', { itemId: 'q', questions: [{ id: 'q1', question: 'Which?', options: [] }] }, 1);
    clock.pass(600_000);
    expect(codes(entries)).toEqual([]);
    expect(live.log.activity?.phase).toBe('waiting');
    await live.answer(live.waiting[0]?.requestId ?? '', { outcome: 'answer', answers: { q1: ['this'] } });
    expect(live.waiting).toEqual([]);
  });

  it('a connection that is refused for ever is given up after two minutes, and the turn has failed', () => {
    const { clock, live, entries, gaveUp } = thread();
    for (let second = 0; second < 119; second += 1) {
      if (second % 20 === 0) live.onNotification('error', refused);
      clock.pass(1000);
    }
    expect(live.log.activity).toMatchObject({ phase: 'retrying', detail: 'Reconnecting... waiting for network · Connection failed' });
    expect(gaveUp()).toBe(0);
    clock.pass(5000);
    expect(gaveUp()).toBe(1);
    live.onNotification('turn/completed', { turn: { id: 't', status: 'interrupted' } });
    expect(viewOf(entries).at(-1)).toMatchObject({ kind: 'turn', state: 'failed', error: expect.stringContaining('could not be reached for 2 minutes') as string });
    expect(live.error).toContain('could not be reached');
  });
});

describe('requests', () => {
  const decide = (method: string, params: JsonValue, decision: Decision): JsonValue => askedOf(method, params, null, place, '1')?.answer(decision) ?? null;
  const command = { itemId: 'c', command: "bash -lc 'rm x'", cwd: '/', proposedExecpolicyAmendment: ['rm', 'x'], startedAtMs: 7 };

  it('commands', () => {
    const method = 'item/commandExecution/requestApproval';
    expect(decide(method, command, { outcome: 'allow' })).toEqual({ decision: 'accept' });
    expect(decide(method, command, { outcome: 'allow-session' })).toEqual({ decision: 'acceptForSession' });
    expect(decide(method, command, { outcome: 'allow-always' })).toEqual({ decision: { acceptWithExecpolicyAmendment: { execpolicy_amendment: ['rm', 'x'] } } });
    expect(decide(method, command, { outcome: 'deny' })).toEqual({ decision: 'decline' });
    expect(decide(method, command, { outcome: 'deny', optionId: 'cancel' })).toEqual({ decision: 'cancel' });
    expect(decide(method, { itemId: 'c' }, { outcome: 'allow-always' })).toEqual({ decision: 'acceptForSession' });
    expect(askedOf(method, command, null, place, '7')?.requestId).not.toBe(askedOf(method, command, null, place, '8')?.requestId);
  });

  it('commands that ask for more than to run say what, and are not shown as if they did not', () => {
    const asked = (over: JsonObject) => {
      const entry = askedOf('item/commandExecution/requestApproval', { ...command, command: 'git status', ...over }, null, place, '1')?.entry;
      return { input: entry?.input, whole: entry === undefined ? '' : waitingOf(entry, '/', 1).whole };
    };
    const more = { network: { enabled: true }, fileSystem: { read: null, write: ['/home/ada'] } };
    expect(asked({})).toEqual({ input: { command: 'git status', cwd: '/' }, whole: 'git status' });
    for (const nothing of [null, {}, { network: null, fileSystem: null }, { network: { enabled: false }, fileSystem: { read: [], write: null } }]) expect(asked({ additionalPermissions: nothing }).whole).toBe('git status');
    expect(asked({ additionalPermissions: more })).toEqual({ input: { command: 'git status', cwd: '/', additionalPermissions: more }, whole: undefined });
    expect(asked({ networkApprovalContext: { host: 'example.org' }, additionalPermissions: more })).toEqual({ input: { command: 'git status', network: 'example.org', additionalPermissions: more }, whole: undefined });
    expect(asked({ networkApprovalContext: { host: 7, protocol: 'https' } })).toEqual({ input: { command: 'git status', cwd: '/', network: { host: 7, protocol: 'https' } }, whole: undefined });
  });

  it('permissions, forms of MCP servers and questions', () => {
    const wanted = { itemId: 'p', permissions: { network: { enabled: true }, fileSystem: null } };
    expect(decide('item/permissions/requestApproval', wanted, { outcome: 'allow-session' })).toEqual({ permissions: { network: { enabled: true } }, scope: 'session' });
    expect(decide('item/permissions/requestApproval', wanted, { outcome: 'deny' })).toEqual({ permissions: {}, scope: 'turn' });
    const form = { serverName: 'mail', mode: 'form', message: 'Send?', requestedSchema: { type: 'object', properties: { to: { type: 'string' }, count: { type: 'integer' }, now: { type: 'boolean' } } } };
    expect(decide('mcpServer/elicitation/request', form, { outcome: 'answer', answers: { to: ['a@b'], count: ['3'], now: ['No'] } })).toEqual({ action: 'accept', content: { to: 'a@b', count: 3, now: false }, _meta: null });
    expect(decide('mcpServer/elicitation/request', form, { outcome: 'deny' })).toEqual({ action: 'decline', content: null, _meta: null });
    expect(decide('item/tool/requestUserInput', { itemId: 'q', questions: [{ id: 'q1', question: '?', options: [] }] }, { outcome: 'deny' })).toEqual({ answers: {} });
    expect(askedOf('account/chatgptAuthTokens/refresh', {}, null, place, '1')).toBeNull();
  });
});

describe('settings', () => {
  it('a mode is found again in what a thread answers, and anything else is as configured', () => {
    expect(modeOfThread({ approvalPolicy: 'on-request', sandbox: { type: 'workspaceWrite', writableRoots: [], networkAccess: false } })).toBe('workspace');
    expect(modeOfThread({ approvalPolicy: 'on-request', sandbox: { type: 'readOnly', networkAccess: false } })).toBe('ask');
    expect(modeOfThread({ approvalPolicy: 'never', sandbox: { type: 'dangerFullAccess' } })).toBe('full');
    for (const other of [{ approvalPolicy: 'never', sandbox: { type: 'readOnly' } }, { approvalPolicy: 'on-request', sandbox: { type: 'workspaceWrite', writableRoots: ['/x'] } }, { approvalPolicy: { granular: {} }, sandbox: null }]) expect(modeOfThread(other)).toBe('configured');
    expect(controlsOf([], { model: 'm', mode: 'configured', effort: null }).modes.at(-1)?.id).toBe('configured');
    expect(turnSettings({ model: 'm', mode: 'configured', effort: null }, false)).toEqual({ model: 'm' });
  });

  it('plan mode is entered and left by the collaboration mode', () => {
    const mode = (settings: ReturnType<typeof turnSettings>): unknown => settings['collaborationMode'];
    expect(mode(turnSettings({ model: 'm', mode: 'plan', effort: 'low' }, false))).toMatchObject({ mode: 'plan', settings: { model: 'm', reasoning_effort: 'low' } });
    expect(mode(turnSettings({ model: 'm', mode: 'ask', effort: null }, true))).toMatchObject({ mode: 'default' });
    expect(mode(turnSettings({ model: 'm', mode: 'ask', effort: null }, false))).toBeUndefined();
  });

  it('what Codex cannot take is refused before it is sent', () => {
    const file = (over: object) => ({ name: 'x', mediaType: 'application/zip', size: 1, data: null, path: null, ...over });
    expect(() => inputOf({ text: ' ', attachments: [] })).toThrow('nothing to send');
    expect(() => inputOf({ text: 'x', attachments: [file({ data: 'AAAA' })] })).toThrow('cannot take x');
    expect(inputOf({ text: 'x', attachments: [file({ path: '/a.zip' }), file({ mediaType: 'image/png', path: '/b.png' })] })).toEqual([{ type: 'text', text: 'x\n\nAttached file: /a.zip', text_elements: [] }, { type: 'localImage', path: '/b.png' }]);
  });
});
