import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type * as vscode from 'vscode';
import { describeError } from '../core/model/errors.ts';
import { keyFromFile } from '../core/session/store/key.ts';

const SECRET = 'pilothouse.storeKey';
const FINGERPRINT = 'storeKeyFingerprint';
const KEY_BYTES = 32;

/** What of an extension's context the key needs. */
export interface KeyContext {
  readonly globalStorageUri: Pick<vscode.Uri, 'fsPath'>;
  readonly secrets: Pick<vscode.SecretStorage, 'get' | 'store'>;
  readonly globalState: { get(name: string): unknown; update(name: string, value: unknown): PromiseLike<void> };
}

export interface StoreKey {
  readonly key: Uint8Array;
  readonly keptIn: 'secret-storage' | 'file';
  /** Set when the key came into a file now, because SecretStorage lost it or takes nothing. */
  readonly warning: string | null;
}

/**
 * The key that seals stored transcripts: in SecretStorage, or, where that proved not to keep it (no keyring; another browser on the same server), in
 * a file of mode 600 in global storage. A missing key never touches a database: each key has a file of its own.
 */
export async function storeKey(context: KeyContext): Promise<StoreKey> {
  const file = path.join(context.globalStorageUri.fsPath, 'store.key');
  if (existsSync(file)) return { key: await keyFromFile(file), keptIn: 'file', warning: null };
  const known = decode(await readSecret(context));
  if (known !== null) {
    await remember(context, known);
    return { key: known, keptIn: 'secret-storage', warning: null };
  }
  if (context.globalState.get(FINGERPRINT) !== undefined) {
    return {
      key: await keyFromFile(file), keptIn: 'file',
      warning: 'The secret storage of this VS Code did not keep the key of stored transcripts. A key file that only you can read is used from now on. Sessions are read again from their agents; what only the former key opens stays on disk, sealed.',
    };
  }
  const made = new Uint8Array(randomBytes(KEY_BYTES));
  // Two windows may start at once: whichever stored last is the key of both. A storage that takes nothing (a locked keyring) gives nothing back.
  await Promise.resolve(context.secrets.store(SECRET, Buffer.from(made).toString('base64'))).catch(() => undefined);
  const settled = decode(await readSecret(context));
  if (settled === null) return { key: await keyFromFile(file), keptIn: 'file', warning: 'This VS Code has no secret storage. The key of stored transcripts is in a file that only you can read.' };
  await remember(context, settled);
  return { key: settled, keptIn: 'secret-storage', warning: null };
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

/** A storage that cannot be read keeps nothing: it must not keep the extension from starting. */
async function readSecret(context: KeyContext): Promise<string | undefined> {
  return Promise.resolve(context.secrets.get(SECRET)).catch(() => undefined);
}

async function remember(context: KeyContext, key: Uint8Array): Promise<void> {
  const print = createHash('sha256').update(key).digest('hex').slice(0, 8);
  if (context.globalState.get(FINGERPRINT) !== print) await context.globalState.update(FINGERPRINT, print);
}

function decode(text: string | undefined): Uint8Array | null {
  if (text === undefined) return null;
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return bytes.length === KEY_BYTES ? bytes : null;
}
