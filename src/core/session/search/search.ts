import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../../model/context.ts';
import { describeError, PilothouseError } from '../../model/errors.ts';
import { abortReason, systemClock } from '../../transport/clock.ts';
import type { SearchAsk, SearchReply, SearchRequest, SearchUpdate, SearchWorkerOptions } from './wire.ts';

interface SearchOptions {
  /** Folder of the store's files, and the store's key, as openStore has them. */
  readonly directory: string;
  readonly key: Uint8Array;
  readonly log: Logger;
  /** The thread's entry file: the bundle's own, or, from source, worker.ts beside this file. */
  readonly workerUrl?: URL | string;
  /** Milliseconds after the last search for which the thread is kept, with what it remembers; 120,000 unless given. */
  readonly idleMs?: number;
}

interface Running {
  readonly id: number;
  readonly updates: SearchUpdate[];
  wake: () => void;
  failure: Error | null;
}

const IDLE_MS = 120_000;
const END_MS = 5_000;
/** The longest that a search may tell nothing. */
const SILENT_MS = 60_000;

/** Searches what the store holds of all sessions, in a thread of its own that reads the store's file by itself; one search at a time. */
export class SessionSearch implements AsyncDisposable {
  private readonly options: SearchOptions;
  private readonly wanted = new Int32Array(new SharedArrayBuffer(4));
  private worker: Worker | null = null;
  private running: Running | null = null;
  private idle: { cancel(): void } | null = null;
  private lastId = 0;
  private disposed = false;

  constructor(options: SearchOptions) {
    this.options = options;
  }

  /**
   * What is found, as it is found: titles and folders first, then rows of one session after the other, the newest first; the last update says that it ended. Breaking off the loop ends the search
   * at once, as does another one. Throws the signal's reason, `search_replaced` where another search took its place, `search_unavailable` where the store's file can't be read and `search_failed`.
   */
  async *search(request: SearchRequest, signal: AbortSignal): AsyncGenerator<SearchUpdate, void> {
    signal.throwIfAborted();
    const running = this.begin(request);
    const onAbort = (): void => this.fail(running, abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        const update = running.updates.shift();
        if (update !== undefined) {
          yield update;
          if (update.ended !== null) return;
        } else if (running.failure !== null) {
          throw running.failure;
        } else {
          await this.news(running);
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.end(running);
    }
  }

  /** Transcripts were forgotten: what is remembered of them is forgotten too, also on disk. */
  trim(): void {
    if (this.disposed || (this.worker === null && !existsSync(this.files.indexFile))) return;
    this.worker ??= this.start();
    this.worker.postMessage({ ask: 'trim' } satisfies SearchAsk);
    if (this.running === null) this.restLater();
  }

  /** Ends the thread, which writes what it remembers first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    await this.rest();
  }

  private begin(request: SearchRequest): Running {
    if (this.disposed) throw new PilothouseError('search_failed', 'The window is closing. Search again once it is reloaded.');
    if (this.running !== null) this.fail(this.running, new PilothouseError('search_replaced', 'Another search took the place of this one.'));
    this.idle?.cancel();
    const running: Running = { id: (this.lastId += 1), updates: [], wake: () => undefined, failure: null };
    this.running = running;
    Atomics.store(this.wanted, 0, running.id);
    this.worker ??= this.start();
    this.worker.ref();
    this.worker.postMessage({ ask: 'search', id: running.id, request } satisfies SearchAsk);
    return running;
  }

  /** Resolves when there is something to be told. */
  private async news(running: Running): Promise<void> {
    const timer = systemClock.setTimeout(() => {
      this.fail(running, new PilothouseError('search_failed', 'The search does not get on. Try again; report it with the log if it stays.'));
      void this.drop();
    }, SILENT_MS);
    await new Promise<void>((resolve) => {
      running.wake = resolve;
    });
    timer.cancel();
  }

  private fail(running: Running, reason: Error): void {
    running.failure ??= reason;
    if (Atomics.load(this.wanted, 0) === running.id) Atomics.store(this.wanted, 0, 0);
    running.updates.length = 0;
    running.wake();
  }

  private end(running: Running): void {
    if (this.running !== running) return;
    this.running = null;
    Atomics.store(this.wanted, 0, 0);
    this.restLater();
  }

  private restLater(): void {
    this.worker?.unref();
    this.idle?.cancel();
    this.idle = systemClock.setTimeout(() => void this.rest(), this.options.idleMs ?? IDLE_MS);
  }

  private get files(): Pick<SearchWorkerOptions, 'file' | 'indexFile'> {
    const { directory, key } = this.options;
    const print = createHash('sha256').update(key).digest('hex').slice(0, 8);
    return { file: path.join(directory, `store-${print}.db`), indexFile: path.join(directory, `search-${print}.idx`) };
  }

  private start(): Worker {
    const { key, log } = this.options;
    const workerData: SearchWorkerOptions = { ...this.files, key, wanted: this.wanted.buffer };
    // Its output is taken: Node 22 prints a warning about SQLite there, which is nobody's business.
    const worker = new Worker(this.options.workerUrl ?? defaultWorker(), { name: 'pilothouse-search', workerData, execArgv: [], stdout: true, stderr: true });
    worker.stdout.resume();
    worker.stderr.resume();
    const ended = (reason: string): void => {
      if (this.worker !== worker) return;
      this.worker = null;
      if (this.running !== null) this.fail(this.running, new PilothouseError('search_failed', `The search broke off: ${reason}. Try again; report it with the log if it stays.`));
    };
    worker.on('message', (reply: SearchReply) => this.receive(reply));
    worker.on('error', (error) => {
      log.error('the search’s thread failed', { error: describeError(error) });
      ended('its thread failed');
    });
    worker.on('exit', () => ended('its thread ended'));
    return worker;
  }

  private receive(reply: SearchReply): void {
    const { running } = this;
    if (reply.type === 'ended' || reply.type === 'cancelled' || running === null || reply.id !== running.id || running.failure !== null) return;
    if (reply.type === 'update') {
      running.updates.push(reply.update);
      running.wake();
    } else {
      this.options.log.warn('a search failed', { code: reply.code, error: reply.message });
      this.fail(running, new PilothouseError(reply.code, reply.message));
    }
  }

  /** Lets the thread write what it remembers and end. */
  private async rest(): Promise<void> {
    this.idle?.cancel();
    const { worker } = this;
    if (worker === null) return;
    this.worker = null;
    Atomics.store(this.wanted, 0, 0);
    if (this.running !== null) this.fail(this.running, new PilothouseError('search_failed', 'The window is closing. Search again once it is reloaded.'));
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage({ ask: 'end' } satisfies SearchAsk);
    let timer: { cancel(): void } | null = null;
    const late = new Promise<void>((resolve) => {
      timer = systemClock.setTimeout(resolve, END_MS);
    });
    await Promise.race([gone, late]);
    (timer as { cancel(): void } | null)?.cancel();
    await worker.terminate();
  }

  private async drop(): Promise<void> {
    const { worker } = this;
    this.worker = null;
    await worker?.terminate();
  }
}

/** Under source, TypeScript itself; beside a bundle, the thread's bundle. */
function defaultWorker(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './search-worker.cjs', import.meta.url);
}
