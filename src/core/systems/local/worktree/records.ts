import { z } from 'zod';

const schema = z.object({
  version: z.literal(1),
  /** Its folder, absolute. */
  path: z.string().min(1),
  /** The repository's common folder (`.git`), absolute. */
  repository: z.string().min(1),
  /** The folder in it that the session was begun for, as a person knows it. */
  source: z.string(),
  /** What git keeps for this worktree alone, in the repository; null until it is made. */
  gitDir: z.string().nullable(),
  /** Its own branch, in short. */
  branch: z.string().min(1),
  /** The branch that it came from, in short; null where it came from a commit that was on none. */
  base: z.string().nullable(),
  /** The commit that it came from. */
  commit: z.string().min(1),
  /** Milliseconds since the epoch. */
  createdAt: z.number(),
  /** When it was removed, likewise; absent while it is there. */
  endedAt: z.number().optional(),
});

/**
 * A worktree that was made for a session: written before it is made, marked once it is removed. Sessions belong to it by their folder, also those that outlive it: the record tells then which folder
 * they were begun for, and keeps its name from being given again.
 */
export type WorktreeRecord = Readonly<z.infer<typeof schema>>;

/** Where records are kept, by id; seen by all windows. */
export interface Records {
  entries(): ReadonlyMap<string, string>;
  set(id: string, text: string): void;
  delete(id: string): void;
}

/** By id; what can't be read is no record. `read`: those that were read before, by their texts. */
export function readRecords(records: Records, read: Map<string, WorktreeRecord | null>): ReadonlyMap<string, WorktreeRecord> {
  return new Map([...records.entries()].flatMap(([id, text]) => {
    const known = read.get(text);
    const record = known === undefined ? parsed(text) : known;
    if (known === undefined) read.set(text, record);
    return record === null ? [] : [[id, record] as const];
  }));
}

function parsed(text: string): WorktreeRecord | null {
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
