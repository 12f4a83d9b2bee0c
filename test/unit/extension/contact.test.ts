import { expect, it } from 'vitest';
import type { ConnectionState } from '../../../src/core/model/backend.ts';
import type { Machine } from '../../../src/core/model/session.ts';
import { contactOf, problemOf } from '../../../src/extension/chat/contact.ts';
import { machineAway } from '../../../src/extension/tree/text.ts';

const now = new Date(2026, 7, 5, 16, 30).getTime();
const ready: ConnectionState = { status: 'ready', message: null, remedy: null, version: null };
const machine = (of: Machine['state'], seenAt: number | null = new Date(2026, 7, 5, 14, 5).getTime()): Pick<Machine, 'name' | 'state' | 'seenAt'> => ({ name: 'studio', state: of, seenAt });
const time = (at: number): string => new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });

it('says which is away: the connection, or the machine behind it, and since when', () => {
  const since = time(new Date(2026, 7, 5, 14, 5).getTime());
  expect(contactOf(ready, machine('online'), 'idle', now)).toEqual({ connection: 'online', connectionDetail: null, machineAway: null });
  expect(contactOf(ready, machine('offline'), 'unknown', now)).toEqual({ connection: 'offline', connectionDetail: `Connection online, machine “studio” offline since ${since}.`, machineAway: `Machine “studio” offline since ${since}.` });
  expect(contactOf(ready, machine('offline'), 'stopped', now).connection).toBe('offline');
  expect(contactOf(ready, machine('unknown', null), 'unknown', now)).toEqual({ connection: 'reconnecting', connectionDetail: 'Connection online, no sign of machine “studio”.', machineAway: 'No sign of machine “studio”.' });
  expect(contactOf({ ...ready, status: 'offline', message: 'The Happy server cannot be reached.' }, machine('offline'), 'unknown', now)).toEqual({ connection: 'offline', connectionDetail: 'The Happy server cannot be reached.', machineAway: null });
  expect(contactOf({ ...ready, status: 'connecting' }, machine('online'), 'unknown', now).connection).toBe('reconnecting');
  expect(contactOf(undefined, undefined, 'unknown', now).connection).toBe('offline');
});

it('is in touch with a session that answers though the daemon of its machine does not', () => {
  const shown = contactOf(ready, machine('offline'), 'running', now);
  expect(shown.connection).toBe('online');
  expect(shown.connectionDetail).toMatch(/machine “studio” offline since .*; the session itself answers\.$/);
  expect(shown.machineAway).toBeNull();
});

it('gives the day where it was another one, and keeps a machine’s name on its line', () => {
  expect(machineAway(machine('offline', new Date(2026, 7, 4, 14, 5).getTime()), now)).toMatch(/4/);
  expect(machineAway(machine('offline', new Date(2024, 7, 4, 14, 5).getTime()), now)).toMatch(/2024/);
  expect(machineAway({ ...machine('offline', null), name: 'st\nud\u202Eio' }, now)).toBe('machine “st ud io” offline');
  expect(machineAway(machine('online'), now)).toBeNull();
});

it('offers to sign in where no key opens the session, behind what its connection needs', () => {
  const locked = { locked: 'This account’s key does not open this session.', state: 'idle', error: null } as const;
  const connection = { state: ready, canSignIn: false, dormant: false };
  expect(problemOf(connection, locked)).toEqual({ message: 'This account’s key does not open this session.', remedy: null, signIn: true });
  expect(problemOf({ ...connection, dormant: true }, locked)).toBeNull();
  expect(problemOf({ ...connection, state: { ...ready, status: 'offline', message: 'Out of reach.' } }, locked)).toMatchObject({ message: 'Out of reach.', signIn: false });
  expect(problemOf(connection, { state: 'failed', error: 'no key' })).toEqual({ message: 'no key', remedy: null });
  expect(problemOf(connection, { state: 'idle', error: null })).toBeNull();
  expect(problemOf(undefined, null)).toMatchObject({ message: 'This connection is not available.' });
});
