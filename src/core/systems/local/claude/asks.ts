import type { PermissionOutcome } from '../../../model/entry.ts';
import type { Calls } from './calls.ts';
import { rowOf } from './normalise.ts';
import type { Answer, Ask } from './permissions.ts';
import { askOf } from './permissions.ts';
import type { Pulse } from './pulse.ts';
import type { Sheet } from './sheet.ts';
import type { AskLine } from './wire.ts';

/** What one process asks of the person, until it is answered or taken back. */
export class Asks {
  readonly #folder: string;
  readonly #sheet: Sheet;
  readonly #pulse: Pulse;
  readonly #calls: Calls;
  readonly #asks = new Map<string, Ask>();

  constructor(options: { readonly folder: string; readonly sheet: Sheet; readonly pulse: Pulse; readonly calls: Calls }) {
    this.#folder = options.folder;
    this.#sheet = options.sheet;
    this.#pulse = options.pulse;
    this.#calls = options.calls;
  }

  get size(): number {
    return this.#asks.size;
  }
  get open(): readonly Ask[] {
    return [...this.#asks.values()];
  }
  get(requestId: string): Ask | null {
    return this.#asks.get(requestId) ?? null;
  }

  /** `can_use_tool`. */
  ask(line: AskLine, at: number): Ask {
    const callId = line.request.tool_use_id ?? this.#calls.match(line.request.tool_name ?? '', line.request.input ?? {});
    const call = this.#calls.get(callId);
    // Also one of a subagent stands among the session's own rows: folded away with its thread, nobody would answer it.
    const place = this.#sheet.place(at, call === null ? {} : { turn: call.turn });
    const ask = askOf(line, { callId, plan: this.#calls.planOf(callId) }, place, this.#folder);
    this.#asks.set(ask.requestId, ask);
    this.#sheet.add(ask.entry);
    this.#pulse.set('waiting', at, ask.title);
    return ask;
  }

  /** The person's answer went to the agent. */
  answered(requestId: string, answer: Answer, at: number): void {
    const callId = this.#asks.get(requestId)?.callId ?? null;
    if (callId !== null && answer.outcome === 'denied') this.#calls.deny(callId);
    this.close(requestId, answer.outcome, 'person', at, answer);
  }

  close(requestId: string, outcome: PermissionOutcome, by: 'person' | 'agent', at: number, answer?: Answer): void {
    const ask = this.#asks.get(requestId);
    if (ask === undefined) return;
    this.#asks.delete(requestId);
    if (outcome === 'withdrawn' && ask.callId !== null) this.#calls.withdraw(ask.callId);
    this.#sheet.add({
      ...this.#sheet.place(at, { turn: ask.entry.turn }), kind: 'answer', id: `answer:${requestId}`, row: rowOf.ask(requestId), requestId, outcome, by,
      reason: answer?.reason ?? null, answers: answer?.answers ?? {},
    });
    const next = this.#asks.values().next().value;
    const call = this.#calls.first;
    if (next !== undefined) this.#pulse.set('waiting', at, next.title);
    else this.#pulse.set(call === null ? 'thinking' : 'tool', at, call?.title ?? null);
  }

  /** Nobody waits for an answer any more. */
  closeAll(outcome: 'withdrawn' | 'lost', at: number): void {
    for (const requestId of this.#asks.keys()) this.close(requestId, outcome, 'agent', at);
  }
}
