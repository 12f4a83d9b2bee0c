import { randomUUID } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { SpawnOptions } from '../model/backend.ts';
import type { Clock, Leases, Logger } from '../model/context.ts';
import type { NoticeEntry } from '../model/entry.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { Session, SessionKey } from '../model/session.ts';
import { parseSessionKey, sessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';
import { waitFor } from '../transport/wait.ts';
import type { Fleet } from './fleet.ts';
import type { SessionRuntime } from './runtime.ts';
import { untilTaskEnds } from './task.ts';
import { finalAnswer } from './workerAnswer.ts';
import type { JobAgents, JobSession } from './workerJob.ts';

interface WorkerSessionsOptions {
  readonly fleet: Pick<Fleet, 'spawn' | 'open' | 'session' | 'backend'>;
  readonly store: Pick<Store, 'keep'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of the worker; sessions of a dead worker are found by it. */
  readonly leaseName: string;
  readonly connectionId: string;
  /** Where and with which agent; its permission mode is one that asks. */
  readonly spawn: Pick<SpawnOptions, 'machineId' | 'folder' | 'agent' | 'mode' | 'model'>;
}

const INTERRUPT_MS = 8_000;
const STOP_MS = 40_000;
const SCOPE = 'worker';
/** Behind whatever the system has of the same moment. */
const LAST = 1_000_000_000;

/** Sessions of any system that can make them, for a worker's jobs: kept in mind before anything is said in them, so that what a window leaves behind when it dies is ended. */
export class WorkerSessions implements JobAgents {
  private readonly options: WorkerSessionsOptions;

  constructor(options: WorkerSessionsOptions) {
    this.options = options;
  }

  async begin(job: { readonly jobId: string; readonly capabilityKey: string }, signal: AbortSignal): Promise<JobSession> {
    const { fleet, connectionId, spawn, log } = this.options;
    const made = fleet.spawn(connectionId, { ...spawn, title: titleOf(job), signal }).then((session) => this.hold(session));
    const gone = Promise.withResolvers<never>();
    const onAbort = (): void => {
      gone.reject(signal.reason);
      // A system that does not listen may make it yet.
      made.then((session) => session.end()).catch((error: unknown) => log.info('a session that came too late was not made', { error: describeError(error) }));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([made, gone.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  private async hold(session: Session): Promise<JobSession> {
    const { store, leaseName, fleet } = this.options;
    const key = sessionKey(session);
    const keep = store.keep(SCOPE);
    const name = `${leaseName}\n${session.id}`;
    try {
      await keep.set(name, JSON.stringify({ leaseName, key }));
      return new HeldSession(key, await fleet.open(key), this.options, () => keep.set(name, null));
    } catch (error) {
      await fleet.backend(session.connectionId).session(session.id).stop({ signal: AbortSignal.timeout(STOP_MS) });
      throw error;
    }
  }
}

class HeldSession implements JobSession {
  readonly key: SessionKey;
  private readonly runtime: SessionRuntime;
  private readonly options: WorkerSessionsOptions;
  private readonly forget: () => Promise<void>;
  private ended: Promise<string | null> | null = null;

  constructor(key: SessionKey, runtime: SessionRuntime, options: WorkerSessionsOptions, forget: () => Promise<void>) {
    this.key = key;
    this.runtime = runtime;
    this.options = options;
    this.forget = forget;
  }

  /** Straight to the system: a prompt that waited in the outbox would be sent although its job is lost, by another window too. */
  async ask(prompt: string, signal: AbortSignal): Promise<string> {
    const { fleet, clock, connectionId } = this.options;
    const { runtime, key } = this;
    const before = new Set(runtime.transcript.tail.map((row) => row.key));
    const rows = () => runtime.transcript.tail.filter((row) => !before.has(row.key));
    await fleet.backend(connectionId).session(parseSessionKey(key)?.id ?? '').send({ text: prompt, attachments: [] }, randomUUID(), { signal });
    // What the person says in it meanwhile belongs to the work.
    const end = await untilTaskEnds(() => ({ session: fleet.session(key), sending: runtime.outboxItems().some((item) => item.delivery !== 'failed'), rows: rows(), undelivered: null }), clock, signal);
    if (end.how === 'failed') throw new PilothouseError('turn_failed', `The turn failed.${end.error === null ? '' : ` ${end.error}`}`);
    if (end.how === 'stopped') throw new PilothouseError('turn_stopped', end.error ?? 'The turn was stopped.');
    const answer = finalAnswer(rows());
    if (answer === null) throw new PilothouseError('no_answer', 'The turn ended without an answer.');
    return answer;
  }

  say(level: 'info' | 'warning' | 'error', text: string): void {
    const now = this.options.clock.now();
    const id = `worker:${randomUUID()}`;
    const entry: NoticeEntry = { kind: 'notice', id, row: id, order: [now, LAST], rev: 1, at: now, turn: null, parent: null, level, code: 'worker', text, remedy: null };
    if (!this.runtime.isClosed) this.runtime.transcript.add([entry]);
  }

  end(): Promise<string | null> {
    this.ended ??= this.stop();
    return this.ended;
  }

  private async stop(): Promise<string | null> {
    const { fleet, clock, log } = this.options;
    const state = fleet.session(this.key)?.state;
    let left: string | null = null;
    if (state === 'running' || state === 'waiting' || state === 'starting') {
      await this.inTime(INTERRUPT_MS, this.runtime.interrupt()).catch((error: unknown) => log.info('a turn of a worker was not interrupted', { error: describeError(error) }));
    }
    try {
      if (this.runtime.traits.stop) await this.inTime(STOP_MS, this.runtime.stop());
    } catch (error) {
      left = `The agent of this job could not be stopped: ${describeError(error)}`;
      log.warn('the session of a job could not be stopped', { error: describeError(error) });
    }
    // One that may run still is looked for again when the next worker begins.
    if (left === null) await this.forget().catch((error: unknown) => log.warn('the end of a job could not be stored', { error: describeError(error) }));
    // What is said of the end comes right after.
    clock.setTimeout(() => this.runtime.release(), 0);
    return left;
  }

  private inTime<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
    return waitFor(work, { clock: this.options.clock, timeoutMs, onTimeout: () => new PilothouseError('agent_stays', 'It did not listen in time. Use Stop Session on it.') });
  }
}

interface LeftOptions {
  readonly fleet: Pick<Fleet, 'open' | 'session'>;
  readonly store: Pick<Store, 'keep'>;
  readonly leases: Pick<Leases, 'holder'>;
  readonly log: Logger;
}

/**
 * Ends what workers left running whose window is dead: those of `leaseName`, which is ours now and of which `mine` are in work, or, where it is null, of every worker that nobody is. What they had
 * not submitted is not submitted: the task run was known to them alone.
 */
export async function endLeftSessions({ fleet, store, leases, log }: LeftOptions, leaseName: string | null, mine: ReadonlySet<SessionKey> = new Set()): Promise<void> {
  const keep = store.keep(SCOPE);
  for (const [name, text] of await keep.list(leaseName === null ? '' : `${leaseName}\n`)) {
    const left = readLeft(text);
    if (left === null || mine.has(left.key) || (leaseName === null && (await leases.holder(left.leaseName)) !== 'nobody')) continue;
    try {
      await endLeft(fleet, left.key);
      await keep.set(name, null);
    } catch (error) {
      log.warn('a session that a worker left could not be ended', { error: describeError(error) });
    }
  }
}

async function endLeft(fleet: LeftOptions['fleet'], key: SessionKey): Promise<void> {
  const state = fleet.session(key)?.state;
  if (state === undefined || state === 'stopped' || state === 'failed') return;
  const runtime = await fleet.open(key);
  try {
    if (runtime.traits.stop) await runtime.stop();
  } finally {
    runtime.release();
  }
}

function readLeft(text: string): { readonly leaseName: string; readonly key: SessionKey } | null {
  try {
    const left: unknown = JSON.parse(text);
    if (typeof left !== 'object' || left === null || !('key' in left) || !('leaseName' in left)) return null;
    return typeof left.key === 'string' && typeof left.leaseName === 'string' ? { leaseName: left.leaseName, key: left.key } : null;
  } catch {
    return null;
  }
}

/** True where a folder of this computer is one of `roots` or within one, links followed: a link that leads out of them is outside. */
export async function isWithin(folder: string, roots: readonly string[]): Promise<boolean> {
  const real = await realpath(folder).catch(() => null);
  if (real === null) return false;
  for (const root of roots) {
    const below = path.relative(await realpath(root).catch(() => root), real);
    if (below === '' || (below !== '..' && !below.startsWith(`..${path.sep}`) && !path.isAbsolute(below))) return true;
  }
  return false;
}

/** What the tree says of a job's session: the capability, and as much of the job's id as tells it from others. The prompt says the whole of it. */
function titleOf(job: { readonly jobId: string; readonly capabilityKey: string }): string {
  const id = job.jobId.replace(/^job[_-]/, '');
  return `${job.capabilityKey} · ${id.length > 8 ? id.slice(0, 8) : id}`;
}
