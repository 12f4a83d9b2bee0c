import type { Clock, Leases, Logger } from '../../model/context.ts';
import { describeError } from '../../model/errors.ts';
import { sleep } from '../../transport/clock.ts';
import type { Channel } from './channel.ts';

const BEAT_MS = 2_000;
/** Longer than a heartbeat: an owner that lives moves it meanwhile. */
const SUSPECT_MS = 3_000;

/**
 * Leases in the store, with this process's heartbeat while it holds any. In a store that went to memory they hold within this process only: its
 * health tells.
 */
export class StoreLeases implements Leases {
  private readonly channel: Channel;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly held = new Set<string>();
  private readonly abort = new AbortController();
  private beating: { cancel(): void } | null = null;

  constructor(channel: Channel, clock: Clock, log: Logger) {
    this.channel = channel;
    this.clock = clock;
    this.log = log;
  }

  async acquire(name: string): Promise<boolean> {
    let answer = await this.channel.call('acquire', name, null, this.clock.now());
    if (typeof answer === 'object') {
      // Its process may only have slept with the computer: its next heartbeat tells.
      await sleep(this.clock, SUSPECT_MS, this.abort.signal);
      answer = await this.channel.call('acquire', name, answer.suspect, this.clock.now());
    }
    if (answer !== 'yes') return false;
    this.held.add(name);
    this.keepBeating();
    return true;
  }

  async release(name: string): Promise<void> {
    this.held.delete(name);
    await this.channel.call('release', name);
  }

  holder(name: string): Promise<'this' | 'other' | 'nobody'> {
    return this.channel.call('holder', name, this.clock.now());
  }

  /** The database in use is another one: takes again what is held. */
  async renew(): Promise<void> {
    for (const name of this.held) {
      try {
        await this.channel.call('acquire', name, null, this.clock.now());
      } catch (error) {
        this.log.warn('a lease could not be taken along', { name, error: describeError(error) });
      }
    }
  }

  dispose(): void {
    this.held.clear();
    this.beating?.cancel();
    this.beating = null;
    this.abort.abort();
  }

  private keepBeating(): void {
    if (this.beating !== null || this.abort.signal.aborted) return;
    this.beating = this.clock.setTimeout(() => void this.beat(), BEAT_MS);
  }

  private async beat(): Promise<void> {
    try {
      await this.channel.call('beat', this.clock.now());
    } catch (error) {
      this.log.warn('a heartbeat could not be stored', { error: describeError(error) });
    }
    this.beating = null;
    if (this.held.size > 0) this.keepBeating();
  }
}
