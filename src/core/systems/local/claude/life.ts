import type { InterruptOptions, StopReport } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { SessionState } from '../../../model/session.ts';
import { runsElsewhere } from '../sessionLock.ts';
import { endingWords, killingWords } from '../steps.ts';
import { waitFor } from '../wait.ts';
import { ClaudeAgent } from './agent.ts';
import type { Desk } from './desk.ts';
import type { Facts, TranscriptFile } from './files.ts';
import { findTranscript } from './files.ts';
import type { LaunchOptions } from './launch.ts';
import { agentLabel } from './launch.ts';
import type { Presence } from './presence.ts';
import type { SessionRecord } from './records.ts';
import { TodoBook } from './todos.ts';
import { todosOf } from './todosAt.ts';

/** Longest start that is waited for, and how long the agent has to answer to an interrupt and to end the turn, in milliseconds. */
const startMs = 60_000;
const interruptMs = 5000;
const turnEndMs = 10_000;
/** A transcript that was written this short a time ago may be written right now, in milliseconds. */
const freshMs = 4000;

interface LifeHooks {
  record(): Promise<SessionRecord>;
  file(): Promise<{ readonly file: TranscriptFile; readonly facts: Facts | null } | null>;
  entries(entries: readonly Entry[]): void;
  changed(): void;
  mode(mode: string): void;
  title(title: string): void;
  turnEnded(): void;
  /** A process of ours is about to start: what others wrote until now is to be told. */
  starting(): Promise<void>;
  /** The transcript holds what our process wrote. `ready`: it ran; otherwise it ended before it told of anything. */
  exited(ready: boolean): Promise<void>;
  /** True when the last look found the transcript as our own process left it. */
  leftAs(size: number): boolean;
}

/** The process of one session: started when it is needed, ended when it has been idle for long, one at a time by a claim. */
export class Life {
  readonly #desk: Desk;
  readonly #id: string;
  readonly #hooks: LifeHooks;
  #agent: ClaudeAgent | null = null;
  #starting: Promise<ClaudeAgent> | null = null;
  #idle: { cancel(): void } | null = null;
  #failure: string | null = null;
  #stopped = false;
  /** Resolves when what the last process held was given back. */
  #leaving: Promise<void> = Promise.resolve();

  constructor(desk: Desk, id: string, hooks: LifeHooks) {
    this.#desk = desk;
    this.#id = id;
    this.#hooks = hooks;
  }

  get agent(): ClaudeAgent | null {
    return this.#agent;
  }
  get starting(): boolean {
    return this.#starting !== null;
  }
  /** True from the start of a process to its end. */
  get alive(): boolean {
    return this.#agent !== null || this.#starting !== null;
  }
  get failure(): string | null {
    return this.#failure;
  }
  /** True after the person stopped it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  clearFailure(): void {
    this.#failure = null;
  }

  /**
   * The running process, started if need be. Rejects with `session_runs_elsewhere` when another window or program runs the session, and with what the
   * start rejects with.
   */
  ensure(signal?: AbortSignal): Promise<ClaudeAgent> {
    if (this.#agent !== null) return Promise.resolve(this.#agent);
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null;
      this.#hooks.changed();
    });
    return waitFor(this.#starting, { timeoutMs: startMs, signal, onTimeout: () => new PilothouseError('agent_failed_to_start', 'Claude Code did not get ready in time.') });
  }

  /** Breaks the running turn off; ends the process when it does not listen. */
  async interrupt({ signal, onStep }: InterruptOptions = {}): Promise<StopReport> {
    const agent = this.#agent;
    if (agent === null || !agent.reader.running) return { step: 'nothing-to-stop', message: 'Nothing was running.' };
    if (await this.#breakOff(agent, interruptMs, turnEndMs, signal)) return { step: 'interrupted', message: 'Claude Code broke the turn off.' };
    onStep?.(endingWords(agentLabel));
    const step = await agent.stop(signal, () => onStep?.(killingWords(agentLabel)));
    return { step, message: `Claude Code did not answer and was ${step === 'killed' ? 'killed' : 'stopped'}. The next prompt resumes the session.` };
  }

  /** Ends the process: interrupt, SIGTERM, SIGKILL. Resolves when it and all that it has started are dead, and the session is anybody's to run. */
  async stop(signal?: AbortSignal): Promise<StopReport> {
    await this.#starting?.catch(() => undefined);
    const agent = this.#agent;
    if (agent === null) return { step: 'nothing-to-stop', message: `${agentLabel} was not running.` };
    // A turn that was interrupted keeps its partial answer; one that is ended by a signal loses it.
    if (agent.reader.running) await this.#breakOff(agent, 2000, 3000, signal).catch(() => false);
    this.#stopped = true;
    this.#failure = null;
    const step = await agent.stop(signal);
    await this.#leaving;
    return { step, message: step === 'killed' ? 'Claude Code did not answer and was killed.' : 'Claude Code was stopped.' };
  }

  /** Ends an idle process, so that its next start takes new settings. */
  async recycle(): Promise<void> {
    await this.#agent?.stop();
    await this.#leaving;
  }

  async dispose(): Promise<void> {
    this.#idle?.cancel();
    await this.#starting?.catch(() => undefined);
    // What it was just saying is written down only when it is asked to stop.
    if (this.#agent?.reader.running === true) await this.#breakOff(this.#agent, 1000, 1500).catch(() => false);
    await this.#agent?.stop().catch((error: unknown) => this.#desk.context.log.error('an agent could not be ended', { session: this.#id, error: describeError(error) }));
    await this.#leaving;
  }

  async #breakOff(agent: ClaudeAgent, answerMs: number, endMs: number, signal?: AbortSignal): Promise<boolean> {
    agent.reader.interrupting();
    const over = agent.turnOver(endMs);
    try {
      // Old versions know no `cancel_queued` and pass over it.
      await agent.control.request('interrupt', { cancel_queued: true }, { timeoutMs: answerMs, signal });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      return !agent.reader.running;
    }
    return over;
  }

  async #start(): Promise<ClaudeAgent> {
    const { context, claims, ledger, env } = this.#desk;
    this.#hooks.changed();
    // What the last process gives back must not be what this one takes.
    await this.#leaving;
    await claims.take(this.#id);
    try {
      const record = await this.#hooks.record();
      const found = await this.#hooks.file();
      await this.#refuseForeign(found?.file ?? null);
      const program = await this.#desk.program();
      await this.#hooks.starting();
      const folder = found?.facts?.folder ?? record.folder;
      if (folder === null) throw new PilothouseError('session_not_found', 'The folder of this session is not known any more.');
      const source = found === null && record.fork !== null ? await findTranscript(this.#desk.configDir, record.fork.from, record.folder) : null;
      const past = found?.file ?? source;
      const session: LaunchOptions['session'] = found !== null ? { is: 'resumed', id: this.#id } : source === null ? { is: 'fresh', id: this.#id } : { is: 'forked', id: this.#id, from: source.id, ...(record.fork?.upTo === undefined ? {} : { upTo: record.fork.upTo }) };
      const agent = await ClaudeAgent.start({
        program, folder, env, ledger, log: context.log, clock: context.clock, costBefore: found?.facts?.costUsd ?? 0,
        todos: past === null ? new TodoBook() : await todosOf(past.path, past === source ? record.fork?.size : undefined), launch: { mode: record.mode, model: record.model, effort: record.effort, session },
        onEntries: (entries) => this.#hooks.entries(entries),
        onChange: () => this.#changed(),
        onMode: (mode) => this.#hooks.mode(mode),
        onTitle: (title) => this.#hooks.title(title),
        onLoginFailed: (words) => this.#desk.loginFailed(words),
        onTurnEnd: (state, error) => {
          this.#failure = state === 'failed' ? (error ?? 'The turn failed.') : null;
          if (state === 'completed') this.#desk.signedIn();
          this.#hooks.turnEnded();
        },
        onExit: (error) => {
          this.#leaving = this.#exited(error);
        },
      });
      this.#agent = agent;
      this.#stopped = false;
      this.#failure = null;
      if (agent.initialized !== null) this.#desk.initialized(agent.initialized);
      this.#changed();
      return agent;
    } catch (error) {
      this.#failure = error instanceof PilothouseError && error.code === 'session_runs_elsewhere' ? this.#failure : describeError(error);
      await claims.release(this.#id);
      throw error;
    }
  }

  /** Two processes on one session split it, and one's turns vanish. */
  async #refuseForeign(file: TranscriptFile | null): Promise<void> {
    const runner = (await this.#desk.runners()).get(this.#id);
    if (runner !== undefined) throw runsElsewhere(runner.name);
    if (file === null || this.#hooks.leftAs(file.size) || this.#desk.context.clock.now() - file.changedAt > freshMs) return;
    // Agents that leave no note of themselves show only by what they write.
    await new Promise<void>((resolve) => {
      this.#desk.context.clock.setTimeout(resolve, 1200);
    });
    const later = await this.#hooks.file();
    if (later !== null && later.file.size !== file.size) throw runsElsewhere('another program');
  }

  #changed(): void {
    const agent = this.#agent;
    const rests = agent !== null && !agent.reader.running && agent.reader.asks.length === 0 && !agent.reader.busyBehind;
    if (!rests) {
      this.#idle?.cancel();
      this.#idle = null;
    } else {
      this.#idle ??= this.#desk.context.clock.setTimeout(() => {
        this.#idle = null;
        this.recycle().catch((error: unknown) => this.#desk.context.log.warn('an idle agent could not be ended', { session: this.#id, error: describeError(error) }));
      }, this.#desk.idleMs);
    }
    this.#hooks.changed();
  }

  async #exited(error: PilothouseError | null): Promise<void> {
    this.#idle?.cancel();
    this.#idle = null;
    const ready = this.#agent !== null;
    this.#agent = null;
    if (error !== null) this.#failure = error.message;
    try {
      try {
        await this.#hooks.exited(ready);
      } finally {
        await this.#desk.claims.release(this.#id);
      }
    } catch (failure) {
      this.#desk.context.log.warn('tidying up after an agent failed', { session: this.#id, error: describeError(failure) });
    }
    this.#hooks.changed();
  }
}

/** State of a session by its process; by who else runs it where we do not. `turnOpen`: its transcript ends within a turn. */
export function stateOf(life: Life, seen: Presence, turnOpen: boolean): SessionState {
  const reader = life.agent?.reader ?? null;
  if (life.starting) return 'starting';
  if (reader !== null && reader.asks.length > 0) return 'waiting';
  if (reader?.running === true) return 'running';
  if (reader === null && (seen.owner === 'foreign' || seen.owner === 'window')) {
    if (seen.busy !== null) return seen.busy ? 'running' : 'idle';
    if (seen.owner === 'window') return 'unknown';
    return turnOpen ? 'running' : 'idle';
  }
  if (life.failure !== null) return 'failed';
  return reader === null && life.stopped ? 'stopped' : 'idle';
}
