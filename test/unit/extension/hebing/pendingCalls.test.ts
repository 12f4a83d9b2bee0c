import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Keep } from '../../../../src/core/model/context.ts';
import { HebingClient } from '../../../../src/core/systems/hebing/index.ts';
import { PendingCalls } from '../../../../src/extension/hebing/pendingCalls.ts';
import type { HebingTestServer } from '../../../loopback/hebing/server.ts';
import { startHebingServer } from '../../../loopback/hebing/server.ts';
import { until } from '../../store/support.ts';

/** What the store keeps, whichever window asks. */
class FakeKeep implements Keep {
  readonly values = new Map<string, string>();
  get(key: string): Promise<string | null> {
    return Promise.resolve(this.values.get(key) ?? null);
  }
  set(key: string, value: string | null): Promise<void> {
    if (value === null) this.values.delete(key);
    else this.values.set(key, value);
    return Promise.resolve();
  }
  list(prefix: string): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(new Map([...this.values].filter(([key]) => key.startsWith(prefix))));
  }
}

const CALL = { connectionId: 'hebing-1', capability: { capabilityKey: 'media.echo.v1' }, input: { text: 'hello' } } as const;

let hebing: HebingTestServer;
let keep: FakeKeep;
let caller: { ask<T>(work: (client: HebingClient) => Promise<T>): Promise<T> };
let client: HebingClient;
let now: number;
beforeEach(async () => {
  hebing = await startHebingServer();
  keep = new FakeKeep();
  now = 1_000_000;
  client = new HebingClient({ apiKey: hebing.newAgent().key, baseUrl: hebing.url, env: {}, retry: { tries: 1 } });
  caller = { ask: (work) => work(client) };
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await hebing.close();
});
/** A window that has just been opened. */
const calls = () => new PendingCalls(keep, () => now);

describe('a call', () => {
  it('leaves nothing behind when its job is there', async () => {
    const job = await calls().send(caller, CALL);
    expect(hebing.kernel.jobs.get(job.id)?.idempotencyKey).toBeTruthy();
    expect(keep.values.size).toBe(0);
    expect((await calls().send(caller, CALL)).id).not.toBe(job.id);
  });

  it('whose answer was lost is one job when it is sent again, also from another window', async () => {
    hebing.faults.add('POST', '/kernel-jobs', { kind: 'drop', when: 'after' });
    await expect(calls().send(caller, CALL)).rejects.toMatchObject({ code: 'connection_failed' });
    expect(hebing.kernel.jobs.size).toBe(1);
    expect(await calls().of('hebing-1')).toMatchObject([{ capabilityKey: 'media.echo.v1', input: CALL.input }]);
    expect(await calls().of('hebing-2')).toEqual([]);
    const job = await calls().send(caller, CALL);
    expect([...hebing.kernel.jobs.keys()]).toEqual([job.id]);
    expect(keep.values.size).toBe(0);
  });

  it('is kept after a server’s own failure, a refused key and an abort, and sent under the same key', async () => {
    for (const [status, applied] of [[502, true], [503, false], [401, false], [429, false]] as const) {
      hebing.faults.add('POST', '/kernel-jobs', { kind: 'status', status, applied });
      await expect(calls().send(caller, CALL)).rejects.toMatchObject({ status });
      expect(await calls().of('hebing-1')).toHaveLength(1);
    }
    hebing.faults.add('POST', '/kernel-jobs', { kind: 'silence', when: 'after' });
    const stop = new AbortController();
    const before = hebing.count('POST', '/kernel-jobs');
    const sent = calls().send(caller, { ...CALL, signal: stop.signal });
    await until(() => hebing.count('POST', '/kernel-jobs') > before);
    stop.abort();
    await expect(sent).rejects.toThrow();
    await calls().send(caller, CALL);
    expect(hebing.kernel.jobs.size).toBe(1);
    expect(keep.values.size).toBe(0);
  });

  it('that hebing refused is forgotten, and another input is another job', async () => {
    await expect(calls().send(caller, { ...CALL, input: { text: '' } })).rejects.toMatchObject({ status: 422 });
    expect(keep.values.size).toBe(0);
    hebing.faults.add('POST', '/kernel-jobs', { kind: 'drop', when: 'after' });
    await expect(calls().send(caller, CALL)).rejects.toThrow();
    await calls().send(caller, { ...CALL, input: { text: 'something else' } });
    expect(hebing.kernel.jobs.size).toBe(2);
    expect(await calls().of('hebing-1')).toMatchObject([{ input: CALL.input }]);
  });

  it('that nobody sent again within a day is forgotten, as is what is no call', async () => {
    hebing.faults.add('POST', '/kernel-jobs', { kind: 'drop', when: 'before' });
    await expect(calls().send(caller, CALL)).rejects.toThrow();
    keep.values.set('call/hebing-1/strange', '{');
    now += 25 * 3_600_000;
    expect(await calls().of('hebing-1')).toEqual([]);
    expect(keep.values.size).toBe(0);
  });
});
