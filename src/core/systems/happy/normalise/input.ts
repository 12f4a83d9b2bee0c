import type { JsonValue } from '../../../model/json.ts';

/** One message of a session, decrypted, as `GET /v3/sessions/:id/messages` and `new-message` have it. */
export interface MessageInput {
  readonly id: string;
  /** The server's number of it within its session, from 1; holes are normal. */
  readonly seq: number;
  /** Given by its sender, unique in the session; a prompt of ours has its client id here. */
  readonly localId: string | null;
  /** Milliseconds since the epoch on the server's clock. */
  readonly createdAt: number;
  /** Undefined where it could not be decrypted, or where there was no ciphertext. */
  readonly content: JsonValue | undefined;
  /** True when it was shown as unreadable before: its placeholder is taken back. */
  readonly retried?: boolean;
}

/** What the normaliser needs to know of the session that a message belongs to. The same for all of its messages. */
export interface NormaliseContext {
  /** Absolute path on the session's machine, '' where unknown. */
  readonly folder: string;
  /** Flavour of the agent (`claude`, `codex`, `gemini` …); null where unknown. */
  readonly agent: string | null;
  /** What prompts of ours say in `meta.sentFrom`: theirs is the local id as client id. */
  readonly sentFrom: string;
  /**
   * How far the machine's clock stands behind the server's, in milliseconds; negative where it is ahead; 0 where it is not known. It must stay the same
   * for a session, or rows change places: take `clockLagOf` of the first page that was read, and keep it.
   */
  readonly clockLagMs: number;
}

export const plainContext: NormaliseContext = { folder: '', agent: null, sentFrom: 'pilothouse', clockLagMs: 0 };

/** The clear part of a session's row (`GET /v1/sessions`, `new-session`). Times are milliseconds since the epoch. */
export interface SessionRowInput {
  readonly id: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly active: boolean;
  readonly activeAt: number;
}

/** The clear part of a machine's row (`GET /v1/machines`). Times are milliseconds since the epoch. */
export interface MachineRowInput {
  readonly id: string;
  readonly active: boolean;
  readonly activeAt: number;
}

/** What the live connection tells of one session or machine. Times are milliseconds since the epoch on this computer's clock. */
export interface PresenceInput {
  /** Since when this connection hears the server without a break; null while it does not. */
  readonly connectedAt: number | null;
  /** When the last `activity` or `machine-activity` of it came in; null for none in this connection. */
  readonly heardAt: number | null;
  /** The flag of that activity; null before the first one. */
  readonly thinking: boolean | null;
}
