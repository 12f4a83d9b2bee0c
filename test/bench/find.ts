/** Finding in a stored session: the first match and the whole count, how long the host's event loop is held, and the heap. Baseline: every row read and looked through in one go. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TranscriptFind } from '../../src/core/session/find.ts';
import type { FindStatus } from '../../src/core/session/find.ts';
import { GrowingTexts } from '../../src/core/session/findPart.ts';
import type { Looking } from '../../src/core/session/findRow.ts';
import { matchesIn } from '../../src/core/session/findRow.ts';
import type { Wanted } from '../../src/core/session/matchCounter.ts';
import type { Row, TextRow, ToolRow } from '../../src/core/model/row.ts';
import { cutOutput } from '../../src/core/session/cut.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import type { TranscriptView } from '../../src/core/session/transcript-api.ts';
import { createTranscript } from '../../src/core/session/transcript.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { Slicer } from '../../src/core/transport/slices.ts';
import { findPattern, findReach } from '../../src/protocol/find.ts';
import { collectDocument } from '../../src/extension/export/collect.ts';
import { HoldWatch } from './measure.ts';
import { sessionEntries } from './session.ts';

/** What is looked for: near the end, at the very beginning, in every turn, and nowhere. */
const WORDS = { near: 'golden bytes did not move', far: 'Step 0:', everywhere: 'invoice', nowhere: 'no such words' } as const;

function wantedOf(text: string): Wanted {
  const query = { text, matchCase: false, wholeWord: false };
  const pattern = findPattern(query);
  if (pattern === null) throw new Error('nothing to look for');
  return { pattern, reach: findReach(query) };
}

function lookingFor(words: string): Looking {
  const wanted = wantedOf(words);
  return { ...wanted, thinking: true, output: () => Promise.resolve(null), growing: new GrowingTexts(wanted), counted: new WeakMap() };
}

async function search(transcript: TranscriptView, words: string): Promise<Record<string, unknown>> {
  const hold = new HoldWatch();
  const started = performance.now();
  let first: number | null = null;
  const done = Promise.withResolvers<FindStatus>();
  const find = new TranscriptFind({
    transcript, ...wantedOf(words), thinking: true, from: transcript.total - 1, onPlace: () => (first ??= Math.round(performance.now() - started)), onStatus: (status) => !status.searching && done.resolve(status),
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
  const looking = lookingFor(words);
  const atOneGo = new Slicer({ pace: { spent: () => 0, rest: () => Promise.resolve() } });
  for (const row of rows) total += await matchesIn(row, looking, atOneGo);
  return { allMs: Math.round(performance.now() - started), total, ...hold.end() };
}

/** Texts of about a million characters in one row, the last one in one line. */
const HUGE: Readonly<Record<string, string>> = {
  prose: 'The totals are **computed** in `invoice.ts`, see [the notes](https://example.com/a_b) and snake_case names. '.repeat(9_500).replaceAll('names. ', 'names.\n\n'),
  unclosed: 'a **bold that never ends '.repeat(40_000),
  spaces: `${' '.repeat(500_000)}a${' '.repeat(500_000)}`,
};

async function held(work: () => Promise<unknown>): Promise<Record<string, unknown>> {
  const hold = new HoldWatch();
  const started = performance.now();
  await work();
  return { ms: Math.round(performance.now() - started), ...hold.end() };
}

async function hugeRows(): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(HUGE)) {
    const row: TextRow = { kind: 'text', key: name, at: null, turn: null, text, streaming: true };
    const looking = lookingFor('no such words');
    results[name] = {
      find: await held(() => matchesIn(row, looking, new Slicer())),
      findGrown: await held(() => matchesIn({ ...row, text: `${text} and more` }, looking, new Slicer())),
      ...(await exported(row)),
    };
  }
  const output = 'a line of an output that is long\n'.repeat(300_000);
  const tool: ToolRow = { kind: 'tool', key: 't', at: null, turn: null, name: 'Bash', verb: 'execute', title: 'make', status: 'ok', input: null, command: 'make', cwd: null, locations: [], diffs: [], ...cutOutput(output), exitCode: 0, durationMs: 1, attachments: [], children: [] };
  results['output10MB'] = { find: await held(() => matchesIn(tool, { ...lookingFor('no such words'), output: () => Promise.resolve(output) }, new Slicer())) };
  return results;
}

async function exported(row: Row): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  const transcript = { total: 1, rows: () => Promise.resolve({ start: 0, rows: [row] }), output: () => Promise.resolve(null) };
  const head = { title: 'Bench', agent: 'a', machine: 'm', folder: '/', exportedAt: 0 };
  for (const kind of ['html', 'markdown', 'json'] as const) results[kind] = await held(() => collectDocument({ transcript, kind, head, signal: new AbortController().signal, onProgress: () => undefined }));
  return results;
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
    results['hugeRows'] = await hugeRows();
    results['atOnce'] = await atOnce(transcript, WORDS.everywhere);
    await transcript[Symbol.asyncDispose]();
    return results;
  } finally {
    await store[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}
