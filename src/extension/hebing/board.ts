import type { Clock, Logger } from '../../core/model/context.ts';
import { describeError, isAbort } from '../../core/model/errors.ts';
import type { Capability, Job, JobEvent } from '../../core/systems/hebing/index.ts';
import { failureText } from '../tree/text.ts';
import { isOver, timeOf } from './jobState.ts';

/** Where a board reads; an account of hebing. */
export interface JobSource {
  readonly rejected: boolean;
  capabilities(options: { readonly signal: AbortSignal }): Promise<readonly Capability[]>;
  jobs(options: { readonly signal: AbortSignal }): Promise<readonly Job[]>;
  events(id: string, options: { readonly signal: AbortSignal }): Promise<readonly JobEvent[]>;
}

/** What is known of one account's jobs. */
export interface BoardState {
  /** `out`: nobody is signed in; `rejected`: hebing does not take the key. What was read before that is kept for `rejected`. */
  readonly access: 'in' | 'out' | 'rejected';
  /** Both lists were read once. */
  readonly loaded: boolean;
  readonly capabilities: readonly Capability[];
  /** Newest first. */
  readonly jobs: readonly Job[];
  /** Why the last look failed, in one line; null where it did not. */
  readonly problem: string | null;
  /** By job, those that were asked for. */
  readonly events: ReadonlyMap<string, readonly JobEvent[]>;
}

/** Milliseconds between two looks: while a job is under way, from the first to the longest as long as nothing changes; while none is; after failures. */
const LIVE = { first: 2_000, longest: 15_000, factor: 1.5 } as const;
const QUIET_MS = 60_000;
const FAILED = { first: 5_000, longest: 120_000, factor: 2 } as const;
/** How old the list of capabilities may get. */
const CAPABILITIES_MS = 600_000;
const LOOK_MS = 60_000;

const EMPTY: BoardState = { access: 'out', loaded: false, capabilities: [], jobs: [], problem: null, events: new Map() };

/** The jobs and capabilities of one account, read again and again while somebody looks, and never while nobody does. */
export class JobBoard {
  private readonly options: { readonly clock: Clock; readonly log: Logger; readonly changed: () => void };
  private source: JobSource | null = null;
  private known = EMPTY;
  private visible = false;
  private timer: { cancel(): void } | null = null;
  private reading: Promise<void> | null = null;
  private abort = new AbortController();
  private pauseMs: number = LIVE.first;
  private failures = 0;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private capabilitiesAt = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly clock: Clock; readonly log: Logger; readonly changed: () => void }) {
    this.options = options;
  }

  get state(): BoardState {
    return this.known;
  }

  /** The account as it is signed in to now; null: nobody is. Another one is read at once where somebody looks. */
  use(source: JobSource | null): void {
    if (source === this.source) return this.look();
    this.abort.abort();
    this.abort = new AbortController();
    this.reading = null;
    this.source = source;
    this.failures = 0;
    this.lookedAt = Number.NEGATIVE_INFINITY;
    this.capabilitiesAt = Number.NEGATIVE_INFINITY;
    this.pauseMs = LIVE.first;
    this.timer?.cancel();
    this.timer = null;
    // After a sign-in with another key, what was read before is shown until it is read anew.
    this.show(source === null ? EMPTY : { ...this.known, access: 'in', problem: null });
    this.look();
  }

  /** Whether somebody looks. */
  setVisible(visible: boolean): void {
    if (visible === this.visible) return;
    this.visible = visible;
    this.timer?.cancel();
    this.timer = null;
    this.pauseMs = LIVE.first;
    this.look();
  }

  /** Reads both lists now; joins a reading under way. Never rejects: a failure is in the state. */
  refresh(): Promise<void> {
    this.capabilitiesAt = Number.NEGATIVE_INFINITY;
    this.pauseMs = LIVE.first;
    return this.read();
  }

  /** The lists, read where they were not yet. Never rejects. */
  async loaded(): Promise<BoardState> {
    if (!this.known.loaded || this.known.problem !== null) await this.read();
    return this.known;
  }

  /** A job as somebody else just saw it. */
  put(job: Job): void {
    const before = this.known.jobs.find((each) => each.id === job.id);
    if (before !== undefined && sameJob(before, job)) return;
    this.show({ ...this.known, jobs: newestFirst([job, ...this.known.jobs.filter((each) => each.id !== job.id)]) });
    if (this.known.events.has(job.id)) void this.readEvents(job.id);
    this.pauseMs = LIVE.first;
    this.schedule();
  }

  /** Reads the events of a job, and again whenever it changed, until they are let go of. Never rejects. */
  async readEvents(id: string): Promise<void> {
    const { source, abort } = this;
    if (source === null) return;
    try {
      const list = await source.events(id, { signal: AbortSignal.any([abort.signal, AbortSignal.timeout(LOOK_MS)]) });
      if (!abort.signal.aborted) this.show({ ...this.known, events: new Map([...this.known.events, [id, list]]) });
    } catch (error) {
      if (!abort.signal.aborted) this.failed(error);
    }
  }

  dropEvents(id: string): void {
    const events = new Map(this.known.events);
    if (events.delete(id)) this.known = { ...this.known, events };
  }

  dispose(): void {
    this.abort.abort();
    this.timer?.cancel();
    this.source = null;
  }

  /** The next look: now where none was for a while, else when its time has come. */
  private look(): void {
    if (!this.visible || this.source === null) return;
    if (this.options.clock.monotonic() - this.lookedAt >= LIVE.first) void this.read();
    else this.schedule();
  }

  private read(): Promise<void> {
    const { source, abort } = this;
    if (source === null) return Promise.resolve();
    this.timer?.cancel();
    this.timer = null;
    this.reading ??= this.readFrom(source, abort.signal).finally(() => {
      if (abort !== this.abort) return;
      this.reading = null;
      this.schedule();
    });
    return this.reading;
  }

  private async readFrom(source: JobSource, aborted: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const signal = AbortSignal.any([aborted, AbortSignal.timeout(LOOK_MS)]);
    try {
      const stale = clock.monotonic() - this.capabilitiesAt >= CAPABILITIES_MS;
      const [jobs, capabilities] = await Promise.all([source.jobs({ signal }), stale ? source.capabilities({ signal }) : this.known.capabilities]);
      if (aborted.aborted) return;
      if (stale) this.capabilitiesAt = clock.monotonic();
      this.failures = 0;
      this.took(newestFirst(jobs), capabilities);
    } catch (error) {
      if (!aborted.aborted) this.failed(error);
    } finally {
      this.lookedAt = clock.monotonic();
    }
  }

  private took(jobs: readonly Job[], capabilities: readonly Capability[]): void {
    const before = new Map(this.known.jobs.map((job) => [job.id, job]));
    // Jobs that are as they were stay the same objects.
    const kept = jobs.map((job) => {
      const known = before.get(job.id);
      return known !== undefined && sameJob(known, job) ? known : job;
    });
    const changed = kept.filter((job) => before.get(job.id) !== job);
    this.pauseMs = changed.length > 0 ? LIVE.first : Math.min(LIVE.longest, this.pauseMs * LIVE.factor);
    const same = changed.length === 0 && kept.length === before.size && this.known.loaded && this.known.problem === null && this.known.access === 'in' && capabilities === this.known.capabilities;
    if (!same) this.show({ ...this.known, access: 'in', loaded: true, problem: null, jobs: kept, capabilities });
    for (const job of changed) if (this.known.events.has(job.id)) void this.readEvents(job.id);
  }

  private failed(error: unknown): void {
    this.failures += 1;
    const asked = error instanceof Error && 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : 0;
    this.pauseMs = Math.max(asked, Math.min(FAILED.longest, FAILED.first * FAILED.factor ** (this.failures - 1)));
    if (!isAbort(error)) this.options.log.info('jobs could not be read', { error: describeError(error) });
    this.show({ ...this.known, access: this.source?.rejected === true ? 'rejected' : 'in', problem: failureText(error) });
  }

  private schedule(): void {
    this.timer?.cancel();
    this.timer = null;
    // A refused key is not sent again by itself.
    if (!this.visible || this.source === null || this.known.access === 'rejected' || this.reading !== null) return;
    const underWay = this.known.jobs.some((job) => !isOver(job));
    const ms = this.failures > 0 || underWay ? this.pauseMs : QUIET_MS;
    this.timer = this.options.clock.setTimeout(() => void this.read(), ms);
  }

  private show(state: BoardState): void {
    this.known = state;
    this.options.changed();
  }
}

function sameJob(a: Job, b: Job): boolean {
  return a.status === b.status && a.updatedAt === b.updatedAt && a.artifacts.length === b.artifacts.length;
}

function newestFirst(jobs: readonly Job[]): readonly Job[] {
  return [...jobs].sort((a, b) => (timeOf(b.createdAt) ?? 0) - (timeOf(a.createdAt) ?? 0));
}
