import { createHash } from 'node:crypto';
import type { ConnectionSpec } from '../../core/fleet/connection.ts';
import { DormantBackend } from '../../core/fleet/dormant.ts';
import type { ConnectionState } from '../../core/model/backend.ts';
import type { AccountRecord } from './record.ts';

/** Why a connection has no secret: the person signed out, this VS Code has none of it, it can't be read as one, or it was not looked for yet. */
export type Absence = 'signed-out' | 'lost' | 'damaged' | 'unread';

const MESSAGES: Readonly<Record<Absence, string>> = {
  'signed-out': 'You are signed out.',
  'lost': 'The secret storage of this VS Code does not hold the sign-in of this connection.',
  'damaged': 'The sign-in of this connection can’t be read.',
  'unread': 'The sign-in of this connection is being read.',
};

/** A connection that nobody is signed in to: its stored sessions are shown, what is written to them waits, and it says what to do. */
export function signedOutConnection(record: AccountRecord, why: Absence): ConnectionSpec {
  const { connectionId, name, system } = record;
  const message = MESSAGES[why];
  const state: ConnectionState = why === 'unread'
    ? { status: 'offline', message, remedy: null, version: null }
    : { status: 'needs-sign-in', message, remedy: { text: 'Use Sign In… on this connection. Its sessions and what waits to be sent are kept.', command: null }, version: null, ...(why === 'signed-out' ? { signedOut: true } : {}) };
  return {
    connectionId, name, system,
    revision: createHash('sha256').update(JSON.stringify(['signed out', name, why])).digest('hex').slice(0, 16),
    create: (context) => new DormantBackend({ connectionId, system }, { code: 'needs_sign_in', message: `${message} Sign in to go on.` }, context.clock, state),
  };
}
