import { z } from 'zod';
import type { Keep, Logger } from '../../../model/context.ts';
import { describeError } from '../../../model/errors.ts';

const schema = z.object({
  id: z.string().min(1),
  /** The agent's id of it; another than ours where the agent lost the session and a fresh one goes on under it. */
  agentId: z.string().min(1),
  folder: z.string(),
  title: z.string(),
  /** Who gave the title: what a person gave is not replaced. */
  titleBy: z.enum(['person', 'agent', 'prompt', 'nobody']),
  createdAt: z.number(),
  updatedAt: z.number(),
  archived: z.boolean(),
  stopped: z.boolean(),
  /** True once entries of it were handed out: then its rows are ours to keep, and a replay is not taken again. */
  rows: z.boolean(),
  /** The last prompts that the agent has, by our ids. */
  sent: z.array(z.string()),
  /** A prompt that was being handed over; still there after a restart when it is not known whether the agent got it. */
  sending: z.string().nullable(),
  /** How we came by it: made here, forked here, or found in the agent's list. */
  origin: z.enum(['made', 'forked', 'listed']),
  /** As the window that runs it last knew. */
  state: z.enum(['idle', 'running', 'waiting', 'failed']),
  error: z.string().nullable(),
});
/** What we know of one session beyond what the agent tells. */
export type SessionRecord = z.infer<typeof schema>;

type NewRecord = Pick<SessionRecord, 'id' | 'agentId' | 'folder' | 'title' | 'titleBy' | 'origin' | 'createdAt' | 'updatedAt'>;

export function newRecord(fields: NewRecord): SessionRecord {
  return { ...fields, archived: false, stopped: false, rows: false, sent: [], sending: null, state: 'idle', error: null };
}

const prefix = 'session:';
/** Prompts that are remembered as sent: more than an outbox ever holds of one session. */
export const rememberedPrompts = 64;

/** Our records of an agent's sessions in the connection's `keep`, which other windows share. */
export class Records {
  private readonly keep: Keep;
  private readonly log: Logger;
  private readonly known = new Map<string, SessionRecord>();
  private writing: Promise<unknown> = Promise.resolve();

  constructor(keep: Keep, log: Logger) {
    this.keep = keep;
    this.log = log;
  }

  /** As last read or written; null where there was none. */
  peek(id: string): SessionRecord | null {
    return this.known.get(id) ?? null;
  }

  async get(id: string): Promise<SessionRecord | null> {
    const text = await this.keep.get(prefix + id);
    const record = text === null ? null : this.parse(text);
    if (record === null) this.known.delete(id);
    else this.known.set(id, record);
    return record;
  }

  async all(): Promise<readonly SessionRecord[]> {
    const texts = await this.keep.list(prefix);
    const records = [...texts.values()].flatMap((text) => this.parse(text) ?? []);
    this.known.clear();
    for (const record of records) this.known.set(record.id, record);
    return records;
  }

  async add(record: SessionRecord): Promise<void> {
    this.known.set(record.id, record);
    await this.enqueue(() => this.keep.set(prefix + record.id, JSON.stringify(record)));
  }

  /** Changes the record as it is in the store now: another window may have changed other fields. Nothing where there is none. */
  async change(id: string, change: (record: SessionRecord) => Partial<SessionRecord>): Promise<void> {
    const now = this.known.get(id);
    if (now !== undefined) this.known.set(id, { ...now, ...change(now) });
    await this.enqueue(async () => {
      const text = await this.keep.get(prefix + id);
      const stored = text === null ? null : this.parse(text);
      if (stored === null) return;
      const next = { ...stored, ...change(stored) };
      this.known.set(id, next);
      await this.keep.set(prefix + id, JSON.stringify(next));
    });
  }

  async remove(id: string): Promise<void> {
    this.known.delete(id);
    await this.enqueue(() => this.keep.set(prefix + id, null));
  }

  /** Resolves when all that was written is kept. */
  async flush(): Promise<void> {
    await this.writing;
  }

  private parse(text: string): SessionRecord | null {
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      this.log.warn('a session record could not be read', { error: describeError(error) });
      return null;
    }
  }

  private enqueue(write: () => Promise<void>): Promise<void> {
    const done = this.writing.then(write);
    this.writing = done.catch(() => undefined);
    return done;
  }
}
