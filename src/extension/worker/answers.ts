import { randomUUID } from 'node:crypto';
import { PilothouseError } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { Review, Verdict } from '../../core/fleet/workerJob.ts';
import { abortReason } from '../../core/transport/clock.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import type { Disposable } from '../../core/model/backend.ts';
import { resultDocument } from '../hebing/artifact.ts';
import { oneLine } from '../tree/text.ts';

/** An answer that waits for the person. */
export interface WaitingAnswer extends Review {
  readonly id: string;
  readonly capabilityName: string;
  /** Name and text of its document. */
  readonly name: string;
  readonly text: string;
}
interface Held {
  readonly answer: WaitingAnswer;
  readonly decide: (verdict: Verdict) => void;
}

/** The answers that wait for the person's review, until each is decided on or its job is over. */
export class Answers {
  private readonly held = new Map<string, Held>();
  private readonly changed: Emitter<void>;

  constructor(onError: (error: unknown) => void) {
    this.changed = new Emitter(onError);
  }

  onChange(listener: () => void): Disposable {
    return this.changed.on(listener);
  }

  /** In the order in which they came. */
  all(): readonly WaitingAnswer[] {
    return [...this.held.values()].map(({ answer }) => answer);
  }

  get(id: string): WaitingAnswer | null {
    return this.held.get(id)?.answer ?? null;
  }

  /** Waits for the person. Rejects with the signal's reason. */
  review(review: Review, capabilityName: string, signal: AbortSignal): Promise<Verdict> {
    const id = randomUUID();
    const { name, text } = resultDocument(`${oneLine(capabilityName, 60)} answer`, review.output);
    return new Promise((resolve, reject) => {
      const end = (act: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        if (this.held.delete(id)) this.changed.emit();
        act();
      };
      const onAbort = (): void => end(() => reject(abortReason(signal)));
      this.held.set(id, { answer: { ...review, id, capabilityName, name, text }, decide: (verdict) => end(() => resolve(verdict)) });
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      this.changed.emit();
    });
  }

  /** Submits an answer as its document has it now. Throws `answer_over`, and `invalid_argument` for what was JSON and is none any more. */
  submit(id: string, text: string): void {
    const { answer, decide } = this.need(id);
    if (text === answer.text) decide({ do: 'submit', output: answer.output, edited: false });
    else decide({ do: 'submit', output: edited(answer, text), edited: true });
  }

  /** Goes on with the session. Throws `answer_over`. */
  ask(id: string, prompt: string): void {
    this.need(id).decide({ do: 'ask', prompt });
  }

  discard(id: string): void {
    this.need(id).decide({ do: 'discard' });
  }

  private need(id: string): Held {
    const held = this.held.get(id);
    if (held === undefined) throw new PilothouseError('answer_over', 'This answer does not wait any more: its job is over. Nothing was submitted with this.');
    return held;
  }
}

function edited({ output }: WaitingAnswer, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    if (typeof output === 'string') return text.trim();
    throw new PilothouseError('invalid_argument', `This is not valid JSON: ${error instanceof Error ? error.message : 'it can’t be read.'}`, { personMustAct: true });
  }
}
