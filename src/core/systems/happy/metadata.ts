import type { CallOptions } from '../../model/backend.ts';
import { canonicalJson, isJsonObject } from '../../model/json.ts';
import type { JsonObject } from '../../model/json.ts';
import { sleep } from '../../transport/clock.ts';
import type { HappyAccount } from './account.ts';
import type { Cipher } from './crypto/cipher.ts';
import { ConnectionError, EncryptionError, MetadataConflictError, MetadataUpdateError, SessionNotFound, TimeoutError } from './errors.ts';
import { changeAck } from './wire/pushes.ts';
import type { SessionRow } from './wire/bodies.ts';

/** The CLI writes about twice a turn, and other clients may too: as many lost races are normal. */
const TRIES = 12;
const ACK_MS = 5_000;

/**
 * Changes a session's metadata and stores it: read, change, write on the version that was read, and again when another was faster. `change` gets all of the decrypted object,
 * fields that we do not know too, and must give back what it leaves alone. Answers the row as written. Rejects with SessionNotFound, EncryptionError (what cannot be read is never
 * overwritten), MetadataUpdateError, MetadataConflictError, TimeoutError, ConnectionError.
 */
export async function changeMetadata(account: HappyAccount, sessionId: string, change: (current: JsonObject) => JsonObject, options: CallOptions = {}): Promise<SessionRow> {
  let row = await account.sessionRow(sessionId, options);
  const cipher = account.cipherOf(row);
  for (let tried = 1; tried <= TRIES; tried += 1) {
    const next = change(openMetadata(cipher, row));
    const sealed = cipher.seal(next);
    const outcome = await write(account, row, sealed, options);
    if (outcome.result === 'success') return { ...row, metadata: sealed, metadataVersion: outcome.version };
    if (outcome.result === 'mismatch' && outcome.version > row.metadataVersion) row = { ...row, metadata: outcome.metadata, metadataVersion: outcome.version };
    else {
      // The loser of a close race is told what it had read itself, and after silence nothing is known: the list tells.
      const read = await account.sessionRow(sessionId, options);
      if (outcome.result === 'silence' && read.metadataVersion > row.metadataVersion && canonicalJson(openMetadata(cipher, read)) === canonicalJson(next)) return read;
      if (outcome.result === 'silence' && read.metadataVersion === row.metadataVersion && tried >= 3) throw new TimeoutError(`The Happy server did not confirm the change of session ${sessionId}.`);
      row = read;
    }
    // Writers that met once would meet again: each waits for another while.
    if (tried > 1) await sleep(account.clock, Math.random() * Math.min(400, 25 * 2 ** tried), options.signal);
  }
  throw new MetadataConflictError(sessionId, TRIES);
}

type Outcome =
  | { readonly result: 'success'; readonly version: number }
  | { readonly result: 'mismatch'; readonly version: number; readonly metadata: string }
  | { readonly result: 'silence' };

async function write(account: HappyAccount, row: SessionRow, metadata: string, options: CallOptions): Promise<Outcome> {
  let answer: unknown;
  try {
    answer = await account.ask('update-metadata', { sid: row.id, metadata, expectedVersion: row.metadataVersion }, { ...options, timeoutMs: ACK_MS });
  } catch (error) {
    // For a session that is gone the server says nothing at all (happy.md B7); a lost connection leaves it open too.
    if (!(error instanceof TimeoutError || error instanceof ConnectionError)) throw error;
    if ((await account.api.session(row.id, options)) === null) throw new SessionNotFound(row.id);
    return { result: 'silence' };
  }
  const ack = changeAck.safeParse(answer);
  if (!ack.success) throw new MetadataUpdateError(row.id, `The Happy server answered to the change of session ${row.id} with something unknown.`);
  const { result, version, metadata: theirs } = ack.data;
  if (result === 'error') throw new MetadataUpdateError(row.id, `The Happy server refused the change of session ${row.id}.`);
  if (result === 'success') return { result, version: version ?? row.metadataVersion + 1 };
  return { result: 'mismatch', version: typeof theirs === 'string' ? (version ?? 0) : 0, metadata: theirs ?? '' };
}

function openMetadata(cipher: Cipher, row: SessionRow): JsonObject {
  const value = cipher.open(row.metadata);
  if (!isJsonObject(value)) throw new EncryptionError(`The metadata of session ${row.id} cannot be decrypted, so it is not overwritten.`);
  return value;
}
