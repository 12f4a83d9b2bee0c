import type { Keep } from '../../../model/context.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { OpenAsk } from '../normalise/index.ts';

/** What is kept of one session beside its entries. */
interface Followed {
  /** As `NormaliseContext.clockLagMs`; null before its first page was read. */
  readonly clockLagMs: number | null;
  readonly open: readonly OpenAsk[];
}

/**
 * Small durable values of one connection: which sessions the person archived or brought back here, and what following a session needs again after a restart. Happy itself
 * calls every session archived whose process ended, so that mark alone would hide what the person has just stopped.
 */
export class Marks {
  readonly #keep: Keep;
  #archived: ReadonlyMap<string, string> = new Map();

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  /** Reads the marks that other windows may have changed. */
  async load(): Promise<void> {
    this.#archived = await this.#keep.list('archived:');
  }

  /** The person's word on it; null where there is none. */
  archived(id: string): boolean | null {
    const mark = this.#archived.get(`archived:${id}`);
    return mark === undefined ? null : mark !== 'no';
  }

  /** Whether it was put away while nobody could say that its process has ended. */
  putAwayUnseen(id: string): boolean {
    return this.#archived.get(`archived:${id}`) === 'unseen';
  }

  /** `unseen`: put away while nobody can say that its process has ended. */
  async setArchived(id: string, archived: boolean | 'unseen' | null): Promise<void> {
    const mark = archived === null ? null : archived === 'unseen' ? 'unseen' : archived ? 'yes' : 'no';
    const next = new Map(this.#archived);
    if (mark === null) next.delete(`archived:${id}`);
    else next.set(`archived:${id}`, mark);
    this.#archived = next;
    await this.#keep.set(`archived:${id}`, mark);
  }

  /** Whether it was told last that no key opens the session. */
  async locked(id: string): Promise<boolean> {
    return (await this.#keep.get(`locked:${id}`)) !== null;
  }

  setLocked(id: string, locked: boolean): Promise<void> {
    return this.#keep.set(`locked:${id}`, locked ? 'yes' : null);
  }

  async followed(id: string): Promise<Followed> {
    const nothing: Followed = { clockLagMs: null, open: [] };
    const text = await this.#keep.get(`followed:${id}`);
    if (text === null) return nothing;
    try {
      const value = JSON.parse(text) as JsonValue;
      if (!isJsonObject(value)) return nothing;
      const lag = value['clockLagMs'];
      const open = Array.isArray(value['open']) ? value['open'] : [];
      return { clockLagMs: typeof lag === 'number' ? lag : null, open: open.flatMap(openAskOf) };
    } catch {
      return nothing;
    }
  }

  setFollowed(id: string, followed: Followed): Promise<void> {
    return this.#keep.set(`followed:${id}`, JSON.stringify(followed));
  }

  /** Forgets everything of a session that is gone. */
  async forget(id: string): Promise<void> {
    await this.setArchived(id, null);
    await this.#keep.set(`followed:${id}`, null);
    await this.#keep.set(`locked:${id}`, null);
  }
}

function openAskOf(value: JsonValue): readonly OpenAsk[] {
  if (!isJsonObject(value)) return [];
  const { row, requestId, createdAt } = value;
  if (typeof row !== 'string' || typeof requestId !== 'string') return [];
  return [{ row, requestId, createdAt: typeof createdAt === 'number' ? createdAt : null }];
}
