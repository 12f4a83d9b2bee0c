import type { CallOptions } from '../../model/backend.ts';
import { isJsonObject } from '../../model/json.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import type { Cipher } from './crypto/cipher.ts';
import type { SessionsPage } from './http.ts';
import type { MachineRow, SessionRow } from './wire/bodies.ts';

/** Whether a row could be decrypted: `no-key` where these credentials do not reach it, `damaged` where its key opens something else. */
export type Readable = 'yes' | 'no-key' | 'damaged';

export interface Mirrored {
  readonly id: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Seen lately by the server; null while there is no contact: never the last known flag. */
  readonly active: boolean | null;
  /** Milliseconds since the epoch, of the last sign of life. */
  readonly activeAt: number;
  /** Decrypted, with every field that was in it; null where it cannot be read. */
  readonly metadata: JsonObject | null;
  readonly metadataVersion: number;
  readonly readable: Readable;
  readonly dataEncryptionKey: string | null;
}
export interface MirroredSession extends Mirrored {
  /** The session's greatest message seq, as far as we heard. */
  readonly seq: number;
  /** An agent works in it; null while that is not known: no contact, or no word since. */
  readonly thinking: boolean | null;
  readonly agentState: JsonObject | null;
  readonly agentStateVersion: number;
}
export interface MirroredMachine extends Mirrored {
  readonly daemonState: JsonObject | null;
  readonly daemonStateVersion: number;
}

export type MirrorChange =
  | { readonly type: 'session'; readonly session: MirroredSession }
  | { readonly type: 'session-removed'; readonly sessionId: string }
  | { readonly type: 'machine'; readonly machine: MirroredMachine }
  | { readonly type: 'machine-removed'; readonly machineId: string }
  /** Contact came or went: presence of everything changed with it. */
  | { readonly type: 'presence'; readonly online: boolean }
  /** All lists were read since the contact came. */
  | { readonly type: 'loaded' };

export interface MirrorSource {
  /** `changedSince`: those that changed after it only, milliseconds since the epoch on the server's clock. */
  sessions(page: { readonly cursor?: string | null; readonly changedSince?: number; readonly limit?: number } & CallOptions): Promise<SessionsPage>;
  /** One session's row, or null where it is gone. */
  session(id: string, options?: CallOptions): Promise<SessionRow | null>;
  machines(options?: CallOptions): Promise<{ readonly rows: readonly MachineRow[]; readonly bad: number }>;
  machine(id: string, options?: CallOptions): Promise<MachineRow | null>;
}

/** A record with its version, as lists and pushes carry it. */
export type Sealed = { readonly value: string | null; readonly version: number } | null | undefined;

/** True for a record that is newer than version `known`. */
export function newer(part: Sealed, known: number): part is { readonly value: string | null; readonly version: number } {
  return part !== null && part !== undefined && part.version > known;
}

/** What the keyring looks at. */
export function keyed(row: SessionRow | MachineRow): { readonly id: string; readonly dataEncryptionKey: string | null; readonly sample: string } {
  return { id: row.id, dataEncryptionKey: row.dataEncryptionKey, sample: row.metadata };
}

/** The JSON object in a record; null where it cannot be opened or is none. */
export function objectOf(cipher: Cipher | null, text: string | null): JsonObject | null {
  const value: JsonValue | undefined = cipher === null || text === null ? undefined : cipher.open(text);
  return isJsonObject(value) ? value : null;
}

export function readableOf(cipher: Cipher | null, metadata: JsonObject | null): Readable {
  return cipher === null ? 'no-key' : metadata === null ? 'damaged' : 'yes';
}

/** Rows share what did not change, so their fields need no deeper look. */
export function same<T extends object>(one: T, other: T): boolean {
  return one === other || (Object.keys(one) as (keyof T)[]).every((key) => Object.is(one[key], other[key]));
}

/** When a session changed last, by what is held of it and what is listed: where nothing but its presence was written in between, the earlier time is the nearer one. */
export function changedAt(held: MirroredSession, listed: Pick<MirroredSession, 'seq' | 'metadataVersion' | 'agentStateVersion' | 'updatedAt'>): number {
  const alike = listed.seq === held.seq && listed.metadataVersion === held.metadataVersion && listed.agentStateVersion === held.agentStateVersion;
  return Math[alike ? 'min' : 'max'](held.updatedAt, listed.updatedAt);
}
