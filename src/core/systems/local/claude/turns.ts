import type { Prompt } from '../../../model/backend.ts';
import type { Order, TurnState, UsageFigures } from '../../../model/entry.ts';
import type { Place } from './normalise.ts';
import { promptEntry, revs, rowOf } from './normalise.ts';
import type { Pulse } from './pulse.ts';
import type { Sheet } from './sheet.ts';

interface Queued {
  readonly prompt: Prompt;
  readonly place: Place;
  /** True once its entry is given: when the agent has it, and not before. */
  given: boolean;
}
interface Turn {
  readonly startedAt: number;
  readonly startOrder: Order;
  readonly files: Set<string>;
}

/**
 * Prompts and turns of one process. A turn's id is the uuid of its prompt; one that the agent begins by itself (a background task ended) is named after
 * its first message, `auto:<message id>`, as on disk.
 */
export class Turns {
  readonly #sheet: Sheet;
  readonly #pulse: Pulse;
  readonly #onTaken: (uuid: string) => void;
  #turn: Turn | null = null;
  /** Prompts that the agent has not taken up yet, oldest first. */
  readonly #queue = new Map<string, Queued>();
  readonly #ours = new Set<string>();
  /** True when somebody broke the turn off. */
  interrupted = false;
  /** The turn's failure in the agent's own words. */
  error: string | null = null;

  constructor(sheet: Sheet, pulse: Pulse, onTaken: (uuid: string) => void) {
    this.#sheet = sheet;
    this.#pulse = pulse;
    this.#onTaken = onTaken;
  }

  get running(): boolean {
    return this.#turn !== null;
  }

  /** A prompt is about to go to the agent. */
  sent(prompt: Prompt, uuid: string, at: number): void {
    this.#ours.add(uuid);
    this.#queue.set(uuid, { prompt, place: this.#sheet.place(at, { turn: this.#turn === null ? uuid : this.#sheet.turn }), given: false });
  }

  /** The agent's pipe took the prompt. */
  written(uuid: string): void {
    const queued = this.#queue.get(uuid);
    if (queued !== undefined) this.#give(uuid, queued);
  }

  isOurs(uuid: string): boolean {
    return this.#ours.has(uuid);
  }

  /** Our prompt said back: it is taken up. When it was sent twice it is said back twice, and run once. */
  echoed(uuid: string, at: number): void {
    if (this.#queue.has(uuid)) this.lifecycle(uuid, 'started', at);
    else this.#onTaken(uuid);
  }

  /** `command_lifecycle` of a prompt: queued, started, completed, cancelled. */
  lifecycle(uuid: string, state: string, at: number): void {
    if (state === 'queued') {
      this.written(uuid);
      this.#onTaken(uuid);
    }
    if (state === 'started') {
      if (this.#turn === null) this.begin(at, uuid);
      else this.#takeUp(uuid);
    }
    if (state === 'cancelled' && this.#queue.delete(uuid)) {
      this.#sheet.notice(`dropped:${uuid}`, 'info', 'prompt_dropped', 'A prompt that still waited was dropped by the interrupt.', at);
    }
  }

  /** Something of a turn came: without a running one, it is that of the oldest waiting prompt, or the agent's own. */
  begin(at: number, uuid: string | null): void {
    if (this.#turn !== null) return;
    const id = uuid ?? this.#queue.keys().next().value ?? null;
    const place = (id === null ? undefined : this.#queue.get(id)?.place) ?? this.#sheet.place(at);
    this.#turn = { startedAt: at, startOrder: place.order, files: new Set() };
    this.interrupted = false;
    this.error = null;
    this.#pulse.set('thinking', at);
    if (id !== null) this.#announce(id);
  }

  /** The first message of a turn that has no prompt. */
  named(messageId: string): void {
    if (this.#turn !== null && this.#sheet.turn === null) this.#announce(`auto:${messageId}`);
  }

  changed(file: string): void {
    this.#turn?.files.add(file);
  }

  end(state: TurnState, error: string | null, durationMs: number | null, figures: UsageFigures, at: number): void {
    const turn = this.#turn;
    if (turn === null) return;
    const id = this.#sheet.turn ?? `auto:${turn.startedAt}`;
    this.#sheet.add({
      ...this.#sheet.place(at, { rev: revs.moment(at, true) }), turn: id, kind: 'turn', id: `turn:${id}:end`, row: rowOf.turn(id), phase: 'end', state,
      durationMs: durationMs ?? at - turn.startedAt, figures, filesChanged: [...turn.files].sort(), error,
    });
    this.#turn = null;
    this.#sheet.turn = null;
    this.#pulse.rest();
  }

  /** The process is gone, and with it what waited in it. */
  drop(): void {
    this.#queue.clear();
  }

  #announce(id: string): void {
    const turn = this.#turn;
    if (turn === null) return;
    this.#sheet.turn = id;
    this.#sheet.add({
      order: turn.startOrder, at: turn.startedAt, turn: id, parent: null, rev: revs.live, kind: 'turn', id: `turn:${id}:start`, row: null, phase: 'start', state: 'running',
      durationMs: null, figures: null, filesChanged: [], error: null,
    });
    this.#takeUp(id);
  }

  /** The prompt is part of the running turn from here on. */
  #takeUp(uuid: string): void {
    const queued = this.#queue.get(uuid);
    this.#queue.delete(uuid);
    this.#onTaken(uuid);
    if (queued === undefined) return;
    const turn = this.#sheet.turn;
    if (!queued.given || queued.place.turn !== turn) this.#give(uuid, { ...queued, place: { ...queued.place, turn, rev: queued.given ? revs.live + 1 : revs.live }, given: false });
  }

  #give(uuid: string, queued: Queued): void {
    if (queued.given) return;
    queued.given = true;
    this.#sheet.add(promptEntry(uuid, queued.prompt.text, queued.prompt.attachments, uuid, queued.place));
  }
}
