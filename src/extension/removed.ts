import type { FSWatcher } from 'node:fs';
import { mkdirSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Disposable } from '../core/model/backend.ts';
import type { Logger } from '../core/model/context.ts';
import { describeError, PilothouseError } from '../core/model/errors.ts';

/** Many changes of the folder at once are one reading. */
const SETTLE_MS = 50;

/**
 * The connections that the person removed although they need no setting, such as Claude Code: an empty file for each, by its id, in a folder that every
 * window watches. One file a connection, so that two windows never undo each other.
 */
export class RemovedConnections implements Disposable {
  private readonly folder: string;
  private readonly log: Logger;
  private readonly changed: () => void;
  private readonly watcher: FSWatcher | null;
  private ids: ReadonlySet<string>;
  private timer: NodeJS.Timeout | null = null;

  /** `changed` is called when this window or another one removed a connection or brought one back. */
  constructor(folder: string, log: Logger, changed: () => void) {
    this.folder = folder;
    this.log = log;
    this.changed = changed;
    this.watcher = this.watch();
    this.ids = this.read();
  }

  has(connectionId: string): boolean {
    return this.ids.has(connectionId);
  }

  /** Throws `not_removed` when it can't be written. */
  add(connectionId: string): void {
    this.write(() => writeFileSync(this.fileOf(connectionId), '', { mode: 0o600 }));
  }

  delete(connectionId: string): void {
    this.write(() => rmSync(this.fileOf(connectionId), { force: true }));
  }

  /** Reads the folder; what changed is told. Where it can't be watched, this is how changes of others are seen. */
  readonly refresh = (): void => {
    const before = this.ids;
    this.ids = this.read();
    if (before.size !== this.ids.size || [...before].some((id) => !this.ids.has(id))) this.changed();
  };

  dispose(): void {
    this.watcher?.close();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private watch(): FSWatcher | null {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      const watcher = watch(this.folder, { persistent: false }, () => {
        this.timer ??= setTimeout(() => {
          this.timer = null;
          this.refresh();
        }, SETTLE_MS);
      });
      watcher.on('error', (error) => this.log.warn('removed connections can’t be watched', { error: describeError(error) }));
      return watcher;
    } catch (error) {
      this.log.warn('removed connections can’t be watched', { error: describeError(error) });
      return null;
    }
  }

  private read(): ReadonlySet<string> {
    try {
      return new Set(readdirSync(this.folder).flatMap((name) => idOf(name) ?? []));
    } catch (error) {
      this.log.warn('removed connections can’t be read', { error: describeError(error) });
      return new Set();
    }
  }

  private write(work: () => void): void {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      work();
    } catch (error) {
      throw new PilothouseError('not_removed', `The folder ${this.folder} can’t be written. See to its rights, then try again.`, { cause: error, personMustAct: true });
    }
    this.refresh();
  }

  private fileOf(connectionId: string): string {
    return path.join(this.folder, encodeURIComponent(connectionId));
  }
}

function idOf(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}
