/** Finding in a stored session: the first match and the whole count, how long the host's event loop is held, and the heap. Baseline: every row read and looked through in one go. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TranscriptFind } from '../../src/core/session/find.ts';
import type { FindStatus } from '../../src/core/session/find.ts';
import { matchesIn } from '../../src/core/session/findRow.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import type { TranscriptView } from '../../src/core/session/transcript-api.ts';
import { createTranscript } from '../../src/core/session/transcript.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { findPattern } from '../../src/protocol/find.ts';
import { HoldWatch } from './measure.ts';
import { sessionEntries } from './session.ts';

/** What is looked for: near the end, at the very beginning, in every turn, and nowhere. */
const WORDS = { near: 'golden bytes did not move', far: 'Step 0:', everywhere: 'invoice', nowhere: 'no such words' } as const;

function patternOf(text: string): RegExp {
  const pattern = findPattern({ text, matchCase: false, wholeWord: false });
  if (pattern === null) throw new Error('nothing to look for');
  return pattern;
}

async function search(transcript: TranscriptView, words: string): Promise<Record<string, unknown>> {
  const hold = new HoldWatch();
  const started = performance.now();
  let first: number | null = null;
  const done = Promise.withResolvers<FindStatus>();
  const find = new TranscriptFind({
    transcript, pattern: patternOf(words), thinking: true, from: transcript.total - 1, onPlace: () => (first ??= Math.round(performance.now() - started)), onStatus: (status) => !status.searching && done.resolve(status),
  });
  const { total } = await done.promise;
  const result = { firstMs: first, allMs: Math.round(performance.now() - started), total, ...hold.end() };
  find.dispose();
  return result;
}

async function atOnce(transcript: TranscriptView, words: string): Promise<Record<string, unknown>> {
  const hold = new HoldWatch();
  const started = performance.now();
  const { rows } = await transcript.rows(0, transcript.total);
  let total = 0;
  for (const row of rows) total += matchesIn(row, { pattern: patternOf(words), thinking: true });
  return { allMs: Math.round(performance.now() - started), total, ...hold.end() };
}

export async function benchFind(entries: number): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));
  const store = await openStore({ directory, key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock });
  try {
    const session = `bench\u0000${entries}`;
    const all = [...sessionEntries(entries)];
    for (let at = 0; at < all.length; at += 2_000) await store.put(session, all.slice(at, at + 2_000));
    all.length = 0;
    const transcript = await createTranscript({ store, session, log: silentLogger, clock: systemClock });
    const before = process.memoryUsage().heapUsed;
    const results: Record<string, unknown> = { entries, rows: transcript.total };
    for (const [name, words] of Object.entries(WORDS)) results[name] = await search(transcript, words);
    results['heapMB'] = Math.round((process.memoryUsage().heapUsed - before) / 1e6);
    results['atOnce'] = await atOnce(transcript, WORDS.everywhere);
    await transcript[Symbol.asyncDispose]();
    return results;
  } finally {
    await store[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}
