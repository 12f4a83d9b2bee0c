import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Keep } from '../../../src/core/model/context.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { Session, Traits } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { OutboxItem } from '../../../src/core/session/store-api.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { AutoArchive } from '../../../src/extension/autoArchive.ts';
import { SETTINGS } from '../../../src/extension/contributions.ts';
import { sessionRow } from './sessionRow.ts';

const DAY = 86_400_000;
const NOW = 100 * DAY;
const TRAITS: Traits = { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true };
const connection = (connectionId: string, over: Partial<Connection> = {}): Connection => ({ connectionId, name: connectionId, system: 'happy', state: { status: 'ready', message: null, remedy: null, version: null }, traits: TRAITS, more: false, canSignIn: false, dormant: false, lastContactAt: null, ...over });
const asks = { requestId: 'r', tool: 'Bash', title: 'ls', ask: 'tool' as const, askedAt: 1 };

/** What two windows share: the sessions, the lease and what is kept. */
function world(list: readonly Session[], options: { readonly days?: number; readonly undelivered?: readonly string[]; readonly fails?: string; readonly trusted?: boolean } = {}) {
  const sessions = new Map(list.map((session) => [sessionKey(session), session]));
  const kept = new Map<string, string>();
  const keep: Keep = {
    get: (key) => Promise.resolve(kept.get(key) ?? null),
    set: (key, value) => Promise.resolve(void (value === null ? kept.delete(key) : kept.set(key, value))),
    list: () => Promise.resolve(new Map(kept)),
  };
  let holder: symbol | null = null;
  const told: { readonly titles: readonly string[]; readonly undo: () => Promise<void> }[] = [];
  const open = (): AutoArchive => {
    const me = Symbol('window');
    return new AutoArchive({
      fleet: {
        sessions: () => [...sessions.values()], session: (key) => sessions.get(key) ?? null, connections: () => [connection('happy-1'), connection('away', { state: { status: 'offline', message: null, remedy: null, version: null } })],
        archive: (key, archived) => {
          const session = sessions.get(key);
          if (session === undefined || session.id === options.fails) return Promise.reject(new PilothouseError('offline', 'No contact.'));
          sessions.set(key, { ...session, archived });
          return Promise.resolve();
        },
      },
      store: {
        outbox: () => Promise.resolve((options.undelivered ?? []).map((id): OutboxItem => ({ clientId: id, session: sessionKey({ connectionId: 'happy-1', id }), text: 'x', attachments: [], delivery: 'queued', position: 0, createdAt: 0, attempts: 0, error: null, steer: false }))),
        leases: {
          acquire: () => {
            holder ??= me;
            return Promise.resolve(holder === me);
          },
          release: () => {
            if (holder === me) holder = null;
            return Promise.resolve();
          },
          holder: () => Promise.resolve(holder === null ? 'nobody' : holder === me ? 'this' : 'other'),
        },
      },
      keep, log: silentLogger, now: () => NOW, days: () => options.days ?? 30, trusted: () => options.trusted ?? true, archived: (archived, undo) => told.push({ titles: archived.map(({ id }) => id), undo }),
    });
  };
  const archived = (): string[] => [...sessions.values()].filter((session) => session.archived).map(({ id }) => id);
  return { open, archived, told, sessions };
}

const old = (id: string, over: Partial<Session> = {}): Session => sessionRow({ id, updatedAt: NOW - 31 * DAY, ...over });

describe('archiving by age', () => {
  it('takes what nobody touched for so long, and nothing that is open in any way', async () => {
    const { open, archived, told } = world([
      old('idle'), old('stopped', { state: 'stopped' }), old('failed', { state: 'failed' }), old('young', { updatedAt: NOW - 29 * DAY }),
      old('running', { state: 'running' }), old('starting', { state: 'starting' }), old('waiting', { state: 'waiting', waiting: [asks] }), old('unknown', { state: 'unknown' }),
      old('pinned', { pinned: true }), old('unread', { unread: true }), old('unsent'), old('foreign', { owner: 'foreign' }), old('away', { connectionId: 'away' }),
    ], { undelivered: ['unsent'] });
    await open().pass();
    expect(archived()).toEqual(['idle', 'stopped', 'failed']);
    expect(told).toMatchObject([{ titles: ['idle', 'stopped', 'failed'] }]);
  });

  it('is off unless the person set it', async () => {
    const { open, archived, told } = world([old('idle')], { days: 0 });
    await open().pass();
    expect([archived(), told]).toEqual([[], []]);
  });

  it('is no folder’s to set, and done in none that the person does not trust', async () => {
    expect(SETTINGS['sessions.autoArchiveDays'].scope).toBe('machine');
    const distrust = { days: 30, trusted: false };
    const { open, archived, told } = world([old('idle')], distrust);
    const window = open();
    await window.pass();
    expect([archived(), told]).toEqual([[], []]);
    distrust.trusted = true;
    await window.pass();
    expect(archived()).toEqual(['idle']);
  });

  it('is done once by two windows, and told by one', async () => {
    const { open, archived, told } = world([old('a'), old('b')]);
    await Promise.all([open().pass(), open().pass()]);
    expect([archived(), told.length]).toEqual([['a', 'b'], 1]);
  });

  it('can be undone, and leaves alone what was brought back until it changes', async () => {
    const { open, archived, told, sessions } = world([old('a')]);
    const window = open();
    await window.pass();
    await told[0]?.undo();
    expect(archived()).toEqual([]);
    await window.pass();
    expect([archived(), told.length]).toEqual([[], 1]);
    for (const [key, session] of sessions) sessions.set(key, { ...session, updatedAt: session.updatedAt + 1 });
    await window.pass();
    expect(archived()).toEqual(['a']);
  });

  it('leaves alone what the person unarchived', async () => {
    const { open, archived } = world([old('a')]);
    const window = open();
    await window.spare(sessionKey({ connectionId: 'happy-1', id: 'a' }));
    await window.pass();
    expect(archived()).toEqual([]);
  });

  it('goes on after one that cannot be archived, and tries that one again', async () => {
    const failing = { days: 30, fails: 'a' };
    const { open, archived, told } = world([old('a'), old('b')], failing);
    await open().pass();
    expect([archived(), told[0]?.titles]).toEqual([['b'], ['b']]);
    failing.fails = '';
    await open().pass();
    expect(archived()).toEqual(['a', 'b']);
  });

  it('ends when it is closed', async () => {
    const { open, archived } = world([old('a')]);
    const window = open();
    await window.close();
    await window.pass();
    expect(archived()).toEqual([]);
  });
});
