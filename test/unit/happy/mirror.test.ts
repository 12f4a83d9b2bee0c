import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { Keyring } from '../../../src/core/systems/happy/crypto/keyring.ts';
import { contentKeyPair, wrapKey } from '../../../src/core/systems/happy/crypto/keys.ts';
import { HappyError } from '../../../src/core/systems/happy/errors.ts';
import { Mirror } from '../../../src/core/systems/happy/mirror.ts';
import type { MirrorChange, MirrorSource } from '../../../src/core/systems/happy/mirrored.ts';
import type { MachineRow, SessionRow } from '../../../src/core/systems/happy/wire/bodies.ts';
import { readEphemeral, readUpdate } from '../../../src/core/systems/happy/wire/pushes.ts';

const master = Uint8Array.from(randomBytes(32));
const key = Uint8Array.from(randomBytes(32));
const cipher = dataKeyCipher(key);
const wrapped = toBase64(wrapKey(key, contentKeyPair(master).publicKey));
const sealed = new Map<string, string>();
const seal = (name: string): string => {
  const known = sealed.get(name) ?? cipher.seal({ name });
  sealed.set(name, known);
  return known;
};
const sessionOf = (id: string, more: Partial<SessionRow> = {}): SessionRow =>
  ({ id, seq: 0, createdAt: 1, updatedAt: 1, active: true, activeAt: 100, metadata: seal('m1'), metadataVersion: 1, agentState: null, agentStateVersion: 0, dataEncryptionKey: wrapped, ...more });
const machineOf = (id: string, more: Partial<MachineRow> = {}): MachineRow =>
  ({ id, createdAt: 1, updatedAt: 1, active: true, activeAt: 100, metadata: seal('host'), metadataVersion: 1, daemonState: null, daemonStateVersion: 0, dataEncryptionKey: wrapped, ...more });

class Lists implements MirrorSource {
  rows: SessionRow[] = [];
  hosts: MachineRow[] = [];
  requests = 0;
  pageSize = 2;
  bad = 0;
  failAtPage = -1;
  /** Called before each page of sessions. */
  onPage: (page: number) => void = () => undefined;
  readonly limits: (number | undefined)[] = [];
  sessions({ cursor, limit }: { readonly cursor?: string | null; readonly limit?: number }): Promise<{ rows: SessionRow[]; bad: number; next: string | null }> {
    this.requests += 1;
    this.limits.push(limit);
    const from = Number(cursor ?? 0);
    if (from / this.pageSize === this.failAtPage) return Promise.reject(new HappyError('server_error', 'down'));
    const rows = this.rows.slice(from, from + this.pageSize);
    const next = from + this.pageSize < this.rows.length ? String(from + this.pageSize) : null;
    this.onPage(from / this.pageSize);
    return Promise.resolve({ rows, bad: this.bad, next });
  }
  session(id: string): Promise<SessionRow | null> {
    this.requests += 1;
    return Promise.resolve(this.rows.find((row) => row.id === id) ?? null);
  }
  machines(): Promise<{ rows: MachineRow[]; bad: number }> {
    this.requests += 1;
    return Promise.resolve({ rows: this.hosts, bad: 0 });
  }
  machine(id: string): Promise<MachineRow | null> {
    this.requests += 1;
    return Promise.resolve(this.hosts.find((row) => row.id === id) ?? null);
  }
}
function made(): { readonly lists: Lists; readonly mirror: Mirror; readonly changes: MirrorChange[] } {
  const lists = new Lists();
  const mirror = new Mirror(lists, new Keyring({ master }));
  const changes: MirrorChange[] = [];
  mirror.onChange.on((change) => changes.push(change));
  mirror.setOnline(true);
  return { lists, mirror, changes };
}
const push = (mirror: Mirror, body: Record<string, unknown>): void => mirror.apply(readUpdate({ id: 'u', seq: 1, createdAt: 5, body }));
const beat = (mirror: Mirror, event: Record<string, unknown>): void => {
  const read = readEphemeral(event);
  if (read !== null) mirror.applyEphemeral(read);
};
/** What works in slices may wait for some turns of the event loop. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn += 1) {
    for (let step = 0; step < 6; step += 1) await Promise.resolve();
    await nextTurn();
  }
};

describe('lists', () => {
  it('asks for so many rows at once as are parsed in a slice, by what the last were like', async () => {
    const { lists, mirror } = made();
    const large = 'x'.repeat(20_000);
    lists.rows = Array.from({ length: 8 }, (_, index) => sessionOf(`s${index}`, index === 2 || index === 3 ? { metadata: large } : {}));
    await mirror.load();
    // The first is a guess; the most that the server gives; 20 KB a row; the most again.
    expect(lists.limits).toEqual([100, 200, 50, 200]);
    expect(mirror.sessions()).toHaveLength(8);
  });

  it('reads every page, decrypts what it can, and says of each row that it cannot read why', async () => {
    const { lists, mirror } = made();
    lists.rows = [
      sessionOf('a'), sessionOf('b', { dataEncryptionKey: toBase64(Uint8Array.from(randomBytes(105))) }), sessionOf('c', { metadata: 'Z2FyYmFnZQ==' }),
      sessionOf('d', { dataEncryptionKey: null }), sessionOf('e', { agentState: cipher.seal({ requests: {} }), agentStateVersion: 3 }),
    ];
    lists.hosts = [machineOf('m')];
    await mirror.load();
    expect(mirror.sessions().map((one) => [one.id, one.readable])).toEqual([['a', 'yes'], ['b', 'no-key'], ['c', 'damaged'], ['d', 'damaged'], ['e', 'yes']]);
    expect(mirror.session('a')).toMatchObject({ metadata: { name: 'm1' }, active: true, thinking: null });
    expect(mirror.session('e')?.agentState).toEqual({ requests: {} });
    expect(mirror.machine('m')?.metadata).toEqual({ name: 'host' });
  });

  it('forgets what the list has no more, and nothing when the list was not read to its end or had rows without a shape', async () => {
    const { lists, mirror, changes } = made();
    lists.rows = ['a', 'b', 'c', 'd'].map((id) => sessionOf(id));
    await mirror.load();
    lists.rows = lists.rows.filter((row) => row.id !== 'b');
    lists.failAtPage = 1;
    await expect(mirror.load()).rejects.toMatchObject({ code: 'server_error' });
    expect(mirror.sessions()).toHaveLength(4);
    lists.failAtPage = -1;
    lists.bad = 1;
    await mirror.load();
    expect(mirror.sessions()).toHaveLength(4);
    lists.bad = 0;
    await mirror.load();
    expect(mirror.session('b')).toBeNull();
    expect(changes).toContainEqual({ type: 'session-removed', sessionId: 'b' });
  });

  it('keeps what was made, and drops what was deleted, while the list was being read', async () => {
    const { lists, mirror } = made();
    lists.rows = ['a', 'b', 'c'].map((id) => sessionOf(id));
    await mirror.load();
    lists.onPage = (page) => {
      if (page !== 0) return;
      push(mirror, { t: 'new-session', ...sessionOf('new') });
      push(mirror, { t: 'delete-session', sid: 'a' });
      push(mirror, { t: 'delete-session', sid: 'c' });
    };
    await mirror.load();
    expect(mirror.sessions().map((one) => one.id).sort()).toEqual(['b', 'new']);
  });

  it('does not believe that all machines are gone without asking for each', async () => {
    const { lists, mirror } = made();
    lists.hosts = [machineOf('m'), machineOf('n')];
    await mirror.load();
    const hosts = lists.hosts;
    lists.hosts = [];
    const asked = mirror.load();
    lists.machine = (id) => Promise.resolve(hosts.find((one) => one.id === id && id === 'm') ?? null);
    await asked;
    expect(mirror.machines().map((one) => one.id)).toEqual(['m']);
  });

  it('ends a read that began before another contact', async () => {
    const { lists, mirror } = made();
    lists.rows = ['a', 'b', 'c', 'd'].map((id) => sessionOf(id));
    const first = mirror.load();
    const outcome = expect(first).rejects.toMatchObject({ name: 'AbortError' });
    await mirror.load();
    await outcome;
    expect(mirror.sessions()).toHaveLength(4);
  });

  it('reads again what it could not, when another key has come', async () => {
    const { lists, mirror } = made();
    lists.rows = [sessionOf('a')];
    lists.hosts = [machineOf('m')];
    const poor = new Mirror(lists, new Keyring({}));
    poor.setOnline(true);
    await poor.load();
    expect(poor.session('a')).toMatchObject({ readable: 'no-key', metadata: null });
    await poor.rekey(new Keyring({ master }));
    expect(poor.session('a')).toMatchObject({ readable: 'yes', metadata: { name: 'm1' } });
    expect(poor.machine('m')).toMatchObject({ readable: 'yes', metadata: { name: 'host' } });
    expect(mirror.sessions()).toEqual([]);
  });
});

describe('presence', () => {
  it('is unknown while there is no contact, and never the last known flag', async () => {
    const { lists, mirror, changes } = made();
    lists.rows = [sessionOf('a')];
    lists.hosts = [machineOf('m')];
    await mirror.load();
    beat(mirror, { type: 'activity', id: 'a', active: true, activeAt: 200, thinking: true });
    expect(mirror.session('a')).toMatchObject({ active: true, thinking: true, activeAt: 200 });
    mirror.setOnline(false);
    expect(mirror.session('a')).toMatchObject({ active: null, thinking: null });
    expect(mirror.machine('m')?.active).toBeNull();
    expect(changes.at(-1)).toEqual({ type: 'presence', online: false });
    lists.rows = [sessionOf('a', { active: false, activeAt: 150 })];
    mirror.setOnline(true);
    expect(mirror.session('a')?.active).toBeNull();
    await mirror.load();
    expect(mirror.session('a')).toMatchObject({ active: false, thinking: false });
  });

  it('ignores signs of life that are older than what is known', async () => {
    const { lists, mirror } = made();
    lists.rows = [sessionOf('a', { activeAt: 300 })];
    await mirror.load();
    beat(mirror, { type: 'activity', id: 'a', active: false, activeAt: 200 });
    expect(mirror.session('a')?.active).toBe(true);
    beat(mirror, { type: 'activity', id: 'a', active: false, activeAt: 400 });
    expect(mirror.session('a')).toMatchObject({ active: false, thinking: false });
    push(mirror, { t: 'new-session', ...sessionOf('a', { active: true, activeAt: 350 }) });
    expect(mirror.session('a')?.active).toBe(false);
  });
});

describe('pushes', () => {
  it('fetches what they name and we do not have, once', async () => {
    const { lists, mirror } = made();
    lists.rows = [sessionOf('x')];
    lists.hosts = [machineOf('y')];
    push(mirror, { t: 'update-session', id: 'x', metadata: { value: seal('m9'), version: 9 } });
    push(mirror, { t: 'new-message', sid: 'x', message: { id: 'm', seq: 4, content: { t: 'encrypted', c: '' } } });
    beat(mirror, { type: 'activity', id: 'x', active: true, activeAt: 1 });
    beat(mirror, { type: 'machine-activity', id: 'y', active: true, activeAt: 1 });
    await settle();
    expect(lists.requests).toBe(2);
    expect(mirror.session('x')).not.toBeNull();
    expect(mirror.machine('y')).not.toBeNull();
  });

  it('takes machines as they come, change and go, and hands on what it does not know', async () => {
    const { mirror, changes } = made();
    const { id: _id, ...row } = machineOf('m');
    push(mirror, { t: 'new-machine', machineId: 'm', ...row });
    push(mirror, { t: 'update-machine', machineId: 'm', metadata: { value: seal('renamed'), version: 2 }, daemonState: { value: cipher.seal({ status: 'running' }), version: 1 } });
    expect(mirror.machine('m')).toMatchObject({ metadata: { name: 'renamed' }, daemonState: { status: 'running' } });
    push(mirror, { t: 'delete-machine', machineId: 'm' });
    expect(mirror.machines()).toEqual([]);
    const before = changes.length;
    for (const t of ['kv-batch-update', 'update-account', 'relationship-updated', 'new-artifact', 'never-heard-of']) push(mirror, { t });
    push(mirror, { t: 'update-session' });
    expect(changes).toHaveLength(before);
    expect(readUpdate({ body: { t: 'new-feed-post', id: 1 } })).toMatchObject({ kind: 'other', t: 'new-feed-post' });
    for (const raw of [null, 1, 'x', [], {}, { body: null }]) expect(readUpdate(raw)).toMatchObject({ kind: 'other', t: null });
    for (const raw of [null, {}, { type: 'machine-status' }, { type: 'activity', id: 1 }]) expect(readEphemeral(raw)).toBeNull();
  });
});

/** P7: a version never goes back, whatever order lists and pushes come in and however often; and in the end the newest of each is here. */
describe('P7', () => {
  const step = fc.oneof(
    fc.record({ by: fc.constant('push' as const), metadata: fc.option(fc.integer({ min: 0, max: 12 })), agentState: fc.option(fc.integer({ min: 0, max: 12 })) }),
    fc.record({ by: fc.constant('list' as const), metadata: fc.integer({ min: 0, max: 12 }), agentState: fc.integer({ min: 0, max: 12 }) }),
    fc.record({ by: fc.constant('new' as const), metadata: fc.integer({ min: 0, max: 12 }), agentState: fc.integer({ min: 0, max: 12 }) }),
    fc.record({ by: fc.constant('contact' as const) }),
  );
  const runs = process.env['PILOTHOUSE_LONG'] === '1' ? 5_000 : 500;

  it(`holds for ${runs} random orders`, { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { lists, mirror } = made();
      const row = (metadata: number, agentState: number): SessionRow => sessionOf('a', { metadata: seal(`m${metadata}`), metadataVersion: metadata, agentState: seal(`s${agentState}`), agentStateVersion: agentState });
      let best = { metadata: 1, agentState: 1 };
      mirror.takeSession(row(1, 1));
      for (const one of steps) {
        const before = mirror.session('a');
        if (one.by === 'push') {
          push(mirror, {
            t: 'update-session', id: 'a', ...(one.metadata === null ? {} : { metadata: { value: seal(`m${one.metadata}`), version: one.metadata } }),
            ...(one.agentState === null ? {} : { agentState: { value: seal(`s${one.agentState}`), version: one.agentState } }),
          });
        } else if (one.by === 'contact') {
          mirror.setOnline(false);
          mirror.setOnline(true);
        } else if (one.by === 'list') {
          lists.rows = [row(one.metadata, one.agentState)];
          await mirror.load();
        } else push(mirror, { t: 'new-session', ...row(one.metadata, one.agentState) });
        if (one.by !== 'contact') best = { metadata: Math.max(best.metadata, one.metadata ?? 0), agentState: Math.max(best.agentState, one.agentState ?? 0) };
        const now = mirror.session('a');
        expect(now?.metadataVersion).toBeGreaterThanOrEqual(before?.metadataVersion ?? 0);
        expect(now).toMatchObject({ metadataVersion: best.metadata, metadata: { name: `m${best.metadata}` }, agentStateVersion: best.agentState, agentState: { name: `s${best.agentState}` } });
      }
    }), { numRuns: runs });
  });
});
