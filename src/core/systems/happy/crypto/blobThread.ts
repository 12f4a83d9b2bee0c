import { Worker } from 'node:worker_threads';
import type { CallOptions } from '../../../model/backend.ts';
import { abortReason, systemClock } from '../../../transport/clock.ts';
import { EncryptionError } from '../errors.ts';
import type { BlobReply, BlobRequest, BlobWork } from './blobWork.ts';
import { doBlob } from './blobWork.ts';

interface BlobThreadOptions {
  /** The thread's entry file: the bundle's own, or, from source, blobWorker.ts beside this file. */
  readonly workerUrl?: URL | string;
  /** Milliseconds for one attachment, those before it included; 30,000 unless given. */
  readonly deadlineMs?: number;
  /** Milliseconds without work after which the thread ends; 10,000 unless given. */
  readonly idleMs?: number;
}
interface Owed {
  readonly work: BlobWork;
  readonly settle: (result: Uint8Array | null | Error) => void;
}

/**
 * Seals and opens attachments in a thread of their own, which begins with the first and ends when none came for a while. It keeps no process alive but for what it owes. Where it cannot
 * be had, or dies, the work is done on this thread, which that holds.
 */
export class BlobThread {
  readonly #options: BlobThreadOptions;
  readonly #owed = new Map<number, Owed>();
  #worker: Worker | null = null;
  #idle: { cancel(): void } | null = null;
  #nextId = 1;

  constructor(options: BlobThreadOptions = {}) {
    this.#options = options;
  }

  /** True while there is a thread. */
  get runs(): boolean {
    return this.#worker !== null;
  }

  /** The sealed attachment, or the opened one; null for one that does not open. The bytes given stay as they are. Rejects with the signal's reason, and with `encryption_failed` after the deadline. */
  do(work: BlobWork, { signal }: CallOptions = {}): Promise<Uint8Array | null> {
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const onAbort = (): void => settle(abortReason(signal));
      const timer = systemClock.setTimeout(() => this.#stuck(id), this.#options.deadlineMs ?? 30_000);
      const settle = (result: Uint8Array | null | Error): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#owed.delete(id);
        if (this.#owed.size === 0) this.#rest();
        if (result instanceof Error) reject(result);
        else resolve(result);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#owed.set(id, { work, settle });
      this.#post(id, work);
    });
  }

  #post(id: number, work: BlobWork): void {
    this.#idle?.cancel();
    this.#idle = null;
    const worker = (this.#worker ??= this.#start());
    if (worker === null) {
      this.#doHere();
      return;
    }
    worker.ref();
    const bytes = new Uint8Array(work.bytes);
    worker.postMessage({ ...work, id, bytes } satisfies BlobRequest, [bytes.buffer]);
  }

  #start(): Worker | null {
    let worker: Worker;
    try {
      worker = new Worker(this.#options.workerUrl ?? defaultWorker(), { name: 'pilothouse-attachments', execArgv: [] });
    } catch {
      return null;
    }
    const ended = (): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#doHere();
    };
    worker.on('message', ({ id, bytes }: BlobReply) => this.#owed.get(id)?.settle(bytes));
    worker.on('error', ended);
    worker.on('exit', ended);
    return worker;
  }

  /** What a thread that is gone still owed. */
  #doHere(): void {
    for (const { work, settle } of this.#owed.values()) {
      try {
        settle(doBlob(work));
      } catch (error) {
        settle(new EncryptionError('An attachment could not be encrypted or decrypted.', { cause: error }));
      }
    }
  }

  /** One that is stuck answers nothing else either: the others begin again in another thread. */
  #stuck(id: number): void {
    this.#end();
    this.#owed.get(id)?.settle(new EncryptionError('An attachment took too long to encrypt or decrypt. Try again when the computer is less busy.'));
    for (const [other, { work }] of this.#owed) this.#post(other, work);
  }

  #rest(): void {
    this.#worker?.unref();
    this.#idle ??= systemClock.setTimeout(() => this.#end(), this.#options.idleMs ?? 10_000);
  }

  #end(): void {
    this.#idle?.cancel();
    this.#idle = null;
    const worker = this.#worker;
    this.#worker = null;
    worker?.terminate().catch(() => undefined);
  }
}

/** Under source, TypeScript itself; beside a bundle, the thread's bundle. */
function defaultWorker(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './blobWorker.ts' : './attachment-worker.cjs', import.meta.url);
}
