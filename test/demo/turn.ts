import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  methods, type AgentContext, type PermissionOption, type SessionUpdate, type ToolCallContent, type ToolCallLocation, type ToolKind,
} from '@agentclientprotocol/sdk';
import type { Facts, Store } from './store.ts';
import type { Workspace } from './workspace.ts';

/** Tokens that the usage shown is measured against; the agent itself has no limit. */
const contextSize = 200_000;
/** Words a second at which an answer streams: as a person can follow, or as fast as it goes. */
const pace: Readonly<Record<Facts['model'], number>> = { steady: 90, quick: Number.POSITIVE_INFINITY };

export type Grant = 'once' | 'session' | 'rejected';
/** What the person allowed for the rest of the session: a kind of change, or one command line. */
export type Grants = Set<string>;

export interface ToolStart {
  readonly title: string;
  readonly name: string;
  readonly kind: ToolKind;
  readonly input: Readonly<Record<string, unknown>>;
  readonly locations?: readonly ToolCallLocation[];
  readonly content?: readonly ToolCallContent[];
  /** `pending` while it waits for the person. */
  readonly pending?: boolean;
}

/** A turn that the person stopped. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled');
    this.name = 'Cancelled';
  }
}

/** One call of a tool, from start to end. */
export class Tool {
  readonly id: string;
  readonly start: ToolStart;
  readonly #turn: Turn;
  #ended = false;

  constructor(turn: Turn, id: string, start: ToolStart) {
    this.#turn = turn;
    this.id = id;
    this.start = start;
  }

  get ended(): boolean {
    return this.#ended;
  }

  async running(content?: readonly ToolCallContent[]): Promise<void> {
    await this.#turn.send({ sessionUpdate: 'tool_call_update', toolCallId: this.id, status: 'in_progress', ...(content === undefined ? {} : { content: [...content] }) }, false);
  }

  /** Ends the call with markdown for the person and, where there is one, the raw result. */
  async done(content: string | readonly ToolCallContent[], rawOutput?: unknown): Promise<void> {
    await this.#end('completed', content, rawOutput);
  }

  async failed(content: string | readonly ToolCallContent[], rawOutput?: unknown): Promise<void> {
    await this.#end('failed', content, rawOutput);
  }

  async #end(status: 'completed' | 'failed', content: string | readonly ToolCallContent[], rawOutput: unknown): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const shown = typeof content === 'string' ? [textContent(content)] : [...content];
    await this.#turn.send({ sessionUpdate: 'tool_call_update', toolCallId: this.id, status, content: shown, ...(rawOutput === undefined ? {} : { rawOutput }) });
  }
}

/** Markdown as the content of a tool call. */
export function textContent(text: string): ToolCallContent {
  return { type: 'content', content: { type: 'text', text } };
}

/** Text in a fence that no backticks within can close. */
export function fence(text: string, language = ''): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}${language}\n${text.replace(/\n$/, '')}\n${ticks}`;
}

/**
 * What a turn does towards the client. Everything sent is also kept in the session's log, text in whole blocks. Every method rejects with Cancelled once the
 * person stopped the turn.
 */
export class Turn {
  readonly facts: Facts;
  readonly workspace: Workspace;
  readonly signal: AbortSignal;
  readonly grants: Grants;
  readonly #client: AgentContext;
  readonly #store: Store;
  readonly #tools = new Set<Tool>();
  #block: { readonly update: 'agent_message_chunk' | 'agent_thought_chunk'; readonly messageId: string; text: string } | null = null;

  constructor(parts: { facts: Facts; workspace: Workspace; signal: AbortSignal; grants: Grants; client: AgentContext; store: Store }) {
    this.facts = parts.facts;
    this.workspace = parts.workspace;
    this.signal = parts.signal;
    this.grants = parts.grants;
    this.#client = parts.client;
    this.#store = parts.store;
  }

  check(): void {
    if (this.signal.aborted) throw new Cancelled();
  }

  async wait(ms: number): Promise<void> {
    this.check();
    await sleep(ms, undefined, { signal: this.signal }).catch(() => this.check());
  }

  /** Sends an update; `keep: false` leaves it out of the log, as for states that a later update overrides. */
  async send(update: SessionUpdate, keep = true): Promise<void> {
    await this.flush();
    if (keep) await this.#store.append(this.facts.id, update);
    await this.#client.notify(methods.client.session.update, { sessionId: this.facts.id, update });
  }

  /** Keeps the block of text that was streamed last, as one line of the log. */
  async flush(): Promise<void> {
    const block = this.#block;
    this.#block = null;
    if (block === null || block.text === '') return;
    this.facts.chars += block.text.length;
    await this.#store.append(this.facts.id, { sessionUpdate: block.update, messageId: block.messageId, content: { type: 'text', text: block.text } });
  }

  /** Streams markdown as a message of its own, at the model's pace or at `perSecond` words. */
  async say(markdown: string, perSecond: number | null = null): Promise<void> {
    await this.#stream('agent_message_chunk', markdown, perSecond ?? pace[this.facts.model]);
  }

  /** Streams a thought, unless the person switched thinking off; `always` where it was asked for. */
  async think(text: string, always = false): Promise<void> {
    if (this.facts.thinking === 'on' || always) await this.#stream('agent_thought_chunk', text, pace[this.facts.model]);
  }

  async #stream(kind: 'agent_message_chunk' | 'agent_thought_chunk', text: string, perSecond: number): Promise<void> {
    await this.flush();
    const block = { update: kind, messageId: randomUUID(), text: '' };
    this.#block = block;
    const words = text.match(/\S*\s*/g)?.filter((word) => word !== '') ?? [];
    const started = performance.now();
    for (let sent = 0; sent < words.length;) {
      this.check();
      const due = perSecond === Number.POSITIVE_INFINITY ? sent + 40 : Math.max(sent + 1, Math.floor(((performance.now() - started) / 1000) * perSecond));
      const piece = words.slice(sent, due).join('');
      sent = Math.min(due, words.length);
      block.text += piece;
      await this.#client.notify(methods.client.session.update, {
        sessionId: this.facts.id, update: { sessionUpdate: kind, messageId: block.messageId, content: { type: 'text', text: piece } },
      });
      const ahead = (sent / perSecond) * 1000 - (performance.now() - started);
      if (sent < words.length) await this.wait(Math.max(0, Math.min(ahead, 1000)));
    }
    await this.flush();
  }

  async tool(start: ToolStart): Promise<Tool> {
    this.check();
    const tool = new Tool(this, `call_${randomUUID()}`, start);
    this.#tools.add(tool);
    await this.send({
      sessionUpdate: 'tool_call', toolCallId: tool.id, title: start.title, name: start.name, kind: start.kind, rawInput: start.input,
      status: start.pending === true ? 'pending' : 'in_progress', locations: [...(start.locations ?? [])], content: [...(start.content ?? [])],
    });
    return tool;
  }

  /** Asks the person. `grant` is what "always" would allow for the rest of the session; what was allowed so is not asked again. */
  async permission(tool: Tool, grant: { readonly key: string; readonly label: string } | null): Promise<Grant> {
    if (grant !== null && this.grants.has(grant.key)) return 'session';
    this.check();
    await this.flush();
    const options: PermissionOption[] = [
      { optionId: 'allow', name: 'Allow', kind: 'allow_once' },
      ...(grant === null ? [] : [{ optionId: 'allow-session', name: grant.label, kind: 'allow_always' as const }]),
      { optionId: 'reject', name: 'Reject', kind: 'reject_once' },
    ];
    const { title, name, kind, input, locations, content } = tool.start;
    const asked = this.#client.request(methods.client.session.requestPermission, {
      sessionId: this.facts.id, options,
      toolCall: { toolCallId: tool.id, title, name, kind, status: 'pending', rawInput: input, locations: [...(locations ?? [])], content: [...(content ?? [])] },
    }, { cancellationSignal: this.signal, stopWaitingOnCancel: true });
    const { outcome } = await asked.catch((error: unknown) => {
      this.check();
      throw error;
    });
    this.check();
    if (outcome.outcome === 'cancelled') throw new Cancelled();
    if (outcome.optionId === 'allow-session' && grant !== null) this.grants.add(grant.key);
    return outcome.optionId === 'allow-session' ? 'session' : outcome.optionId === 'allow' ? 'once' : 'rejected';
  }

  async usage(): Promise<void> {
    await this.send({ sessionUpdate: 'usage_update', used: Math.ceil(this.facts.chars / 4), size: contextSize }, false);
  }

  /** Ends what is still open, and keeps what was said so far. */
  async close(why: string): Promise<void> {
    for (const tool of this.#tools) if (!tool.ended) await tool.failed(why);
    await this.flush();
  }
}
