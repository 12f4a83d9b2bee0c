import type { ConnectionSpec } from '../../core/fleet/connection.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { AccountRecord, RemoteSystem } from './record.ts';
import type { AskPerson } from './ask.ts';

/** Where an account is, before there is a record of it. */
export type Server = Pick<AccountRecord, 'serverUrl' | 'allowPlainHttp'>;

/** A secret that was read and found whole. Nothing of it shows. */
export interface OpenAccount {
  /** Whose it is, as `AccountRecord.identity`. */
  readonly identity: string | null;
  /** The connection, which speaks to the record's server with this secret. */
  connection(record: AccountRecord): ConnectionSpec;
}

/** Arguments that a command was called with from code: they answer the questions that they name. */
export type Given = Readonly<Record<string, unknown>>;

/** What a system brings so that its accounts are connections: one line in the registry. What it takes to speak to a server is loaded when an account is opened or added. */
export interface AccountSystem {
  readonly system: RemoteSystem;
  /** Its line in Add Connection…: `Happy account…`. */
  readonly label: string;
  /** What that is, in a few words. */
  readonly about: string;
  /** Name of a connection that the person has not named. */
  readonly name: string;
  /** The server to begin with. */
  defaultServer(): string;
  /** How the address of one of its servers reads: `http://192.168.0.5:8800`. */
  readonly example: string;
  /** True where nearly all accounts are on the server to begin with: it is not asked for, and another one is a choice of the form, which throws OtherServer then. */
  readonly ownServer?: boolean;
  /** What would travel in clear by plain http, in one or two sentences. */
  readonly inClear: string;
  /** A stored or just given secret; null for what is none of this system. Never rejects, and keeps what it was given to itself. */
  open(secret: JsonValue, server: Server): Promise<OpenAccount | null>;
  /** The form: asks how to sign in to that server and gives the secret, as it is to be stored. Throws Dismissed when the person does not go on. */
  signIn(ask: AskPerson, server: Server, given: Given): Promise<JsonValue>;
  /**
   * Present where another identity may sign in to a connection too: what is stored then, with what is kept of the sign-in before (null: there is none now) and the identity of the connection.
   * Throws `other_account` for one that may not. Absent: only the same one may.
   */
  renewed?(secret: JsonValue, before: OpenAccount | null, identity: string | null): JsonValue;
}
