import { z } from 'zod';
import type { Keep, Logger } from '../../../model/context.ts';
import { describeError } from '../../../model/errors.ts';

const openTurn = z.object({
  clientId: z.string(),
  /** Part of the log that holds what came of it. */
  part: z.number(),
  /** Turns that the server had counted before it. */
  before: z.number(),
});
const schema = z.object({
  /** Ours: the id of the first of the server's sessions that it went on in. */
  id: z.string().min(1),
  /** The server's session that it goes on in now. */
  forgeId: z.string().min(1),
  /** Those that it went on in before. */
  past: z.array(z.string()),
  agent: z.string(),
  folder: z.string(),
  title: z.string(),
  /** Who gave the title: what a person gave is not replaced. */
  titleBy: z.enum(['person', 'server', 'prompt', 'nobody']),
  createdAt: z.number(),
  updatedAt: z.number(),
  archived: z.boolean(),
  /** Removed by the person: the server lists it on, we do not. */
  removed: z.boolean(),
  /** Closed on the server, or gone from there. */
  stopped: z.boolean(),
  /** Turns of `forgeId` that we know of. */
  counted: z.number(),
  /** A turn whose outcome is unknown: the count by which the server would tell that it took it. */
  doubt: z.number().nullable(),
  /** The next prompt takes along what was said before: its session is a fresh one. */
  carry: z.boolean(),
  /** Parts of the log: one a turn or a notice, `0` to `parts - 1`. */
  parts: z.number(),
  /** The greatest time in an order key so far, milliseconds. */
  lastAt: z.number(),
  /** The last prompts that the server has, by our ids. */
  sent: z.array(z.string()),
  /** A turn that runs; one that ran when its window died, where nobody runs it. */
  open: openTurn.nullable(),
  error: z.string().nullable(),
});
/** What we know of one session beyond what the server tells. */
export type ForgeRecord = z.infer<typeof schema>;

type Fresh = Pick<ForgeRecord, 'id' | 'agent' | 'folder' | 'title' | 'titleBy' | 'createdAt' | 'updatedAt'>;

export function freshRecord(fields: Fresh): ForgeRecord {
  return {
    ...fields, forgeId: fields.id, past: [], archived: false, removed: false, stopped: false, counted: 0, doubt: null, carry: false, parts: 0, lastAt: 0, sent: [], open: null, error: null,
  };
}

const prefix = 'session:';
/** Prompts that are remembered as sent: more than an outbox ever holds of one session. */
export const REMEMBERED = 64;

/** Our records of a server's sessions in the connection's `keep`, which other windows share. */
export class Records {
  readonly #keep: Keep;
  readonly #log: Logger;
  readonly #known = new Map<string, ForgeRecord>();
  #writing: Promise<unknown> = Promise.resolve();

  constructor(keep: Keep, log: Logger) {
    this.#keep = keep;
    this.#log = log;
  }

  /** As last read or written; null where there was none. */
  peek(id: string): ForgeRecord | null {
    return this.#known.get(id) ?? null;
  }

  known(): readonly ForgeRecord[] {
    return [...this.#known.values()];
  }

  /** As it is in the store now. */
  async get(id: string): Promise<ForgeRecord | null> {
    await this.#writing;
    const text = await this.#keep.get(prefix + id);
    const record = text === null ? null : this.#parse(text);
    if (record === null) this.#known.delete(id);
    else this.#known.set(id, record);
    return record;
  }

  /** All of them, as they are in the store now. */
  async load(): Promise<readonly ForgeRecord[]> {
    await this.#writing;
    const texts = await this.#keep.list(prefix);
    const records = [...texts.values()].flatMap((text) => this.#parse(text) ?? []);
    this.#known.clear();
    for (const record of records) this.#known.set(record.id, record);
    return records;
  }

  add(record: ForgeRecord): Promise<void> {
    this.#known.set(record.id, record);
    return this.#enqueue(() => this.#keep.set(prefix + record.id, JSON.stringify(record)));
  }

  /** Changes the record as it is in the store now: another window may have changed other fields. Gives it as it is then; null where there is none. */
  async change(id: string, change: (record: ForgeRecord) => Partial<ForgeRecord>): Promise<ForgeRecord | null> {
    let changed: ForgeRecord | null = null;
    await this.#enqueue(async () => {
      const text = await this.#keep.get(prefix + id);
      const stored = text === null ? null : this.#parse(text);
      if (stored === null) return;
      changed = { ...stored, ...change(stored) };
      this.#known.set(id, changed);
      await this.#keep.set(prefix + id, JSON.stringify(changed));
    });
    return changed;
  }

  /** Resolves when all that was written is kept. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  #parse(text: string): ForgeRecord | null {
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      this.#log.warn('a session record could not be read', { error: describeError(error) });
      return null;
    }
  }

  #enqueue(write: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(write);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}
