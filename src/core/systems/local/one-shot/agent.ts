import type { Entry } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import { silentLogger } from '../../../transport/logger.ts';
import { presentIn, removeLeftovers } from '../codex/leftovers.ts';
import type { ProcessLedger } from '../ledger.ts';
import { createProcessLedger } from '../ledger.ts';
import type { SessionLocks } from '../sessionLock.ts';
import { createSessionLocks, runsElsewhere, sharedStateDir } from '../sessionLock.ts';
import { runTurn } from './run.ts';
import { compareSnapshots, takeSnapshot } from './snapshot.ts';
import type { AgentResult, AgentSession, BackendOptions, Sandbox, SendOptions } from './types.ts';
import { AgentError, checkedSandbox, checkedTimeout } from './types.ts';

/** What is asked of an agent in one turn. */
export interface Turn {
  readonly prompt: string;
  readonly sandbox: Sandbox;
  readonly model: string | null;
  /** Session to go on with; null in the first turn. */
  readonly sessionId: string | null;
  readonly extraArgs: readonly string[];
  readonly number: number;
}
/** What an agent's output says. */
interface Reading {
  readonly failed: boolean;
  readonly finalMessage: string;
  readonly sessionId: string | null;
  readonly raw: JsonValue;
}
/** A turn under way: its arguments, and what comes of its output. */
interface TurnReader {
  readonly args: readonly string[];
  line(line: string): readonly Entry[];
  /** Null where the output is not of the agent's format. */
  read(stdout: string): Promise<Reading | null>;
  /** What is known although the output is not whole. */
  readonly sessionId: string | null;
  dispose(): Promise<void>;
}
/** How one agent is driven. */
export interface Driver {
  readonly name: string;
  readonly label: string;
  readonly program: string;
  readonly install: string;
  /** Who runs a session by the agent's own notes, in a person's words; null where nobody does or that cannot be known. */
  runBy(sessionId: string, env: NodeJS.ProcessEnv): Promise<string | null>;
  /** Throws or rejects with AgentError `invalid_argument` where the turn makes no sense to the agent. */
  begin(turn: Turn): Promise<TurnReader>;
}

/** Ids of sessions that have a turn in this process: the locks exclude other processes only. */
const busy = new Set<string>();

/** A session of an agent that is driven by the command line. */
export class CommandSession implements AgentSession {
  readonly cwd: string;
  readonly backend: string;
  readonly #driver: Driver;
  readonly #options: BackendOptions;
  readonly #ledger: ProcessLedger;
  readonly #locks: SessionLocks;
  #sessionId: string | null;
  #turns = 0;
  #running: { readonly abort: AbortController; readonly done: Promise<unknown> } | null = null;

  constructor(driver: Driver, options: BackendOptions) {
    this.#driver = driver;
    this.#options = options;
    const stateDir = sharedStateDir(options.env);
    this.#ledger = createProcessLedger(stateDir, silentLogger);
    this.#locks = createSessionLocks({ env: options.env, scope: driver.name, program: options.program, stateDir, log: silentLogger });
    this.cwd = options.cwd;
    this.backend = driver.name;
    this.#sessionId = options.sessionId;
  }

  get sessionId(): string | null {
    return this.#sessionId;
  }
  get turnCount(): number {
    return this.#turns;
  }

  async send(prompt: string, options: SendOptions = {}): Promise<AgentResult> {
    if (this.#running !== null) throw new AgentError('busy', 'A turn of this session is running. Wait for its end, or use another session.');
    if (prompt.trim() === '') throw new AgentError('invalid_argument', 'There is nothing to send. Give a prompt.');
    const sandbox = checkedSandbox(options.sandbox ?? this.#options.sandbox);
    const timeoutSec = checkedTimeout(options.timeoutSec ?? this.#options.timeoutSec);
    const abort = new AbortController();
    const onAbort = (): void => abort.abort(options.signal?.reason);
    if (options.signal?.aborted === true) onAbort();
    else options.signal?.addEventListener('abort', onAbort, { once: true });
    const done = this.#alone(abort.signal, () => this.#turn(prompt, sandbox, timeoutSec, abort.signal, options.onEntry));
    this.#running = { abort, done };
    try {
      return await done;
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
      this.#running = null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running?.abort.abort();
    await this.#running?.done.catch(() => undefined);
  }

  /** Two programs on one session split it: while the work goes on, no other one of ours gets it. What dead ones left running is ended first. */
  async #alone<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#ledger.reapDead().catch(() => undefined);
    const id = this.#sessionId;
    if (id === null) return work();
    const key = id.toLowerCase();
    if (busy.has(key)) throw new AgentError('busy', 'A turn of this session is running by another handle of this program. Wait for its end, or use another session.');
    busy.add(key);
    try {
      await this.#locks.acquire(id, { signal });
      const other = await this.#driver.runBy(id, this.#options.env);
      if (other !== null) throw runsElsewhere(other);
      return await work();
    } catch (error) {
      if (error instanceof PilothouseError && !(error instanceof AgentError)) throw new AgentError(error.code, error.message, { cause: error, personMustAct: error.personMustAct });
      throw error;
    } finally {
      try {
        await this.#locks.release(id);
      } finally {
        busy.delete(key);
      }
    }
  }

  async #turn(prompt: string, sandbox: Sandbox, timeoutSec: number, signal: AbortSignal, onEntry: ((entry: Entry) => void) | undefined): Promise<AgentResult> {
    const { cwd, env, model, extraArgs } = this.#options;
    const { label, program, install } = this.#driver;
    const [before, folders] = await Promise.all([takeSnapshot(cwd), presentIn(cwd)]);
    const number = this.#turns + 1;
    const reader = await this.#driver.begin({ prompt, sandbox, model, sessionId: this.#sessionId, extraArgs, number });
    try {
      const outcome = await runTurn({
        program, label, install, args: reader.args, cwd, env, input: prompt, timeoutSec, signal, ledger: this.#ledger,
        onLine: (line) => {
          for (const entry of reader.line(line)) onEntry?.(entry);
        },
      }).finally(() => removeLeftovers(cwd, folders));
      this.#turns = number;
      const { created, modified } = compareSnapshots(before, await takeSnapshot(cwd));
      const reading = outcome.timedOut || (outcome.stdout.trim() === '' && outcome.exitCode !== 0) ? null : await reader.read(outcome.stdout);
      const silent = outcome.timedOut || (outcome.stdout.trim() === '' && outcome.exitCode !== 0);
      if (reading === null && !silent) {
        throw new AgentError('unreadable_output', `${label} printed what is not its format${outcome.exitCode === 0 ? '' : ` and ended with ${outcome.exitCode}`}. The output is in this error.`, { output: outcome.stdout, stderr: outcome.stderr });
      }
      this.#sessionId = reading?.sessionId ?? reader.sessionId ?? this.#sessionId;
      const { exitCode, stdout, stderr, durationSec, cmd } = outcome;
      return {
        ok: reading !== null && !reading.failed && exitCode === 0, exitCode, stdout, stderr, finalMessage: reading?.finalMessage ?? '', durationSec, filesCreated: created, filesModified: modified, cmd,
        backend: this.backend, sessionId: this.#sessionId, raw: reading?.raw ?? null,
      };
    } finally {
      await reader.dispose();
    }
  }
}
