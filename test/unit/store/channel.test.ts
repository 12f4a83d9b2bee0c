import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { WorkerChannel } from '../../../src/core/session/store/channel.ts';
import { openStore } from '../../../src/core/session/store/open.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { inFolder, KEY, openAt, SESSION, textEntry, until, WORKER } from './support.ts';

const TEXT = JSON.stringify(textEntry('a', [1]));

/** A thread that opens well and then does this on the first call. */
function workerThat(folder: string, does: string): URL {
  const file = path.join(folder, 'worker.mjs');
  writeFileSync(file, `import { parentPort } from 'node:worker_threads';\nparentPort.on('message', (call) => { ${does} });\nparentPort.postMessage({ type: 'opened', health: { status: 'durable' } });\n`);
  return pathToFileURL(file);
}

function channelOver(workerUrl: URL, callMs?: number): { readonly channel: WorkerChannel; readonly healths: string[] } {
  const healths: string[] = [];
  const channel = new WorkerChannel({
    workerUrl, log: silentLogger, onHealth: (health) => healths.push(health.status === 'memory' ? health.reason : health.status),
    worker: { file: null, reason: '', key: KEY, busyMs: 0, now: 0 }, ...(callMs === undefined ? {} : { callMs }),
  });
  return { channel, healths };
}

describe('the store’s thread', () => {
  it('that can’t start: the store is in memory on the caller’s', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder, { workerUrl: path.join(folder, 'not there.cjs') });
      expect(store.health).toMatchObject({ status: 'memory', setAside: null });
      await store.put(SESSION, [textEntry('a', [1])]);
      expect((await store.rows(SESSION, 0, 1)).entries).toEqual([textEntry('a', [1])]);
      await expect(store.put(SESSION, [{} as never])).rejects.toMatchObject({ code: 'store_invalid_entry' });
      expect(await store.leases.acquire('x')).toBe(true);
    });
  });

  const deaths = { 'that throws': "throw new Error('broken')", 'that exits': 'process.exit(1)' };
  for (const [what, does] of Object.entries(deaths)) {
    it(`${what}: what it owed, and all that follows, is answered from memory`, async () => {
      await inFolder(async (folder) => {
        const { channel, healths } = channelOver(workerThat(folder, does));
        expect(await channel.open()).toEqual({ status: 'durable' });
        const owed = [channel.call('put', SESSION, [TEXT], 1), channel.call('count', SESSION)];
        expect(await Promise.all(owed)).toEqual([1, 1]);
        expect(await channel.call('entriesOf', SESSION, ['a'])).toBe(`[${TEXT}]`);
        expect(healths).toEqual([expect.stringContaining('thread')]);
        await channel.call('close');
        await channel.terminate();
      });
    });
  }

  it('that dies takes no lease with it', async () => {
    await inFolder(async (folder) => {
      const dies = "if (call.name !== 'acquire') process.exit(1); else parentPort.postMessage({ type: 'result', id: call.id, value: 'yes' })";
      await using store = await openAt(folder, { workerUrl: workerThat(folder, dies) });
      expect(await store.leases.acquire('agent')).toBe(true);
      await store.count(SESSION);
      await until(async () => ((await store.leases.holder('agent')) === 'this' ? true : null));
      expect(store.health.status).toBe('memory');
    });
  });

  it('that falls silent: is ended, and what it owed is answered from memory', async () => {
    await inFolder(async (folder) => {
      const { channel, healths } = channelOver(workerThat(folder, ''), 150);
      await channel.open();
      expect(await channel.call('put', SESSION, [TEXT], 1)).toBe(1);
      expect(healths).toEqual([expect.stringContaining('does not answer')]);
      await channel.terminate();
    });
  });

  it('runs from source, and from one bundled file by path or URL', async () => {
    await inFolder(async (folder) => {
      for (const workerUrl of [undefined, WORKER, pathToFileURL(WORKER)]) {
        await using store = await openStore({ directory: folder, key: KEY, log: silentLogger, clock: systemClock, ...(workerUrl === undefined ? {} : { workerUrl }) });
        expect(store.health).toEqual({ status: 'durable' });
        await store.put(SESSION, [textEntry('a', [1])]);
        expect(await store.count(SESSION)).toBe(1);
      }
    });
  });
});
