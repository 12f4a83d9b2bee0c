import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { Outbox, OutboxOptions } from '../../../src/core/session/outbox.ts';
import { createOutbox } from '../../../src/core/session/outbox.ts';
import type { OutboxItem } from '../../../src/core/session/store-api.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { SESSION, SimClock } from './support.ts';

/** How the system takes one prompt: `lost` has it, and the answer is lost. */
export type Taking = 'ok' | 'refuse' | 'lost' | 'permanent';
export type CrashPoint = `${'read' | 'save' | 'remove' | 'send' | 'ask'} ${'before' | 'after'}`;

/** What outlives a crash: the disk and the system. The system keeps one prompt a client id. */
export class World {
  readonly clock = new SimClock();
  readonly disk = new Map<string, OutboxItem>();
  readonly system = new Map<string, string>();
  readonly crashes: CrashPoint[] = [];
  readonly faults: string[] = [];
  /** How the next prompts are taken; `ok` once it is empty. */
  takings: Taking[] = [];
  knows: 'truth' | 'unknown' | 'throws' = 'truth';
  private life = 0;
  private stepsToCrash = Number.POSITIVE_INFINITY;
  private sending = 0;

  /** True once the process of this life crashed. */
  get dead(): boolean {
    return this.stepsToCrash <= 0;
  }

  /** A process that crashes at its n-th step; every step is a moment before or after something that outlives it. */
  boot(stepsToCrash = Number.POSITIVE_INFINITY, over: Partial<OutboxOptions> = {}): Outbox {
    this.life += 1;
    this.sending = 0;
    this.stepsToCrash = stepsToCrash;
    const { life } = this;
    const step = async <T>(name: 'read' | 'save' | 'remove' | 'send' | 'ask', effect: () => T): Promise<T> => {
      await this.moment(life, `${name} before`);
      const result = effect();
      await this.moment(life, `${name} after`);
      return result;
    };
    return createOutbox({
      session: SESSION, log: silentLogger, clock: this.clock,
      store: {
        outbox: () => step('read', () => [...this.disk.values()]),
        saveOutbox: (item) => step('save', () => void this.disk.set(item.clientId, structuredClone(item))),
        removeOutbox: (clientId) => step('remove', () => void this.disk.delete(clientId)),
      },
      retryable: (error) => !(error instanceof PilothouseError) || error.code !== 'permanent',
      send: async (item) => {
        this.sending += 1;
        if (this.sending > 1) this.faults.push('two prompts at once');
        if (this.disk.get(item.clientId)?.delivery !== 'sending') this.faults.push('sent before it was written down');
        const taking = this.takings.shift() ?? 'ok';
        await step('send', () => {
          if ((taking === 'ok' || taking === 'lost') && !this.system.has(item.clientId)) this.system.set(item.clientId, item.text);
        });
        this.sending -= 1;
        if (taking === 'refuse' || taking === 'lost') throw new PilothouseError('offline', 'The system can’t be reached.');
        if (taking === 'permanent') throw new PilothouseError('permanent', 'The system does not take this.');
      },
      wasDelivered: (clientId) => step('ask', () => {
        if (this.knows === 'throws') throw new Error('the history can’t be read');
        if (this.knows === 'unknown') return 'unknown';
        return this.system.has(clientId) ? 'yes' : 'no';
      }),
      ...over,
    });
  }

  /** Passes, or crashes the process: then it never goes on, and nothing that it does has an effect. */
  private async moment(life: number, point: CrashPoint): Promise<void> {
    await Promise.resolve();
    if (life !== this.life || this.dead) return new Promise(() => undefined);
    this.stepsToCrash -= 1;
    if (!this.dead) return undefined;
    this.crashes.push(point);
    return new Promise(() => undefined);
  }
}

/** An outbox of a world that has begun. */
export async function started(world: World, over: Parameters<World['boot']>[1] = {}): Promise<Outbox> {
  const outbox = world.boot(Number.POSITIVE_INFINITY, over);
  await outbox.start();
  return outbox;
}

export function send(outbox: Outbox, text: string, steer = false): Promise<OutboxItem> {
  return outbox.enqueue({ text, attachments: [], steer });
}

export function states(outbox: Outbox): string[] {
  return outbox.items().map((item) => `${item.text} ${item.delivery}`);
}

/** A send that ends when it is told to. */
export function heldSend(): { readonly send: (item: OutboxItem, signal: AbortSignal) => Promise<void>; readonly begun: string[]; deliver(): void; fail(error: unknown): void; signal: AbortSignal | null } {
  let resolve = (): void => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const held = {
    begun: [] as string[],
    signal: null as AbortSignal | null,
    send: (item: OutboxItem, signal: AbortSignal) => {
      held.begun.push(item.text);
      held.signal = signal;
      return new Promise<void>((...both) => ([resolve, reject] = both));
    },
    deliver: () => resolve(),
    fail: (error: unknown) => reject(error),
  };
  return held;
}
