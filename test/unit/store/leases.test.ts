import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { stateOf, thisProcess } from '../../../src/core/session/store/processes.ts';
import { drain, inFolder, openAt, SimClock, startChild, until } from './support.ts';

function query(folder: string, sql: string): unknown {
  const db = new DatabaseSync(path.join(folder, 'store-4bb06f8e.db'));
  try {
    return db.prepare(sql).get();
  } finally {
    db.close();
  }
}

describe('a heartbeat', () => {
  it('goes every two seconds while a lease is held, and keeps it', async () => {
    await inFolder(async (folder) => {
      const clock = new SimClock();
      const beat = (): number => (query(folder, 'SELECT max(beat) AS beat FROM owner') as { beat: number }).beat;
      await using store = await openAt(folder, { clock });
      await clock.advance(10_000);
      const idle = beat();
      expect(await store.leases.acquire('agent')).toBe(true);
      expect(beat() - idle).toBe(10_000);
      for (let count = 1; count <= 3; count += 1) {
        await clock.advance(2_000);
        await until(() => (beat() - idle === 10_000 + count * 2_000 ? true : null), 2_000);
        await drain();
      }
      await store.leases.release('agent');
      await clock.advance(2_000);
      await store.leases.holder('agent');
      await drain();
      expect(clock.waiting).toBe(0);
    });
  });
});

describe('an owner', () => {
  it('without a heartbeat for a minute loses its lease only when no heartbeat comes meanwhile', async () => {
    await inFolder(async (folder) => {
      const [sleeper, clock] = [new SimClock(), new SimClock()];
      await using one = await openAt(folder, { clock: sleeper });
      await using other = await openAt(folder, { clock });
      expect(await one.leases.acquire('agent')).toBe(true);
      await clock.advance(30_000);
      expect(await other.leases.acquire('agent')).toBe(false);
      await clock.advance(31_000);
      // The computer slept: the owner's process lives and moves its heartbeat as soon as it runs.
      const first = other.leases.acquire('agent');
      await until(() => (clock.waiting > 0 ? true : null));
      await sleeper.advance(62_000);
      await one.leases.holder('agent');
      await clock.advance(3_000);
      expect(await first).toBe(false);
      // It hangs for good.
      await clock.advance(90_000);
      const second = other.leases.acquire('agent');
      await until(() => (clock.waiting > 0 ? true : null));
      await clock.advance(3_000);
      expect(await second).toBe(true);
      expect(await one.leases.holder('agent')).toBe('other');
      expect(await other.leases.holder('agent')).toBe('this');
      // What is not its own any more it can't free.
      await one.leases.release('agent');
      expect(await other.leases.holder('agent')).toBe('this');
    });
  });

  it('whose pid is another process’s now is dead', async () => {
    await inFolder(async (folder) => {
      const clock = new SimClock();
      const one = await openAt(folder, { clock });
      expect(await one.leases.acquire('agent')).toBe(true);
      query(folder, "UPDATE owner SET started = '1'");
      await clock.advance(0);
      const late = new SimClock();
      await late.advance(11_000);
      await using other = await openAt(folder, { clock: late });
      expect(await other.leases.holder('agent')).toBe('nobody');
      expect(await other.leases.acquire('agent')).toBe(true);
      await one[Symbol.asyncDispose]();
      expect(await other.leases.holder('agent')).toBe('this');
    });
  });

  it('of another computer or container is judged by its heartbeat alone', async () => {
    await inFolder(async (folder) => {
      const clock = new SimClock();
      await using one = await openAt(folder, { clock });
      expect(await one.leases.acquire('agent')).toBe(true);
      query(folder, "UPDATE owner SET host = 'elsewhere', pid = 999999");
      const late = new SimClock();
      await late.advance(20_000);
      await using other = await openAt(folder, { clock: late });
      expect(await other.leases.acquire('agent')).toBe(false);
    });
  });

  it('that was forgotten while it held nothing can still hold', async () => {
    await inFolder(async (folder) => {
      const clock = new SimClock();
      await using idle = await openAt(folder, { clock });
      const later = new SimClock();
      await later.advance(2 * 86_400_000);
      await using other = await openAt(folder, { clock: later });
      expect((query(folder, 'SELECT count(*) AS n FROM owner') as { n: number }).n).toBe(1);
      await clock.advance(2 * 86_400_000);
      expect(await idle.leases.acquire('agent')).toBe(true);
      expect(await other.leases.acquire('agent')).toBe(false);
    });
  });
});

describe('processes', () => {
  it('are alive, dead, or somebody else', async () => {
    const me = thisProcess();
    expect(stateOf(me)).toBe('alive');
    expect(stateOf({ ...me, host: 'elsewhere' })).toBe('unknown');
    if (process.platform !== 'win32') expect(stateOf({ ...me, started: 'long ago' })).toBe('dead');
    const child = startChild(['nothing']);
    await child.ended();
    expect(stateOf({ pid: child.pid, host: me.host, started: '1' })).toBe('dead');
  });
});
