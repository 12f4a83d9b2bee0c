import { describe, expect, test } from 'vitest';
import { HeldLease, leaseMs, sentNow } from '../../../src/core/systems/hebing/lease.ts';
import { LeaseExpired, TaskRunNotFound } from '../../../src/core/systems/hebing/workerErrors.ts';
import { Simulation } from './simulation.ts';

describe('how long a lease lasts', () => {
  const now = Date.UTC(2026, 0, 1, 12);
  const sent = { monotonic: 0, now };
  const at = (ms: number): string => new Date(now + ms).toISOString();
  const day = 86_400_000;
  test.each([
    ['as the server says, where the clocks agree', at(30_000), now, 30_000],
    ['a whole second of Date is no disagreement', at(30_000), now - 900, 30_000],
    ['by the server\'s clock, less a second, where ours is behind', at(day + 30_000), now + day, 29_000],
    ['and where ours is ahead', at(30_000 - day), now - day, 29_000],
    ['the contract\'s, where no clock of the server\'s tells and ours cannot be right', at(day + 30_000), null, 30_000],
    ['and where it seems over', at(-5), null, 30_000],
    ['a short one, where nothing speaks against it', at(6_000), null, 6_000],
    ['nothing, where it is over by the server\'s own clock', at(-5_000), now, 0],
    ['an hour at most', at(7 * day), now, 3_600_000],
    ['a time without a zone is UTC', at(20_000).replace('Z', ''), now, 20_000],
    ['a time with one is what it is', '2026-01-01T14:00:20+02:00', now, 20_000],
    ['seconds since the epoch', now / 1_000 + 20, now, 20_000],
    ['milliseconds since the epoch', now + 20_000, now, 20_000],
    ['unknown, without a time', null, now, null],
    ['and with one that is none', 'soon', now, null],
  ])('%s', (_name, expiresAt, serverTime, lasts) => {
    expect(leaseMs(expiresAt, sent, serverTime)).toBe(lasts);
  });
});

describe('a held lease', () => {
  const held = (renew: (beat: number) => Promise<number | null>, lastsMs = 30_000) => {
    const time = new Simulation();
    const beats: number[] = [];
    const lease = new HeldLease({
      jobId: 'j', clock: time, sent: sentNow(time), lastsMs, intervalMs: 10_000, random: () => 0,
      renew: () => {
        beats.push(time.monotonic());
        return renew(beats.length);
      },
    });
    return { time, beats, lease };
  };

  test('beats every 10 s, and no more when it is let go', async () => {
    const { time, beats, lease } = held(() => Promise.resolve(30_000));
    await time.run(35_000);
    expect(beats).toEqual([10_000, 20_000, 30_000]);
    lease[Symbol.dispose]();
    await time.run(60_000);
    expect([beats.length, lease.signal.aborted, lease.held]).toEqual([3, false, false]);
  });

  test('beats sooner where the lease is shorter, and by the shorter one that a heartbeat brings', async () => {
    const { time, beats } = held((beat) => Promise.resolve(beat === 1 ? 3_000 : null), 6_000);
    await time.run(4_100);
    expect(beats).toEqual([2_000, 3_000, 4_000]);
  });

  test('is lost a tenth of its time before it lapses, after tries that come sooner than heartbeats', async () => {
    const { time, beats, lease } = held(() => Promise.reject(new Error('away')));
    const lost: number[] = [];
    lease.signal.addEventListener('abort', () => void lost.push(time.monotonic()));
    await time.run(60_000);
    expect(lost).toEqual([27_000]);
    expect(lease.signal.reason).toBeInstanceOf(LeaseExpired);
    expect(beats.length).toBeGreaterThan(4);
    expect(Math.max(...beats)).toBeLessThan(27_000);
  });

  test('a heartbeat without an answer is given up when the next is due', async () => {
    const { time, beats, lease } = held((beat) => (beat === 1 ? new Promise(() => undefined) : Promise.resolve(30_000)));
    await time.run(26_000);
    expect(beats).toEqual([10_000, 20_000]);
    expect(lease.held).toBe(true);
  });

  test('what a heartbeat refuses while an output is under way is its loss only when that failed', async () => {
    const { time, lease } = held(() => Promise.reject(new TaskRunNotFound('j')));
    const settling = lease.whileSettling(() => time.sleep(20_000));
    await time.run(15_000);
    expect([lease.signal.aborted, lease.held]).toEqual([false, false]);
    await time.run(10_000);
    await settling;
    expect(lease.signal.reason).toBeInstanceOf(TaskRunNotFound);
  });
});
