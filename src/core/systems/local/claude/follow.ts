import { open } from 'node:fs/promises';
import type { Entry } from '../../../model/entry.ts';
import { linesForward } from './lineFile.ts';
import { readerAt } from './pages.ts';
import type { TranscriptReader } from './transcript.ts';
import { readLine } from './transcript.ts';

/** Reads on in a transcript that somebody else writes. */
export class Follower {
  readonly #file: string;
  readonly #folder: string;
  #offset: number;
  #reader: TranscriptReader | null = null;

  /** @param offset size of the file from which on it is followed. */
  constructor(file: string, folder: string, offset: number) {
    this.#file = file;
    this.#folder = folder;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Entries of the lines that came since. `quiet`: skips them (somebody else tells of them). */
  async read(quiet: boolean): Promise<readonly Entry[]> {
    const handle = await open(this.#file, 'r').catch(() => null);
    if (handle === null) return [];
    try {
      const { size } = await handle.stat();
      if (size < this.#offset || quiet) {
        this.#offset = size;
        this.#reader = null;
        return [];
      }
      if (size === this.#offset) return [];
      const reader = (this.#reader ??= await readerAt(handle, this.#folder, this.#offset));
      for await (const line of linesForward(handle, this.#offset, size)) {
        this.#offset = line.end;
        const value = readLine(line.text);
        if (value !== null) reader.line(value, line.offset, line.end);
      }
      reader.finish(false);
      return reader.flush();
    } finally {
      await handle.close();
    }
  }
}
