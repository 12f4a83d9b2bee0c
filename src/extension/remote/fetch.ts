import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { SessionReach } from '../../core/fleet/reach.ts';
import type { FileInfo } from '../../core/model/backend.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import { fileName } from '../chat/remoteFile.ts';
import { oneLine } from '../tree/text.ts';

/** What of a session's machine is needed here. */
export type Far = Pick<SessionReach, 'fileInfo' | 'readFile' | 'attachment'>;

/** Bytes of the largest file that is shown; larger ones are saved. */
export const SHOWN_BYTES = 32 * 1024 * 1024;
/** Bytes that are looked at before it is decided what a file is: one read of a machine. */
export const HEAD_BYTES = 270_000;
/** Bytes that are in memory at once while a file is saved. */
const PART_BYTES = 4 * 1024 * 1024;

/** How far a transfer is: bytes that came since it was told last, and of how many. */
export type OnProgress = (more: number, of: number) => void;

/** A file of a machine; whatever else stands at the path rejects and says so: `file_not_found`, `is_folder`, `file_closed`, `invalid_argument`. `machine` is its name. */
export async function fileAt(far: Far, at: string, machine: string, signal?: AbortSignal): Promise<FileInfo> {
  const info = await far.fileInfo(at, signal === undefined ? {} : { signal });
  const [name, where] = [oneLine(fileName(at), 200), machine === '' ? 'that machine' : oneLine(machine, 100)];
  switch (info.kind) {
    case 'file': return info;
    case 'folder': throw new PilothouseError('is_folder', `${name} is a folder on ${where}. Only files of other machines are opened.`);
    case 'closed': throw new PilothouseError('file_closed', `${name} may not be read by Happy on ${where}.`);
    case 'other': throw new PilothouseError('invalid_argument', `${name} is no regular file on ${where}.`);
    case 'none': throw new PilothouseError('file_not_found', `There is no file ${oneLine(at, 200)} on ${where}.`);
  }
}

/** The bytes of a file that fits into an editor, behind those that are here already. Rejects with `too_large`, and with `file_changed` where it ended before its size. */
export async function wholeFile(far: Far, at: string, info: FileInfo, head: Uint8Array, options: { readonly signal?: AbortSignal; readonly onProgress?: OnProgress } = {}): Promise<Uint8Array> {
  if (info.size > SHOWN_BYTES) throw new PilothouseError('too_large', `${oneLine(fileName(at), 200)} is too large to be shown. Save it instead.`);
  const rest = info.size - head.length;
  if (rest <= 0) return head.subarray(0, info.size);
  options.onProgress?.(head.length, info.size);
  let have = 0;
  const tail = await far.readFile(at, {
    from: head.length, length: rest, ...(options.signal === undefined ? {} : { signal: options.signal }),
    onBytes: (bytes) => {
      options.onProgress?.(bytes - have, info.size);
      have = bytes;
    },
  });
  if (tail.length !== rest) throw changed(at);
  return Buffer.concat([head, tail]);
}

/** A file of a machine in parts, of any size, from its beginning. Rejects with `file_changed` where it is not the same at its end. */
export async function* partsOf(far: Far, at: string, info: FileInfo, options: { readonly signal: AbortSignal; readonly onProgress?: OnProgress }): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < info.size; from += PART_BYTES) {
    const length = Math.min(PART_BYTES, info.size - from);
    let have = 0;
    const part = await far.readFile(at, {
      from, length, signal: options.signal,
      onBytes: (bytes) => {
        options.onProgress?.(bytes - have, info.size);
        have = bytes;
      },
    });
    if (part.length !== length) throw changed(at);
    yield part;
  }
  const now = await far.fileInfo(at, { signal: options.signal });
  if (now.kind !== 'file' || now.size !== info.size || now.modifiedAt !== info.modifiedAt) throw changed(at);
}

function changed(at: string): PilothouseError {
  return new PilothouseError('file_changed', `${oneLine(fileName(at), 200)} was changed on its machine while it was read. Try again.`);
}

/** Writes a file of this computer at once or not at all: what stands there is replaced when every part is on disk. Rejects with `not_saved`, or as the parts do. */
export async function writeWhole(target: string, parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
  const temporary = path.join(path.dirname(target), `.${path.basename(target).slice(0, 100)}.${randomUUID().slice(0, 8)}.part`);
  const disk = async <T>(work: Promise<T>): Promise<T> => work.catch((error: unknown) => {
    const code = (error as { readonly code?: unknown }).code;
    throw new PilothouseError('not_saved', `${oneLine(path.basename(target), 200)} could not be saved (${typeof code === 'string' ? code : 'unknown reason'}). Choose another place.`, { cause: error });
  });
  const file = await disk(open(temporary, 'wx'));
  try {
    try {
      for await (const part of parts) {
        signal?.throwIfAborted();
        await disk(file.writeFile(part));
      }
      signal?.throwIfAborted();
      await disk(file.sync());
    } finally {
      await file.close();
    }
    await disk(rename(temporary, target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
