import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { UnusedSessions } from '../../../src/extension/unused.ts';
import { recordingLog } from '../store/support.ts';

type Kind = 'prompt' | 'text' | 'notice';

function made(over: { readonly session?: Partial<Session> | null; readonly rows?: readonly Kind[]; readonly queued?: number; readonly status?: Connection['state']['status']; readonly remove?: boolean; readonly more?: number; readonly fails?: boolean } = {}) {
  const kept = new Map<string, string>();
  const told: string[] = [];
  const { rows = [], queued = 0, status = 'ready', remove = true, more = 0, fails = false } = over;
  const session = over.session === null ? null : ({ connectionId: 'c', id: 's', title: 'T', state: 'idle', owner: 'nobody', ...over.session } as Session);
  const unused = new UnusedSessions({
    fleet: {
      session: () => session,
      connections: () => [{ connectionId: 'c', state: { status }, traits: { remove } } as Connection],
      open: () => Promise.resolve({
        transcript: { total: rows.length + more, tail: rows.map((kind) => ({ kind })) }, outboxItems: () => Array.from({ length: queued }),
        historyRead: () => Promise.resolve(void told.push('read')), release: () => void told.push('released'),
      }),
      remove: (key) => fails ? Promise.reject(new Error('the connection was lost')) : Promise.resolve(void told.push(`removed ${key}`)),
    },
    keep: { get: (key) => Promise.resolve(kept.get(key) ?? null), set: (key, value) => Promise.resolve(value === null ? void kept.delete(key) : void kept.set(key, value)), list: () => Promise.resolve(kept) },
    log: recordingLog().log,
    removed: ({ title }) => void told.push(`told ${title}`),
  });
  return { unused, kept, told };
}

describe('a session that New Session… made', () => {
  it('goes with its chat when nothing was said in it', async () => {
    const { unused, kept, told } = made({ rows: ['notice'] });
    await unused.began('k');
    await unused.closed('k', false);
    expect([told, kept.size]).toEqual([['read', 'released', 'removed k', 'told T'], 0]);
    await unused.closed('k', false);
    expect(told).toHaveLength(4);
  });

  it.each([
    ['something was said', { rows: ['notice', 'prompt'] }], ['an answer came', { rows: ['text'] }], ['a prompt waits', { queued: 1 }], ['older rows are not in memory', { rows: ['notice'], more: 3 }],
  ] as const)('stays, and is not looked at again, where %s', async (_, over) => {
    const { unused, kept, told } = made(over);
    await unused.began('k');
    await unused.closed('k', false);
    expect([told, kept.size]).toEqual([['read', 'released'], 0]);
  });

  it.each([
    ['there is no contact', { status: 'offline' }], ['its state is not known', { session: { state: 'unknown' } }], ['it works', { session: { state: 'running' } }], ['another window runs it', { session: { owner: 'window' } }],
    ['a terminal runs it', { session: { owner: 'foreign' } }], ['its system removes nothing', { remove: false }],
  ] as const)('stays, and is looked at when its chat is closed again, while %s', async (_, over) => {
    const { unused, kept, told } = made(over);
    await unused.began('k');
    await unused.closed('k', false);
    expect([told, kept.size]).toEqual([[], 1]);
  });

  it('stays while something stands in its message box, and where it was not made here', async () => {
    const { unused, kept, told } = made();
    await unused.closed('k', false);
    await unused.began('k');
    await unused.closed('k', true);
    expect([told, kept.size]).toEqual([[], 1]);
  });

  it('is looked at when its chat is closed again, where it could not be removed', async () => {
    const { unused, kept, told } = made({ rows: ['notice'], fails: true });
    await unused.began('k');
    await unused.closed('k', false);
    expect([told, kept.size]).toEqual([['read', 'released'], 1]);
  });

  it('is forgotten when it is gone already', async () => {
    const { unused, kept, told } = made({ session: null });
    await unused.began('k');
    await unused.closed('k', false);
    expect([told, kept.size]).toEqual([[], 0]);
  });
});
