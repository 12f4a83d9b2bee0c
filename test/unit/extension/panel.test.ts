import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HostMessage, PageMessage, PageRequest } from '../../../src/protocol/chat.ts';
import { sessionRow } from './sessionRow.ts';

/** All that the host did: every call of VS Code's, of the session's runtime and of what chats share, save those that only look. */
const { did, vscode } = vi.hoisted(() => {
  const calls: string[] = [];
  const act = (name: string, value?: unknown) => () => (calls.push(name), Promise.resolve(value));
  return {
    did: calls,
    vscode: {
      Uri: { joinPath: () => ({ toString: () => 'x' }), parse: () => ({ scheme: 'https' }), file: () => ({}) }, Range: Object, ViewColumn: { Beside: -2 },
      commands: { executeCommand: act('command') }, env: { openExternal: act('openExternal'), clipboard: { writeText: act('clipboard') } },
      window: { showTextDocument: act('showTextDocument') }, workspace: { openTextDocument: act('openTextDocument'), getWorkspaceFolder: () => undefined, workspaceFolders: [], findFiles: act('findFiles', []) },
    },
  };
});
vi.mock('vscode', () => vscode);
const { ChatPanel } = await import('../../../src/extension/chat/panel.ts');
const { readPageMessage } = await import('../../../src/extension/chat/schema.ts');

/** One of every request: a missing one does not compile. */
const REQUESTS: { readonly [Ask in PageRequest['ask']]: Extract<PageRequest, { ask: Ask }> } = {
  'rows': { ask: 'rows', start: 0, end: 10 }, 'send': { ask: 'send', text: 'go', attachments: [{ name: 'a', mediaType: 'text/plain', size: 1, data: 'YQ==', path: null }], how: 'send' },
  'outbox': { ask: 'outbox', clientId: 'c', what: 'drop' }, 'outbox-edit': { ask: 'outbox-edit', clientId: 'c', text: 'go' }, 'interrupt': { ask: 'interrupt' }, 'take-over': { ask: 'take-over' },
  'answer': { ask: 'answer', requestId: 'q', decision: { outcome: 'allow' } }, 'set': { ask: 'set', what: 'mode', id: 'plan' }, 'run': { ask: 'run', command: 'stop' }, 'open-diff': { ask: 'open-diff', row: 'r', index: 0 },
  'open-output': { ask: 'open-output', row: 'r', line: null }, 'fetch-output': { ask: 'fetch-output', row: 'r' }, 'open-attachment': { ask: 'open-attachment', row: 'r', index: 0 },
  'open-file': { ask: 'open-file', path: '/nowhere/a.ts', line: 1 }, 'open-link': { ask: 'open-link', href: 'https://127.0.0.1/' }, 'insert-code': { ask: 'insert-code', text: 'x' }, 'copy': { ask: 'copy', text: 'x' },
  'find': { ask: 'find', id: 1, query: { text: 'x', matchCase: false, wholeWord: false }, from: 0 }, 'find-step': { ask: 'find-step', id: 1, step: 1 }, 'find-end': { ask: 'find-end' }, 'prompt': { ask: 'prompt', from: 0, step: 1 },
  'place': { ask: 'place', row: 'r' }, 'request-place': { ask: 'request-place', requestId: 'q' }, 'prompts': { ask: 'prompts', before: 'r' }, 'run-row': { ask: 'run-row', command: 'copyRow', row: 'r' }, 'mentions': { ask: 'mentions', query: 'a' },
};
const MESSAGES: readonly PageMessage[] = [
  { type: 'ready' }, { type: 'reopen' }, { type: 'resync', generation: 1, reason: 'a gap' }, { type: 'draft', session: 'mine', text: 'half' }, ...Object.values(REQUESTS).map((body): PageMessage => ({ type: 'request', session: 'mine', request: 1, body })),
];

/** An object whose every method is an act. */
function acting(name: string, known: Readonly<Record<string, unknown>>): unknown {
  return new Proxy(known, {
    get: (target, key) => {
      if (typeof key !== 'string' || key === 'then') return undefined;
      return key in target ? target[key] : () => (did.push(`${name}.${key}`), Promise.resolve({ message: 'done', start: 0, rows: [] }));
    },
  });
}

const quiet = { dispose: () => undefined };
const open: { dispose(): void }[] = [];
beforeEach(() => void did.splice(0));
afterEach(() => {
  for (const each of open.splice(0)) each.dispose();
});

/** A chat on the session `key`, opened, whose page can be played. */
async function chat(key: string) {
  const posted: HostMessage[] = [];
  const warned: unknown[] = [];
  let receive: (message: unknown) => void = () => undefined;
  const transcript = acting('transcript', { total: 3, start: 0, tail: [], onChange: () => quiet });
  const runtime = acting('runtime', {
    key, system: 'local', connectionId: 'c', traits: {}, isClosed: false, loading: false, turnStartedAt: null, forksAt: false, followsWindow: false, transcript, reach: acting('reach', { readsFiles: true }), onState: () => quiet,
    release: () => undefined, controls: () => ({}), outboxItems: () => [],
  });
  const known = { session: () => sessionRow(), connections: () => [], machines: () => [], machinesOf: () => [], onChange: () => quiet };
  const services = acting('services', {
    extensionUri: {}, log: { warn: (_: string, fields: unknown) => void warned.push(fields), info: () => undefined, error: (...words: unknown[]) => void did.push(`failed ${JSON.stringify(words)}`) },
    settings: { get: () => 'send', onChange: () => quiet }, panels: { forget: () => undefined, viewed: () => undefined }, context: { set: () => Promise.resolve() }, unused: { closed: () => undefined },
    fleet: { ...known, open: () => Promise.resolve(runtime), whenKnown: () => Promise.resolve() }, lastEditor: { get: () => undefined },
    drafts: { get: () => Promise.resolve(null), set: () => (did.push('drafts.set'), Promise.resolve()), list: () => Promise.resolve(new Map()) },
    documents: acting('documents', {}), attachments: acting('attachments', {}), remote: acting('remote', {}),
  });
  const webview = { options: {}, html: '', cspSource: 'x', asWebviewUri: (uri: unknown) => uri, onDidReceiveMessage: (listener: typeof receive) => ((receive = listener), quiet), postMessage: (message: HostMessage) => (posted.push(message), Promise.resolve(true)) };
  const panel = { webview, visible: true, active: true, viewColumn: 1, title: '', onDidChangeViewState: () => quiet, onDidDispose: () => quiet, reveal: () => undefined, dispose: () => undefined };
  const made = new ChatPanel(services as never, key, panel as never);
  open.push({ dispose: () => made.detach() });
  receive({ type: 'ready' });
  await vi.waitFor(() => expect(posted.some((message) => message.type === 'snapshot')).toBe(true));
  did.splice(0);
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const replies = () => posted.filter((message) => message.type === 'reply');
  return { posted, warned, replies, settle, send: (message: unknown) => receive(message) };
}

describe('a page that names another session than its tab shows', () => {
  it.each(Object.values(REQUESTS))('is refused: $ask', async (body) => {
    const one = await chat('mine');
    const other = await chat('theirs');
    expect(readPageMessage({ type: 'request', session: 'mine', request: 1, body })).not.toBeNull();
    one.send({ type: 'request', session: 'theirs', request: 7, body });
    await vi.waitFor(() => expect(one.replies()).toEqual([{ type: 'reply', request: 7, ok: false, code: 'wrong_session', message: 'This page shows another session. Close the tab and open it again.' }]));
    await one.settle();
    expect([did, other.replies()]).toEqual([[], []]);
  });

  it('does not change that one’s draft, nor its own', async () => {
    const one = await chat('mine');
    one.send({ type: 'draft', session: 'theirs', text: 'another' });
    await one.settle();
    expect([did, one.warned]).toEqual([[], [{ code: 'wrong_session' }]]);
    one.send({ type: 'draft', session: 'mine', text: 'half' });
    await one.settle();
    expect(did).toContain('drafts.set');
  });

  it('is served where it names its own', async () => {
    const one = await chat('mine');
    for (const ask of ['interrupt', 'answer', 'send', 'copy', 'run', 'take-over', 'place'] as const) one.send({ type: 'request', session: 'mine', request: 7, body: REQUESTS[ask] });
    await vi.waitFor(() => expect(one.replies()).toHaveLength(7));
    expect(did).toEqual(expect.arrayContaining(['runtime.interrupt', 'runtime.answer', 'runtime.send', 'clipboard', 'command', 'reach.takeOver', 'transcript.indexOf']));
  });
});

/** A message of the protocol with one thing wrong: a field too many, one too few, or one of another kind. */
const broken = fc.tuple(fc.constantFrom(...MESSAGES), fc.nat(), fc.constantFrom('surplus', 'missing', 'other'), fc.oneof(fc.anything(), fc.constantFrom('__proto__', 'constructor'))).map(([message, at, how, junk]) => {
  const copy = structuredClone(message) as unknown as Record<string, unknown>;
  const places: { readonly of: Record<string, unknown>; readonly key: string }[] = [];
  const walk = (value: Record<string, unknown>): void => {
    for (const [key, each] of Object.entries(value)) {
      places.push({ of: value, key });
      if (typeof each === 'object' && each !== null) walk(each as Record<string, unknown>);
    }
  };
  walk(copy);
  const place = places[at % places.length];
  if (place === undefined) return copy;
  const { of, key } = place;
  // An empty list, or one with something else in it, may be as good.
  if (how === 'surplus' || Array.isArray(of) || Array.isArray(of[key])) Object.assign(Array.isArray(of) || Array.isArray(of[key]) ? copy : of, { [`x${typeof junk === 'string' ? junk : ''}`]: junk });
  else if (how === 'missing') delete of[key];
  else of[key] = typeof of[key] === 'string' ? [junk] : { junk };
  return copy;
});

it('a host neither throws nor acts on 10,000 malformed messages of its page, and answers those that wait for it', async () => {
  const one = await chat('mine');
  const before = one.posted.length;
  let waiting = 0;
  fc.assert(fc.property(fc.oneof({ arbitrary: broken, weight: 3 }, { arbitrary: fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }), weight: 1 }), (message) => {
    expect(readPageMessage(message), JSON.stringify(message, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each))).toBeNull();
    const known = message as { type?: unknown; request?: unknown } | null | undefined;
    if (typeof message === 'object' && known?.type === 'request' && known.request === 1) waiting += 1;
    one.send(message);
  }), { numRuns: 10_000 });
  await one.settle();
  expect(did).toEqual([]);
  expect(waiting).toBeGreaterThan(1_000);
  const answers = one.posted.slice(before);
  expect(answers).toHaveLength(waiting);
  expect(answers.every((message) => message.type === 'reply' && !message.ok && message.code === 'refused')).toBe(true);
});
