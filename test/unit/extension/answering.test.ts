import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { AttentionItem } from '../../../src/core/fleet/attention.ts';
import { sessionAttention } from '../../../src/core/fleet/attention.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { Session, WaitingPermission } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { TreeNode } from '../../../src/extension/tree/model.ts';
import { needsNodes } from '../../../src/extension/tree/model.ts';
import { sessionRow } from './sessionRow.ts';

const { show, showError } = vi.hoisted(() => ({ show: vi.fn<(text: string, ...actions: string[]) => Promise<string | undefined>>(), showError: vi.fn<(text: string) => Promise<undefined>>() }));
vi.mock('vscode', () => ({ window: { showInformationMessage: show, showErrorMessage: showError, state: { focused: true } }, commands: { executeCommand: () => Promise.resolve() } }));
const { answerRequest } = await import('../../../src/extension/commands/answer.ts');
const { sessionCommands } = await import('../../../src/extension/commands/sessions.ts');
const { Notifications } = await import('../../../src/extension/notifications.ts');

const REQUEST: WaitingPermission = { requestId: 'r1', tool: 'Bash', title: 'npm test', ask: 'tool', askedAt: 1, whole: 'npm test' };

function world(over: Partial<Session>, dormant = false) {
  const answers: string[] = [];
  let session: Session = sessionRow({ state: 'waiting', waiting: [REQUEST], ...over });
  const runtime = { answer: (id: string, { outcome }: { outcome: string }) => (answers.push(`${id} ${outcome}`), Promise.resolve()), release: () => undefined };
  const connection = { connectionId: session.connectionId, dormant, system: 'local', traits: {} };
  const items = sessionAttention(session, { connection: { dormant, traits: {} as never }, unreadSince: null, undelivered: null });
  let opened: () => void = () => undefined;
  let row: TreeNode | null = null;
  let change: (change: { added: readonly AttentionItem[] }) => void = () => undefined;
  const services = {
    fleet: { session: () => session, connections: () => [connection], open: () => (opened(), Promise.resolve(runtime)) },
    tree: { node: () => row },
    attention: { has: () => true, onChange: (listener: typeof change) => ((change = listener), { dispose: () => undefined }) },
    store: { leases: { acquire: () => Promise.resolve(true), release: () => Promise.resolve() } }, settings: { get: () => 'attention' },
    panels: { isVisible: () => false, open: () => ({ tell: () => undefined }) }, log: { info: () => undefined, warn: () => undefined },
  };
  return {
    services: services as never, answers, key: sessionKey(session), ask: () => change({ added: items }),
    now: (next: Partial<Session>) => {
      session = { ...session, ...next };
    },
    onOpen: (does: () => void) => {
      opened = does;
    },
    row: (node: TreeNode | null) => {
      row = node;
    },
  };
}
const codeOf = (work: Promise<unknown>): Promise<string> => work.then(() => '', (error: unknown) => (error instanceof PilothouseError ? error.code : String(error)));

describe('a request that is answered outside of its chat', () => {
  it('is answered where one line says all of it, and denied anywhere', async () => {
    const { services, answers, key } = world({});
    await answerRequest(services, key, REQUEST, 'allow');
    const edit: WaitingPermission = { requestId: 'r1', tool: 'Edit', title: 'a.ts', ask: 'tool', askedAt: 1 };
    const unseen = world({ waiting: [edit] });
    await answerRequest(unseen.services, unseen.key, edit, 'deny');
    expect([answers, unseen.answers]).toEqual([['r1 allow'], ['r1 deny']]);
    expect(await codeOf(answerRequest(unseen.services, unseen.key, edit, 'allow'))).toBe('needs_review');
    const untrusted = world({}, true);
    expect(await codeOf(answerRequest(untrusted.services, untrusted.key, REQUEST, 'allow'))).toBe('needs_review');
    expect([unseen.answers, untrusted.answers]).toEqual([['r1 deny'], []]);
  });

  it('is not where it was answered already, or where nobody knows', async () => {
    const gone = world({ waiting: [] });
    expect(await codeOf(answerRequest(gone.services, gone.key, REQUEST, 'allow'))).toBe('already_answered');
    const away = world({ state: 'unknown', waiting: [] });
    expect(await codeOf(answerRequest(away.services, away.key, REQUEST, 'deny'))).toBe('no_contact');
    expect([gone.answers, away.answers]).toEqual([[], []]);
  });

  it.each<[string, WaitingPermission]>([
    ['was asked later', { ...REQUEST, askedAt: 2 }], ['would run another', { ...REQUEST, whole: 'rm -rf ~' }], ['does not say all', { requestId: 'r1', tool: 'Bash', title: 'npm test', ask: 'tool', askedAt: 1 }],
  ])('is not where its id stands for one that %s, also by the time that its session is open', async (_, other) => {
    const again = world({ waiting: [other] });
    for (const outcome of ['allow', 'deny'] as const) expect(await codeOf(answerRequest(again.services, again.key, REQUEST, outcome))).toBe('already_answered');
    const late = world({});
    late.onOpen(() => late.now({ waiting: [other] }));
    expect(await codeOf(answerRequest(late.services, late.key, REQUEST, 'allow'))).toBe('already_answered');
    expect([again.answers, late.answers]).toEqual([[], []]);
  });

  it('in the tree is the one that its row showed', async () => {
    const of = world({});
    const rowOf = (request: WaitingPermission) => needsNodes(sessionAttention(sessionRow({ waiting: [request] }), { connection: null, unreadSince: null, undelivered: null }), () => sessionRow())[1];
    expect(rowOf({ ...REQUEST, askedAt: 2 })?.id).not.toBe(rowOf(REQUEST)?.id);
    of.row(rowOf({ ...REQUEST, whole: 'npm run deploy' }) ?? null);
    expect(await codeOf(Promise.resolve(sessionCommands.allowPermission(of.services, 'row')))).toBe('already_answered');
    expect(of.answers).toEqual([]);
  });
});

describe('a button of a notification', () => {
  beforeEach(() => {
    show.mockReset();
    showError.mockReset();
    showError.mockResolvedValue(undefined);
  });
  /** Presses `action` once `before` was done, and gives what is said then. */
  async function press(of: ReturnType<typeof world>, action: string, before: () => void = () => undefined): Promise<readonly string[]> {
    show.mockImplementationOnce(() => {
      before();
      return Promise.resolve(action);
    });
    show.mockResolvedValue(undefined);
    const notifications = new Notifications(of.services);
    of.ask();
    await vi.waitFor(() => expect(of.answers.length + show.mock.calls.length + showError.mock.calls.length).toBe(2), 5_000);
    notifications.dispose();
    return [...show.mock.calls.slice(1), ...showError.mock.calls].map(([text]) => text);
  }

  it.each([['Allow', 'r1 allow'], ['Deny', 'r1 deny']])('%s answers, and says nothing more', async (action, answer) => {
    const of = world({});
    expect(await press(of, action)).toEqual([]);
    expect(of.answers).toEqual([answer]);
    expect(show.mock.calls[0]?.slice(1)).toEqual(['Allow', 'Deny', 'Review…']);
  });

  it('that comes too late says so', async () => {
    const of = world({});
    expect(await press(of, 'Allow', () => of.now({ state: 'running', waiting: [] }))).toEqual(['That was answered already.']);
    expect(of.answers).toEqual([]);
  });

  it('that stands where its id asks for something else now allows nothing', async () => {
    const of = world({});
    expect(await press(of, 'Allow', () => of.now({ waiting: [{ ...REQUEST, askedAt: 2, title: 'rm -rf ~', whole: 'rm -rf ~' }] }))).toEqual(['That was answered already.']);
    expect(of.answers).toEqual([]);
  });

  it('that comes to nothing for want of contact says that', async () => {
    const of = world({});
    expect((await press(of, 'Allow', () => of.now({ state: 'unknown', waiting: [] })))[0]).toContain('no contact');
  });
});
