import { randomUUID } from 'node:crypto';
import type { Disposable } from '../model/backend.ts';
import type { Attachment } from '../model/entry.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import { Emitter } from '../transport/emitter.ts';
import type { Outbox, OutboxOptions } from './outbox-api.ts';
import type { Outcome } from './outboxCalls.ts';
import { abortError, askInTime, endsInTime, sendInTime } from './outboxCalls.ts';
import { failedWith, requeued, requireCertain, requireContent, requireUnsent, retrying, uncertain } from './outboxItem.ts';
import type { OutboxStep } from './outboxPlan.ts';
import { lastPosition, moved, nextStep, retryDelay, sortItems } from './outboxPlan.ts';
import { TurnWatch } from './outboxTurn.ts';
import type { OutboxItem } from './store-api.ts';

export type { Outbox, OutboxOptions } from './outbox-api.ts';

export function createOutbox(options: OutboxOptions): Outbox {
  return new SessionOutbox(options);
}

const LEAD_AGAIN_MS = 5_000;
const MOST_ATTEMPTS = 30;

interface InFlight {
  readonly clientId: string;
  readonly abort: AbortController;
  readonly settled: Promise<void>;
  dropped: boolean;
}

class SessionOutbox implements Outbox {
  private readonly options: OutboxOptions;
  private readonly changed: Emitter<void>;
  private readonly turn: TurnWatch;
  private readonly due = new Map<string, number>();
  /** Delivered or dropped in this run: what the store still holds of them is on its way out. */
  private readonly done = new Set<string>();
  /** Attempts while the system was out of reach, which count only for how long is waited for the next one. */
  private vain = 0;
  private list: readonly OutboxItem[] = [];
  private inFlight: InFlight | null = null;
  private asking: AbortController | null = null;
  private writes: Promise<unknown> = Promise.resolve();
  private loop: Promise<void> | null = null;
  private again = false;
  private timer: { cancel(): void } | null = null;
  private started = false;
  private closed = false;

  constructor(options: OutboxOptions) {
    this.options = options;
    this.changed = new Emitter((error) => options.log.error('a listener of an outbox failed', { error: describeError(error) }));
    this.turn = new TurnWatch(options.clock, () => this.advance());
  }

  items(): readonly OutboxItem[] {
    return this.list;
  }

  onChange(listener: () => void): Disposable {
    return this.changed.on(listener);
  }

  async start(): Promise<void> {
    await this.reload();
    this.started = true;
    this.poke();
  }

  async enqueue(prompt: { readonly text: string; readonly attachments: readonly Attachment[]; readonly steer: boolean }): Promise<OutboxItem> {
    this.requireOpen();
    const item = await this.serially(async () => {
      const waits = this.turn.busy || this.list.some((other) => other.delivery !== 'failed');
      const made = requireContent({
        clientId: randomUUID(), session: this.options.session, text: prompt.text, attachments: prompt.attachments, steer: prompt.steer,
        delivery: !prompt.steer && waits ? 'pending' : 'queued',
        position: lastPosition(this.list), createdAt: this.options.clock.now(), attempts: 0, error: null,
      });
      await this.options.store.saveOutbox(made).catch(async (error: unknown) => {
        // The caller keeps the text and will try again: nothing of this attempt may go out later.
        await this.options.store.removeOutbox(made.clientId).catch(() => undefined);
        throw error;
      });
      this.replace([...this.list, made]);
      return made;
    });
    this.advance();
    return item;
  }

  edit(clientId: string, text: string): Promise<void> {
    return this.change(clientId, (item) => {
      const edited = requireContent({ ...requireCertain(item), text });
      return edited.delivery === 'failed' ? requeued(edited) : edited;
    });
  }

  async drop(clientId: string): Promise<void> {
    this.requireOpen();
    const flying = await this.serially(async () => {
      if (this.inFlight?.clientId === clientId) return this.inFlight;
      await this.refresh();
      requireUnsent(this.need(clientId));
      await this.remove(clientId);
      return null;
    });
    if (flying === null) {
      this.advance();
      return;
    }
    flying.dropped = true;
    flying.abort.abort(abortError('the person took the prompt back'));
    await endsInTime(this.options.clock, flying.settled);
    if (!this.list.some((item) => item.clientId === clientId)) return;
    throw new PilothouseError('outbox_sending', 'This prompt is being sent and could not be taken back: it may have arrived. Look for it in the chat.');
  }

  retry(clientId: string): Promise<void> {
    return this.change(clientId, (item) => (item.delivery === 'failed' ? requeued(requireContent(item)) : item));
  }

  steer(clientId: string): Promise<void> {
    return this.change(clientId, (item) => ({ ...requeued(requireContent(item)), steer: true }));
  }

  async move(clientId: string, by: -1 | 1): Promise<void> {
    this.requireOpen();
    await this.serially(async () => {
      await this.refresh();
      this.need(clientId);
      for (const item of moved(this.list, clientId, by)) await this.save(item);
    });
    this.advance();
  }

  turnRunning(running: boolean): void {
    this.turn.tell(running);
  }

  async delivered(clientId: string): Promise<void> {
    if (this.closed) return;
    await this.serially(async () => {
      await this.refresh();
      if (this.list.some((item) => item.clientId === clientId && item.passedBy === true)) await this.remove(clientId);
    });
    this.advance();
  }

  async reload(): Promise<void> {
    try {
      await this.serially(() => this.refresh());
    } catch (error) {
      if (!this.closed) this.options.log.warn('the outbox could not be read', { session: this.options.session, error: describeError(error) });
    }
    this.advance();
  }

  poke(): void {
    this.due.clear();
    this.advance();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.timer?.cancel();
    this.turn.unexpect();
    this.changed.clear();
    this.asking?.abort(abortError('the outbox was closed'));
    this.inFlight?.abort.abort(abortError('the outbox was closed'));
    await endsInTime(this.options.clock, Promise.allSettled([this.loop, this.writes]));
  }

  /** Looks for what to do, now or when what is being done is over. */
  private advance(): void {
    if (!this.started || this.closed) return;
    this.again = true;
    this.loop ??= this.work().finally(() => {
      this.loop = null;
      if (this.again) this.advance();
    });
  }

  private async work(): Promise<void> {
    while (this.again && !this.closed) {
      this.again = false;
      const step = this.plan();
      if (step.do === 'wait') {
        this.wakeAt(step.until);
      } else if (!(await this.leads())) {
        this.wakeAt(this.options.clock.monotonic() + LEAD_AGAIN_MS);
      } else if (!this.closed) {
        // Whatever comes of it, there may be more to do.
        this.again = true;
        if (step.do === 'recover') await this.recover(step.item);
        else await this.deliver(step.item.clientId);
      }
    }
  }

  private plan(): OutboxStep {
    return nextStep(this.list, {
      idle: this.turn.idle, now: this.options.clock.monotonic(), dueAt: (clientId) => this.due.get(clientId) ?? Number.NEGATIVE_INFINITY,
    });
  }

  private async deliver(clientId: string): Promise<void> {
    let item: OutboxItem | null = null;
    try {
      item = await this.serially(() => this.mark(clientId));
    } catch (error) {
      // Nothing goes out before it is written down that it does.
      this.options.log.warn('a prompt could not be marked as being sent', { session: this.options.session, clientId, error: describeError(error) });
      this.delay(clientId, 1);
    }
    if (item === null) return;
    const abort = new AbortController();
    let settle = (): void => undefined;
    const flight: InFlight = { clientId, abort, dropped: false, settled: new Promise((resolve) => (settle = resolve)) };
    this.inFlight = flight;
    if (this.closed) abort.abort(abortError('the outbox was closed'));
    this.turn.expect();
    try {
      const sent = item;
      const outcome = await sendInTime(this.options.clock, abort, (signal) => this.options.send(sent, signal));
      await this.serially(() => this.settle(sent, flight, outcome));
    } catch (error) {
      this.options.log.warn('what became of a prompt could not be stored', { session: this.options.session, clientId, error: describeError(error) });
      this.delay(clientId, item.attempts);
    } finally {
      this.inFlight = null;
      settle();
    }
  }

  /** Writes down that the item is on its way; null when another one is next now, as another window changed something. */
  private async mark(clientId: string): Promise<OutboxItem | null> {
    await this.refresh();
    const step = this.plan();
    if (this.closed || step.do !== 'send' || step.item.clientId !== clientId) return null;
    const item: OutboxItem = { ...step.item, delivery: 'sending', attempts: step.item.attempts + 1, uncertain: false };
    await this.save(item);
    return item;
  }

  private async settle(item: OutboxItem, flight: InFlight, outcome: Outcome): Promise<void> {
    const { clientId, attempts } = item;
    if (outcome.ok) {
      this.vain = 0;
      this.turn.delivered();
      await this.remove(clientId);
      return;
    }
    this.turn.unexpect();
    if (flight.dropped && !outcome.uncertain) {
      await this.remove(clientId);
      return;
    }
    // Left as it is, the next start asks whether it arrived.
    if (this.closed && outcome.uncertain) return;
    await this.refresh();
    if (!this.list.some((other) => other.clientId === clientId)) return;
    const { error } = outcome;
    const mustAct = error instanceof PilothouseError && error.personMustAct;
    if (outcome.uncertain && (this.options.repeatable !== true || flight.dropped)) {
      await this.save(uncertain(item, 'no answer came'));
    } else if (!mustAct && this.options.outOfReach?.() === true && this.options.retryable(error)) {
      this.vain += 1;
      this.delay(clientId, this.vain);
      await this.save(retrying({ ...item, attempts: attempts - 1 }, error));
    } else if (this.closed || (!mustAct && attempts < MOST_ATTEMPTS && this.options.retryable(error))) {
      this.delay(clientId, attempts);
      await this.save(retrying(item, error));
    } else {
      await this.save(failedWith(item, error));
    }
    this.options.log.info('a prompt was not delivered', { session: this.options.session, clientId, attempts, code: error instanceof PilothouseError ? error.code : null });
  }

  /** An item that a dead window was sending. */
  private async recover(item: OutboxItem): Promise<void> {
    const { clientId } = item;
    const answer = await this.ask(clientId);
    if (this.closed) return;
    try {
      await this.serially(async () => {
        await this.refresh();
        const current = this.list.find((other) => other.clientId === clientId);
        if (current?.delivery !== 'sending') return;
        if (answer === 'yes') await this.remove(clientId);
        else if (answer === 'no' || this.options.repeatable === true) await this.save({ ...current, delivery: 'queued' });
        else await this.save(uncertain(current, 'the window closed while it was sent'));
      });
    } catch (error) {
      this.options.log.warn('an interrupted prompt could not be settled', { session: this.options.session, clientId, error: describeError(error) });
      this.again = false;
      this.wakeAt(this.options.clock.monotonic() + LEAD_AGAIN_MS);
    }
  }

  private async ask(clientId: string): Promise<'yes' | 'no' | 'unknown'> {
    const { wasDelivered, clock, log } = this.options;
    if (wasDelivered === undefined) return 'unknown';
    this.asking = new AbortController();
    try {
      return await askInTime(clock, this.asking, 'unknown', (signal) => wasDelivered(clientId, signal));
    } catch (error) {
      log.warn('whether a prompt arrived could not be found out', { session: this.options.session, clientId, error: describeError(error) });
      return 'unknown';
    } finally {
      this.asking = null;
    }
  }

  private async leads(): Promise<boolean> {
    try {
      return (await this.options.mayLead?.()) ?? true;
    } catch (error) {
      if (!this.closed) this.options.log.warn('who sends the prompts of a session could not be found out', { session: this.options.session, error: describeError(error) });
      return false;
    }
  }

  private async change(clientId: string, edit: (item: OutboxItem) => OutboxItem): Promise<void> {
    this.requireOpen();
    await this.serially(async () => {
      await this.refresh();
      const item = requireUnsent(this.need(clientId));
      this.due.delete(clientId);
      const edited = edit(item);
      await this.save(edited);
      if (edited.clientId !== clientId) await this.remove(clientId);
    });
    this.advance();
  }

  private requireOpen(): void {
    if (this.closed) throw new PilothouseError('outbox_closed', 'This chat is closed. Open the session again.');
  }

  private need(clientId: string): OutboxItem {
    const item = this.list.find((other) => other.clientId === clientId);
    if (item === undefined) throw new PilothouseError('outbox_gone', 'This prompt is not waiting any more: it was delivered or dropped.');
    return item;
  }

  /** Takes over what the store holds. Within `serially` only, as all that reads or writes it. */
  private async refresh(): Promise<void> {
    const stored = await this.options.store.outbox(this.options.session);
    this.replace(stored.filter((item) => !this.done.has(item.clientId)));
  }

  private async save(item: OutboxItem): Promise<void> {
    await this.options.store.saveOutbox(item);
    this.replace([...this.list.filter((other) => other.clientId !== item.clientId), item]);
  }

  private async remove(clientId: string): Promise<void> {
    this.done.add(clientId);
    this.due.delete(clientId);
    this.replace(this.list.filter((item) => item.clientId !== clientId));
    await this.options.store.removeOutbox(clientId);
  }

  private replace(items: readonly OutboxItem[]): void {
    const sorted = sortItems(items);
    const same = sorted.length === this.list.length && sorted.every((item, index) => JSON.stringify(item) === JSON.stringify(this.list[index]));
    if (same) return;
    this.list = sorted;
    this.changed.emit();
  }

  private serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.writes.then(work);
    this.writes = result.catch(() => undefined);
    return result;
  }

  private delay(clientId: string, attempts: number): void {
    this.due.set(clientId, this.options.clock.monotonic() + retryDelay(attempts, Math.random()));
  }

  private wakeAt(at: number | null): void {
    this.timer?.cancel();
    this.timer = null;
    if (at === null || this.closed) return;
    this.timer = this.options.clock.setTimeout(() => this.advance(), Math.max(1, Math.ceil(at - this.options.clock.monotonic())));
  }
}
