/** Searching a store of a thousand sessions: the first search reads everything, the next ones pass over what they need not read. First hits, the whole scan, the thread's memory and how long the host's event loop is held. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Entry } from '../../src/core/model/entry.ts';
import type { Session } from '../../src/core/model/session.ts';
import { SessionSearch } from '../../src/core/session/search/search.ts';
import type { SearchUpdate } from '../../src/core/session/search/wire.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import type { OwnedStore } from '../../src/core/session/store/open.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { repoRoot } from '../../scripts/setup/index.mjs';
import { HoldWatch } from './measure.ts';
import { sessionEntries } from './session.ts';

export const KEY = new Uint8Array(32).fill(7);
export const CONNECTION = 'bench';
/** What is said in one place only: in the newest session, in the one in the middle, in the oldest. */
const RARE = { newest: 'Rumpelstilzchen', middle: 'Schneewittchen', oldest: 'Dornröschen' } as const;

function record(place: number): Session {
  return {
    id: `s${place}`, connectionId: CONNECTION, machineId: 'm', folder: `/home/ann/project${place % 40}`, agent: 'claude', title: `Work on part ${place}`, state: 'idle', createdAt: place, updatedAt: place + 1, archived: false,
    owner: 'nobody', ownerName: null, branch: null, activity: null, usage: null, model: null, waiting: [], error: null,
  };
}

/** Entries whose words differ from session to session, so that what is remembered of them is as large as with real ones. */
function* entriesOf(place: number, count: number, rare: string | undefined): Generator<Entry> {
  let at = 0;
  for (const entry of sessionEntries(count, `s${place}`)) {
    at += 1;
    if (entry.kind === 'text' && at % 5 === 0) yield { ...entry, text: `${entry.text}\n${strange(place * 7_919 + at)} ${strange(place * 104_729 + at)}` };
    else if (entry.kind === 'prompt' && rare !== undefined && at > count / 2) {
      yield { ...entry, text: `${entry.text} It is ${rare}.` };
      rare = undefined;
    } else yield entry;
  }
}

/** A word of letters that follow from a number. */
function strange(seed: number): string {
  let [word, rest] = ['', Math.imul(seed + 1, 0x9e3779b1) >>> 0];
  for (; rest > 0; rest = Math.floor(rest / 26)) word += String.fromCharCode(97 + (rest % 26));
  return word;
}

export async function fill(store: OwnedStore, sessions: number, each: number): Promise<void> {
  await store.saveSessions(Array.from({ length: sessions }, (_, place) => record(place)));
  const rare = new Map<number, string>([[sessions - 1, RARE.newest], [Math.floor(sessions / 2), RARE.middle], [0, RARE.oldest]]);
  for (let place = 0; place < sessions; place += 1) await store.put(`${CONNECTION}\u0000s${place}`, [...entriesOf(place, each, rare.get(place))]);
}

async function measured(search: SessionSearch, text: string): Promise<Record<string, unknown>> {
  const hold = new HoldWatch();
  const started = performance.now();
  let firstMs: number | null = null;
  let hits = 0;
  let last: SearchUpdate | null = null;
  for await (const update of search.search({ text, connections: [CONNECTION], archived: true, thinking: true, mostOfSession: 5, most: 200 }, new AbortController().signal)) {
    hits += update.hits.length;
    if (hits > 0) firstMs ??= tenth(performance.now() - started);
    last = update;
  }
  return { firstMs, allMs: tenth(performance.now() - started), hits, ended: last?.ended, ...hold.end(), rssMB: Math.round(process.memoryUsage.rss() / 1e6) };
}

/** How long a search that is under way takes to end, and the next one to give its first hit. */
async function typed(search: SessionSearch): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  for (const text of ['ru', 'rump', 'rumpel', 'rumpelst']) results[text] = await measured(search, text);
  return results;
}

export async function benchSearch(entries: number, sessions: number): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));
  const store = await openStore({ directory, key: KEY, log: silentLogger, clock: systemClock, workerUrl: path.join(repoRoot, 'dist', 'store-worker.cjs') });
  const begin = (): SessionSearch => new SessionSearch({ directory, key: KEY, log: silentLogger, workerUrl: path.join(repoRoot, 'dist', 'search-worker.cjs') });
  try {
    const started = performance.now();
    await fill(store, sessions, Math.round(entries / sessions));
    const results: Record<string, unknown> = { entries, sessions, fillS: Math.round((performance.now() - started) / 1000), rssMB: Math.round(process.memoryUsage.rss() / 1e6) };
    {
      await using search = begin();
      results['first'] = { common: await measured(search, 'invoice ledger'), newest: await measured(search, RARE.newest), middle: await measured(search, RARE.middle), nowhere: await measured(search, 'nowhere at all') };
      results['again'] = { common: await measured(search, 'invoice ledger'), newest: await measured(search, RARE.newest), middle: await measured(search, RARE.middle), oldest: await measured(search, 'dornroschen'), nowhere: await measured(search, 'nowhere else'), everywhereTogetherNowhere: await measured(search, '"ledger invoice of"') };
      results['typed'] = await typed(search);
    }
    {
      await using search = begin();
      results['nextWindow'] = { oldest: await measured(search, RARE.oldest), title: await measured(search, '"part 77"') };
    }
    results['diskMB'] = Object.fromEntries(readdirSync(directory).map((file) => [file.replace(/-[0-9a-f]{8}/, ''), tenth(statSync(path.join(directory, file)).size / 1e6)]));
    return results;
  } finally {
    await store[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

const tenth = (value: number): number => Math.round(value * 10) / 10;
