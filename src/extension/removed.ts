import type { Disposable } from '../core/model/backend.ts';
import type { Logger } from '../core/model/context.ts';
import { WatchedFolder } from './watchedFolder.ts';

/** The connections that the person removed although they need no setting, such as Claude Code: an empty file for each, by its id, in a folder that every window watches. */
export class RemovedConnections implements Disposable {
  private readonly folder: WatchedFolder;

  /** `changed` is called when this window or another one removed a connection or brought one back. */
  constructor(folder: string, log: Logger, changed: () => void) {
    this.folder = new WatchedFolder({ folder, what: 'removed connections', code: 'not_removed', log, changed });
  }

  has(connectionId: string): boolean {
    return this.folder.entries().has(connectionId);
  }

  /** Throws `not_removed` when it can't be written. */
  add(connectionId: string): void {
    this.folder.set(connectionId, '');
  }

  delete(connectionId: string): void {
    this.folder.delete(connectionId);
  }

  readonly refresh = (): void => this.folder.refresh();

  dispose(): void {
    this.folder.dispose();
  }
}
