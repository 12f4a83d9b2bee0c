import type { FSWatcher } from 'node:fs';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Disposable } from '../core/model/backend.ts';
import type { Logger } from '../core/model/context.ts';
import { describeError, PilothouseError } from '../core/model/errors.ts';

/** Many changes of the folder at once are one reading. */
const SETTLE_MS = 50;
/** Files that are being written begin with it. */
const UNFINISHED = '.';

interface WatchedFolderOptions {
  readonly folder: string;
  /** What is in it, as the log names it: `removed connections`. */
  readonly what: string;
  /** Code of the error when it can't be written. */
  readonly code: string;
  readonly log: Logger;
  /** Called when this window or another one changed something. */
  readonly changed: () => void;
}

/** Small values of mode 600, a file each by its name, in a folder that every window watches. A file a value, so that two windows never undo each other. */
export class WatchedFolder implements Disposable {
  private readonly options: WatchedFolderOptions;
  private readonly watcher: FSWatcher | null;
  private values: ReadonlyMap<string, string> = new Map();
  private timer: NodeJS.Timeout | null = null;

  constructor(options: WatchedFolderOptions) {
    this.options = options;
    this.watcher = this.watch();
    this.values = this.read();
  }

  /** By name, as of the last reading. */
  entries(): ReadonlyMap<string, string> {
    return this.values;
  }

  /** Whole or not at all: another window never reads half of it. Throws with the code of the options when it can't be written. */
  set(name: string, text: string): void {
    this.change(() => {
      const { folder } = this.options;
      const draft = path.join(folder, `${UNFINISHED}${randomUUID()}`);
      writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
      try {
        renameSync(draft, this.fileOf(name));
      } catch (error) {
        rmSync(draft, { force: true });
        throw error;
      }
    });
  }

  delete(name: string): void {
    this.change(() => rmSync(this.fileOf(name), { force: true }));
  }

  /** Reads the folder; what changed is told. Where it can't be watched, this is how changes of others are seen. */
  readonly refresh = (): void => {
    const before = this.values;
    this.values = this.read();
    if (before.size !== this.values.size || [...before].some(([name, text]) => this.values.get(name) !== text)) this.options.changed();
  };

  dispose(): void {
    this.watcher?.close();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private watch(): FSWatcher | null {
    const { folder, what, log } = this.options;
    const failed = (error: unknown): void => log.warn(`${what} can’t be watched`, { error: describeError(error) });
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const watcher = watch(folder, { persistent: false }, () => {
        this.timer ??= setTimeout(() => {
          this.timer = null;
          this.refresh();
        }, SETTLE_MS);
      });
      watcher.on('error', failed);
      return watcher;
    } catch (error) {
      failed(error);
      return null;
    }
  }

  /** What can't be read counts as it was read last: a disk or a limit of the system that fails for a moment says nothing of what is there. */
  private read(): ReadonlyMap<string, string> {
    const { folder, what, log } = this.options;
    const failed = (error: unknown): void => log.warn(`${what} can’t be read`, { error: describeError(error) });
    const values = new Map<string, string>();
    try {
      for (const file of readdirSync(folder)) {
        const name = file.startsWith(UNFINISHED) ? null : nameOf(file);
        if (name === null) continue;
        const text = textOf(path.join(folder, file), (error) => {
          failed(error);
          return this.values.get(name) ?? null;
        });
        if (text !== null) values.set(name, text);
      }
    } catch (error) {
      failed(error);
      return this.values;
    }
    return values;
  }

  private change(work: () => void): void {
    const { folder, code } = this.options;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      work();
    } catch (error) {
      throw new PilothouseError(code, `The folder ${folder} can’t be written. See to its rights, then try again.`, { cause: error, personMustAct: true });
    }
    this.refresh();
  }

  private fileOf(name: string): string {
    return path.join(this.options.folder, encodeURIComponent(name));
  }
}

/** Null for a folder, and for a file that went between the listing and the reading; `unread` says what stands for one that can't be read. */
function textOf(file: string, unread: (error: unknown) => string | null): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EISDIR')) return null;
    return unread(error);
  }
}

function nameOf(file: string): string | null {
  try {
    return decodeURIComponent(file);
  } catch {
    return null;
  }
}
