import type { CallOptions, Disposable } from '../../model/backend.ts';
import { waitFor } from '../../transport/wait.ts';
import type { HappyAccount } from './account.ts';
import { AuthenticationError, HappyError, invalid, SessionNotFound, TimeoutError } from './errors.ts';
import { Mirror } from './mirror.ts';
import type { SyncedMessage } from './sync.ts';
import { TurnState } from './turn.ts';
import type { UpdateBody } from './wire/pushes.ts';

/**
 * Waits until the last prompt of a session was worked off (`turn`), or until it waits for a prompt (`idle`). What happened before the call counts, and so does what happens
 * while the connection is away: after each contact the session is read again. Rejects with SessionNotFound, `session_stopped` (its process has ended before the turn),
 * TimeoutError, AuthenticationError, the signal's reason.
 */
export async function waitForSession(account: HappyAccount, sessionId: string, want: 'turn' | 'idle', options: { readonly timeoutSeconds?: number } & CallOptions = {}): Promise<void> {
  const { timeoutSeconds = 300, signal } = options;
  if (!Number.isFinite(timeoutSeconds) || timeoutSeconds <= 0) throw invalid('timeoutSeconds must be a positive number.');
  const watch = new SessionWatch(account, sessionId, want);
  try {
    await waitFor(watch.begin(), {
      clock: account.clock, timeoutMs: timeoutSeconds * 1_000, signal,
      onTimeout: () => new TimeoutError(want === 'turn' ? `The turn of session ${sessionId} did not end within ${timeoutSeconds} s.` : `Session ${sessionId} did not become idle within ${timeoutSeconds} s.`),
    });
  } finally {
    watch.dispose();
  }
}

class SessionWatch implements Disposable {
  readonly #account: HappyAccount;
  readonly #id: string;
  readonly #want: 'turn' | 'idle';
  readonly #end = new AbortController();
  readonly #result = Promise.withResolvers<void>();
  readonly #state: TurnState;
  /** Of this session only: takes versions in any order. */
  readonly #mirror: Mirror;
  readonly #open: Disposable[] = [];
  #read = false;
  #again: { cancel(): void } | null = null;
  #reading = 0;

  constructor(account: HappyAccount, sessionId: string, want: 'turn' | 'idle') {
    this.#account = account;
    this.#id = sessionId;
    this.#want = want;
    this.#state = new TurnState(account.clock.monotonic());
    this.#mirror = new Mirror(account.api, account.keyring, account.log, { signal: this.#end.signal });
    this.#mirror.setOnline(true);
    this.#result.promise.catch(() => undefined);
  }

  async begin(): Promise<void> {
    const account = this.#account;
    const row = await account.sessionRow(this.#id, { signal: this.#end.signal });
    if (this.#end.signal.aborted) return;
    const using = account.sync(this.#id, account.cipherOf(row));
    this.#open.push(
      using, account.use(),
      using.sync.onMessages.on((messages) => this.#take(messages)),
      account.onUpdate.on((update) => {
        if (update.kind === 'known') this.#update(update.body);
      }),
      account.onEphemeral.on((event) => {
        const now = account.clock.monotonic();
        if (event.type === 'activity' && event.id === this.#id) this.#state.activity(event.active, event.thinking === true, now);
        else if (event.type === 'session-event' && event.sessionId === this.#id && event.kind === 'done') this.#state.doneSaid();
        else return;
        this.#look();
      }),
      account.socket.onState.on(({ status, refusal }) => {
        if (refusal !== null) this.#result.reject(refusal);
        else if (status === 'online') this.#contact();
      }),
    );
    if (account.socket.state.refusal !== null) throw account.socket.state.refusal;
    if (account.socket.state.status === 'online') this.#contact();
    return this.#result.promise;
  }

  dispose(): void {
    this.#end.abort();
    this.#again?.cancel();
    for (const one of this.#open.splice(0)) one.dispose();
  }

  /** The truth as it is now: row and newest messages. Until it was read nothing is decided. */
  #contact(): void {
    this.#read = false;
    this.#state.contact(this.#account.clock.monotonic());
    this.#reading += 1;
    this.#refresh(this.#reading).catch((error: unknown) => {
      if (this.#end.signal.aborted) return;
      if (error instanceof SessionNotFound || error instanceof AuthenticationError) this.#result.reject(error);
      // Other failures: the connection went again, or the server is in trouble. A moment later is soon enough.
      else this.#later(2_000, () => this.#contact());
    });
  }

  async #refresh(turn: number): Promise<void> {
    const { signal } = this.#end;
    const using = this.#account.sync(this.#id, null);
    const { sync } = using;
    try {
      const row = await this.#account.sessionRow(this.#id, { signal });
      this.#mirror.takeSession(row);
      const messages = await sync.open({ signal });
      await sync.catchUp({ signal });
      if (turn !== this.#reading) return;
      this.#read = true;
      this.#take(messages);
    } finally {
      using.dispose();
    }
  }

  #update(body: UpdateBody): void {
    if (body.t === 'delete-session' && body.sid === this.#id) this.#result.reject(new SessionNotFound(this.#id));
    if (body.t !== 'update-session' || body.id !== this.#id) return;
    this.#mirror.apply({ kind: 'known', seq: null, createdAt: null, body });
    this.#look();
  }

  #take(messages: readonly SyncedMessage[]): void {
    for (const { seq, content } of messages) this.#state.message(seq, content, this.#account.clock.monotonic());
    this.#look();
  }

  #look(): void {
    if (!this.#read || this.#end.signal.aborted) return;
    this.#again?.cancel();
    const session = this.#mirror.session(this.#id);
    if (session !== null) this.#state.row(session);
    const verdict = this.#state.verdict(this.#want, this.#account.clock.monotonic());
    if (verdict.done) this.#result.resolve();
    else if (verdict.stopped) this.#result.reject(new HappyError('session_stopped', `The process of session ${this.#id} has ended. Resume it to go on.`));
    else if (verdict.againInMs !== null) this.#later(verdict.againInMs, () => this.#look());
  }

  #later(ms: number, act: () => void): void {
    this.#again?.cancel();
    this.#again = this.#account.clock.setTimeout(act, Math.max(1, ms));
  }
}
