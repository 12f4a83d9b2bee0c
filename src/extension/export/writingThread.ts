import { Worker } from 'node:worker_threads';
import { PilothouseError } from '../../core/model/errors.ts';
import { abortReason, systemClock } from '../../core/transport/clock.ts';
import type { WritingReply, WritingRequest } from './writing.ts';

/** The longest that a page of rows, or a document's end, may take. */
const DEADLINE_MS = 300_000;

/** The thread that writes one document, seen from here. End it in any case. */
export class WritingThread implements AsyncDisposable {
  private readonly worker: Worker;
  private readonly failed = Promise.withResolvers<never>();
  private replied: (reply: WritingReply) => void = () => undefined;

  constructor(workerUrl: URL = defaultWorker()) {
    // Told to whoever waits; nobody may.
    this.failed.promise.catch(() => undefined);
    this.worker = new Worker(workerUrl, { name: 'pilothouse-export', execArgv: [] });
    this.worker.on('message', (reply: WritingReply) => this.replied(reply));
    this.worker.on('error', (cause) => this.failed.reject(brokenOff(cause)));
    this.worker.on('exit', () => this.failed.reject(brokenOff()));
  }

  tell(request: Extract<WritingRequest, { ask: 'begin' | 'row' }>): void {
    this.worker.postMessage(request);
  }

  /** Resolves when all before it is done. Rejects with the signal's reason, and with `export_failed` when the thread fails or takes too long. */
  async ask(ask: 'page' | 'end', signal: AbortSignal): Promise<WritingReply> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<WritingReply>();
    const onAbort = (): void => reject(abortReason(signal));
    const timer = systemClock.setTimeout(() => reject(brokenOff(new Error('it took too long'))), DEADLINE_MS);
    signal.addEventListener('abort', onAbort, { once: true });
    this.replied = resolve;
    this.worker.postMessage({ ask } satisfies WritingRequest);
    try {
      return await Promise.race([promise, this.failed.promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.terminate();
  }
}

function brokenOff(cause?: unknown): PilothouseError {
  return new PilothouseError('export_failed', 'The document could not be written. Try again, or export as another kind of file.', { cause });
}

/** Under source, TypeScript itself; beside a bundle, the thread's bundle. */
function defaultWorker(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './writingWorker.ts' : './export-worker.cjs', import.meta.url);
}
