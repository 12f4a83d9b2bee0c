import { createHash } from 'node:crypto';
import type { Keep } from '../model/context.ts';
import type { JsonValue } from '../model/json.ts';
import { isJsonObject } from '../model/json.ts';
import type { SessionKey } from '../model/session.ts';

/** How far one session is shipped. */
export interface ShipState {
  readonly session: SessionKey;
  /** The store's mark up to which everything was looked at, and what ships is at the server or parked. */
  readonly mark: number;
  /** `updatedAt` of the session then. */
  readonly at: number;
  /** From before the first request of a sending until each was answered: after a crash one may be on its way still. */
  readonly sending: boolean;
  /** Events that the server has. */
  readonly sent: number;
  /** Events that it will never take. */
  readonly parked: number;
  /** Of a session of which nothing was shipped: the store's mark up to which nothing is said that is to be. */
  readonly silent?: number | undefined;
}

/** An event that the server will never take, without what it says: that is in the session. */
export interface ParkedRecord {
  readonly hash: string;
  /** Of the event: `message`, `tool_call`. */
  readonly type: string;
  /** What the server answered; null for one that was not sent, since it would be refused. */
  readonly status: number | null;
  readonly detail: string;
  /** When it was, ISO 8601. */
  readonly at: string;
}

/** Hashes in one kept value. */
const CHUNK = 400;

/**
 * What is known of the shipping to one account, durable. The spool of what is not shipped is the entry log itself, from each session's mark on: an entry is in it until the server answered for
 * it, and hashes say which of them it answered for. Each write may be the last one: what is not written yet is sent again, and the server knows it by its hash.
 */
export class ShipSpool {
  readonly #keep: Keep;

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  /** Of all sessions of which something was looked at. */
  async states(): Promise<readonly ShipState[]> {
    return [...(await this.#keep.list('at:')).values()].map(stateOf).filter((state) => state !== null);
  }

  async state(session: SessionKey): Promise<ShipState> {
    return stateOf(await this.#keep.get(`at:${printOf(session)}`)) ?? { session, mark: 0, at: 0, sending: false, sent: 0, parked: 0 };
  }

  save(state: ShipState): Promise<void> {
    return this.#keep.set(`at:${printOf(state.session)}`, JSON.stringify(state));
  }

  async done(session: SessionKey): Promise<DoneHashes> {
    const prefix = `done:${printOf(session)}:`;
    return new DoneHashes(this.#keep, prefix, await this.#keep.list(prefix));
  }

  /** The same event parked twice is one. */
  async park(session: SessionKey, parked: readonly ParkedRecord[]): Promise<void> {
    for (const one of parked) await this.#keep.set(`parked:${printOf(session)}:${one.hash}`, JSON.stringify(one));
  }

  /** Forgets what was parked before and is not any more. */
  async unpark(session: SessionKey, stays: ReadonlySet<string>): Promise<void> {
    for (const { hash } of await this.parked(session)) if (!stays.has(hash)) await this.#keep.set(`parked:${printOf(session)}:${hash}`, null);
  }

  async parked(session: SessionKey): Promise<readonly ParkedRecord[]> {
    return [...(await this.#keep.list(`parked:${printOf(session)}:`)).values()].map((text) => parse(text) as unknown as ParkedRecord | null).filter((one) => one !== null);
  }
}

/** Hashes of a session's events that need no sending any more. */
export class DoneHashes {
  readonly #keep: Keep;
  readonly #prefix: string;
  readonly #known = new Set<string>();
  #chunk: string[];
  #number: number;

  constructor(keep: Keep, prefix: string, chunks: ReadonlyMap<string, string>) {
    this.#keep = keep;
    this.#prefix = prefix;
    const written = [...chunks].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text.split(' '));
    for (const hashes of written) for (const hash of hashes) this.#known.add(hash);
    const last = written.at(-1);
    const goesOn = last !== undefined && last.length < CHUNK;
    this.#chunk = goesOn ? [...last] : [];
    this.#number = goesOn ? written.length - 1 : written.length;
  }

  get size(): number {
    return this.#known.size;
  }

  has(hash: string): boolean {
    return this.#known.has(hash);
  }

  /** Resolves when they are written. */
  async add(hashes: Iterable<string>): Promise<void> {
    let changed = false;
    for (const hash of hashes) {
      if (this.#known.has(hash)) continue;
      this.#known.add(hash);
      this.#chunk.push(hash);
      changed = true;
      if (this.#chunk.length < CHUNK) continue;
      await this.#write();
      this.#chunk = [];
      this.#number += 1;
      changed = false;
    }
    if (changed) await this.#write();
  }

  #write(): Promise<void> {
    return this.#keep.set(`${this.#prefix}${String(this.#number).padStart(8, '0')}`, this.#chunk.join(' '));
  }
}

/** Ids of sessions may hold anything, and one may begin with another. */
function printOf(session: SessionKey): string {
  return createHash('sha256').update(session).digest('hex').slice(0, 32);
}

function stateOf(text: string | null): ShipState | null {
  const value = text === null ? null : parse(text);
  return isJsonObject(value) && typeof value['session'] === 'string' && typeof value['mark'] === 'number' ? (value as unknown as ShipState) : null;
}

/** Written by us, under the store's seal. */
function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
}
