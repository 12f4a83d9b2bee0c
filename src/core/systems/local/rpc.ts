import type { Clock } from '../../model/context.ts';
import { PilothouseError } from '../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { systemClock } from '../../transport/clock.ts';
import { abortError } from './wait.ts';

export type RpcId = string | number;
interface RpcOptions {
  /** Person's word for the other side; stands in errors. */
  readonly label: string;
  /** Hands one line over; rejects when the other side is gone. */
  readonly send: (line: string) => Promise<void>;
  /** A request of the other side: answer it with `respond` or `refuse`, now or later. */
  readonly onRequest: (method: string, params: JsonValue, id: RpcId) => void;
  readonly onNotification: (method: string, params: JsonValue) => void;
  /** True adds `"jsonrpc":"2.0"`; Codex's app-server sends none. */
  readonly versioned?: boolean;
  readonly clock?: Clock;
}
interface RpcCall {
  /** Milliseconds until `rpc_timeout`; 30,000 by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}
export interface Rpc {
  /** Rejects with an RpcError (the other side's own), or `rpc_timeout`, `rpc_closed`, or what `send` rejects with. */
  request(method: string, params?: JsonValue, options?: RpcCall): Promise<JsonValue>;
  notify(method: string, params?: JsonValue): Promise<void>;
  respond(id: RpcId, result: JsonValue): Promise<void>;
  refuse(id: RpcId, code: number, message: string): Promise<void>;
  /** One message of the other side; false when it is none that this protocol knows. */
  receive(message: JsonValue): boolean;
  /** Rejects everything that waits and everything to come. */
  close(reason: PilothouseError): void;
}

/** What the other side answered instead of a result. */
export class RpcError extends PilothouseError {
  readonly rpcCode: number;
  readonly data: JsonValue;
  constructor(method: string, error: JsonObject) {
    super('rpc_error', typeof error['message'] === 'string' ? error['message'] : `${method} failed.`);
    this.rpcCode = typeof error['code'] === 'number' ? error['code'] : 0;
    this.data = error['data'] ?? null;
  }
}

/** Requests and answers matched by id over lines of JSON, in both directions. */
export function createRpc(options: RpcOptions): Rpc {
  interface Waiting {
    readonly method: string;
    settle(act: (waiting: { resolve(value: JsonValue): void; reject(error: Error): void }) => void): void;
  }
  const clock = options.clock ?? systemClock;
  const waiting = new Map<RpcId, Waiting>();
  let count = 0;
  let closed: PilothouseError | null = null;
  const post = (message: JsonObject): Promise<void> =>
    closed === null ? options.send(JSON.stringify(options.versioned === true ? { jsonrpc: '2.0', ...message } : message)) : Promise.reject(closed);

  return {
    request(method, params, call = {}) {
      if (closed !== null) return Promise.reject(closed);
      if (call.signal?.aborted === true) return Promise.reject(abortError());
      count += 1;
      const id = count;
      return new Promise<JsonValue>((resolve, reject) => {
        const entry: Waiting = {
          method,
          settle(act) {
            waiting.delete(id);
            timer.cancel();
            call.signal?.removeEventListener('abort', onAbort);
            act({ resolve, reject });
          },
        };
        const onAbort = (): void => entry.settle((one) => one.reject(abortError()));
        const timer = clock.setTimeout(
          () => entry.settle((one) => one.reject(new PilothouseError('rpc_timeout', `${options.label} did not answer to ${method} in time.`))),
          call.timeoutMs ?? 30_000,
        );
        waiting.set(id, entry);
        call.signal?.addEventListener('abort', onAbort, { once: true });
        post({ id, method, ...(params === undefined ? {} : { params }) }).catch((error: unknown) => {
          if (waiting.has(id)) entry.settle((one) => one.reject(error instanceof Error ? error : new PilothouseError('rpc_closed', String(error))));
        });
      });
    },
    notify: (method, params) => post({ method, ...(params === undefined ? {} : { params }) }),
    respond: (id, result) => post({ id, result }),
    refuse: (id, code, message) => post({ id, error: { code, message } }),
    receive(message) {
      if (!isJsonObject(message)) return false;
      const { id, method } = message;
      const named = typeof id === 'string' || typeof id === 'number';
      if (typeof method === 'string') {
        const params = message['params'] ?? null;
        if (named) options.onRequest(method, params, id);
        else options.onNotification(method, params);
        return true;
      }
      if (!named || !('result' in message || 'error' in message)) return false;
      const error = message['error'];
      const entry = waiting.get(id);
      entry?.settle((one) => {
        if (error === undefined || error === null) one.resolve(message['result'] ?? null);
        else one.reject(new RpcError(entry.method, isJsonObject(error) ? error : { message: JSON.stringify(error) }));
      });
      return true;
    },
    close(reason) {
      closed ??= reason;
      for (const one of waiting.values()) one.settle((entry) => entry.reject(reason));
    },
  };
}
