import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from '../../../model/backend.ts';
import type { Entry, UsageFigures } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { throwIfAborted } from '../wait.ts';
import { oneLine } from './entries.ts';
import { readRolloutItem } from './item.ts';
import { parse, RolloutLog, usageOf } from './rollout.ts';
import type { OffsetLine, RolloutFile } from './rolloutFiles.ts';
import { headLines, linesBackwards, openRollout, rolloutAt, tailLines } from './rolloutFiles.ts';
import { RolloutIndex } from './rolloutIndex.ts';
import { subagentEntries } from './subagents.ts';
import { figuresOf } from './turns.ts';

/** What the beginning of a rollout tells; it never changes. */
interface RolloutHead {
  readonly folder: string;
  readonly createdAt: number;
  readonly branch: string | null;
  /** Program that made the thread, such as `codex_cli_rs`. */
  readonly originator: string | null;
  readonly paginated: boolean;
  /** A thread of a subagent, or one of Codex's own errands. */
  readonly internal: boolean;
  /** Ordinal of the first line that is a subagent's own: before it stands what it inherited. 0 for any other thread. */
  readonly from: number;
  /** First prompt on one line; null before there is one. */
  readonly preview: string | null;
  /** The thread that this one was forked from, whose file holds what came before, up to that byte. */
  readonly base: { readonly id: string; readonly end: number } | null;
}
/** What the end of a rollout tells. */
interface RolloutTail {
  /** How the last turn stands in the file; `open` has neither ended nor been interrupted. */
  readonly last: 'none' | 'open' | 'completed' | 'failed' | 'aborted';
  readonly error: string | null;
  readonly model: string | null;
  readonly usage: UsageFigures | null;
}

/** A thread that nobody finds is not looked for more often, in milliseconds. */
const soonMs = 3000;
const pageBytes = 8 * 1024 * 1024;
const headSteps = [64 * 1024, 512 * 1024, 4 * 1024 * 1024];
const tailBytes = 96 * 1024;

/** Codex's own record of its threads: `$CODEX_HOME` read without any process of Codex. Nothing here writes. */
export class CodexDisk {
  readonly home: string;
  readonly #index: RolloutIndex;
  readonly #known = new Map<string, RolloutFile>();
  readonly #heads = new Map<string, RolloutHead>();
  /** Files that are no rollouts that we know, as they were when that showed. */
  readonly #headless = new Map<string, string>();
  readonly #tails = new Map<string, { readonly key: string; readonly tail: RolloutTail }>();
  #noted: readonly RolloutFile[] = [];
  #names: { readonly key: string; readonly names: ReadonlyMap<string, string> } | null = null;

  constructor(home: string) {
    this.home = home;
    this.#index = new RolloutIndex(home);
  }

  /** Every rollout, last changed first, as they were at most `maxAgeMs` ago. */
  async list(maxAgeMs = 0): Promise<readonly RolloutFile[]> {
    return this.#note(await this.#index.all(maxAgeMs));
  }

  /** The same for whoever looks again and again: old ones that changed are seen within a minute. */
  async glance(): Promise<readonly RolloutFile[]> {
    return this.#note(await this.#index.glance());
  }

  #note(files: readonly RolloutFile[]): readonly RolloutFile[] {
    if (files !== this.#noted) for (const file of files) this.#known.set(file.id, file);
    this.#noted = files;
    return files;
  }

  /** The file of a thread as it is now; null where Codex keeps none. */
  async find(id: string): Promise<RolloutFile | null> {
    const known = this.#known.get(id);
    const there = known === undefined ? null : await rolloutAt(known.path, known.archived);
    if (there !== null) return there;
    const made = (await this.glance()).find((file) => file.id === id);
    return made ?? (await this.list(soonMs)).find((file) => file.id === id) ?? null;
  }

  /** The files of several threads, as far as there are any. The folders are looked through at most once. */
  async findAll(ids: Iterable<string>): Promise<ReadonlyMap<string, RolloutFile>> {
    const found = new Map<string, RolloutFile>();
    const missing = new Set<string>();
    for (const id of ids) {
      const known = this.#known.get(id);
      const there = known === undefined ? null : await rolloutAt(known.path, known.archived);
      if (there === null) missing.add(id);
      else found.set(id, there);
    }
    if (missing.size > 0) for (const file of await this.glance()) if (missing.has(file.id)) found.set(file.id, file);
    return found;
  }

  /** Names that were given to threads: `session_index.jsonl`, in which the last line of a thread counts. */
  async names(): Promise<ReadonlyMap<string, string>> {
    const index = path.join(this.home, 'session_index.jsonl');
    const facts = await stat(index).catch(() => null);
    const key = `${facts?.mtimeMs ?? 0}:${facts?.size ?? 0}`;
    if (this.#names?.key === key) return this.#names.names;
    const names = new Map<string, string>();
    const text = facts === null ? '' : await readFile(index, 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      const record = parse(line);
      const { id, thread_name: name } = record ?? {};
      if (typeof id !== 'string' || typeof name !== 'string') continue;
      if (name.trim() === '') names.delete(id);
      else names.set(id, oneLine(name));
    }
    this.#names = { key, names };
    return names;
  }

  /** Reads as little as tells it; null for a file that is no rollout. */
  async head(file: RolloutFile): Promise<RolloutHead | null> {
    const known = this.#heads.get(file.id);
    if (known !== undefined && known.preview !== null) return known;
    const key = `${file.changedAt}:${file.size}`;
    if (this.#headless.get(file.id) === key) return null;
    let head: RolloutHead | null = null;
    for (const bytes of headSteps) {
      head = headOf(await headLines(file, bytes).catch(() => []));
      if ((head !== null && head.preview !== null) || (head !== null && file.size <= bytes && !file.packed)) break;
    }
    if (head === null) this.#headless.set(file.id, key);
    else this.#heads.set(file.id, head);
    return head;
  }

  async tail(file: RolloutFile): Promise<RolloutTail> {
    const key = `${file.changedAt}:${file.size}`;
    const known = this.#tails.get(file.id);
    if (known?.key === key) return known.tail;
    const tail = tailOf(await tailLines(file, tailBytes).catch(() => []));
    this.#tails.set(file.id, { key, tail });
    return tail;
  }

  /**
   * Entries of a thread, newest page first, each page of whole turns with about `limit` entries, oldest first within it, and what the subagents did that were started
   * in them; what it was forked from follows after its own beginning. `live`: somebody runs it, so that what is open at its end may go on. Rejects with `session_not_found` or `bad_cursor`.
   */
  async page(id: string, options: { readonly cursor?: string | undefined; readonly limit: number; readonly live: boolean; readonly signal?: AbortSignal | undefined }): Promise<Page<Entry>> {
    const [at, end] = options.cursor === undefined ? [id, null] : cursorOf(options.cursor);
    const file = await this.find(at);
    if (file === null) throw sessionNotFound();
    const head = await this.head(file);
    const source = await openRollout(file);
    try {
      const turns: Entry[][] = [];
      let count = 0;
      let group: OffsetLine[] = [];
      let bytes = 0;
      let newest = end === null;
      const seen = new Set<string>();
      const flush = async (): Promise<void> => {
        const log = new RolloutLog({ paginated: head?.paginated ?? false });
        const entries = group.reverse().flatMap(({ line, offset }) => log.push(line, offset));
        if (!newest || !options.live) entries.push(...log.finish({ agentsGoOn: options.live }));
        entries.push(...(await subagentEntries(this, log.subagents, { live: options.live, signal: options.signal, seen })));
        turns.unshift(entries);
        count += entries.length;
        group = [];
        bytes = 0;
        newest = false;
      };
      for await (const batch of linesBackwards(source, end ?? source.size)) {
        throwIfAborted(options.signal);
        for (const line of [...batch].reverse()) {
          group.push(line);
          bytes += line.line.length;
          if (!beginsTurn(line.line) && bytes < pageBytes) continue;
          await flush();
          if (count >= options.limit) return { items: turns.flat(), next: line.offset > 0 ? `${at}@${line.offset}` : null };
        }
      }
      await flush();
      const base = head?.base ?? null;
      return { items: turns.flat(), next: base === null || base.end <= 0 ? null : `${base.id}@${base.end}` };
    } finally {
      await source.close();
    }
  }

  /** Ids that their senders gave to the prompts in the last eight megabytes of the thread's file. */
  async promptIds(id: string): Promise<ReadonlySet<string>> {
    const file = await this.find(id);
    const lines = file === null ? [] : await tailLines(file, pageBytes).catch(() => []);
    return new Set(lines.flatMap((line) => (line.includes('"client_id":"') ? [...line.matchAll(/"client_id":"([^"\\]{1,100})"/g)].map(([, found = '']) => found) : [])));
  }

  /** Threads that were forked from this one and need its file. */
  async forksOf(id: string): Promise<readonly string[]> {
    const found: string[] = [];
    for (const file of await this.list()) {
      if (file.id !== id && (await this.head(file))?.base?.id === id) found.push(file.id);
    }
    return found;
  }
}

/** For a session that Codex keeps no file of. */
export function sessionNotFound(cause?: unknown): PilothouseError {
  return new PilothouseError('session_not_found', 'Codex does not know this session, or not any more. Refresh the list.', { cause });
}

function cursorOf(cursor: string): readonly [string, number] {
  const match = /^([0-9a-f-]{36})@(\d{1,15})$/.exec(cursor);
  const [, id, end] = match ?? [];
  if (id === undefined || end === undefined) throw new PilothouseError('bad_cursor', 'This is no cursor of a Codex session. Start from the newest page.');
  return [id, Number(end)];
}

/** True for the line with which a turn begins (Codex since 0.111). */
export function beginsTurn(line: string): boolean {
  return /"type":"event_msg","payload":\{"type":"(?:task_started|turn_started)"/.test(line.slice(0, 200));
}

function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function headOf(lines: readonly string[]): RolloutHead | null {
  const meta = lines.map(parse).find((record) => record?.['type'] === 'session_meta')?.['payload'];
  if (!isJsonObject(meta)) return null;
  const base: JsonObject = isJsonObject(meta['history_base']) ? meta['history_base'] : {};
  const end = base['end_byte_offset'];
  const id = text(base['thread_id']);
  const git: JsonObject = isJsonObject(meta['git']) ? meta['git'] : {};
  return {
    folder: text(meta['cwd']) ?? '', createdAt: Date.parse(text(meta['timestamp']) ?? '') || 0, branch: text(git['branch']), originator: text(meta['originator']),
    paginated: meta['history_mode'] === 'paginated', internal: isJsonObject(meta['source']) && !('custom' in meta['source']), preview: previewOf(lines),
    base: id !== null && typeof end === 'number' ? { id, end } : null, from: typeof meta['subagent_history_start_ordinal'] === 'number' ? meta['subagent_history_start_ordinal'] : 0,
  };
}

function previewOf(lines: readonly string[]): string | null {
  for (const line of lines) {
    if (!line.includes('"UserMessage"') && !line.includes('"user_message"')) continue;
    const payload = parse(line)?.['payload'];
    if (!isJsonObject(payload)) continue;
    if (payload['type'] === 'user_message') return text(oneLine(text(payload['message']) ?? ''));
    const item = readRolloutItem(payload['item'] ?? null);
    if (item.type === 'userMessage') return text(oneLine(item.content.map((part) => part.text ?? '').join(' ')));
  }
  return null;
}

function tailOf(lines: readonly string[]): RolloutTail {
  let last: RolloutTail['last'] = 'none';
  let error: string | null = null;
  let model: string | null = null;
  let usage: UsageFigures | null = null;
  for (const line of lines) {
    if (!/"type":"(?:event_msg|turn_context)"/.test(line.slice(0, 120))) continue;
    const record = parse(line);
    const payload = record?.['payload'];
    if (!isJsonObject(payload)) continue;
    if (record?.['type'] === 'turn_context') model = text(payload['model']) ?? model;
    const type = payload['type'];
    if (type === 'task_started' || type === 'turn_started') last = 'open';
    else if (type === 'turn_aborted') last = 'aborted';
    else if (type === 'task_complete' || type === 'turn_complete') {
      const failure = payload['error'];
      last = isJsonObject(failure) ? 'failed' : 'completed';
      error = isJsonObject(failure) ? text(failure['message']) : null;
    } else if (type === 'token_count' && isJsonObject(payload['info'])) {
      const counts = usageOf(payload['info']);
      if (counts !== null) usage = figuresOf(counts.total, counts);
    }
  }
  return { last, error, model, usage };
}
