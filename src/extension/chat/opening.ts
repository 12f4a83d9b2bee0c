import type { Disposable } from '../../core/model/backend.ts';
import type { Logger } from '../../core/model/context.ts';
import type { Fleet } from '../../core/fleet/fleet.ts';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import { remedyLine } from '../../core/model/remedy.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { parseSessionKey } from '../../core/model/session.ts';
import { oneLine } from '../tree/text.ts';

/** Why a session is not shown: one line, and what can be done about it. */
export interface Unavailable {
  readonly message: string;
  readonly remedy: string | null;
}

interface OpeningOptions {
  readonly fleet: Fleet;
  readonly key: SessionKey;
  readonly log: Logger;
  /** Takes the runtime, which it holds and releases from then on. */
  readonly opened: (runtime: SessionRuntime) => Promise<void>;
  readonly failed: (why: Unavailable) => void;
}

const HISTORY_MS = 10_000;

/** Opens the session of a chat, says in a person's words why it can't, and tries again when asked to, or when what was missing has come. */
export class Opening implements Disposable {
  private readonly options: OpeningOptions;
  private running: Promise<void> | null = null;
  /** Asked for while an attempt ran, which may have ended with what is gone by now. */
  private again = false;
  private failure: { readonly why: Unavailable; readonly connected: boolean; readonly known: boolean } | null = null;
  private disposed = false;

  constructor(options: OpeningOptions) {
    this.options = options;
  }

  /** Why the last attempt failed; null while one runs and after one that did not. */
  get unavailable(): Unavailable | null {
    return this.failure?.why ?? null;
  }

  /** Opens the session; one attempt at a time: asked for during one, it follows that. Never rejects. */
  open(): Promise<void> {
    if (this.running !== null) this.again = true;
    this.running ??= this.attempt().finally(() => {
      this.running = null;
      if (!this.again) return undefined;
      this.again = false;
      return this.open();
    });
    return this.running;
  }

  /** The fleet changed: what was missing may be there now. */
  lookAgain(): void {
    const { failure } = this;
    if (failure === null || this.running !== null || this.disposed) return;
    if ((this.connected && !failure.connected) || (this.known && !failure.known)) void this.open();
  }

  dispose(): void {
    this.disposed = true;
    this.failure = null;
  }

  private get known(): boolean {
    return this.options.fleet.session(this.options.key) !== null;
  }

  private get connected(): boolean {
    return this.connection() !== undefined;
  }

  private connection() {
    const connectionId = parseSessionKey(this.options.key)?.connectionId;
    return this.options.fleet.connections().find((each) => each.connectionId === connectionId);
  }

  private async attempt(): Promise<void> {
    if (this.disposed) return;
    this.failure = null;
    try {
      const runtime = await this.find();
      if (this.disposed) runtime.release();
      else await this.options.opened(runtime);
    } catch (error) {
      if (this.disposed || isAbort(error)) return;
      this.options.log.warn('a chat could not be opened', { code: error instanceof PilothouseError ? error.code : 'unexpected', error: describeError(error) });
      this.failure = { why: this.words(error), connected: this.connected, known: this.known };
      this.options.failed(this.failure.why);
    }
  }

  /** The session's runtime; rejects with `session_not_found` for one of which neither the fleet, the store nor the agent's record knows anything. */
  private async find(): Promise<SessionRuntime> {
    const { fleet, key } = this.options;
    await fleet.whenKnown(key);
    const runtime = await fleet.open(key);
    try {
      const there = (): boolean => this.known || runtime.transcript.total > 0;
      if (!there()) await firstPage(runtime);
      if (there()) return runtime;
      throw new PilothouseError('session_not_found', 'This session is not there any more.');
    } catch (error) {
      runtime.release();
      throw error;
    }
  }

  private words(error: unknown): Unavailable {
    const state = this.connection()?.state;
    const code = error instanceof PilothouseError ? error.code : '';
    if (code === 'connection_gone') return { message: 'The connection of this session is not configured any more.', remedy: 'Add it again in the Connections view to use its sessions.' };
    if (code !== 'session_not_found') return { message: 'This session could not be opened.', remedy: oneLine(describeError(error), 400) };
    if (state !== undefined && state.status !== 'ready') return { message: state.message ?? 'The connection of this session is not available.', remedy: state.remedy === null ? null : oneLine(remedyLine(state.remedy), 400) };
    return { message: 'This session is not there any more.', remedy: 'It was deleted, or its agent does not list it any more. Refresh the Sessions view, or close this tab.' };
  }
}

/** Resolves when the newest page of the system's record was read, or could not be, and after ten seconds. */
function firstPage(runtime: SessionRuntime): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      listening.dispose();
      resolve();
    };
    const check = (): void => {
      if (!runtime.loading || runtime.isClosed) done();
    };
    const timer = setTimeout(done, HISTORY_MS);
    const listening = runtime.onState(check);
    check();
  });
}
