import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeError } from '../../core/model/errors.ts';
import type { Logger } from '../../core/model/context.ts';
import { attachmentName } from './place.ts';

const KEPT_MS = 24 * 3_600_000;

/**
 * Contents of attachments as files that VS Code can open. The store keeps them sealed: these copies are for the person alone to read (mode 600) and go
 * with the window; what a window that was killed left behind goes a day later.
 */
export class AttachmentFiles {
  private readonly root: string;
  private readonly own: string;
  private readonly log: Logger;

  constructor(root: string, log: Logger) {
    this.root = root;
    this.own = path.join(root, randomUUID());
    this.log = log;
  }

  /** The path of a file with these contents. `data` is base64. */
  async write(name: string, data: string): Promise<string> {
    const folder = path.join(this.own, randomUUID());
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = path.join(folder, attachmentName(name));
    await writeFile(file, Buffer.from(data, 'base64'), { mode: 0o600, flag: 'wx' });
    return file;
  }

  /** Removes what windows before this one left for longer than a day before `now` (milliseconds since the epoch). Never rejects. */
  async sweep(now: number): Promise<void> {
    try {
      for (const name of await readdir(this.root)) {
        const left = path.join(this.root, name);
        if (left !== this.own && now - (await stat(left)).mtimeMs > KEPT_MS) await rm(left, { recursive: true, force: true });
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) this.log.warn('copies of attachments could not be removed', { error: describeError(error) });
    }
  }

  dispose(): void {
    try {
      rmSync(this.own, { recursive: true, force: true });
    } catch (error) {
      this.log.warn('copies of attachments could not be removed', { error: describeError(error) });
    }
  }
}
