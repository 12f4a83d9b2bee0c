import { z } from 'zod';
import type { SystemId } from '../../core/model/session.ts';

/** Systems that are reached with an account on a server. */
export type RemoteSystem = Exclude<SystemId, 'local'>;

/** What is kept of a remote connection in the open: no part of it is secret. */
export interface AccountRecord {
  readonly connectionId: string;
  readonly system: RemoteSystem;
  readonly name: string;
  /** As `serverAddress` gives it. */
  readonly serverUrl: string;
  /** The person agreed that it is reached by plain http beyond loopback. */
  readonly allowPlainHttp: boolean;
  /** Whose account it is: an id or a public key's print, by which two sign-ins are told apart; null where it can't be known. */
  readonly identity: string | null;
  /** The person signed out: no secret is looked for. */
  readonly signedOut: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

const schema = z.object({
  connectionId: z.string().regex(/^[a-z0-9][a-z0-9-]{0,99}$/),
  system: z.enum(['happy', 'clawdforge', 'hebing', 'catsyphon']),
  name: z.string().trim().min(1).max(200),
  serverUrl: z.url({ protocol: /^https?$/ }).max(2_000),
  allowPlainHttp: z.boolean(),
  identity: z.string().min(1).max(500).nullable(),
  signedOut: z.boolean(),
  createdAt: z.number().int().min(0),
});

/** A record as its file holds it; null for anything else. Never throws. */
export function readRecord(text: string): AccountRecord | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The text of a record's file. Throws for what `readRecord` would not read back. */
export function writeRecord(record: AccountRecord): string {
  return `${JSON.stringify(schema.parse(record), null, 2)}\n`;
}
