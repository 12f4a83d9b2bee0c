import { z } from 'zod';
import type { Keep } from '../../../model/context.ts';
import { defaultSettings } from './controls.ts';

const schema = z.object({
  folder: z.string().nullable(),
  createdAt: z.number().nullable(),
  /** A title of ours, until the agent takes it. */
  title: z.string().nullable(),
  model: z.string().nullable(),
  mode: z.string(),
  effort: z.string().nullable(),
  /**
   * The session of which this one is a copy that has no transcript of its own yet, and how much of its transcript is this one's past; `upTo`: the last message of
   * that, where it is not all that there was.
   */
  fork: z.object({ from: z.string(), size: z.number(), upTo: z.string().optional() }).nullable(),
  archived: z.boolean(),
});

/** What we keep of a session beside the agent's transcript. `folder` and `createdAt` are ours to know only while it has none. */
export type SessionRecord = z.output<typeof schema>;

export const emptyRecord: SessionRecord = { folder: null, createdAt: null, title: null, model: defaultSettings.model, mode: defaultSettings.mode, effort: defaultSettings.effort, fork: null, archived: false };

const prefix = 'session:';

/** Records of sessions in the backend's kept values. A value that cannot be read counts as none. */
export class Records {
  readonly #keep: Keep;

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  async get(id: string): Promise<SessionRecord | null> {
    return read(await this.#keep.get(prefix + id));
  }

  async all(): Promise<ReadonlyMap<string, SessionRecord>> {
    const found = new Map<string, SessionRecord>();
    for (const [key, value] of await this.#keep.list(prefix)) {
      const record = read(value);
      if (record !== null) found.set(key.slice(prefix.length), record);
    }
    return found;
  }

  set(id: string, record: SessionRecord | null): Promise<void> {
    return this.#keep.set(prefix + id, record === null ? null : JSON.stringify(record));
  }
}

function read(text: string | null): SessionRecord | null {
  if (text === null) return null;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
