/** A file as it was fetched. Times are milliseconds since the epoch. */
export interface HeldFile {
  readonly bytes: Uint8Array;
  readonly modifiedAt: number;
}

/** Contents that editors show, in memory, up to a bound; beyond it the one that was used longest ago goes, and is fetched again when it is asked for. */
export class HeldFiles {
  readonly #most: number;
  readonly #files = new Map<string, HeldFile>();
  #bytes = 0;

  /** `most`: bytes of all together. */
  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(address: string): HeldFile | null {
    const file = this.#files.get(address);
    if (file === undefined) return null;
    this.#files.delete(address);
    this.#files.set(address, file);
    return file;
  }

  /** True where it takes the place of other contents. The file itself is held whatever its size. */
  hold(address: string, file: HeldFile): boolean {
    const before = this.#files.get(address);
    this.drop(address);
    this.#files.set(address, file);
    this.#bytes += file.bytes.length;
    for (const oldest of this.#files.keys()) {
      if (this.#bytes <= this.#most || oldest === address) break;
      this.drop(oldest);
    }
    return before !== undefined && (before.modifiedAt !== file.modifiedAt || !Buffer.from(before.bytes).equals(file.bytes));
  }

  drop(address: string): void {
    const file = this.#files.get(address);
    if (file === undefined) return;
    this.#files.delete(address);
    this.#bytes -= file.bytes.length;
  }

  clear(): void {
    this.#files.clear();
    this.#bytes = 0;
  }
}
