import type { Entry } from '../../../model/entry.ts';
import { throwIfAborted } from '../wait.ts';
import { RolloutLog } from './rollout.ts';
import type { RolloutFile } from './rolloutFiles.ts';
import { cutLines, linesForward, openRollout } from './rolloutFiles.ts';

/** Bytes of one subagent's file that are read at most, from its end: what came before is left out. */
const maxBytes = 8 * 1024 * 1024;

/** What is needed of Codex's files. */
interface SubagentSource {
  findAll(ids: Iterable<string>): Promise<ReadonlyMap<string, RolloutFile>>;
  head(file: RolloutFile): Promise<{ readonly paginated: boolean; readonly from: number } | null>;
}

interface SubagentOptions {
  /** Somebody may be at it: what is open at the end of a file may go on. */
  readonly live: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Threads that were read already; those that are read now are added. */
  readonly seen: Set<string>;
}

/** Entries of subagents, and of those that they started, each within its row: what the wire tells of them while they run. `agents`: row by thread. A file that is gone or cannot be read gives none. */
export async function subagentEntries(source: SubagentSource, agents: ReadonlyMap<string, string>, options: SubagentOptions): Promise<Entry[]> {
  const entries: Entry[] = [];
  let waiting = new Map([...agents].filter(([thread]) => !options.seen.has(thread)));
  while (waiting.size > 0) {
    const files = await source.findAll(waiting.keys());
    const next = new Map<string, string>();
    for (const [thread, row] of waiting) {
      options.seen.add(thread);
      const file = files.get(thread);
      if (file === undefined) continue;
      const log = await read(source, file, row, options, entries).catch((error: unknown) => {
        throwIfAborted(options.signal);
        if (error instanceof Error) return null;
        throw error;
      });
      for (const [inner, place] of log?.subagents ?? []) if (!options.seen.has(inner)) next.set(inner, place);
    }
    waiting = next;
  }
  return entries;
}

/** How often the file of a subagent is looked for that is named, but not there. */
const maxLooks = 5;

/** Reads on in the files of subagents that another program runs, and of those that they start. */
export class SubagentFollower {
  readonly #source: SubagentSource;
  readonly #tails = new Map<string, { readonly row: string; log: RolloutLog | null; offset: number; looks: number }>();

  constructor(source: SubagentSource) {
    this.#source = source;
  }

  /** Entries of what was written since the last time by these (row by thread) and those that were named before. */
  async read(agents: ReadonlyMap<string, string>): Promise<Entry[]> {
    this.#meet(agents);
    const wanted = [...this.#tails].filter(([, tail]) => tail.log !== null || tail.looks < maxLooks);
    if (wanted.length === 0) return [];
    const files = await this.#source.findAll(wanted.map(([thread]) => thread));
    const entries: Entry[] = [];
    for (const [thread, tail] of wanted) {
      const file = files.get(thread);
      const head = file === undefined || file.packed ? null : await this.#source.head(file);
      if (file === undefined || head === null) {
        tail.looks += 1;
        continue;
      }
      tail.log ??= new RolloutLog({ paginated: head.paginated, parent: tail.row, from: head.from });
      if (file.size === tail.offset) continue;
      const bytes = await openRollout(file);
      try {
        const piece = await wholeLines(bytes, tail.offset, maxBytes);
        for (const { line, offset } of cutLines(piece, tail.offset)) entries.push(...tail.log.push(line, offset));
        tail.offset += piece.length;
      } finally {
        await bytes.close();
      }
      this.#meet(tail.log.subagents);
    }
    return entries;
  }

  #meet(agents: ReadonlyMap<string, string>): void {
    for (const [thread, row] of agents) if (!this.#tails.has(thread)) this.#tails.set(thread, { row, log: null, offset: 0, looks: 0 });
  }
}

/** Whole lines from byte `offset` on, in about `step` bytes; a line that is longer is read whole. Empty where the file has no whole line there. */
export async function wholeLines(source: Awaited<ReturnType<typeof openRollout>>, offset: number, step: number): Promise<Buffer> {
  for (let length = step; ; length *= 2) {
    const piece = await source.read(offset, Math.min(source.size, offset + length));
    const whole = piece.lastIndexOf(10) + 1;
    if (whole > 0 || offset + length >= source.size) return piece.subarray(0, whole);
  }
}

async function read(source: SubagentSource, file: RolloutFile, row: string, options: SubagentOptions, entries: Entry[]): Promise<RolloutLog | null> {
  const head = await source.head(file);
  if (head === null) return null;
  const log = new RolloutLog({ paginated: head.paginated, parent: row, from: head.from });
  const bytes = await openRollout(file);
  try {
    for await (const batch of linesForward(bytes, Math.max(0, bytes.size - maxBytes))) {
      throwIfAborted(options.signal);
      for (const { line, offset } of batch) entries.push(...log.push(line, offset));
    }
  } finally {
    await bytes.close();
  }
  if (!options.live) entries.push(...log.finish());
  return log;
}
