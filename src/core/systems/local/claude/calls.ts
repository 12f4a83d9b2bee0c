import type { ResultEntry, ToolEntry } from '../../../model/entry.ts';
import { compareOrder } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import { canonicalJson, isJsonObject } from '../../../model/json.ts';
import { cancelledResult } from './normalise.ts';
import type { Sheet } from './sheet.ts';
import { str } from './wire.ts';

/** The calls of tools of one process that have no result yet, and what the person said to them. */
export class Calls {
  readonly #calls = new Map<string, ToolEntry>();
  readonly #denied = new Set<string>();
  /** Calls whose permission was withdrawn by an interrupt: the agent words it as a refusal of the person. */
  readonly #withdrawn = new Set<string>();
  /** Calls whose subagents go on behind the turns, and the turn of every call that started one. */
  readonly #launched = new Map<string, ToolEntry>();
  readonly #turns = new Map<string, string | null>();

  get size(): number {
    return this.#calls.size;
  }
  /** The call that has run for longest. */
  get first(): ToolEntry | null {
    return this.#calls.values().next().value ?? null;
  }
  get(callId: string | null): ToolEntry | null {
    return callId === null ? null : (this.#calls.get(callId) ?? null);
  }

  open(call: ToolEntry): void {
    this.#calls.set(call.callId, call);
    if (call.verb === 'agent') this.#turns.set(call.callId, call.turn);
  }

  /** Turn in which a subagent was called. */
  turnOf(callId: string): string | null {
    return this.#turns.get(callId) ?? null;
  }

  /** What the call started goes on in the background. */
  launch(callId: string): void {
    const call = this.get(callId);
    if (call !== null) this.#launched.set(callId, call);
    this.#calls.delete(callId);
  }

  /** The end of a call is told in another way than by a result. */
  drop(callId: string): void {
    this.#calls.delete(callId);
    this.#launched.delete(callId);
  }

  /** The person denied the call. */
  deny(callId: string): void {
    this.#denied.add(callId);
  }
  isDenied(callId: string): boolean {
    return this.#denied.has(callId);
  }
  /** The agent took back what it asked about the call. */
  withdraw(callId: string): void {
    this.#withdrawn.add(callId);
  }

  /**
   * A result came: the call that it closes, and the result as it is to be shown. It bears the agent's own time, and the call the time at which we read its
   * beginning, which on a busy computer is later: a row stands where its call does.
   */
  close(came: ResultEntry): { readonly call: ToolEntry | null; readonly result: ResultEntry } {
    const call = this.get(came.callId);
    this.#calls.delete(came.callId);
    const order = call === null || compareOrder(call.order, came.order) < 0 ? came.order : [call.order[0] ?? 0, came.order[1] ?? 0];
    return { call, result: { ...came, order, status: this.#withdrawn.has(came.callId) && came.status === 'denied' ? 'cancelled' : came.status } };
  }

  /** The call that a request without an id is about (1.0): the newest open one of that name and input. */
  match(tool: string, input: JsonObject): string | null {
    const wanted = canonicalJson(input);
    for (const [callId, call] of [...this.#calls].reverse()) if (call.name === tool && canonicalJson(call.input) === wanted) return callId;
    return null;
  }

  /** Text of the plan that a call presents. */
  planOf(callId: string | null): string | null {
    const input = this.get(callId)?.input;
    return isJsonObject(input) ? str(input, 'plan') : null;
  }

  /** The process ended: what was open came to nothing. */
  cancel(sheet: Sheet, at: number): void {
    for (const call of [...this.#calls.values(), ...this.#launched.values()]) this.#cancel(call, sheet, at);
    this.#launched.clear();
  }

  /** The turn ended, and with it what it had called; subagents that go on behind it go on calling. */
  endTurn(sheet: Sheet, at: number): void {
    for (const call of this.#calls.values()) if (call.parent === null || this.#launched.size === 0) this.#cancel(call, sheet, at);
  }

  #cancel(call: ToolEntry, sheet: Sheet, at: number): void {
    this.#calls.delete(call.callId);
    sheet.add(cancelledResult(call.callId, sheet.place(at, { parent: call.parent, turn: call.turn })));
  }
}
