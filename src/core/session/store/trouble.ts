import { renameSync, statSync } from 'node:fs';
import { PilothouseError } from '../../model/errors.ts';

/** What to do about an error of the database: `broken` files are moved away, `unusable` ones stay, `busy` may pass, `other` concerns one call only. */
export interface Trouble {
  readonly verdict: 'broken' | 'unusable' | 'busy' | 'other';
  /** A clause for a person, such as `the file is damaged`. */
  readonly reason: string;
}

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const BROKEN: ReadonlyMap<number, string> = new Map([
  [11, 'the file is damaged'],
  [26, 'the file is not a database'],
]);
const BUSY: ReadonlyMap<number, string> = new Map([
  [5, 'another program keeps the file locked'],
  [6, 'another program keeps the file locked'],
]);
const UNUSABLE: ReadonlyMap<number, string> = new Map([
  [3, 'the file may not be accessed'],
  [8, 'the file or its folder is read-only'],
  [10, 'the disk reported an error'],
  [13, 'the disk is full'],
  [14, 'the file can’t be opened'],
  [23, 'the file may not be accessed'],
]);
const FILE_SYSTEM: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'the folder may not be written to'],
  ['EPERM', 'the folder may not be written to'],
  ['EROFS', 'the folder is read-only'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk is full'],
  ['ENOTDIR', 'the folder can’t be made'],
  ['EEXIST', 'the folder can’t be made'],
  ['ENOENT', 'the folder can’t be made'],
]);
const OURS: ReadonlyMap<string, Trouble['verdict']> = new Map([
  ['store_damaged', 'broken'],
  ['store_newer', 'unusable'],
  ['store_other_key', 'unusable'],
]);

/** Sorts an error of the database or of the file system under it. `opening`: it came before the database was in use. */
export function judgeTrouble(error: unknown, opening: boolean): Trouble {
  if (error instanceof PilothouseError) return { verdict: OURS.get(error.code) ?? 'other', reason: error.message };
  if (!(error instanceof Error)) return { verdict: 'other', reason: 'unknown error' };
  const sqlite = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : null;
  if (sqlite !== null) {
    const broken = BROKEN.get(sqlite);
    if (broken !== undefined) return { verdict: 'broken', reason: broken };
    const busy = BUSY.get(sqlite);
    if (busy !== undefined) return { verdict: 'busy', reason: busy };
    const unusable = UNUSABLE.get(sqlite);
    if (unusable !== undefined) return { verdict: 'unusable', reason: unusable };
    // At opening nothing depends on a caller's values: a statement that fails then tells that the tables are not those of this schema.
    return opening ? { verdict: 'broken', reason: 'the tables in the file are not what they should be' } : { verdict: 'other', reason: error.message };
  }
  const files = 'code' in error && typeof error.code === 'string' ? FILE_SYSTEM.get(error.code) : undefined;
  return { verdict: files === undefined ? 'other' : 'unusable', reason: files ?? error.message };
}

/** The identity of a file, so that a damaged one is told from one that took its place; null where there is none. */
export function fileIdentity(file: string): string | null {
  try {
    const { dev, ino } = statSync(file, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

/**
 * Moves a broken database with its journal files to `<file>.broken-<time>`. Null when it stays: it could not be moved, or another process already put
 * another file (`identity` tells) in its place.
 */
export function setAside(file: string, identity: string | null, now: number): string | null {
  if (identity === null || fileIdentity(file) !== identity) return null;
  const target = `${file}.broken-${new Date(now).toISOString().replaceAll(/[:.]/gu, '-')}`;
  // The journal goes first: beside a fresh database SQLite would play a journal of another one into it.
  const moved = ['-wal', '-shm', ''].filter((suffix) => move(file + suffix, target + suffix));
  if (moved.includes('')) return target;
  for (const suffix of moved) move(target + suffix, file + suffix);
  return null;
}

function move(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}
