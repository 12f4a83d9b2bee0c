import { Blob } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { ForgeError, invalid } from './errors.ts';

/** What is uploaded: the path of a file, or its contents. */
export type UploadSource = string | Blob | Uint8Array;

interface UploadForm {
  readonly ttlSecs: number;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  /** Told after each piece how many bytes of the file were handed over, of how many. */
  readonly onProgress?: ((sent: number, total: number) => void) | undefined;
}

/** A request's body as multipart/form-data, made piece by piece while it is sent. */
interface Multipart {
  readonly body: Readable;
  /** Bytes of the file. */
  readonly size: number;
  readonly headers: Readonly<Record<string, string>>;
}

const PIECE = 64 * 1024;

/**
 * The form of an upload (clawdforge.md: field `file`, form field `ttl_secs`). At most a piece or two of the file is in memory; it is opened when the sending begins, and closed whatever becomes of
 * it. Rejects with `file_not_readable`; the body fails with `file_changed` where the file is another size than it was.
 */
export async function multipart(source: UploadSource, form: UploadForm): Promise<Multipart> {
  const file = await described(source);
  const name = form.filename ?? file.name;
  const type = form.contentType ?? file.type;
  if (!/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;[\t\x20-\x7e]*)?$/.test(type)) throw invalid('The content type is not one such as text/plain.');
  const boundary = `pilothouse-${randomUUID()}`;
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="ttl_secs"\r\n\r\n${form.ttlSecs}\r\n`
    + `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted(name)}"\r\nContent-Type: ${type}\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield head;
    let sent = 0;
    for await (const piece of file.read()) {
      sent += piece.length;
      if (sent > file.size) break;
      yield piece;
      form.onProgress?.(sent, file.size);
    }
    if (sent !== file.size) throw new ForgeError('file_changed', `${name} was changed while it was uploaded. Upload it again.`);
    yield tail;
  }
  return {
    body: Readable.from(pieces(), { objectMode: false, highWaterMark: PIECE }), size: file.size,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': String(head.length + file.size + tail.length) },
  };
}

interface Described {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  read(): AsyncIterable<Uint8Array>;
}

async function described(source: UploadSource): Promise<Described> {
  if (typeof source === 'string') return onDisk(source);
  if (source instanceof Uint8Array) return { name: 'file', type: 'application/octet-stream', size: source.length, read: () => slices(source) };
  if (!(source instanceof Blob)) throw invalid('An upload is the path of a file, a Blob or bytes.');
  // Loosely: a File has a name, a Blob has none.
  const name = 'name' in source && typeof source.name === 'string' && source.name !== '' ? source.name : 'file';
  return { name, type: source.type === '' ? 'application/octet-stream' : source.type, size: source.size, read: () => blobSlices(source) };
}

async function onDisk(file: string): Promise<Described> {
  if (file.trim() === '') throw invalid('The path of the file is empty.');
  const name = path.basename(file);
  const unreadable = (cause: unknown, why: string): ForgeError => new ForgeError('file_not_readable', `${name} cannot be uploaded: ${why}`, { cause });
  const found = await stat(file).catch((error: unknown) => {
    throw unreadable(error, 'it is not there, or may not be read.');
  });
  if (!found.isFile()) throw unreadable(undefined, 'it is no file.');
  async function* read(): AsyncGenerator<Uint8Array> {
    const handle = await open(file, 'r').catch((error: unknown) => {
      throw unreadable(error, 'it may not be read.');
    });
    try {
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE), 0, PIECE, null);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }
  return { name, type: 'application/octet-stream', size: found.size, read };
}

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += PIECE) yield bytes.subarray(from, from + PIECE);
}

async function* blobSlices(blob: Blob): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < blob.size; from += PIECE) yield new Uint8Array(await blob.slice(from, from + PIECE).arrayBuffer());
}

/** A file name as forms carry it: what would end the quotes or the line is escaped as browsers do. */
function quoted(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
