import { open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import * as zlib from 'node:zlib';
import { PilothouseError } from '../../../model/errors.ts';

/** A rollout: the file in which Codex keeps one thread. */
export interface RolloutFile {
  readonly id: string;
  readonly path: string;
  readonly archived: boolean;
  /** Codex packs threads that were long not touched (`.jsonl.zst`, seen with 0.169). */
  readonly packed: boolean;
  /** Bytes on disk. */
  readonly size: number;
  readonly changedAt: number;
}
/** Bytes of a rollout, unpacked. */
interface RolloutBytes {
  readonly size: number;
  read(start: number, end: number): Promise<Buffer>;
  close(): Promise<void>;
}

const fileName = /^rollout-.*-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl(\.zst)?$/i;
/** Bytes that a packed rollout may have unpacked. */
const maxUnpacked = 512 * 1024 * 1024;

export function isRolloutName(name: string): boolean {
  return fileName.test(name);
}

/** The rollout at that path as it is now; null when there is none. */
export async function rolloutAt(file: string, archived: boolean): Promise<RolloutFile | null> {
  const match = fileName.exec(path.basename(file));
  const id = match?.[1]?.toLowerCase();
  if (id === undefined) return null;
  const facts = await stat(file).catch(() => null);
  return facts?.isFile() === true ? { id, path: file, archived, packed: match?.[2] !== undefined, size: facts.size, changedAt: Math.round(facts.mtimeMs) } : null;
}

/** Opens a rollout; a packed one is unpacked in memory. Rejects with `transcript_missing` or `transcript_packed`. */
export async function openRollout(file: RolloutFile): Promise<RolloutBytes> {
  if (file.packed) return unpacked(await unpack(file));
  const handle = await open(file.path, 'r').catch((error: unknown) => {
    throw new PilothouseError('transcript_missing', 'The file of this Codex session is not there any more. Refresh the list.', { cause: error });
  });
  const { size } = await handle.stat();
  return {
    size,
    async read(start, end) {
      const length = Math.max(0, Math.min(end, size) - start);
      const buffer = Buffer.alloc(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
    close: () => handle.close(),
  };
}

function unpacked(buffer: Buffer): RolloutBytes {
  return { size: buffer.length, read: async (start, end) => buffer.subarray(start, end), close: async () => undefined };
}

async function unpack(file: RolloutFile): Promise<Buffer> {
  const bytes = await readFile(file.path).catch((error: unknown) => {
    throw new PilothouseError('transcript_missing', 'The file of this Codex session is not there any more. Refresh the list.', { cause: error });
  });
  // Node has Zstandard since 22.15.
  if (typeof zlib.zstdDecompress !== 'function') throw new PilothouseError('transcript_packed', 'Codex has packed this session, and this program cannot unpack it. Resume the session once in Codex itself.');
  return new Promise((resolve, reject) => {
    zlib.zstdDecompress(bytes, { maxOutputLength: maxUnpacked }, (error, result) => {
      if (error === null) resolve(result);
      else reject(new PilothouseError('transcript_packed', 'The packed file of this Codex session could not be read.', { cause: error }));
    });
  });
}

/** The first `bytes` of a rollout, cut at the last line break unless the file is shorter. */
export async function headLines(file: RolloutFile, bytes: number): Promise<readonly string[]> {
  const source = await openRollout(file);
  try {
    const head = await source.read(0, bytes);
    const cut = source.size > head.length ? head.lastIndexOf(10) + 1 : head.length;
    return head.subarray(0, cut).toString('utf8').split('\n').filter((line) => line !== '');
  } finally {
    await source.close();
  }
}

/** The last `bytes` of a rollout, from the first line break on. */
export async function tailLines(file: RolloutFile, bytes: number): Promise<readonly string[]> {
  const source = await openRollout(file);
  try {
    const start = Math.max(0, source.size - bytes);
    const tail = await source.read(start, source.size);
    const cut = start === 0 ? 0 : tail.indexOf(10) + 1;
    return tail.subarray(cut).toString('utf8').split('\n').filter((line) => line !== '');
  } finally {
    await source.close();
  }
}

export interface OffsetLine {
  readonly line: string;
  readonly offset: number;
}

/** Whole lines of a rollout backwards from byte `end`, in batches as they are read; each batch in file order. */
export async function* linesBackwards(source: RolloutBytes, end: number, chunk = 256 * 1024): AsyncGenerator<readonly OffsetLine[]> {
  let rest: Buffer = Buffer.alloc(0);
  let position = Math.min(end, source.size);
  while (position > 0) {
    const start = Math.max(0, position - chunk);
    const bytes = Buffer.concat([await source.read(start, position), rest]);
    const first = start === 0 ? 0 : bytes.indexOf(10) + 1;
    position = start;
    if (first === 0 && start > 0) {
      rest = bytes;
      continue;
    }
    rest = bytes.subarray(0, first);
    yield cutLines(bytes.subarray(first), start + first);
  }
}

/** Lines of a rollout from the first that begins at byte `start` or after it, in batches as they are read. */
export async function* linesForward(source: RolloutBytes, start: number, chunk = 1024 * 1024): AsyncGenerator<readonly OffsetLine[]> {
  let position = start;
  let rest: Buffer = Buffer.alloc(0);
  let cut = start === 0;
  while (position < source.size) {
    const piece = await source.read(position, position + chunk);
    if (piece.length === 0) break;
    position += piece.length;
    rest = Buffer.concat([rest, piece]);
    if (!cut) {
      const first = rest.indexOf(10) + 1;
      if (first === 0) continue;
      rest = rest.subarray(first);
      cut = true;
    }
    const whole = position < source.size ? rest.lastIndexOf(10) + 1 : rest.length;
    if (whole === 0) continue;
    yield cutLines(rest.subarray(0, whole), position - rest.length);
    rest = rest.subarray(whole);
  }
}

/** Lines of a piece of a file that begins at byte `base`; what stands after the last line break is a line too. */
export function cutLines(bytes: Buffer, base: number): OffsetLine[] {
  const lines: OffsetLine[] = [];
  let from = 0;
  while (from < bytes.length) {
    const cut = bytes.indexOf(10, from);
    const to = cut < 0 ? bytes.length : cut;
    if (to > from) lines.push({ line: bytes.toString('utf8', from, to), offset: base + from });
    from = to + 1;
  }
  return lines;
}
