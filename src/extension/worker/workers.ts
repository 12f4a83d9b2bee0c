import type { WorkerJob, WorkerState } from '../../core/fleet/worker.ts';
import type { JobEnd } from '../../core/fleet/workerJob.ts';
import type { Disposable } from '../../core/model/backend.ts';
import type { Logger } from '../../core/model/context.ts';
import { describeError, PilothouseError } from '../../core/model/errors.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import type { HebingAccess } from '../hebing/access.ts';
import { WatchedFolder } from '../watchedFolder.ts';
import type { Answers } from './answers.ts';
import type { WorkerDefinition } from './definition.ts';
import { leaseOf, readDefinition, writeDefinition } from './definition.ts';
import type { RunningWorker, WorkerParts } from './run.ts';

/** A worker of this window as it is shown. */
export interface ShownWorker {
  readonly definition: WorkerDefinition;
  readonly state: WorkerState;
}
interface WorkersOptions {
  /** Where the definitions are, a file each; every window watches it. */
  readonly folder: string;
  readonly log: Logger;
  /** What of this window is its own. */
  readonly workspace: () => string;
  readonly access: (connectionId: string) => HebingAccess | null;
  readonly answers: Answers;
  readonly run: (parts: Pick<WorkerParts, 'definition' | 'access' | 'reviewer' | 'onChange' | 'onEnd'>) => Promise<RunningWorker>;
  /** Tells the person how a job ended. */
  readonly onEnd: (definition: WorkerDefinition, job: WorkerJob, end: JobEnd) => void;
  /** A worker ended that nobody stopped. */
  readonly onFailed: (definition: WorkerDefinition, error: unknown) => void;
}
interface Running extends RunningWorker {
  readonly definition: WorkerDefinition;
  readonly access: HebingAccess;
}

/** For how long a window that closes waits for its workers to stop what runs, milliseconds. */
const CLOSE_MS = 3_000;

/** The workers that the person set up, and those of them that run in this window. */
export class Workers implements Disposable {
  private readonly options: WorkersOptions;
  private readonly folder: WatchedFolder;
  private readonly changed: Emitter<void>;
  private readonly running = new Map<string, Running>();
  private readonly starting = new Map<string, string>();
  private closed = false;

  constructor(options: WorkersOptions) {
    this.options = options;
    this.changed = new Emitter((error) => options.log.error('a listener of the workers failed', { error: describeError(error) }));
    this.folder = new WatchedFolder({ folder: options.folder, what: 'workers', code: 'not_saved', log: options.log, changed: () => this.changed.emit() });
  }

  onChange(listener: () => void): Disposable {
    return this.changed.on(listener);
  }

  /** Those that run in this window, the one that was set up first first. */
  workers(): readonly ShownWorker[] {
    return [...this.running.values()].map(({ definition, worker }) => ({ definition, state: worker.state })).sort((a, b) => a.definition.createdAt - b.definition.createdAt);
  }

  /** What was set up in this workspace, whether it runs or not. */
  definitions(): readonly WorkerDefinition[] {
    const workspace = this.options.workspace();
    return [...this.folder.entries()].flatMap(([name, text]) => {
      const definition = readDefinition(text);
      return definition !== null && definition.id === name && definition.workspace === workspace ? [definition] : [];
    }).sort((a, b) => a.createdAt - b.createdAt);
  }

  definition(id: string): WorkerDefinition | null {
    return this.definitions().find((definition) => definition.id === id) ?? null;
  }

  /** Keeps a definition. Throws `not_saved`. */
  save(definition: WorkerDefinition): void {
    this.folder.set(definition.id, writeDefinition(definition));
  }

  forget(id: string): void {
    this.folder.delete(id);
  }

  /** Starts a worker in this window. Rejects with `worker_known`, `needs_sign_in`, `worker_refused`, `mode_unsafe`, `not_saved`. */
  async start(definition: WorkerDefinition): Promise<void> {
    const { access: accessOf, answers, run, onEnd } = this.options;
    const lease = leaseOf(definition);
    const known = [...this.running.values()].some((each) => leaseOf(each.definition) === lease) || [...this.starting.values()].includes(lease);
    if (known) throw new PilothouseError('worker_known', `A worker does ${definition.capabilityName} in this window already. Stop it first, or raise how many jobs it does at once.`, { personMustAct: true });
    const access = accessOf(definition.connectionId);
    if (access === null) throw new PilothouseError('needs_sign_in', 'Nobody is signed in to this hebing account. Use Sign In….', { personMustAct: true });
    this.starting.set(definition.id, lease);
    try {
      const reviewer = definition.review ? (review: Parameters<NonNullable<WorkerParts['reviewer']>>[0], signal: AbortSignal) => answers.review(review, definition.capabilityName, signal) : null;
      const begun = await run({ definition, access, reviewer, onChange: () => this.changed.emit(), onEnd: (job, end) => onEnd(definition, job, end) });
      this.running.set(definition.id, { ...begun, definition, access });
      void this.follow(definition, begun);
      try {
        this.save({ ...definition, running: true });
      } catch (error) {
        // One that is not kept could be asked for by nobody after a restart, and stopped by name in no window.
        begun.worker.giveUp();
        throw error;
      }
    } finally {
      this.starting.delete(definition.id);
    }
    if (this.closed) this.running.get(definition.id)?.worker.giveUp();
    this.changed.emit();
  }

  /** Stops a worker: `finish`: jobs in work are done first; `give-up`: they are ended and nothing is submitted. It is not asked for again when VS Code starts. */
  stop(id: string, how: 'finish' | 'give-up'): void {
    const running = this.running.get(id);
    if (running === undefined) return;
    this.save({ ...running.definition, running: false });
    if (how === 'finish') running.worker.stop();
    else running.worker.giveUp();
  }

  /** Workers whose account is signed out, or in anew, end: their key is not the person's any more. */
  followAccounts(): void {
    for (const { definition, access, worker } of this.running.values()) if (this.options.access(definition.connectionId) !== access) worker.giveUp();
  }

  /** The window closes: what runs is stopped, and nothing is submitted. Resolves when that is done, or after three seconds. */
  async close(): Promise<void> {
    this.closed = true;
    const all = [...this.running.values()];
    for (const { worker } of all) worker.giveUp();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => late.resolve(), CLOSE_MS);
    await Promise.race([Promise.allSettled(all.map(({ run }) => run)), late.promise]);
    clearTimeout(timer);
  }

  dispose(): void {
    this.folder.dispose();
    this.changed.clear();
  }

  private async follow(definition: WorkerDefinition, { run }: RunningWorker): Promise<void> {
    let failure: unknown = null;
    try {
      await run;
    } catch (error) {
      failure = error;
    }
    this.running.delete(definition.id);
    this.changed.emit();
    if (failure === null || this.closed) return;
    this.options.log.warn('a worker ended', { error: describeError(failure) });
    try {
      this.save({ ...definition, running: false });
    } catch (error) {
      this.options.log.warn('the end of a worker could not be kept', { error: describeError(error) });
    }
    this.options.onFailed(definition, failure);
  }
}
