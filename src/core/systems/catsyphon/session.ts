import { randomUUID } from 'node:crypto';
import type { CallOptions } from '../../model/backend.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { keepAlive } from '../../transport/wait.ts';
import type { DeliveryReport, ParkedEvent } from './delivery.ts';
import { CatsyphonError, invalid } from './errors.ts';
import type { EventBuffer } from './eventBuffer.ts';
import type { EventType, WireEvent } from './events.ts';
import type { Completion } from './wire.ts';

export interface StartOptions {
  /** CatSyphon's own are `claude-code` and `codex`. */
  readonly agentType: string;
  readonly agentVersion?: string | undefined;
  readonly workingDirectory?: string | undefined;
  readonly gitBranch?: string | undefined;
  readonly parentSessionId?: string | undefined;
  readonly slug?: string | undefined;
  readonly contextSemantics?: JsonObject | undefined;
}
export interface MessageOptions {
  readonly role: 'user' | 'human' | 'caller' | 'assistant' | 'agent' | 'tool' | 'system';
  readonly content: string;
  /** By the role where it is left out: prompt, response, tool_result or context. */
  readonly messageType?: string | undefined;
  readonly model?: string | undefined;
  /** Whole numbers; totals are made of `input_tokens` and `output_tokens`, which `input`, `inputTokens`, `output` and `outputTokens` become. */
  readonly tokenUsage?: Readonly<Record<string, number>> | undefined;
  readonly stopReason?: string | undefined;
  readonly thinkingContent?: string | undefined;
}
export type SessionOutcome = 'success' | 'partial' | 'failed' | 'abandoned';
export interface CompleteOptions {
  readonly outcome: SessionOutcome;
  readonly summary?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const TYPES: Readonly<Record<MessageOptions['role'], string>> = { user: 'prompt', human: 'prompt', caller: 'prompt', assistant: 'response', agent: 'response', tool: 'tool_result', system: 'context' };
/** What the server makes totals of (observed), by the names that its SDK and ours have for them. */
const TOKENS: Readonly<Record<string, readonly string[]>> = {
  input: ['input_tokens'], inputTokens: ['input_tokens'], output: ['output_tokens'], outputTokens: ['output_tokens'],
  cache_read: ['cache_read_input_tokens', 'cache_read_tokens'], cachedTokens: ['cache_read_input_tokens', 'cache_read_tokens'],
};

/**
 * One conversation as it goes on. Each verb resolves when its event is held; they are sent at 20 events or after 5 s, by `flush`, and with `complete`. What could not be sent stays for the next
 * time, and `trouble` says why. Verbs reject with `invalid_argument`, and `closed` after `complete`. `await using` completes a session that nobody completed as abandoned.
 */
export class CollectorSession implements AsyncDisposable {
  readonly id: string;
  readonly #buffer: EventBuffer;
  readonly #seal: (options: CompleteOptions) => Promise<Completion>;
  #messages = 0;
  #calls = 0;
  #begun = false;
  #ended = false;
  #completed: Completion | null = null;

  /** Of `CollectorClient.session`. */
  constructor(id: string, buffer: EventBuffer, seal: (options: CompleteOptions) => Promise<Completion>) {
    this.id = id;
    this.#buffer = buffer;
    this.#seal = seal;
  }

  /** Events that the server does not have yet. */
  get pending(): readonly WireEvent[] {
    return this.#buffer.pending;
  }
  /** What the server will never take. */
  get parked(): readonly ParkedEvent[] {
    return this.#buffer.parked;
  }
  /** Why the last sending failed; null after one that did not. */
  get trouble(): Error | null {
    return this.#buffer.trouble;
  }
  get completed(): boolean {
    return this.#completed !== null;
  }
  /** True once there is something to complete. */
  get begun(): boolean {
    return this.#begun;
  }

  async start(options: StartOptions): Promise<void> {
    const { agentType, agentVersion, workingDirectory, gitBranch, parentSessionId, slug, contextSemantics } = options;
    await this.#add('session_start', {
      agent_type: agentType, agent_version: agentVersion, working_directory: workingDirectory, git_branch: gitBranch, parent_session_id: parentSessionId, slug, context_semantics: contextSemantics,
    });
  }

  async message(options: MessageOptions): Promise<void> {
    const { role, content, messageType, model, tokenUsage, stopReason, thinkingContent } = options;
    if (typeof content !== 'string') throw invalid('content is not a text.');
    if (!Object.hasOwn(TYPES, role)) throw invalid(`role is none of ${Object.keys(TYPES).join(', ')}.`);
    await this.#add('message', {
      author_role: role === 'user' ? 'human' : role, message_type: messageType ?? TYPES[role], content, model, stop_reason: stopReason, thinking_content: thinkingContent,
      token_usage: tokenUsage === undefined ? undefined : tokens(tokenUsage),
    });
    this.#messages += 1;
  }

  /** Gives the id that the result has to name: the one given, else one that no other call has. */
  async toolCall(options: { readonly name: string; readonly parameters?: JsonObject | undefined; readonly toolUseId?: string | undefined }): Promise<string> {
    const toolUseId = options.toolUseId ?? `tool_${randomUUID()}`;
    if (typeof options.name !== 'string' || options.name.trim() === '') throw invalid('name is empty.');
    await this.#add('tool_call', { tool_name: options.name, tool_use_id: toolUseId, parameters: options.parameters ?? {} });
    this.#calls += 1;
    return toolUseId;
  }

  async toolResult(options: { readonly toolUseId: string; readonly result?: string | undefined; readonly success?: boolean | undefined; readonly errorMessage?: string | undefined }): Promise<void> {
    const { toolUseId, result, success = options.errorMessage === undefined, errorMessage } = options;
    await this.#add('tool_result', { tool_use_id: toolUseId, success, result, error_message: errorMessage });
  }

  async thinking(content: string): Promise<void> {
    if (typeof content !== 'string') throw invalid('content is not a text.');
    await this.#add('thinking', { content });
  }

  async error(options: { readonly errorType?: string | undefined; readonly message: string; readonly details?: JsonValue | undefined }): Promise<void> {
    if (typeof options.message !== 'string') throw invalid('message is not a text.');
    await this.#add('error', { error_type: options.errorType, message: options.message, details: options.details });
  }

  /** Null where nothing was held. Rejects with what stopped it; the events stay. */
  flush(options: CallOptions = {}): Promise<DeliveryReport | null> {
    return keepAlive(this.#buffer.flush(options.signal));
  }

  /** Sends what is held and the end, and seals the session. Where that rejects, it can be asked for again. A second time it seals again: the server keeps the last outcome. */
  async complete(options: CompleteOptions): Promise<Completion> {
    const { outcome, summary, signal } = options;
    if (typeof outcome !== 'string' || outcome.trim() === '') throw invalid('outcome is empty. Give success, partial, failed or abandoned.');
    if (!this.#ended) await this.#add('session_end', { outcome, summary, total_messages: this.#messages, total_tool_calls: this.#calls });
    this.#ended = true;
    this.#buffer.close();
    await keepAlive(this.#buffer.flush(signal));
    this.#completed = await this.#seal({ outcome, summary, signal });
    return this.#completed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#completed === null && this.#begun) await this.complete({ outcome: 'abandoned' });
    this.#buffer.close();
  }

  async #add(type: EventType, data: Readonly<Record<string, JsonValue | undefined>>): Promise<void> {
    if (this.#ended) throw new CatsyphonError('closed', 'This session is completed. Begin another one.');
    const given = Object.fromEntries(Object.entries(data).filter((pair): pair is [string, JsonValue] => pair[1] !== undefined));
    await keepAlive(this.#buffer.add({ type, data: given }));
    this.#begun = true;
  }
}

function tokens(usage: Readonly<Record<string, number>>): JsonObject {
  return Object.fromEntries(Object.entries(usage).flatMap(([name, value]) => (TOKENS[name] ?? [name]).map((one) => [one, value])));
}
