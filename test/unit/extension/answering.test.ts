import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { AttentionItem } from '../../../src/core/fleet/attention.ts';
import { sessionAttention } from '../../../src/core/fleet/attention.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { Session, WaitingPermission } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { sessionRow } from './sessionRow.ts';

const { show, showError } = vi.hoisted(() => ({ show: vi.fn<(text: string, ...actions: string[]) => Promise<string | undefined>>(), showError: vi.fn<(text: string) => Promise<undefined>>() }));
vi.mock('vscode', () => ({ window: { showInformationMessage: show, showErrorMessage: showError, state: { focused: true } }, commands: { executeCommand: () => Promise.resolve() } }));
const { answerRequest } = await import('../../../src/extension/commands/answer.ts');
const { Notifications } = await import('../../../src/extension/notifications.ts');

const REQUEST: WaitingPermission = { requestId: 'r1', tool: 'Bash', title: 'npm test', ask: 'tool', askedAt: 1, whole: 'npm test' };

function world(over: Partial<Session>, dormant = false) {
  const answers: string[] = [];
  let session: Session = sessionRow({ state: 'waiting', waiting: [REQUEST], ...over });
  const runtime = { answer: (id: string, { outcome }: { outcome: string }) => (answers.push(`${id} ${outcome}`), Promise.resolve()), release: () => undefined };
  const connection = { connectionId: session.connectionId, dormant, system: 'local', traits: {} };
  const items = sessionAttention(session, { connection: { dormant, traits: {} as never }, unreadSince: null, undelivered: null });
  let change: (change: { added: readonly AttentionItem[] }) => void = () => undefined;
  const services = {
    fleet: { session: () => session, connections: () => [connection], open: () => Promise.resolve(runtime) },
    attention: { has: () => true, onChange: (listener: typeof change) => ((change = listener), { dispose: () => undefined }) },
    store: { leases: { acquire: () => Promise.resolve(true), release: () => Promise.resolve() } }, settings: { get: () => 'attention' },
    panels: { isVisible: () => false, open: () => ({ tell: () => undefined }) }, log: { info: () => undefined, warn: () => undefined },
  };
  return {
    services: services as never, answers, key: sessionKey(session), ask: () => change({ added: items }),
    now: (next: Partial<Session>) => {
      session = { ...session, ...next };
    },
  };
}
const codeOf = (work: Promise<unknown>): Promise<string> => work.then(() => '', (error: unknown) => (error instanceof PilothouseError ? error.code : String(error)));

describe('a request that is answered outside of its chat', () => {
  it('is answered where one line says all of it, and denied anywhere', async () => {
    const { services, answers, key } = world({});
    await answerRequest(services, key, 'r1', 'allow');
    const unseen = world({ waiting: [{ requestId: 'r1', tool: 'Edit', title: 'a.ts', ask: 'tool', askedAt: 1 }] });
    await answerRequest(unseen.services, unseen.key, 'r1', 'deny');
    expect([answers, unseen.answers]).toEqual([['r1 allow'], ['r1 deny']]);
    expect(await codeOf(answerRequest(unseen.services, unseen.key, 'r1', 'allow'))).toBe('needs_review');
    const untrusted = world({}, true);
    expect(await codeOf(answerRequest(untrusted.services, untrusted.key, 'r1', 'allow'))).toBe('needs_review');
    expect([unseen.answers, untrusted.answers]).toEqual([['r1 deny'], []]);
  });

  it('is not where it was answered already, or where nobody knows', async () => {
    const gone = world({ waiting: [] });
    expect(await codeOf(answerRequest(gone.services, gone.key, 'r1', 'allow'))).toBe('already_answered');
    const away = world({ state: 'unknown', waiting: [] });
    expect(await codeOf(answerRequest(away.services, away.key, 'r1', 'deny'))).toBe('no_contact');
    expect([gone.answers, away.answers]).toEqual([[], []]);
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

  it('that comes to nothing for want of contact says that', async () => {
    const of = world({});
    expect((await press(of, 'Allow', () => of.now({ state: 'unknown', waiting: [] })))[0]).toContain('no contact');
  });
});
