import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { Services } from '../../../src/extension/services.ts';
import { sessionRow } from './sessionRow.ts';

const window = vi.hoisted(() => ({ setStatusBarMessage: vi.fn(), showErrorMessage: vi.fn(), showQuickPick: vi.fn(), withProgress: vi.fn() }));
vi.mock('vscode', () => ({ window, ProgressLocation: { Notification: 15, Window: 10 } }));
const { countOf, manyOf, toEach } = await import('../../../src/extension/commands/manySessions.ts');

const sessions = Array.from({ length: 6 }, (_, index) => sessionRow({ id: `s${index}`, title: `T${index}` }));
const key = (session: Session): string => sessionKey(session);
const open = vi.fn();
const show = vi.fn();
/** Of the services, what is used here. */
const services = {
  fleet: { session: (wanted: string) => sessions.find((session) => key(session) === wanted) ?? null },
  tree: { node: (id: string) => (id.startsWith('s') ? { kind: 'session', key: key(sessionRow({ id })) } : { kind: 'group' }) },
  log: { warn: vi.fn() }, channel: { show }, panels: { open },
} as unknown as Services;
const words = { doing: 'Archiving', done: 'archived' };

beforeEach(() => {
  vi.resetAllMocks();
});

describe('what several sessions are', () => {
  it('is a selection of more than one, each once, or the keys that code gives', () => {
    const ids = (target: unknown, selection?: unknown) => manyOf(services, target, selection)?.map(({ id }) => id) ?? null;
    expect(ids('s0', ['s0', 's1', 'folder', 's1'])).toEqual(['s0', 's1']);
    expect([ids('s0', ['s0']), ids('s0', ['s0', 'folder']), ids('s0'), ids(undefined), ids({ keys: 'x' })]).toEqual([null, null, null, null, null]);
    expect(ids({ keys: [key(sessions[2] ?? sessionRow()), 'gone', 5] })).toEqual(['s2']);
    expect(ids({ keys: [] })).toEqual([]);
  });

  it('is told by number, one by its title', () => {
    expect([countOf(sessions), countOf(sessions.slice(0, 1))]).toEqual(['6 sessions', '“T0”']);
  });
});

describe('something that is done to each', () => {
  it('is done to all, and said in the status bar', async () => {
    const done: string[] = [];
    expect(await toEach(services, words, sessions, (each) => Promise.resolve(done.push(each)))).toHaveLength(6);
    expect(done.sort()).toEqual(sessions.map(key));
    expect(window.setStatusBarMessage).toHaveBeenCalledWith('Pilothouse: 6 sessions archived', 5_000);
    expect([window.showErrorMessage.mock.calls, window.withProgress.mock.calls]).toEqual([[], []]);
  });

  it('that fails for some is done to the others, and tells which and why; the list opens one', async () => {
    const listed: string[] = [];
    window.showErrorMessage.mockResolvedValue('Show All');
    window.showQuickPick.mockImplementation((items: readonly { readonly label: string; readonly detail: string }[]) => {
      listed.push(...items.map(({ label }) => label));
      return Promise.resolve(items.find(({ label }) => label === 'T4'));
    });
    const failing = new Set(['s1', 's3', 's4']);
    const done = await toEach(services, words, sessions, (_, { id }) => (failing.has(id) ? Promise.reject(new PilothouseError('offline', `No [contact](command:x) with ${id}.`)) : Promise.resolve()));
    expect(done.map(({ id }) => id).sort()).toEqual(['s0', 's2', 's5']);
    await vi.waitFor(() => expect(open).toHaveBeenCalled());
    expect(window.showErrorMessage.mock.calls[0]).toEqual(['3 of 6 sessions were not archived. “T1”: No [contact] (command:x) with s1. “T3”: No [contact] (command:x) with s3.', 'Show All', 'Show Log']);
    expect(listed.sort()).toEqual(['T1', 'T3', 'T4']);
    expect(open).toHaveBeenCalledWith(key(sessions[4] ?? sessionRow()));
  });

  it('is cancelled: what was begun is finished, the rest is left as it was', async () => {
    let cancel = (): void => undefined;
    window.withProgress.mockImplementation((_: unknown, work: (progress: unknown, token: unknown) => Promise<unknown>) => {
      const working = work({ report: () => undefined }, { onCancellationRequested: (listener: () => void) => {
        cancel = listener;
        return { dispose: () => undefined };
      } });
      cancel();
      for (const finish of begun.splice(0)) finish();
      return working;
    });
    const begun: (() => void)[] = [];
    const done = await toEach(services, words, sessions, () => new Promise<void>((resolve) => begun.push(resolve)));
    expect(done).toHaveLength(4);
    expect(window.setStatusBarMessage).toHaveBeenCalledWith('Pilothouse: 4 of 6 sessions archived, 2 left as they were', 5_000);
  });
});
