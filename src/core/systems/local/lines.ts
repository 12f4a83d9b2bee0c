import type { JsonValue } from '../../model/json.ts';
import { PilothouseError } from '../../model/errors.ts';

/** Bytes of the longest line that is taken from an agent. */
const maxLineBytes = 64 * 1024 * 1024;

interface LineSplitter {
  push(chunk: Buffer): void;
  /** The stream is over: what stands after the last line break is a line too. */
  end(): void;
}

/**
 * Cuts a byte stream into lines at `\n` (a `\r` before it goes too; empty lines are left out). Characters that are split over chunks stay whole.
 * A line over `limit` bytes is dropped up to its end and told to `onFault` once, with code `line_too_long`; the lines after it go on.
 */
export function createLineSplitter(
  onLine: (line: string) => void,
  onFault: (error: PilothouseError) => void,
  limit: number = maxLineBytes,
): LineSplitter {
  let parts: Buffer[] = [];
  let size = 0;
  let dropping = false;

  const emit = (): void => {
    if (dropping) {
      dropping = false;
      return;
    }
    const only = parts[0];
    const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, size);
    parts = [];
    size = 0;
    const line = bytes.toString('utf8');
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (text !== '') onLine(text);
  };
  const keep = (piece: Buffer): void => {
    if (dropping || piece.length === 0) return;
    if (size + piece.length > limit) {
      parts = [];
      size = 0;
      dropping = true;
      onFault(new PilothouseError('line_too_long', `The agent sent a line of more than ${limit} bytes; it was left out.`));
      return;
    }
    parts.push(piece);
    size += piece.length;
  };
  return {
    push(chunk) {
      let from = 0;
      for (;;) {
        const cut = chunk.indexOf(10, from);
        if (cut < 0) break;
        keep(chunk.subarray(from, cut));
        emit();
        from = cut + 1;
      }
      keep(chunk.subarray(from));
    },
    end() {
      if (size > 0 || dropping) emit();
    },
  };
}

/** The JSON of a line; undefined when it is none. */
export function parseJsonLine(line: string): JsonValue | undefined {
  try {
    return JSON.parse(line) as JsonValue;
  } catch {
    return undefined;
  }
}
