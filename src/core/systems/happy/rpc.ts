import type { CallOptions } from '../../model/backend.ts';
import type { Clock } from '../../model/context.ts';
import { isJsonObject } from '../../model/json.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { sleep, systemClock } from '../../transport/clock.ts';
import { backoff } from '../../transport/retry.ts';
import { fromBase64 } from './crypto/base64.ts';
import type { Cipher } from './crypto/cipher.ts';
import { ConnectionError, EncryptionError, HappyError, MachineOfflineError, TimeoutError } from './errors.ts';
import type { HappySocket } from './socket.ts';
import { NotSentError } from './socket.ts';
import { rpcAck } from './wire/pushes.ts';

interface RpcScope {
  readonly kind: 'session' | 'machine';
  readonly id: string;
  readonly cipher: Cipher;
}
export interface RpcCallOptions extends CallOptions {
  /** Milliseconds for all of it; 55,000 by default: the server itself waits 15 s for a missing side and 30 s for its answer. */
  readonly timeoutMs?: number;
  /** A second call does no second thing: it is made again, a few times, when the connection was lost before the answer. */
  readonly idempotent?: boolean;
}

/** How often an idempotent call is made while its answers are lost. */
const LOST_TRIES = 4;

/** The session's process is not connected to the server: `session_unreachable`. It is dead, or its machine is offline. */
export class SessionUnreachable extends HappyError {
  readonly sessionId: string;
  constructor(sessionId: string, options: { readonly cause?: unknown } = {}) {
    super('session_unreachable', `The process of session ${sessionId} is not connected. It has ended, or its machine is offline.`, options);
    this.sessionId = sessionId;
  }
}

/** The other side's connection went while it worked on the call, ours did not: `connection_failed`. Whether the handler ran is not known. */
export class TargetDisconnected extends ConnectionError {}

/** The other side's handler refused: `rpc_failed`, with its own words. */
export class RpcRefused extends HappyError {
  readonly method: string;
  constructor(method: string, words: string) {
    super('rpc_failed', `${method}: ${words.slice(0, 500)}`);
    this.method = method;
  }
}

/**
 * Calls a handler of a session's process or of a machine's daemon (happy.md B8). Params and result travel under the scope's key. Null is the answer of a handler that
 * answers nothing. Rejects with SessionUnreachable, MachineOfflineError, RpcRefused (an `ok: true` whose result is `{error}` is a failure), EncryptionError, TimeoutError,
 * ConnectionError, `closed` or `too_large`. After TimeoutError and ConnectionError (other than NotSentError) the handler may have run.
 */
export async function callRpc(socket: HappySocket, scope: RpcScope, method: string, params: JsonObject, options: RpcCallOptions = {}, clock: Clock = systemClock): Promise<JsonValue> {
  const { timeoutMs = 55_000, signal } = options;
  const until = clock.monotonic() + timeoutMs;
  const left = (): number => Math.max(1, until - clock.monotonic());
  const more = signal === undefined ? {} : { signal };
  for (let lost = 0, tried = 1; ; tried += 1) {
    await socket.online({ timeoutMs: left(), ...more });
    try {
      return await once(socket, scope, method, params, { timeoutMs: left(), ...more });
    } catch (error) {
      if (!(error instanceof NotSentError)) lost += 1;
      const again = error instanceof NotSentError || (options.idempotent === true && error instanceof ConnectionError && lost < LOST_TRIES);
      if (!again || clock.monotonic() >= until) throw error;
    }
    await sleep(clock, Math.min(left(), backoff(tried, { baseMs: 200, capMs: 2_000 })), signal);
  }
}

async function once(socket: HappySocket, scope: RpcScope, method: string, params: JsonObject, options: { readonly timeoutMs: number } & CallOptions): Promise<JsonValue> {
  const ack = rpcAck.safeParse(await socket.ask('rpc-call', { method: `${scope.id}:${method}`, params: scope.cipher.seal(params) }, options));
  if (!ack.success) throw new HappyError('bad_answer', `The Happy server answered to ${method} with something unknown.`);
  const { ok, result, error } = ack.data;
  if (!ok) throw failureOf(scope, method, error ?? '');
  const value = openAnswer(scope.cipher, result ?? '');
  if (value === undefined) throw new EncryptionError(`The answer to ${method} cannot be decrypted with the key of this ${scope.kind}.`);
  if (isJsonObject(value) && typeof value['error'] === 'string' && value['success'] === undefined && value['type'] === undefined) throw new RpcRefused(method, value['error']);
  return value;
}

/** An empty plaintext is the answer of a handler that answers nothing. */
function openAnswer(cipher: Cipher, text: string): JsonValue | undefined {
  if (text === '') return null;
  const value = cipher.open(text);
  if (value !== undefined) return value;
  const bytes = fromBase64(text);
  const plain = bytes === null ? null : cipher.openBytes(bytes);
  return plain?.length === 0 ? null : undefined;
}

function failureOf(scope: RpcScope, method: string, words: string): Error {
  const cause = new HappyError('rpc_failed', `${method}: ${words.slice(0, 300)}`);
  if (/method not available/i.test(words)) return scope.kind === 'machine' ? new MachineOfflineError(scope.id, { cause }) : new SessionUnreachable(scope.id, { cause });
  if (/target disconnected/i.test(words)) return new TargetDisconnected(`The ${scope.kind === 'machine' ? 'machine' : 'session\'s process'} lost its connection while it worked on ${method}.`, { cause });
  if (/timed? ?out/i.test(words)) return new TimeoutError(`The ${scope.kind === 'machine' ? 'machine' : 'session\'s process'} did not answer to ${method} in time.`, { cause });
  return new RpcRefused(method, words === '' ? 'no reason given' : words);
}
