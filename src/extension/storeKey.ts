import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, watch } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type * as vscode from 'vscode';
import type { Disposable } from '../core/model/backend.ts';
import type { Logger } from '../core/model/context.ts';
import { describeError } from '../core/model/errors.ts';
import { keyFromFile } from '../core/session/store/key.ts';

const SECRET = 'pilothouse.storeKey';
const KEY_BYTES = 32;
const LOOK_MS = 30;

/** What of an extension's context the key needs. */
export interface KeyContext {
  readonly globalStorageUri: Pick<vscode.Uri, 'fsPath'>;
  readonly secrets: Pick<vscode.SecretStorage, 'get' | 'store'>;
}

/** For how long a window waits, in milliseconds. */
export interface KeyWaits {
  /** For another window to decide where the key is kept. */
  readonly decisionMs: number;
  /** For a secret that another window stored to be seen here. */
  readonly secretMs: number;
  /** For a window that has the key to hand it over. */
  readonly handOverMs: number;
}
const WAITS: KeyWaits = { decisionMs: 5_000, secretMs: 500, handOverMs: 2_000 };

export interface StoreKey {
  readonly key: Uint8Array;
  readonly keptIn: 'secret-storage' | 'file';
  /** Set when the key came into a file now, because SecretStorage lost it or takes nothing. */
  readonly warning: string | null;
}

const LOST = 'The secret storage of this VS Code did not keep the key of stored transcripts. A key file that only you can read is used from now on. Sessions are read again from their agents; what only the former key opens stays on disk, sealed.';
const NONE = 'This VS Code has no secret storage. The key of stored transcripts is in a file that only you can read.';
const SHARED = 'The secret storage of this VS Code does not hold the key of stored transcripts that another window uses. A key file that only you can read is used from now on.';

/**
 * Files in global storage, which all windows of one person share. `store.key` holds the key itself and counts wherever it is. `store.key.claim` is made by the one
 * window that may put a key into SecretStorage, and renamed once: to `store.key.kept` when that is seen to hold the key, to `store.key.away` when it takes nothing or
 * another window has waited too long. Whichever comes first decides for all; these three hold the key's fingerprint. `store.key.wanted` asks windows that have the
 * key for `store.key`.
 */
function filesOf(context: KeyContext) {
  const file = path.join(context.globalStorageUri.fsPath, 'store.key');
  return { file, claim: `${file}.claim`, kept: `${file}.kept`, away: `${file}.away`, wanted: `${file}.wanted` };
}

/**
 * The key that seals stored transcripts: in SecretStorage, or, where that proved not to keep it (no keyring; another browser on the same server), in a file of mode
 * 600 in global storage. Windows that start at once get the same. A missing key never touches a database: each key has a file of its own.
 */
export function storeKey(context: KeyContext, waits: KeyWaits = WAITS): Promise<StoreKey> {
  return settle(context, waits, false);
}

/** `contested`: this window took part in deciding where the key is kept. */
async function settle(context: KeyContext, waits: KeyWaits, contested: boolean): Promise<StoreKey> {
  const { file, claim, kept, away } = filesOf(context);
  for (;; contested = true) {
    if (existsSync(away) || existsSync(file)) return inFile(context, contested);
    const known = await readSecret(context);
    if (existsSync(kept)) return known === null ? await elsewhere(context, waits) : inStorage(known);
    if (await create(claim, '')) return claimed(context, waits);
    await decided(context, waits);
  }
}

/** This window holds the claim. What was decided before it did holds; else the key that SecretStorage has is the one, or a fresh one if it takes that. */
async function claimed(context: KeyContext, waits: KeyWaits): Promise<StoreKey> {
  const { file, claim, kept, away } = filesOf(context);
  if (existsSync(kept) || existsSync(away)) {
    await rm(claim, { force: true });
    return settle(context, waits, true);
  }
  const before = await readSecret(context);
  const made = before ?? new Uint8Array(randomBytes(KEY_BYTES));
  // Moved away meanwhile: a keyring that asks the person to unlock it answers late.
  if (!(await fill(claim, printOf(made)))) return settle(context, waits, true);
  // A storage that takes nothing (a locked keyring) gives nothing back.
  if (before === null) await Promise.resolve(context.secrets.store(SECRET, Buffer.from(made).toString('base64'))).catch(() => undefined);
  const settled = await readSecret(context);
  if (settled !== null && printOf(settled) === printOf(made) && ((await move(claim, kept)) || existsSync(kept))) return inStorage(settled);
  await move(claim, away);
  const key = await keyFromFile(file, made);
  return { key, keptIn: 'file', warning: before === null || printOf(before) === printOf(key) ? NONE : SHARED };
}

/**
 * The key file counts. Where it is not there yet it is made of the key that SecretStorage has: a window that died, or waited for the person, before it said that one
 * is there must not cost what it sealed. A file that held the key before this window began says nothing of SecretStorage, which is not asked then.
 */
async function inFile(context: KeyContext, contested: boolean): Promise<StoreKey> {
  const { file } = filesOf(context);
  const known = existsSync(file) && !contested ? null : await readSecret(context);
  const key = await keyFromFile(file, known ?? undefined);
  return { key, keptIn: 'file', warning: known === null || printOf(known) === printOf(key) ? null : SHARED };
}

/** Resolves when it was decided where the key is kept; decides itself when the window that holds the claim has not for too long. */
async function decided(context: KeyContext, { decisionMs }: KeyWaits): Promise<void> {
  const { claim, kept, away } = filesOf(context);
  for (const until = Date.now() + decisionMs; Date.now() < until; await wait(LOOK_MS)) {
    if (!existsSync(claim)) return;
    const known = await readSecret(context);
    if (known !== null && printOf(known) === (await readFile(claim, 'utf8').catch(() => '')) && (await move(claim, kept))) return;
  }
  await move(claim, away);
}

/** SecretStorage has the key, but not for this window, or it has lost it: a window that has it hands it over. Without one, a key file is begun. */
async function elsewhere(context: KeyContext, { secretMs, handOverMs }: KeyWaits): Promise<StoreKey> {
  const { file, wanted } = filesOf(context);
  for (const until = Date.now() + secretMs; Date.now() < until; await wait(LOOK_MS)) {
    const known = await readSecret(context);
    if (known !== null) return inStorage(known);
  }
  await create(wanted, '');
  for (const until = Date.now() + handOverMs; Date.now() < until && !existsSync(file); await wait(LOOK_MS));
  const handed = existsSync(file);
  const key = await keyFromFile(file);
  await rm(wanted, { force: true });
  return { key, keptIn: 'file', warning: handed ? SHARED : LOST };
}

/**
 * The key and the store's folder. Where the key's file is damaged or open to others, a key of this run only, with a folder of its own that is removed
 * at the end: live sessions go on, and neither the file nor the database is touched.
 */
export async function usableKey(context: KeyContext, directory: string): Promise<StoreKey & { readonly directory: string; readonly temporary: boolean }> {
  try {
    return { ...(await storeKey(context)), directory, temporary: false };
  } catch (error) {
    return {
      key: new Uint8Array(randomBytes(KEY_BYTES)), keptIn: 'file', directory: mkdtempSync(path.join(os.tmpdir(), 'pilothouse-')), temporary: true,
      warning: `${describeError(error)} Sessions work, but what is new is kept only while this window is open.`,
    };
  }
}

/**
 * Hands the key over to windows that ask for it, in the key file, which counts from then on. Until it is disposed; a folder that can't be watched is in the log.
 */
export function offerKey(context: KeyContext, { key, keptIn }: Pick<StoreKey, 'key' | 'keptIn'>, log: Logger): Disposable {
  const { file, wanted } = filesOf(context);
  if (keptIn === 'file') return { dispose: () => undefined };
  const failed = (error: unknown): void => log.warn('the key can’t be handed over', { error: describeError(error) });
  const look = (): void => {
    if (existsSync(wanted) && !existsSync(file)) keyFromFile(file, key).catch(failed);
  };
  try {
    const watcher = watch(context.globalStorageUri.fsPath, { persistent: false }, look);
    watcher.on('error', failed);
    look();
    return { dispose: () => watcher.close() };
  } catch (error) {
    failed(error);
    return { dispose: () => undefined };
  }
}

const inStorage = (key: Uint8Array): StoreKey => ({ key, keptIn: 'secret-storage', warning: null });

/** A storage that cannot be read keeps nothing: it must not keep the extension from starting. */
async function readSecret(context: KeyContext): Promise<Uint8Array | null> {
  const text = await Promise.resolve(context.secrets.get(SECRET)).catch(() => undefined);
  if (text === undefined) return null;
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return bytes.length === KEY_BYTES ? bytes : null;
}

function printOf(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8);
}

/** True when this call made the file, false when it was there. */
async function create(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** True when the text was written into the file, false when that was gone. */
async function fill(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'r+' });
    return true;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** True when this call renamed the file, false when it was gone. */
async function move(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
