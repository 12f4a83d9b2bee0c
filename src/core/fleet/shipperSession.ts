import os from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../model/context.ts';
import type { Entry } from '../model/entry.ts';
import { compareOrder } from '../model/entry.ts';
import type { Session, SessionKey, SystemId } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';
import type { CollectorClient, SentReport } from '../systems/catsyphon/client.ts';
import { CatsyphonAPIError, CatsyphonError, CatsyphonNotFoundError } from '../systems/catsyphon/errors.ts';
import type { CollectorEvent } from '../systems/catsyphon/events.ts';
import { EventMaker } from '../systems/catsyphon/events.ts';
import { entryByEntry, ownTimeOf, shippedId, startEvent } from '../systems/catsyphon/fromEntries.ts';
import { isUnknown } from '../systems/catsyphon/retry.ts';
import type { DoneHashes, ParkedRecord, ShipSpool, ShipState } from './shipperSpool.ts';

/** What is asked of an account. */
export type ShipClient = Pick<CollectorClient, 'sendEvents' | 'getSessionStatus'>;
type ShipStore = Pick<Store, 'entriesSince' | 'rows'>;

interface SweepOptions {
  readonly store: ShipStore;
  readonly spool: ShipSpool;
  readonly client: ShipClient;
  readonly clock: Clock;
  readonly session: SessionKey;
  /** CatSyphon's id of it. */
  readonly id: string;
  /** What begins it there. */
  readonly start: CollectorEvent;
  /** `updatedAt` of the session as its entries are read. */
  readonly at: number;
  /** All that the session's own system has is in the log: it need not be looked at again before more is said. */
  readonly read: boolean;
  /** A session of which nothing was shipped is, once something is said in it from then on. Milliseconds since the epoch; null: whatever is said when. */
  readonly since: number | null;
  /** Everything goes out again, whatever is known to be there: the server's own count then tells what it had. */
  readonly again: boolean;
  /** False once a turn runs: what it says may still change. */
  readonly rests: () => boolean;
  readonly signal: AbortSignal;
  /** Told how many events wait, whenever that changes. */
  readonly onWaiting: (waiting: number) => void;
}

/** What came of it. */
export interface SweepReport {
  /** False where a turn began meanwhile: the rest goes when that is over. */
  readonly whole: boolean;
  /** Events that the session has. */
  readonly total: number;
  /** Of these, those that the server has now and had not before; null where it does not tell. */
  readonly stored: number | null;
  /** Those that it will never take. */
  readonly parked: number;
}

/** Entries that are read and turned into events at once: some 30 ms of the event loop where each is as large as it can be. */
const PAGE = 100;
/** Entries that are held in memory at once, and characters of what is to be sent of them; of more, rows are read in their order. */
const MOST = { entries: 1_000, characters: 8 * 1024 * 1024 } as const;
const ROWS = 50;
/** Of the event loop that is held at once, where one entry does not take more. */
const TURN_MS = 20;
/** Events that are handed over at once, and characters of them: secrets are looked for in all of it. What a crash leaves unwritten of them is sent again. */
const SLICE = { events: 100, characters: 512 * 1024 } as const;

/**
 * CatSyphon's id of a session, and what begins it there. Ids of CatSyphon are everybody's: one that nobody guesses is the same wherever the session is shipped from, a short one belongs to this
 * computer.
 */
export function placeOf(session: Session, system: SystemId): { readonly id: string; readonly start: CollectorEvent } {
  const { connectionId, id: own, agent, folder, branch, createdAt, updatedAt } = session;
  const unique = system !== 'local' || /[0-9a-f]{8}-?[0-9a-f]{4}|[A-Za-z0-9]{20}/.test(own);
  const id = shippedId({ system, account: unique ? connectionId : `${connectionId}\n${os.hostname()}`, session: own });
  // As CatSyphon names those that it knows.
  const agentType = agent === 'claude' ? 'claude-code' : agent.trim() === '' ? 'unknown' : agent;
  return { id, start: startEvent({ key: id, agentType, workingDirectory: folder === '' ? undefined : folder, gitBranch: branch ?? undefined }, createdAt > 0 ? createdAt : updatedAt) };
}

/** Events of a session that are to be shipped and that the server did not answer for. */
export async function unsentOf(options: Pick<SweepOptions, 'store' | 'spool' | 'session' | 'id' | 'since'>): Promise<number> {
  const { store, spool, session, id } = options;
  const [state, done] = await Promise.all([spool.state(session), spool.done(session)]);
  if ((await silentUntil(options, state)) !== null) return 0;
  let count = 0;
  for await (const page of pagesOf(store, session, state.mark)) count += (await eventsOf(id, page.entries)).filter(({ eventHash = '' }) => !done.has(eventHash)).length;
  return count;
}

/** Entries of a session beyond a mark, by whomever written. */
async function* pagesOf(store: ShipStore, session: SessionKey, from: number, signal?: AbortSignal): AsyncGenerator<{ readonly entries: readonly Entry[]; readonly mark: number }> {
  for (let mark = from; ;) {
    signal?.throwIfAborted();
    const page = await store.entriesSince(session, mark, PAGE, { own: true });
    mark = page.mark;
    yield page;
    if (page.entries.length < PAGE) return;
  }
}

const WORDS: ReadonlySet<Entry['kind']> = new Set(['prompt', 'text', 'tool', 'result']);

/** The mark up to which nothing was said in a session that is to be shipped, where that is all of it; null for one that is. That it is renamed or touched changes its `updatedAt`, and says nothing. */
async function silentUntil({ store, session, since, signal }: Pick<SweepOptions, 'store' | 'session' | 'since'> & { readonly signal?: AbortSignal }, before: ShipState): Promise<number | null> {
  if (since === null || before.sending || before.sent > 0 || before.parked > 0) return null;
  let mark = before.silent ?? 0;
  for await (const page of pagesOf(store, session, mark, signal)) {
    if (page.entries.some((entry) => WORDS.has(entry.kind) && (ownTimeOf(entry) ?? 0) >= since)) return null;
    mark = page.mark;
  }
  return mark;
}

/** Secrets are looked for in all that is long, which takes its time: others come to their turn in between. */
async function eventsOf(id: string, entries: readonly Entry[]): Promise<readonly CollectorEvent[]> {
  const events: CollectorEvent[] = [];
  let since = performance.now();
  for (const some of entryByEntry({ key: id }, entries)) {
    events.push(...some);
    if (performance.now() - since < TURN_MS) continue;
    await setImmediate();
    since = performance.now();
  }
  return events;
}

/**
 * Ships what a session has beyond its mark: reads it from the log, in the log's order, leaves out what the server answered for, and writes down what it answers for. Rejects with what stopped it
 * (CatsyphonError, `store_*`, the signal's reason): the rest waits. One at a time for a session, whose lease the caller holds.
 */
export async function shipSession(options: SweepOptions): Promise<SweepReport> {
  return new Sweep(options).run();
}

function* slicesOf(events: readonly CollectorEvent[]): Generator<readonly CollectorEvent[]> {
  let slice: CollectorEvent[] = [];
  let characters = 0;
  for (const event of events) {
    const size = JSON.stringify(event.data).length;
    if (slice.length >= SLICE.events || (slice.length > 0 && characters + size > SLICE.characters)) {
      yield slice;
      slice = [];
      characters = 0;
    }
    slice.push(event);
    characters += size;
  }
  if (slice.length > 0) yield slice;
}

class Sweep {
  readonly #options: SweepOptions;
  /** Hashes that are not sent (again) in this sweep. */
  #settled: { has(hash: string): boolean } = new Set<string>();
  #done: DoneHashes | null = null;
  readonly #sentNow = new Set<string>();
  #unsettled = false;
  #begun = false;
  #waiting = 0;
  #accepted = 0;
  readonly #parkedNow = new Set<string>();
  /** A time for what has none. */
  #last: number;

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#last = options.at;
  }

  async run(): Promise<SweepReport> {
    const { spool, session, at, read, again, signal } = this.#options;
    const known = await spool.state(session);
    const silent = await silentUntil(this.#options, known);
    if (silent !== null) {
      await spool.save({ ...known, at: read ? at : known.at, silent });
      return { whole: true, total: 0, stored: null, parked: 0 };
    }
    const before = { ...known, silent: undefined };
    const done = await spool.done(session);
    this.#done = done;
    this.#unsettled = before.sending;
    this.#settled = { has: (hash) => this.#sentNow.has(hash) || (!again && done.has(hash)) };
    const from = again ? 0 : before.mark;
    const { held, mark, total } = await this.#count(from);
    this.#waiting = total;
    this.#tell();
    signal.throwIfAborted();
    const had = again ? await this.#countThere() : null;
    let whole = true;
    if (total > 0) {
      await spool.save({ ...before, sending: true });
      whole = await this.#sendAll(held, from).catch(async (error: unknown) => {
        // Whoever goes on need not wait for what was answered, if with a refusal.
        if (!isUnknown(error)) await spool.save({ ...before, sending: this.#unsettled });
        throw error;
      });
    }
    if (again && whole) await spool.unpark(session, this.#parkedNow);
    const { length: parked } = await spool.parked(session);
    await spool.save({ session, mark: whole ? mark : before.mark, at: whole && read ? at : before.at, sending: false, sent: Math.max(0, done.size - parked), parked });
    const has = again && whole ? await this.#countThere() : null;
    const told = had === null || has === null ? (again ? this.#accepted : null) : has - had;
    return { whole, total, parked: this.#parkedNow.size, stored: told === null ? null : Math.min(Math.max(0, told), total - this.#parkedNow.size) };
  }

  /** What is to be sent, counted. `held`: its entries, where they are few. */
  async #count(from: number): Promise<{ readonly held: readonly Entry[] | null; readonly mark: number; readonly total: number }> {
    // Of an entry that changes meanwhile the later version counts.
    let held: Map<string, Entry> | null = new Map();
    let total = 0;
    let characters = 0;
    let mark = from;
    for await (const page of this.#pages(from)) {
      const events = await this.#events(page.entries);
      total += events.length;
      characters += events.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
      mark = page.mark;
      for (const entry of page.entries) held?.set(entry.id, entry);
      if ((held?.size ?? 0) > MOST.entries || characters > MOST.characters) held = null;
    }
    return { held: held === null ? null : [...held.values()], mark, total };
  }

  async #sendAll(held: readonly Entry[] | null, from: number): Promise<boolean> {
    if (held === null) return (await this.#walk()) && this.#follow(from);
    const sorted = held.toSorted((a, b) => compareOrder(a.order, b.order));
    for (let start = 0; start < sorted.length; start += PAGE) if (!(await this.#send(await this.#events(sorted.slice(start, start + PAGE))))) return false;
    return true;
  }

  /** Rows in their order: an import writes the newest first, and the server shows what comes first as first. */
  async #walk(): Promise<boolean> {
    const { store, session } = this.#options;
    for (let start = 0; ; start += ROWS) {
      const page = await store.rows(session, start, ROWS);
      if (page.entries.length === 0) return true;
      if (!(await this.#send(await this.#events(page.entries)))) return false;
    }
  }

  /** What is in no row that is shown. */
  async #follow(from: number): Promise<boolean> {
    for await (const page of this.#pages(from)) if (!(await this.#send(await this.#events(page.entries)))) return false;
    return true;
  }

  #pages(from: number): ReturnType<typeof pagesOf> {
    const { store, session, signal } = this.#options;
    return pagesOf(store, session, from, signal);
  }

  async #events(entries: readonly Entry[]): Promise<readonly CollectorEvent[]> {
    const seen = new Set<string>();
    return (await eventsOf(this.#options.id, entries)).filter(({ eventHash = '' }) => {
      const fresh = !this.#settled.has(eventHash) && !seen.has(eventHash);
      seen.add(eventHash);
      return fresh;
    });
  }

  /** False where a turn began: nothing more is sent. */
  async #send(events: readonly CollectorEvent[]): Promise<boolean> {
    for (const slice of slicesOf(events)) {
      this.#options.signal.throwIfAborted();
      if (!this.#options.rests()) return false;
      await this.#deliver(slice.map((event) => this.#timed(event)));
    }
    return true;
  }

  async #deliver(slice: readonly CollectorEvent[]): Promise<void> {
    const { start } = this.#options;
    const finished = new Set<string>();
    const parked: ParkedRecord[] = [];
    const send = async (events: readonly CollectorEvent[]): Promise<void> => {
      const report = await this.#request(events, (hash) => finished.add(hash));
      for (const { event, status, detail } of report.parked) parked.push({ hash: event.event_hash, type: event.type, status, detail, at: event.emitted_at });
    };
    try {
      await send(slice).catch((error: unknown) => {
        const { good, bad } = error instanceof CatsyphonError && error.code === 'invalid_argument' ? this.#checked(slice) : { good: [], bad: [] };
        if (bad.length === 0) throw error;
        parked.push(...bad);
        return good.length === 0 ? undefined : send(good);
      });
    } finally {
      // Of what began it the server stores nothing: it goes along each time.
      finished.delete(start.eventHash ?? '');
      await this.#remember(finished, parked.filter(({ hash }) => hash !== start.eventHash));
    }
  }

  async #request(events: readonly CollectorEvent[], onDone: (hash: string) => void): Promise<SentReport> {
    const { client, id, signal, start } = this.#options;
    const list = this.#begun ? events : [start, ...events];
    const report = await client.sendEvents(id, list, { signal, unsettled: this.#unsettled, onDone: (indices) => indices.forEach((index) => onDone(list[index]?.eventHash ?? '')) });
    this.#accepted += report.accepted - (this.#begun ? 0 : 1);
    this.#begun = true;
    this.#unsettled = false;
    return report;
  }

  /** What is parked first: a hash that counts as done is not looked at again. */
  async #remember(hashes: Iterable<string>, parked: readonly ParkedRecord[]): Promise<void> {
    const { spool, session } = this.#options;
    await spool.park(session, parked);
    for (const { hash } of parked) this.#parkedNow.add(hash);
    const settled = new Set([...hashes, ...parked.map(({ hash }) => hash)]);
    for (const hash of settled) this.#sentNow.add(hash);
    await this.#done?.add(settled);
    this.#waiting = Math.max(0, this.#waiting - settled.size);
    this.#tell();
  }

  /** Of one event that cannot be sent, all that are handed over with it would be refused. */
  #checked(slice: readonly CollectorEvent[]): { readonly good: readonly CollectorEvent[]; readonly bad: readonly ParkedRecord[] } {
    const maker = new EventMaker(this.#options.id, this.#options.clock);
    const bad: ParkedRecord[] = [];
    const good = slice.filter((event) => {
      try {
        maker.make(event, 'It');
        return true;
      } catch (error) {
        if (!(error instanceof CatsyphonError)) throw error;
        bad.push({ hash: event.eventHash ?? '', type: event.type, status: null, detail: error.message, at: new Date(this.#last).toISOString() });
        return false;
      }
    });
    return { good, bad };
  }

  #timed(event: CollectorEvent): CollectorEvent {
    if (typeof event.emittedAt === 'number' && event.emittedAt > 0) {
      this.#last = event.emittedAt;
      return event;
    }
    return { ...event, emittedAt: this.#last };
  }

  /** Messages that the server has of the session; null where it does not tell this collector. */
  async #countThere(): Promise<number | null> {
    const { client, id, signal } = this.#options;
    try {
      return (await client.getSessionStatus(id, { signal })).eventCount;
    } catch (error) {
      if (error instanceof CatsyphonNotFoundError) return 0;
      if (error instanceof CatsyphonAPIError && error.status === 403) return null;
      throw error;
    }
  }

  #tell(): void {
    this.#options.onWaiting(this.#waiting);
  }
}
