/** Opening a stored session in the host: time until the snapshot's rows are there, and the snapshot's bytes. Baseline: the session of 1,000 entries. */
import { mkdtempSync, rmSync, statSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openStore } from '../../src/core/session/store/open.ts';
import { createTranscript } from '../../src/core/session/transcript.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { ratio, repeat } from './measure.ts';
import { sessionEntries } from './session.ts';

export async function benchOpening(sizes: readonly number[]): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));
  const store = await openStore({ directory, key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock });
  try {
    const results: Record<string, unknown> = {};
    let baseline = 0;
    for (const size of sizes) {
      const session = `bench\u0000${size}`;
      const started = performance.now();
      let batch = [];
      for (const entry of sessionEntries(size)) {
        batch.push(entry);
        if (batch.length === 2_000) {
          await store.put(session, batch);
          batch = [];
        }
      }
      await store.put(session, batch);
      const writing = performance.now() - started;
      let bytes = 0;
      let total = 0;
      const open = await repeat(20, async () => {
        const from = performance.now();
        const transcript = await createTranscript({ store, session, log: silentLogger, clock: systemClock });
        const rows = transcript.tail.slice(-200);
        const took = performance.now() - from;
        bytes = Buffer.byteLength(JSON.stringify(rows));
        ({ total } = transcript);
        await transcript[Symbol.asyncDispose]();
        return took;
      });
      const middle = await repeat(20, async () => {
        const from = performance.now();
        await store.rows(session, Math.floor(total / 2), 100);
        return performance.now() - from;
      });
      if (baseline === 0) baseline = open.median;
      results[String(size)] = { rows: total, openMs: open, ratioToSmallest: ratio(open.median, baseline), snapshotBytes: bytes, pageInTheMiddleMs: middle, writeAllMs: Math.round(writing) };
    }
    const onDisk = readdirSync(directory).reduce((sum, file) => sum + statSync(path.join(directory, file)).size, 0);
    return { sizes: results, databaseBytes: onDisk };
  } finally {
    await store[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}
