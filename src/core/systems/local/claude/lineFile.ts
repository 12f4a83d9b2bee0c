import type { FileHandle } from 'node:fs/promises';

/** A line of a file: its bytes stand at `[offset, end)`, the line break included. */
export interface FileLine {
  readonly offset: number;
  readonly end: number;
  readonly text: string;
}

const chunkBytes = 256 * 1024;
/** A line longer than this is passed over: no transcript line that shows anything is. */
const maxLine = 32 * 1024 * 1024;

async function read(handle: FileHandle, from: number, to: number): Promise<Buffer> {
  const buffer = Buffer.alloc(to - from);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Whole lines from `start` (the beginning of a line) on, up to `limit`. What stands after the last line break is no line yet. */
export async function* linesForward(handle: FileHandle, start: number, limit: number): AsyncGenerator<FileLine> {
  let rest: Buffer = Buffer.alloc(0);
  let base = start;
  for (let at = start; at < limit; ) {
    const chunk = await read(handle, at, Math.min(limit, at + chunkBytes));
    if (chunk.length === 0) return;
    at += chunk.length;
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let cut = bytes.indexOf(10); cut >= 0; cut = bytes.indexOf(10)) {
      if (cut <= maxLine) yield { offset: base, end: base + cut + 1, text: bytes.toString('utf8', 0, cut) };
      base += cut + 1;
      bytes = bytes.subarray(cut + 1);
    }
    rest = bytes;
  }
}

/** Whole lines before `end`, last one first. `end` is the beginning of a line or the end of the file (then an unfinished last line is passed over). */
export async function* linesBackward(handle: FileHandle, end: number): AsyncGenerator<FileLine> {
  let rest: Buffer = Buffer.alloc(0);
  let from = end;
  let first = true;
  while (from > 0) {
    const start = Math.max(0, from - chunkBytes);
    const chunk = await read(handle, start, from);
    let bytes = rest.length === 0 ? chunk : Buffer.concat([chunk, rest]);
    from = start;
    if (first) {
      const last = bytes.lastIndexOf(10);
      if (last < 0) {
        rest = bytes;
        continue;
      }
      bytes = bytes.subarray(0, last + 1);
      first = false;
    }
    // `bytes` ends with a line break; what stands before its first one may begin earlier.
    for (;;) {
      const cut = bytes.length < 2 ? -1 : bytes.lastIndexOf(10, bytes.length - 2);
      if (cut < 0) break;
      const offset = from + cut + 1;
      const stop = from + bytes.length;
      if (stop - offset <= maxLine) yield { offset, end: stop, text: bytes.toString('utf8', cut + 1, bytes.length - 1) };
      bytes = bytes.subarray(0, cut + 1);
    }
    rest = bytes;
    if (from === 0 && bytes.length > 0) yield { offset: 0, end: bytes.length, text: bytes.toString('utf8', 0, bytes.length - 1) };
  }
}
