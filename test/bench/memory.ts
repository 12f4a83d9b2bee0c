/** Memory of a host with 100 sessions of 1,000 entries open at once. Baseline: the same process before any was opened. Run in a process of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openStore } from '../../src/core/session/store/open.ts';
import type { TranscriptView } from '../../src/core/session/transcript-api.ts';
import { createTranscript } from '../../src/core/session/transcript.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { ratio } from './measure.ts';
import { sessionEntries } from './session.ts';

const SESSIONS = 100;
const ENTRIES = 1_000;

export async function benchMemory(): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));
  const store = await openStore({ directory, key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock });
  const open: TranscriptView[] = [];
  try {
    const settle = async (): Promise<NodeJS.MemoryUsage> => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      globalThis.gc?.();
      return process.memoryUsage();
    };
    const before = await settle();
    for (let index = 0; index < SESSIONS; index += 1) {
      const session = `bench\u0000${index}`;
      await store.put(session, [...sessionEntries(ENTRIES, `s${index}`)]);
      open.push(await createTranscript({ store, session, log: silentLogger, clock: systemClock }));
    }
    const after = await settle();
    const mb = (bytes: number): number => Math.round((bytes / 1_048_576) * 10) / 10;
    return {
      sessions: SESSIONS, entriesEach: ENTRIES, rssMb: mb(after.rss), heapMb: mb(after.heapUsed), baseline: { rssMb: mb(before.rss), heapMb: mb(before.heapUsed) },
      rssRatio: ratio(after.rss, before.rss), heapPerSessionKb: Math.round((after.heapUsed - before.heapUsed) / SESSIONS / 1024),
    };
  } finally {
    await Promise.all(open.map((transcript) => transcript[Symbol.asyncDispose]()));
    await store[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}
