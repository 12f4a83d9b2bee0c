import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** An upload as it came. */
export interface SeenUpload {
  readonly fields: Readonly<Record<string, string>>;
  readonly filename: string;
  readonly contentType: string;
  readonly size: number;
  readonly sha256: string;
}

const HEAD = 4_096;

/** Reads multipart/form-data with one file, which comes last, without holding it; null for what is none. `gate` is waited for before each piece is read. */
export async function readUpload(request: IncomingMessage, gate: () => Promise<void>): Promise<SeenUpload | null> {
  const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(request.headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) return null;
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  const hash = createHash('sha256');
  let head: Buffer = Buffer.alloc(0);
  let began: { fields: Record<string, string>; filename: string; contentType: string } | null = null;
  // The last bytes may be the end of the form: they count when more comes behind them.
  let held: Buffer = Buffer.alloc(0);
  let size = 0;
  const take = (piece: Buffer): void => {
    const all = Buffer.concat([held, piece]);
    const sure = Math.max(0, all.length - end.length);
    hash.update(all.subarray(0, sure));
    size += sure;
    held = all.subarray(sure);
  };
  await gate();
  for await (const chunk of request as AsyncIterable<Buffer>) {
    await gate();
    if (began !== null) {
      take(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const found = openingOf(head, boundary);
    if (found === null && head.length > HEAD) return null;
    if (found === null) continue;
    began = found.opening;
    take(head.subarray(found.length));
  }
  return began === null || !held.equals(end) ? null : { ...began, size, sha256: hash.digest('hex') };
}

function openingOf(head: Buffer, boundary: string): { readonly opening: { fields: Record<string, string>; filename: string; contentType: string }; readonly length: number } | null {
  const text = head.toString('utf8');
  const file = /Content-Disposition: form-data; name="file"; filename="([^"\r\n]*)"\r\nContent-Type: ([^\r\n]+)\r\n\r\n/.exec(text);
  if (file === null) return null;
  const before = text.slice(0, file.index);
  const fields: Record<string, string> = {};
  for (const [, name = '', value = ''] of before.matchAll(/name="(\w+)"\r\n\r\n([^\r\n]*)\r\n/g)) fields[name] = value;
  if (!before.startsWith(`--${boundary}\r\n`)) return null;
  const [, filename = '', contentType = ''] = file;
  return { opening: { fields, filename, contentType }, length: Buffer.byteLength(text.slice(0, file.index + file[0].length)) };
}
