import { randomUUID } from 'node:crypto';
import type { Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { SessionKey } from '../model/session.ts';
import { parseSessionKey } from '../model/session.ts';
import { openName, SESSION_SCOPES } from '../session/store-api.ts';
import type { RuntimeOptions } from './runtime.ts';
import { SessionRuntime } from './runtime.ts';

/** At most one runtime a session: one that closes is waited for before the next is made. */
export class Runtimes {
  private readonly describe: (key: SessionKey) => Omit<RuntimeOptions, 'onClosing'>;
  private readonly log: Logger;
  private readonly opened: (runtime: SessionRuntime) => void;
  private readonly made = new Map<SessionKey, Promise<SessionRuntime>>();
  private readonly closing = new Map<SessionKey, Promise<void>>();

  /** `describe` gives what a runtime is made of; it throws when the session's connection is not there (any more). `opened` is told of every one that is made. */
  constructor(describe: (key: SessionKey) => Omit<RuntimeOptions, 'onClosing'>, log: Logger, opened: (runtime: SessionRuntime) => void) {
    this.describe = describe;
    this.log = log;
    this.opened = opened;
  }

  has(key: SessionKey): boolean {
    return this.made.has(key);
  }

  /** The session's runtime, held for the caller; made when there is none. Rejects when it can't be opened. */
  async open(key: SessionKey): Promise<SessionRuntime> {
    for (;;) {
      const runtime = await this.get(key);
      if (runtime.retain()) return runtime;
      // It began to close in the moment in which it was given out.
      await runtime.close();
    }
  }

  /** Opens the runtime for its own work: it closes when nothing is left to do. Never rejects. */
  async wake(key: SessionKey): Promise<void> {
    try {
      (await this.open(key)).release();
    } catch (error) {
      this.log.warn('a session could not be opened for what waits in it', { error: describeError(error) });
    }
  }

  /** Does something with the runtime if there is one. */
  tell(key: SessionKey, what: (runtime: SessionRuntime) => void): void {
    void this.made.get(key)?.then((runtime) => (runtime.isClosed ? undefined : what(runtime)), () => undefined);
  }

  /** Does something with every runtime of a connection. */
  tellAll(connectionId: string, what: (runtime: SessionRuntime) => void): void {
    for (const key of this.made.keys()) if (parseSessionKey(key)?.connectionId === connectionId) this.tell(key, what);
  }

  /** Closes the session's runtime; resolves when it is closed. */
  async close(key: SessionKey): Promise<void> {
    const runtime = await this.made.get(key)?.catch(() => null);
    await runtime?.close();
    await this.closing.get(key);
  }

  /**
   * Closes every runtime of a connection around `end`, which ends its agents: nothing more is sent to them, and what they say at their end is still
   * taken and stored.
   */
  async closeAround(connectionId: string, end: () => Promise<void>): Promise<void> {
    const mine = (key: SessionKey): boolean => parseSessionKey(key)?.connectionId === connectionId;
    const opened = await Promise.all([...this.made].filter(([key]) => mine(key)).map(([, made]) => made.catch(() => null)));
    const runtimes = opened.filter((runtime) => runtime !== null);
    await Promise.all(runtimes.map((runtime) => runtime.quiet()));
    try {
      await end();
    } finally {
      await Promise.all(runtimes.map((runtime) => runtime.close()));
      await Promise.all([...this.closing].filter(([key]) => mine(key)).map(([, closing]) => closing));
    }
  }

  private get(key: SessionKey): Promise<SessionRuntime> {
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const made = this.make(key);
    this.made.set(key, made);
    made.catch(() => {
      if (this.made.get(key) === made) this.made.delete(key);
    });
    return made;
  }

  private async make(key: SessionKey): Promise<SessionRuntime> {
    await this.closing.get(key);
    const parts = this.describe(key);
    // Before anything of it is read: what a window has open is not forgotten by age.
    const use = `${openName(parts.id)}${randomUUID()}`;
    await parts.leases.acquire(use).catch((error: unknown) => this.log.warn('a session is not known to be open', { error: describeError(error) }));
    await parts.store.keep(SESSION_SCOPES.opened).set(key, String(parts.clock.now())).catch((error: unknown) => this.log.warn('when a session was opened could not be kept', { error: describeError(error) }));
    const leave = (): Promise<void> => parts.leases.release(use).catch(() => undefined);
    try {
      const runtime = await SessionRuntime.create({ ...parts, onClosing: (closed) => this.onClosing(key, closed.finally(leave)) });
      this.opened(runtime);
      return runtime;
    } catch (error) {
      await leave();
      throw error;
    }
  }

  private onClosing(key: SessionKey, closed: Promise<void>): void {
    this.made.delete(key);
    const done = closed.catch((error: unknown) => this.log.warn('a session could not be closed', { error: describeError(error) })).finally(() => {
      if (this.closing.get(key) === done) this.closing.delete(key);
    });
    this.closing.set(key, done);
  }
}
