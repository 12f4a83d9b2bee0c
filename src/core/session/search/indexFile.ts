import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import process from 'node:process';
import { threadId } from 'node:worker_threads';
import { GramFilter } from './grams.ts';
import type { SearchIndex } from './blocks.ts';
import type { StoreReader } from './reader.ts';

/** A session's blocks as they are sealed: `[from, to, count, filter in base64]`, the newest first. */
type SavedBlock = readonly [from: number, to: number, count: number, filter: string];
type SavedSession = readonly [session: string, blocks: readonly SavedBlock[]];

const VERSION = 'pilothouse search 1';
const LENGTH_BYTES = 4;
/** Characters of one sealed part; of parts that can't be read the rest still counts. */
const PART = 1 << 20;

/** Writes what is known of the store into a file of its own, sealed, whole or not at all. Throws Node's errors. */
export function saveIndex(file: string, index: SearchIndex, reader: StoreReader): void {
  index.keepOnly(reader.keys());
  const beside = `${file}.${process.pid}-${threadId}`;
  const to = openSync(beside, 'w', 0o600);
  try {
    for (const part of partsOf(index)) {
      const sealed = reader.seal(part, VERSION);
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32BE(sealed.length);
      writeSync(to, length);
      writeSync(to, sealed);
    }
    fsyncSync(to);
  } catch (error) {
    closeSync(to);
    rmSync(beside, { force: true });
    throw error;
  }
  closeSync(to);
  renameSync(beside, file);
  chmodSync(file, 0o600);
  index.unsaved = 0;
}

/** Reads what such a file tells of this store, as far as it can be read. Never throws: what is not known is looked through. */
export function loadIndex(file: string, index: SearchIndex, reader: StoreReader): void {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return;
  }
  for (let at = 0; at + LENGTH_BYTES <= bytes.length; ) {
    const end = at + LENGTH_BYTES + bytes.readUInt32BE(at);
    const text = end > bytes.length ? null : reader.open(bytes.subarray(at + LENGTH_BYTES, end), VERSION);
    at = end;
    if (text === null) continue;
    for (const [session, blocks] of JSON.parse(text) as readonly SavedSession[]) {
      for (const [from, to, count, filter] of blocks) index.add(session, { from, to, count, filter: new GramFilter(new Uint8Array(Buffer.from(filter, 'base64'))) });
    }
  }
  index.keepOnly(reader.keys());
  index.unsaved = 0;
}

function* partsOf(index: SearchIndex): Generator<string, void> {
  let sessions: SavedSession[] = [];
  let length = 0;
  for (const [session, { blocks }] of index) {
    const saved = blocks.map(({ from, to, count, filter }): SavedBlock => [from, to, count, Buffer.from(filter.bytes).toString('base64')]);
    sessions.push([session, saved]);
    length += saved.reduce((sum, [, , , filter]) => sum + filter.length + 40, session.length);
    if (length < PART) continue;
    yield JSON.stringify(sessions);
    sessions = [];
    length = 0;
  }
  if (sessions.length > 0) yield JSON.stringify(sessions);
}
