import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Logger } from '../../../model/context.ts';
import { describeError } from '../../../model/errors.ts';
import type { TranscriptFile } from './files.ts';
import { transcriptAt } from './files.ts';
import type { Runner } from './runners.ts';
import { listRunners } from './runners.ts';

/** How often is looked; and how many of the most recent transcripts are looked at each time (the others: now and then), in milliseconds and files. */
const everyMs = 2000;
const recent = 40;
const allEvery = 30;

interface PollOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly configDir: string;
  /** A transcript is there, or another size, or somebody else runs it now. */
  readonly onChanged: (file: TranscriptFile, runners: ReadonlyMap<string, Runner>) => Promise<void>;
  readonly onGone: (id: string) => void;
}

/**
 * Looks for what other programs do to the transcripts, at a small cost: folders by their time of change, files by their size. Watches of the file system
 * are not used: they are lost or doubled on network drives and in containers, and a few hundred of them are not free either.
 */
export class Poll {
  readonly #options: PollOptions;
  #timer: { cancel(): void } | null = null;
  #on = false;
  #rounds = 0;
  /** Project folders with their time of change and their transcripts. */
  readonly #folders = new Map<string, { readonly changedAt: number; readonly files: readonly string[] }>();
  #files: Map<string, TranscriptFile> | null = null;
  #running = new Map<string, string>();

  constructor(options: PollOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#on) return;
    this.#on = true;
    this.#schedule(0);
  }

  stop(): void {
    this.#on = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #schedule(ms: number): void {
    if (!this.#on) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#round()
        .catch((error: unknown) => this.#options.log.debug('transcripts could not be looked at', { error: describeError(error) }))
        .finally(() => this.#schedule(everyMs));
    }, ms);
  }

  async #round(): Promise<void> {
    const first = this.#files === null;
    const before = this.#files ?? new Map<string, TranscriptFile>();
    const all = this.#rounds % allEvery === 0;
    this.#rounds += 1;
    const paths = await this.#paths();
    const known = [...before.values()].sort((a, b) => b.changedAt - a.changedAt);
    const hot = new Set(known.slice(0, recent).map((file) => file.path));
    const now = new Map<string, TranscriptFile>();
    const look = paths.filter((file) => all || hot.has(file) || !before.has(file));
    const looked = new Map((await Promise.all(look.map(transcriptAt))).filter((file) => file !== null).map((file) => [file.path, file]));
    for (const file of paths) {
      const found = looked.get(file) ?? before.get(file);
      if (found !== undefined) now.set(file, found);
    }
    this.#files = now;
    const runners = await listRunners(this.#options.configDir);
    const running = new Map([...runners].map(([id, runner]) => [id, `${runner.pid}:${String(runner.busy)}`]));
    const ids = new Set([...running.keys(), ...this.#running.keys()].filter((id) => running.get(id) !== this.#running.get(id)));
    this.#running = running;
    if (first) return;
    for (const file of now.values()) {
      const old = before.get(file.path);
      if (old?.size !== file.size || old.changedAt !== file.changedAt || ids.has(file.id)) await this.#options.onChanged(file, runners);
    }
    const left = new Set([...now.values()].map((file) => file.id));
    for (const file of before.values()) if (!now.has(file.path) && !left.has(file.id)) this.#options.onGone(file.id);
  }

  async #paths(): Promise<string[]> {
    const root = path.join(this.#options.configDir, 'projects');
    const names = new Set(await readdir(root).catch(() => []));
    for (const name of this.#folders.keys()) if (!names.has(name)) this.#folders.delete(name);
    await Promise.all([...names].map(async (name) => {
      const found = await stat(path.join(root, name)).catch(() => null);
      if (found === null || this.#folders.get(name)?.changedAt === found.mtimeMs) return;
      const files = (await readdir(path.join(root, name)).catch(() => [])).filter((file) => file.endsWith('.jsonl')).map((file) => path.join(root, name, file));
      this.#folders.set(name, { changedAt: found.mtimeMs, files });
    }));
    return [...this.#folders.values()].flatMap((folder) => folder.files);
  }
}
