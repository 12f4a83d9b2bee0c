import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../model/context.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { abortError } from '../wait.ts';
import { obj, str } from './wire.ts';

/** How long the agent has to answer, in milliseconds. Old versions never answer requests that they do not know. */
const answerMs = 8000;

interface ControlCall {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What the agent answered instead of success; `agentCode` is its own word, such as `bypass_not_launched`, null where it gives none. */
export class ControlRefused extends PilothouseError {
  readonly agentCode: string | null;
  constructor(message: string, agentCode: string | null) {
    super('agent_refused', message);
    this.agentCode = agentCode;
  }
}

/** The control protocol: requests to the agent by id, with deadlines, and answers to its requests. */
export class ControlChannel {
  readonly #write: (message: JsonObject) => Promise<void>;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, { readonly resolve: (value: JsonValue) => void; readonly reject: (error: Error) => void }>();
  #closed: PilothouseError | null = null;

  constructor(write: (message: JsonObject) => Promise<void>, clock: Clock) {
    this.#write = write;
    this.#clock = clock;
  }

  /** Rejects with ControlRefused, `agent_silent`, or what the pipe rejects with. */
  request(subtype: string, fields: JsonObject = {}, call: ControlCall = {}): Promise<JsonValue> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    if (call.signal?.aborted === true) return Promise.reject(abortError());
    const id = randomUUID();
    return new Promise<JsonValue>((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#waiting.delete(id);
        timer.cancel();
        call.signal?.removeEventListener('abort', onAbort);
        act();
      };
      const onAbort = (): void => settle(() => reject(abortError()));
      const timer = this.#clock.setTimeout(() => settle(() => reject(new PilothouseError('agent_silent', `Claude Code did not answer to ${subtype}.`))), call.timeoutMs ?? answerMs);
      this.#waiting.set(id, { resolve: (value) => settle(() => resolve(value)), reject: (error) => settle(() => reject(error)) });
      call.signal?.addEventListener('abort', onAbort, { once: true });
      this.#write({ type: 'control_request', request_id: id, request: { subtype, ...fields } }).catch((error: unknown) => {
        this.#waiting.get(id)?.reject(error instanceof Error ? error : new PilothouseError('process_gone', 'Claude Code has ended.'));
      });
    });
  }

  /** Takes a message of stdout; true when it was an answer of this protocol. */
  receive(message: JsonValue): boolean {
    if (!isJsonObject(message) || message['type'] !== 'control_response') return false;
    const response = obj(message, 'response');
    const waiting = this.#waiting.get(str(response, 'request_id') ?? '');
    if (str(response, 'subtype') === 'error') waiting?.reject(new ControlRefused(str(response, 'error') ?? 'Claude Code refused.', str(response, 'error_code')));
    else waiting?.resolve(response?.['response'] ?? null);
    return true;
  }

  respond(requestId: string, response: JsonObject): Promise<void> {
    return this.#write({ type: 'control_response', response: { subtype: 'success', request_id: requestId, response } });
  }

  refuse(requestId: string, reason: string): Promise<void> {
    return this.#write({ type: 'control_response', response: { subtype: 'error', request_id: requestId, error: reason } });
  }

  close(reason: PilothouseError): void {
    this.#closed ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
  }
}
