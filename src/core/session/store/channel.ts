import { Worker } from 'node:worker_threads';
import type { Logger } from '../../model/context.ts';
import { describeError, PilothouseError } from '../../model/errors.ts';
import type { StoreHealth } from '../store-api.ts';
import { systemClock } from '../../transport/clock.ts';
import type { Report } from './tables.ts';
import type { CallName, Calls, Reply, Request, WorkerOptions } from './wire.ts';

/** Carries calls to the database, wherever it runs. */
export interface Channel {
  call<N extends CallName>(name: N, ...args: Parameters<Calls[N]>): Promise<ReturnType<Calls[N]>>;
}

interface ChannelOptions {
  readonly workerUrl: URL | string;
  readonly worker: WorkerOptions;
  readonly log: Logger;
  readonly onHealth: (health: StoreHealth) => void;
  /** Milliseconds within which a call must be answered; 60,000 unless given. */
  readonly callMs?: number;
}

interface Pending {
  readonly request: Request;
  readonly deadline: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const CALL_DEADLINE_MS = 60_000;
const LONG_CALL_DEADLINE_MS = 600_000;
const LONG_CALLS: ReadonlySet<CallName> = new Set(['survey', 'forget', 'shrink', 'removeSession']);
const OPEN_DEADLINE_MS = 30_000;
const WATCH_MS = 5_000;

/**
 * Calls to the store's worker thread. When the thread can't start, dies or falls silent, the calls that it owes an answer to, and all that follow, are
 * answered by a database in memory on this thread. Deadlines are of the computer's own time: the thread knows no other.
 */
export class WorkerChannel implements Channel {
  private readonly options: ChannelOptions;
  private readonly callMs: number;
  private readonly pending = new Map<number, Pending>();
  private worker: Worker | null = null;
  private inline: Promise<Calls> | null = null;
  private watchdog: { cancel(): void } | null = null;
  private nextId = 1;
  private closed = false;

  constructor(options: ChannelOptions) {
    this.options = options;
    this.callMs = options.callMs ?? CALL_DEADLINE_MS;
  }

  /** Resolves with the health of the database once it is open. Rejects with `store_unavailable` where there is no SQLite at all. */
  open(): Promise<StoreHealth> {
    return new Promise((resolve, reject) => {
      const fallBack = (reason: string): void => {
        timer.cancel();
        this.goInline(reason).then(resolve, reject);
      };
      const timer = systemClock.setTimeout(() => fallBack('the store’s thread did not start in time'), OPEN_DEADLINE_MS);
      const worker = this.start(fallBack);
      if (worker === null) return;
      worker.on('message', (reply: Reply) => {
        if (reply.type === 'opened') {
          timer.cancel();
          worker.unref();
          resolve(reply.health);
        } else if (reply.type === 'refused') {
          timer.cancel();
          this.worker = null;
          reject(new PilothouseError(reply.code, reply.message));
        } else {
          this.receive(reply);
        }
      });
    });
  }

  call<N extends CallName>(name: N, ...args: Parameters<Calls[N]>): Promise<ReturnType<Calls[N]>> {
    if (this.closed) return Promise.reject(new PilothouseError('store_closed', 'The store is closed. Reload the window.'));
    if (name === 'close') this.closed = true;
    return new Promise<unknown>((resolve, reject) => {
      const deadline = systemClock.monotonic() + (LONG_CALLS.has(name) ? LONG_CALL_DEADLINE_MS : this.callMs);
      this.post({ request: { id: this.nextId++, name, args }, deadline, resolve, reject });
    }) as Promise<ReturnType<Calls[N]>>;
  }

  /** After `close`: the thread ends by itself; this sees to it. */
  async terminate(): Promise<void> {
    this.watchdog?.cancel();
    const worker = this.worker;
    this.worker = null;
    await worker?.terminate();
  }

  private start(onEnd: (reason: string) => void): Worker | null {
    const { workerUrl, worker: workerData, log } = this.options;
    let worker: Worker;
    try {
      // Its output is taken: Node 22 prints a warning about SQLite there, which is nobody's business.
      worker = new Worker(workerUrl, { name: 'pilothouse-store', workerData, execArgv: [], stdout: true, stderr: true });
    } catch (error) {
      log.error('the store’s thread could not be made', { error: describeError(error) });
      onEnd('the store’s thread could not be made');
      return null;
    }
    this.worker = worker;
    worker.stdout.resume();
    worker.stderr.resume();
    const ended = (reason: string): void => {
      if (this.worker !== worker) return;
      this.worker = null;
      if (!this.closed || this.pending.size > 0) onEnd(reason);
    };
    worker.on('error', (error) => {
      log.error('the store’s thread failed', { error: describeError(error) });
      ended('the store’s thread failed');
    });
    worker.on('exit', () => ended('the store’s thread ended'));
    return worker;
  }

  private post(pending: Pending): void {
    const { request } = pending;
    if (this.inline !== null) {
      void this.answerInline(pending, this.inline);
      return;
    }
    this.pending.set(request.id, pending);
    try {
      this.worker?.postMessage(request);
    } catch (error) {
      this.pending.delete(request.id);
      pending.reject(new PilothouseError('store_invalid_entry', 'A value that no message can carry can’t be stored. Report this with the log.', { cause: error }));
      return;
    }
    this.worker?.ref();
    this.watch();
  }

  private receive(reply: Exclude<Reply, { type: 'opened' } | { type: 'refused' }>): void {
    if (reply.type === 'report') {
      logReport(this.options.log, reply.report);
      return;
    }
    if (reply.type === 'health') {
      this.options.onHealth(reply.health);
      return;
    }
    const pending = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if (this.pending.size === 0) {
      this.worker?.unref();
      this.watchdog?.cancel();
      this.watchdog = null;
    }
    if (reply.type === 'result') pending?.resolve(reply.value);
    else pending?.reject(new PilothouseError(reply.code, reply.message));
  }

  /** Looks now and then whether a call is overdue: a call waits for those before it, so any overdue one tells that the thread is stuck. */
  private watch(): void {
    if (this.watchdog !== null) return;
    this.watchdog = systemClock.setTimeout(() => {
      this.watchdog = null;
      const now = systemClock.monotonic();
      if ([...this.pending.values()].some((pending) => pending.deadline < now) && !this.hasLongCall()) {
        const stuck = this.worker;
        this.worker = null;
        void stuck?.terminate();
        void this.goInline('the store’s thread does not answer').catch(() => undefined);
      } else if (this.pending.size > 0) {
        this.watch();
      }
    }, Math.min(WATCH_MS, this.callMs));
  }

  private hasLongCall(): boolean {
    const now = systemClock.monotonic();
    return [...this.pending.values()].some(({ request, deadline }) => LONG_CALLS.has(request.name) && deadline >= now);
  }

  private async goInline(reason: string): Promise<StoreHealth> {
    this.inline ??= openInline(this.options, reason);
    const inline = this.inline;
    const owed = [...this.pending.values()];
    this.pending.clear();
    for (const pending of owed) void this.answerInline(pending, inline);
    await inline;
    const health: StoreHealth = { status: 'memory', reason, setAside: null };
    if (!this.closed) this.options.onHealth(health);
    return health;
  }

  private async answerInline(pending: Pending, inline: Promise<Calls>): Promise<void> {
    try {
      const calls = await inline;
      const call = calls[pending.request.name] as (...values: readonly unknown[]) => unknown;
      pending.resolve(call(...pending.request.args));
    } catch (error) {
      pending.reject(error instanceof PilothouseError ? error : new PilothouseError('store_failed', 'The store could not do this. Reload the window.', { cause: error }));
    }
  }
}

async function openInline(options: ChannelOptions, reason: string): Promise<Calls> {
  // Loaded only here: SQLite belongs to the thread, and this one must start where there is none.
  const [{ callsOver }, { Database }] = await Promise.all([import('./calls.ts'), import('./database.ts')]);
  return callsOver(new Database({ ...options.worker, file: null, reason, report: (report) => logReport(options.log, report), onHealth: options.onHealth }));
}

function logReport(log: Logger, report: Report): void {
  log[report.level](report.message, report.data);
}
