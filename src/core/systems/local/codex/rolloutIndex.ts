import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { RolloutFile } from './rolloutFiles.ts';
import { isRolloutName, rolloutAt } from './rolloutFiles.ts';

/** Files that are looked at together; between two such batches everything else has its turn. */
const batch = 64;
/** Of those that a glance has no reason to look at: how many it looks at all the same, one after the other. */
const rotation = 1500;
/** The last changed ones, which most likely change again. */
const recent = 100;
/** How old the last whole look may be when a glance takes its place, in milliseconds. */
const wholeMs = 5 * 60_000;
const dayMs = 24 * 3_600_000;

/**
 * Every rollout below `$CODEX_HOME/sessions/<year>/<month>/<day>` and `$CODEX_HOME/archived_sessions`, last changed first; nothing of their content is
 * read. A thread that is there twice (packed and not) is listed once, with the file that was changed last. Ten thousand files are not looked at anew every few
 * seconds: a glance looks at where Codex makes threads (the folders of these days), at those that changed last, and at a part of the others, all of them in turn.
 */
export class RolloutIndex {
  readonly #home: string;
  readonly #now: () => number;
  #files = new Map<string, RolloutFile>();
  #readAt = -Infinity;
  /** Whole looks that were begun, and the last one of them that came to its end. */
  #begun = 0;
  #ended = 0;
  #reading: Promise<void> | null = null;
  #sorted: readonly RolloutFile[] | null = null;
  #next = 0;

  constructor(home: string, now: () => number = Date.now) {
    this.#home = home;
    this.#now = now;
  }

  /** All of them, as they were at most `maxAgeMs` ago. */
  async all(maxAgeMs = 0): Promise<readonly RolloutFile[]> {
    const asked = this.#begun;
    const fresh = (): boolean => this.#ended > asked || (maxAgeMs > 0 && this.#now() - this.#readAt <= maxAgeMs);
    // Who waited for another look may need none of its own.
    if (!fresh()) await this.#join(async () => (fresh() ? undefined : this.#readAll()));
    return this.#list();
  }

  /** All of them: those of these days and those that changed last as they are now, each of the others as it was at one of the last glances. */
  async glance(): Promise<readonly RolloutFile[]> {
    await this.#join(() => (this.#now() - this.#readAt > wholeMs ? this.#readAll() : this.#readSome()));
    return this.#list();
  }

  /** One look at a time; who comes meanwhile waits for it and then looks anew. */
  async #join(look: () => Promise<void>): Promise<void> {
    while (this.#reading !== null) await this.#reading.catch(() => undefined);
    const reading = look().finally(() => {
      this.#reading = null;
    });
    this.#reading = reading;
    await reading;
  }

  async #readAll(): Promise<void> {
    const at = this.#now();
    this.#begun += 1;
    const mine = this.#begun;
    const found = new Map<string, RolloutFile>();
    for (const [folder, archived] of [['sessions', false], ['archived_sessions', true]] as const) {
      const root = path.join(this.#home, folder);
      const names = await readdir(root, { recursive: true }).catch(() => []);
      await this.#look(names.filter((name) => isRolloutName(path.basename(name))).map((name) => path.join(root, name)), archived, found);
    }
    this.#files = found;
    this.#sorted = null;
    this.#readAt = at;
    this.#ended = mine;
  }

  async #readSome(): Promise<void> {
    const looked = new Map<string, boolean>();
    for (const folder of this.#folders()) {
      const names = new Set((await readdir(folder.path).catch(() => [])).filter(isRolloutName));
      for (const name of names) if (!folder.archived || !this.#files.has(path.join(folder.path, name))) looked.set(path.join(folder.path, name), folder.archived);
      // The archive may be large: what is known in it is looked at in turn.
      for (const file of this.#files.keys()) if (path.dirname(file) === folder.path && !names.has(path.basename(file))) this.#drop(file);
    }
    for (const file of this.#list().slice(0, recent)) looked.set(file.path, file.archived);
    const known = [...this.#files.values()];
    const end = Math.min(known.length, this.#next + rotation);
    for (const file of known.slice(this.#next, end)) looked.set(file.path, file.archived);
    this.#next = end >= known.length ? 0 : end;
    for (const archived of [false, true]) await this.#look([...looked].filter(([, kept]) => kept === archived).map(([file]) => file), archived, this.#files);
  }

  /** Where Codex puts what it makes and what it archives: the day is that of its own clock and zone. */
  #folders(): readonly { readonly path: string; readonly archived: boolean }[] {
    const days = [-dayMs, 0, dayMs].map((away) => {
      const [year = '', month = '', day = ''] = new Date(this.#now() + away).toISOString().slice(0, 10).split('-');
      return { path: path.join(this.#home, 'sessions', year, month, day), archived: false };
    });
    return [...days, { path: path.join(this.#home, 'archived_sessions'), archived: true }];
  }

  async #look(paths: readonly string[], archived: boolean, into: Map<string, RolloutFile>): Promise<void> {
    for (let start = 0; start < paths.length; start += batch) {
      await Promise.all(paths.slice(start, start + batch).map(async (file) => {
        const found = await rolloutAt(file, archived);
        const known = into.get(file);
        if (found !== null && known?.size === found.size && known.changedAt === found.changedAt) return;
        if (found !== null) {
          into.set(file, found);
          this.#sorted = null;
        } else if (known !== undefined) this.#drop(file);
      }));
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  #drop(file: string): void {
    this.#files.delete(file);
    this.#sorted = null;
  }

  #list(): readonly RolloutFile[] {
    if (this.#sorted !== null) return this.#sorted;
    const newest = new Map<string, RolloutFile>();
    for (const file of this.#files.values()) {
      const known = newest.get(file.id);
      if (known === undefined || known.changedAt < file.changedAt || (known.changedAt === file.changedAt && known.packed)) newest.set(file.id, file);
    }
    this.#sorted = [...newest.values()].sort((a, b) => b.changedAt - a.changedAt || (a.id < b.id ? 1 : -1));
    return this.#sorted;
  }
}
