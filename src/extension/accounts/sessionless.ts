import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import type { ConnectionSpec } from '../../core/fleet/connection.ts';
import { SessionlessBackend } from '../../core/fleet/sessionless.ts';
import type { CallOptions, ConnectionState, Disposable } from '../../core/model/backend.ts';
import { isAbort } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { SystemId } from '../../core/model/session.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import type { AccountRecord } from './record.ts';
import type { OpenAccount, Server } from './system.ts';

export const READY: ConnectionState = { status: 'ready', message: null, remedy: null, version: null };

/** An account of a system that hosts no sessions, and somebody is signed in to it: its calls, and how it stands, as the last of them showed. Neither printed nor turned into JSON it shows its key. */
export abstract class SessionlessAccess<Client extends AsyncDisposable> implements OpenAccount {
  abstract readonly identity: string | null;
  readonly server: Server;
  private readonly system: SystemId;
  private readonly changed = new Emitter<ConnectionState>();
  private client: Promise<Client> | null = null;
  private state: ConnectionState = READY;

  constructor(system: SystemId, server: Server) {
    this.system = system;
    this.server = { serverUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp };
  }

  /** True once the server said that it does not take the key. */
  get rejected(): boolean {
    return this.state.status === 'needs-sign-in';
  }

  onState(listener: (state: ConnectionState) => void): Disposable {
    return this.changed.on(listener);
  }

  /** Calls the server, and keeps how that went as the account's state. Rejects as the client does. */
  async ask<T>(work: (client: Client) => Promise<T>): Promise<T> {
    try {
      const result = await work(await this.open());
      this.tell(READY);
      return result;
    } catch (error) {
      if (!isAbort(error)) this.tell(await this.stateAfter(error, this.state));
      throw error;
    }
  }

  /** How it stands, asked of the server. Never rejects but for an abort. */
  async look(options: CallOptions = {}): Promise<ConnectionState> {
    await this.probe(options).catch((error: unknown) => {
      if (options.signal?.aborted === true) throw error;
    });
    return this.state;
  }

  connection(record: AccountRecord): ConnectionSpec {
    const { connectionId, name } = record;
    const { system } = this;
    return {
      connectionId, name, system, revision: createHash('sha256').update(JSON.stringify([name, this.server, this.secret()])).digest('hex').slice(0, 16),
      create: ({ clock }) => new SessionlessBackend({ connectionId, name, system }, this, clock),
    };
  }

  /** The connection is made anew, or gone. Who calls still goes on with another client of the same key. */
  async close(): Promise<void> {
    const client = await this.client?.catch(() => null);
    this.client = null;
    await client?.[Symbol.asyncDispose]();
  }

  toJSON(): JsonValue {
    return { serverUrl: this.server.serverUrl };
  }
  [inspect.custom](): string {
    return `${this.system} account ${JSON.stringify(this.toJSON())}`;
  }

  /** The client, made for its first call. */
  protected open(): Promise<Client> {
    this.client ??= this.create();
    return this.client;
  }
  protected abstract create(): Promise<Client>;
  /** What the connection is made anew for when it changes. */
  protected abstract secret(): JsonValue;
  /** The smallest call that shows whether the server takes the key. */
  protected abstract probe(options: CallOptions): Promise<unknown>;
  /** What a failure says of the account. */
  protected abstract stateAfter(error: unknown, before: ConnectionState): Promise<ConnectionState>;

  private tell(state: ConnectionState): void {
    if (state.status === this.state.status && state.message === this.state.message) return;
    this.state = state;
    this.changed.emit(state);
  }
}
