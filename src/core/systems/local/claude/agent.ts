import type { Prompt } from '../../../model/backend.ts';
import type { Clock, Logger } from '../../../model/context.ts';
import type { Entry, TurnState } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { ProcessLedger } from '../ledger.ts';
import { parseJsonLine } from '../lines.ts';
import type { AgentProcess, ProcessExit } from '../process.ts';
import { startAgentProcess } from '../process.ts';
import { waitFor } from '../wait.ts';
import { userMessage } from './content.ts';
import { ControlChannel } from './control.ts';
import { previewDiffs } from './diffs.ts';
import type { LaunchOptions, Program } from './launch.ts';
import { agentLabel, installCommand, launchArgs } from './launch.ts';
import type { Answer, Ask } from './permissions.ts';
import { withDiffs } from './permissions.ts';
import { ClaudeReader } from './reader.ts';
import type { Initialized } from './wire.ts';
import type { TodoBook } from './todos.ts';
import { readInitialized } from './wire.ts';

const startMs = 30_000;
const takenMs = 10_000;
const tickMs = 1000;

interface AgentOptions {
  readonly program: Program;
  readonly launch: LaunchOptions;
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  readonly clock: Clock;
  readonly ledger: ProcessLedger;
  /** Total that the transcript tells of so far, in dollars. */
  readonly costBefore: number;
  /** The to-do list that the transcript tells of so far. */
  readonly todos: TodoBook;
  readonly onEntries: (entries: readonly Entry[]) => void;
  /** State, activity, mode or what waits for the person may have changed. */
  readonly onChange: () => void;
  readonly onMode: (mode: string) => void;
  readonly onTitle: (title: string) => void;
  readonly onLoginFailed: (words: string) => void;
  readonly onTurnEnd: (state: TurnState, error: string | null) => void;
  /** The process is gone; `error` is null when it was stopped on purpose. */
  readonly onExit: (error: PilothouseError | null) => void;
}

/** One running Claude Code process: its wire, its reader, its control protocol. */
export class ClaudeAgent {
  readonly reader: ClaudeReader;
  readonly control: ControlChannel;
  readonly #options: AgentOptions;
  #process: AgentProcess | null = null;
  #initialized: Initialized | null = null;
  #flushing = false;
  #expected = false;
  readonly #taken = new Map<string, () => void>();
  readonly #turnWaits = new Set<() => void>();
  readonly #answering = new Set<string>();
  #ticks = 0;
  #timer: { cancel(): void } | null = null;

  private constructor(options: AgentOptions) {
    this.#options = options;
    this.control = new ControlChannel((message) => this.#write(message), options.clock);
    this.reader = new ClaudeReader({
      folder: options.folder,
      costBefore: options.costBefore,
      todos: options.todos,
      events: {
        onTaken: (uuid) => this.#taken.get(uuid)?.(),
        onAsk: (ask) => this.#quietly(this.#preview(ask)),
        onTurnEnd: (state, error) => {
          options.onTurnEnd(state, error);
          for (const done of this.#turnWaits) done();
        },
        onTitle: options.onTitle,
        onMode: options.onMode,
        onLoginFailed: options.onLoginFailed,
        onRefuse: (requestId, subtype) => this.#quietly(this.control.refuse(requestId, `Unsupported: ${subtype}`)),
      },
    });
  }

  /** Starts the program and waits until it is ready. Rejects with what `startAgentProcess` rejects with, `agent_failed_to_start`, or `agent_silent`. */
  static async start(options: AgentOptions, signal?: AbortSignal): Promise<ClaudeAgent> {
    const agent = new ClaudeAgent(options);
    await agent.#begin(signal);
    return agent;
  }

  get initialized(): Initialized | null {
    return this.#initialized;
  }
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Hands a prompt over; resolves when the agent has it. A uuid that it knows already is not run again. */
  async send(prompt: Prompt, uuid: string, signal?: AbortSignal): Promise<void> {
    const message = userMessage(prompt, uuid);
    const taken = new Promise<void>((resolve) => {
      this.#taken.set(uuid, resolve);
    });
    try {
      this.reader.sent(prompt, uuid, this.#now());
      await this.#write(message);
      this.reader.written(uuid);
      this.#flushSoon();
      // Versions without a lifecycle of prompts say a prompt back only when its turn comes.
      const tells = this.#initialized?.capabilities.includes('msg_lifecycle_v1') === true;
      if (!tells) return;
      await Promise.race([
        waitFor(taken, { clock: this.#options.clock, timeoutMs: takenMs, signal, onTimeout: () => new PilothouseError('agent_silent', 'Claude Code did not confirm the prompt.') }),
        this.#gone(),
      ]);
    } finally {
      this.#taken.delete(uuid);
    }
  }

  /** Hands an answer on. Rejects with `already_answered` when one is on its way. */
  async answer(ask: Ask, answer: Answer): Promise<void> {
    if (this.#answering.has(ask.requestId)) throw new PilothouseError('already_answered', 'This was answered before.');
    this.#answering.add(ask.requestId);
    try {
      await this.control.respond(ask.requestId, answer.response);
      this.reader.answered(ask.requestId, answer, this.#now());
      this.#flushSoon();
    } finally {
      this.#answering.delete(ask.requestId);
    }
  }

  /** Resolves true when no turn runs any more, false after `ms`. */
  turnOver(ms: number): Promise<boolean> {
    if (!this.reader.running) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (over: boolean): void => {
        this.#turnWaits.delete(done);
        timer.cancel();
        resolve(over);
      };
      const done = (): void => finish(true);
      const timer = this.#options.clock.setTimeout(() => finish(false), ms);
      this.#turnWaits.add(done);
    });
  }

  /** Ends the process and all that it has started. Resolves when they are dead. */
  async stop(signal?: AbortSignal, onKill?: () => void): Promise<'nothing-to-stop' | 'interrupted' | 'terminated' | 'killed'> {
    this.#expected = true;
    if (this.#process === null) return 'nothing-to-stop';
    return (await this.#process.stop({ signal, onKill })).step;
  }

  async #begin(signal: AbortSignal | undefined): Promise<void> {
    const { program, launch, folder, env, log, ledger } = this.#options;
    const session = launch.session.is === 'probe' ? null : launch.session.id;
    this.#process = await startAgentProcess({
      command: program.path, args: launchArgs(program, launch), cwd: folder, env, log, ledger, label: agentLabel, session,
      onLine: (line) => this.#line(line),
      onExit: (exit) => this.#exited(exit),
      onFault: (error) => log.warn('a line of the agent was left out', { code: error.code }),
    });
    const ready = this.control.request('initialize', {}, { timeoutMs: startMs, signal });
    try {
      this.#initialized = readInitialized(await ready);
    } catch (error) {
      const early = this.#process.exit;
      this.#expected = true;
      await this.#process.stop({ graceMs: 500 }).catch((failure: unknown) => log.error('an agent that did not start cannot be ended', { error: String(failure) }));
      if (early !== null) throw failedStart(early);
      throw error;
    }
    this.#tick();
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #write(message: JsonObject): Promise<void> {
    return this.#process?.write(JSON.stringify(message)) ?? Promise.reject(new PilothouseError('process_gone', 'Claude Code is not running.'));
  }

  /** Rejects when the process ends. */
  async #gone(): Promise<never> {
    await this.#process?.exited;
    throw new PilothouseError('process_gone', 'Claude Code ended before it confirmed the prompt.');
  }

  #line(line: string): void {
    const value = parseJsonLine(line);
    if (value === undefined) this.reader.garbage(line, this.#now());
    else if (this.control.receive(value)) return;
    else this.reader.accept(value, this.#now());
    this.#flushSoon();
  }

  /** Entries leave together once a chunk of the pipe is read. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const entries = this.reader.flush();
    if (entries.length > 0) this.#options.onEntries(entries);
    this.#options.onChange();
  }

  async #preview(ask: Ask): Promise<void> {
    const diffs = await previewDiffs(ask.tool, ask.input, this.#options.folder);
    if (diffs.length > 0) this.#options.onEntries([withDiffs(ask, diffs)]);
  }

  #tick(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      if (this.#process === null || this.#process.exit !== null) return;
      this.#ticks += 1;
      if (this.reader.tick(this.#now())) this.#flushSoon();
      // Should the agent be killed, its tools can be found no more.
      if (this.reader.toolRuns && this.#ticks % 2 === 0) this.#quietly(this.#process.noteChildren());
      this.#tick();
    }, tickMs);
  }

  #exited(exit: ProcessExit): void {
    this.#timer?.cancel();
    const gone = new PilothouseError('process_gone', 'Claude Code has ended.');
    // One that never was ready is told of by the rejection of `start`.
    const error = exit.expected || this.#expected || this.#initialized === null ? null : died(exit);
    this.reader.ended(error === null ? null : { text: error.message, remedy: 'Send a prompt to resume the session.' }, this.#now());
    this.control.close(gone);
    this.#flush();
    for (const done of this.#turnWaits) done();
    this.#options.onExit(error);
  }

  #quietly(promise: Promise<void>): void {
    promise.catch((error: unknown) => this.#options.log.debug('a side task of the agent failed', { error: String(error) }));
  }
}

function ending(exit: ProcessExit): string {
  return exit.signal === null ? `with code ${exit.code ?? 'unknown'}` : `by ${exit.signal}`;
}

/** Last words of stderr, for one line. */
function lastWords(exit: ProcessExit): string {
  return exit.stderrTail.split('\n').map((line) => line.trim()).filter((line) => line !== '').slice(-3).join(' ').slice(-600);
}

function died(exit: ProcessExit): PilothouseError {
  const words = lastWords(exit);
  return new PilothouseError('process_died', `Claude Code ended ${ending(exit)}.${words === '' ? '' : ` It said: ${words}`}`);
}

function failedStart(exit: ProcessExit): PilothouseError {
  const words = lastWords(exit);
  if (words.includes('--session-id cannot be used')) return new PilothouseError('unsupported', `This version of Claude Code cannot fork a session from here. Update it with \`${installCommand}\`.`, { personMustAct: true });
  if (words.includes('--resume-session-at')) return new PilothouseError('unsupported', `This version of Claude Code cannot fork a session at an earlier prompt. Update it with \`${installCommand}\`.`, { personMustAct: true });
  return new PilothouseError('agent_failed_to_start', words === '' ? `Claude Code ended ${ending(exit)} right after its start.` : `Claude Code did not start: ${words}`, { personMustAct: true });
}
