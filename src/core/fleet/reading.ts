import type { SessionHandle } from '../model/backend.ts';
import type { Clock, Keep, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { SessionKey } from '../model/session.ts';
import type { TranscriptView } from '../session/transcript-api.ts';
import { historyReadAt, importHistory, noteHistoryRead } from './history.ts';

const HISTORY_DEADLINE_MS = 600_000;

interface ReadingOptions {
  readonly handle: SessionHandle;
  readonly transcript: TranscriptView;
  readonly keep: Keep;
  readonly key: SessionKey;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the session is closed. */
  readonly signal: AbortSignal;
  /** Whether there is none now, and when there was contact last, milliseconds since the epoch; null while there is contact, or where that is not known. */
  readonly contact: () => { readonly away: boolean; readonly lastAt: number | null };
  /** The newest page is here, or could not be read. */
  readonly onFirstPage: () => void;
}

/** Reads a session's record from its system into its transcript, one reading after the other, and knows as of when what is shown is all of it. */
export class Reading {
  private readonly options: ReadingOptions;
  /** Settles when the newest page was read, as of the last time that it had to be. */
  firstPage: Promise<void> = Promise.resolve();
  /** Settles when all was read, or could not be. */
  done: Promise<void> = Promise.resolve();
  /** All was here at that time; null where that is not known. */
  private wholeAt: number | null = null;
  /** The record was read to its end. */
  private read = false;
  /** All is here, and what comes is followed. */
  private follows = false;

  constructor(options: ReadingOptions) {
    this.options = options;
    historyReadAt(options.keep, options.key).then((at) => (this.wholeAt ??= at), (error: unknown) => options.log.debug('when a session was read last is not known', { error: describeError(error) }));
  }

  /** Reads what the record has beyond the transcript, behind what is being read already. */
  begin(): void {
    const { handle, transcript, keep, key, clock, log, signal } = this.options;
    const first = Promise.withResolvers<void>();
    this.firstPage = first.promise;
    const onFirstPage = (): void => {
      first.resolve();
      this.options.onFirstPage();
    };
    this.rest();
    this.done = this.done
      .then(() => importHistory({ handle, transcript, keep, key, now: () => clock.now(), signal: AbortSignal.any([signal, AbortSignal.timeout(HISTORY_DEADLINE_MS)]), onFirstPage }))
      .then(() => this.wasRead())
      .catch((error: unknown) => {
        if (!signal.aborted) log.warn('the history of a session could not be read', { error: describeError(error) });
      })
      .finally(onFirstPage);
  }

  /** True once all that the record has is here. */
  get isWhole(): boolean {
    return this.follows;
  }

  /** There may be contact now: what was read while it came is followed from then on. */
  heard(): void {
    if (this.read && !this.options.contact().away) this.follows = true;
  }

  /** Without contact: as of when what is shown is known to be all, milliseconds since the epoch; null where nothing tells. */
  asOf(): number | null {
    const { lastAt: contact } = this.options.contact();
    if (this.follows) return contact;
    const said = this.options.transcript.tail.reduce((newest, { at }) => Math.max(newest, at ?? 0), 0);
    const known = Math.max(this.wholeAt ?? 0, said);
    return known === 0 ? null : Math.min(known, contact ?? known);
  }

  /** Keeps until when it was followed, for the next time that it is shown without contact. Never rejects. */
  async end(): Promise<void> {
    const { keep, key, log } = this.options;
    const followed = this.follows;
    this.rest();
    if (!followed || this.wholeAt === null) return;
    await noteHistoryRead(keep, key, this.wholeAt).catch((error: unknown) => log.debug('when a session was read last could not be kept', { error: describeError(error) }));
  }

  /** Without contact a backend may have a record of its own, which is not all of it. */
  private wasRead(): void {
    this.read = true;
    this.heard();
  }

  private rest(): void {
    if (this.follows) this.wholeAt = this.options.contact().lastAt ?? this.options.clock.now();
    this.follows = false;
    this.read = false;
  }
}
