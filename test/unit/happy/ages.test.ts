import { afterEach, describe, expect, it } from 'vitest';
import { Ages } from '../../../src/core/systems/happy/ages.ts';
import { Keyring } from '../../../src/core/systems/happy/crypto/keyring.ts';
import { HappyError } from '../../../src/core/systems/happy/errors.ts';
import type { MessageRange } from '../../../src/core/systems/happy/http.ts';
import { Mirror } from '../../../src/core/systems/happy/mirror.ts';
import type { MirrorSource } from '../../../src/core/systems/happy/mirrored.ts';
import type { SessionRow } from '../../../src/core/systems/happy/wire/bodies.ts';
import { readUpdate } from '../../../src/core/systems/happy/wire/pushes.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { eventually } from '../../loopback/happy/phone.ts';
import { HappyWorld } from './backendWorld.ts';

const nothing: MirrorSource = {
  sessions: () => Promise.resolve({ rows: [], bad: 0, next: null }), session: () => Promise.resolve(null), machines: () => Promise.resolve({ rows: [], bad: 0 }), machine: () => Promise.resolve(null),
};
const rowOf = (id: string, more: Partial<SessionRow> = {}): SessionRow => ({ id, seq: 7, createdAt: 10, updatedAt: 5_000, active: true, activeAt: 5_000, metadata: '', metadataVersion: 1, agentState: null, agentStateVersion: 0, dataEncryptionKey: null, ...more });

function made(said: (id: string) => number | null): { readonly mirror: Mirror; readonly ages: Ages; readonly asked: string[] } {
  const mirror = new Mirror(nothing, new Keyring({ master: null, machineKey: null, knownKeys: new Map() }));
  mirror.setOnline(true);
  const asked: string[] = [];
  const messages = (id: string, range: MessageRange) => {
    asked.push(id);
    const [at, seq] = [said(id), ('before' in range ? range.before : 0) - 1];
    if (at === null) return Promise.reject(new HappyError('server_error', 'down'));
    return Promise.resolve({ rows: [{ id: `m${seq}`, seq, localId: null, content: { t: 'encrypted' as const, c: '' }, createdAt: at, updatedAt: at }], bad: 0, more: false });
  };
  return { mirror, ages: new Ages(mirror, { messages }, silentLogger), asked };
}
const at = (mirror: Mirror, id: string): number | undefined => mirror.session(id)?.updatedAt;
const never = new AbortController().signal;

describe('ages of sessions', () => {
  it('are those of the last message where the process lives, and of the list elsewhere; each is asked for once', async () => {
    const { mirror, ages, asked } = made(() => 900);
    for (const row of [rowOf('lives'), rowOf('ended', { active: false }), rowOf('empty', { seq: 0 })]) mirror.takeSession(row);
    await ages.look(never);
    await ages.look(never);
    expect([asked, at(mirror, 'lives'), at(mirror, 'ended'), at(mirror, 'empty')]).toEqual([['lives'], 900, 5_000, 5_000]);
    mirror.takeSession(rowOf('lives', { updatedAt: 9_000, activeAt: 9_000 }));
    expect(at(mirror, 'lives')).toBe(900);
    mirror.takeSession(rowOf('lives', { seq: 8, updatedAt: 9_500, activeAt: 9_500 }));
    await ages.look(never);
    expect([asked.length, at(mirror, 'lives')]).toEqual([2, 900]);
  });

  it('are asked for again where the server did not answer, and not where a message was pushed', async () => {
    let answers = false;
    const { mirror, ages, asked } = made(() => (answers ? 900 : null));
    for (const row of [rowOf('a'), rowOf('b')]) mirror.takeSession(row);
    ages.heard('b', 7);
    await ages.look(never);
    answers = true;
    await ages.look(never);
    expect([asked, at(mirror, 'a'), at(mirror, 'b')]).toEqual([['a', 'a'], 900, 5_000]);
  });

  it('are of the message before where the last seq is a hole, and are asked for once there too', async () => {
    const holed = { messages: (_id: string, range: MessageRange) => {
      const rows = [5, 6].filter((seq) => ('before' in range ? seq < range.before : seq > range.after)).toReversed();
      asked += 1;
      return Promise.resolve({ rows: rows.slice(0, 1).map((seq) => ({ id: `m${seq}`, seq, localId: null, content: { t: 'encrypted' as const, c: '' }, createdAt: seq * 100, updatedAt: 0 })), bad: 0, more: false });
    } };
    let asked = 0;
    const { mirror } = made(() => null);
    const ages = new Ages(mirror, holed, silentLogger);
    mirror.takeSession(rowOf('a', { seq: 7 }));
    await ages.look(never);
    await ages.look(never);
    expect([asked, at(mirror, 'a')]).toEqual([1, 600]);
  });

  it('stay as the list has them where the server does not answer, and where a later message came first', async () => {
    const failing = made(() => null);
    failing.mirror.takeSession(rowOf('a'));
    await failing.ages.look(never);
    expect(at(failing.mirror, 'a')).toBe(5_000);
    const { mirror, ages } = made(() => {
      mirror.apply(readUpdate({ id: 'u', seq: 1, createdAt: 8_000, body: { t: 'new-message', sid: 'a', message: { id: 'm8', seq: 8, content: { t: 'encrypted', c: '' }, createdAt: 8_000, updatedAt: 8_000 } } }));
      return 900;
    });
    mirror.takeSession(rowOf('a'));
    await ages.look(never);
    expect([mirror.session('a')?.seq, at(mirror, 'a')]).toEqual([8, 8_000]);
  });
});

describe('ages of an account', () => {
  let world: HappyWorld | undefined;
  afterEach(() => world?.[Symbol.asyncDispose]());

  it('are when something was said, however often the processes said that they live', async () => {
    world = await HappyWorld.make();
    const { id } = world.inState('idle');
    const said = world.server.messages(id).at(-1)?.createdAt ?? 0;
    await world.server.until(() => (world?.server.rows().sessions.find((row) => row.id === id)?.updatedAt ?? 0) > said + 60_000, 'a sign of life that was written');
    const window = await world.connected();
    const shown = await eventually(() => window.all(), (all) => Math.abs((all.find((session) => session.id === id)?.updatedAt ?? 0) - said) < 5, 'its age', 5_000);
    expect(shown.length).toBe(world.fleet.sessions.length);
  });
});
