import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { z } from 'zod';
import type { ConnectionSpec } from '../../core/fleet/connection.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { Forge } from '../../core/systems/clawdforge/index.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import type { AccountRecord } from '../accounts/record.ts';
import type { OpenAccount, Server } from '../accounts/system.ts';

/** Loaded when clawdforge is asked for something: every start of the extension would wait for its modules. */
export const loadForge = () => import('../../core/systems/clawdforge/index.ts');
export type ForgeModule = Awaited<ReturnType<typeof loadForge>>;

/** A header carries printable ASCII only. */
const token = z.string().regex(/^[\x21-\x7e]+$/).max(5_000);
const secretSchema = z.strictObject({ token, adminToken: token.nullable() });
type ForgeSecret = z.infer<typeof secretSchema>;

/** A stored or just given secret, `{token, adminToken}`; null for anything else. */
export function readForgeSecret(secret: JsonValue): ForgeSecret | null {
  return secretSchema.safeParse(secret).data ?? null;
}

/** What is wrong with a token that a person gives; null where it can be tried. */
export function tokenProblem(text: string): string | null {
  if (text.trim() === '') return 'A token is needed.';
  return token.safeParse(text.trim()).success ? null : 'This holds characters that no token has. Copy it again.';
}

/** One token on one clawdforge server. Neither printed nor turned into JSON it shows a token. */
export class ForgeAccess implements OpenAccount {
  /** A print of the token: the server names nobody. */
  readonly identity: string;
  readonly server: Server;
  readonly #module: ForgeModule;
  readonly #secret: ForgeSecret;
  readonly #proxy: ProxySource | undefined;

  constructor(module: ForgeModule, secret: ForgeSecret, server: Server, proxy?: ProxySource) {
    this.#module = module;
    this.#secret = secret;
    this.#proxy = proxy;
    this.server = { serverUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp };
    this.identity = `token:${createHash('sha256').update(secret.token).digest('hex').slice(0, 32)}`;
  }

  /** True where it holds the token by which tokens are managed. */
  get manages(): boolean {
    return this.#secret.adminToken !== null;
  }

  /** This secret with another admin token, as it is to be stored; null leaves it without one. */
  with(adminToken: string | null): JsonValue {
    return { token: this.#secret.token, adminToken };
  }
  /** Another secret, which keeps the admin token of this one unless it brings its own. */
  renewed(secret: ForgeSecret): JsonValue {
    return { token: secret.token, adminToken: secret.adminToken ?? this.#secret.adminToken };
  }

  /** Calls the server with the app token. Rejects as the client does. */
  ask<T>(work: (forge: Forge) => Promise<T>): Promise<T> {
    return this.#on(this.#secret.token, work);
  }

  /** Calls the server with the admin token: the one that is given, else the one that is held. Rejects with `needs_admin_token` where there is none, and as the client does. */
  async manage<T>(work: (forge: Forge) => Promise<T>, adminToken = this.#secret.adminToken): Promise<T> {
    if (adminToken === null) throw new PilothouseError('needs_admin_token', 'Tokens are managed with the admin token of the server. Use Manage clawdforge Tokens… to give it.', { personMustAct: true });
    return this.#on(adminToken, work);
  }

  connection({ connectionId, name }: AccountRecord): ConnectionSpec {
    return this.#module.forgeConnection({ connectionId, name, serverUrl: this.server.serverUrl, token: this.#secret.token, proxy: this.#proxy });
  }

  toJSON(): JsonValue {
    return { serverUrl: this.server.serverUrl };
  }
  [inspect.custom](): string {
    return `ForgeAccess ${JSON.stringify(this.toJSON())}`;
  }

  async #on<T>(bearer: string, work: (forge: Forge) => Promise<T>): Promise<T> {
    await using forge = new this.#module.Forge({ baseUrl: this.server.serverUrl, token: bearer, ...(this.#proxy === undefined ? {} : { proxy: this.#proxy }) });
    return await work(forge);
  }
}
