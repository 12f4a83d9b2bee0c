import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import type { StopReport } from '../../model/backend.ts';
import type { Logger } from '../../model/context.ts';
import { PilothouseError } from '../../model/errors.ts';
import { RedactingStream } from '../../transport/redact.ts';
import { launchOf } from './executable.ts';
import type { ProcessLedger } from './ledger.ts';
import { createLineSplitter } from './lines.ts';
import type { ProcessIdentity } from './processTree.ts';
import { descendants, endProcesses, identify, signalProcess, waitForDeath } from './processTree.ts';
import { throwIfAborted, waitFor } from './wait.ts';

const stderrTailBytes = 16 * 1024;

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last 16 KiB that the program wrote to stderr, obvious secrets replaced. */
  readonly stderrTail: string;
  /** True when `stop` ended it. */
  readonly expected: boolean;
}

export interface AgentProcessOptions {
  /** Absolute path of the program (`findExecutable`). */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  /** Notes the process for reaping; null for short-lived ones. */
  readonly ledger: ProcessLedger | null;
  /** Person's word for the program, such as `Claude Code`: stands in errors and in the ledger. */
  readonly label: string;
  readonly session?: string | null;
  /** Each line of stdout, in order, never empty. JSON or not: see `parseJsonLine`. */
  readonly onLine: (line: string) => void;
  readonly onExit?: (exit: ProcessExit) => void;
  /** Text of stderr, redacted, as its lines come; what has no end of line comes when the program ends. */
  readonly onStderr?: (text: string) => void;
  /** What went wrong without ending it, such as `line_too_long`. */
  readonly onFault?: (error: PilothouseError) => void;
}

interface StopOptions {
  /** Milliseconds between SIGTERM and SIGKILL; 3000 by default. */
  readonly graceMs?: number;
  /** Called where it did not end by SIGTERM, before SIGKILL. */
  readonly onKill?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AgentProcess {
  readonly pid: number;
  /** Null before its end. */
  readonly exit: ProcessExit | null;
  /**
   * Writes one line (the line break is added); resolves when the pipe took it, so that awaiting is back-pressure. Rejects with `process_gone`
   * when the process has ended or does not listen any more, and `process_not_reading` after 30 s.
   */
  write(line: string): Promise<void>;
  /** EOF for the agent's stdin. */
  closeStdin(): void;
  /**
   * Ends the agent and all that it has started: SIGTERM to its group, `graceMs` of patience, SIGKILL. Resolves when all are dead; rejects with
   * `process_will_not_die`. Every call joins the one that runs. An abort ends the wait, not the stopping.
   */
  stop(options?: StopOptions): Promise<StopReport>;
  /** Remembers what it has started until now, so that these are ended too when it dies by itself (nothing can be found then). */
  noteChildren(): Promise<void>;
  /** Resolves once, when it is dead and its output is read; never rejects. */
  readonly exited: Promise<ProcessExit>;
}

function launchError(error: NodeJS.ErrnoException, label: string): PilothouseError {
  if (error.code === 'ENOENT') return new PilothouseError('program_missing', `${label} could not be started: the program is not there.`, { cause: error, personMustAct: true });
  if (error.code === 'EACCES') return new PilothouseError('program_not_executable', `${label} could not be started: the file may not be executed.`, { cause: error, personMustAct: true });
  return new PilothouseError('program_failed_to_start', `${label} could not be started.`, { cause: error });
}

/**
 * Starts an agent's program without a shell, on POSIX in a process group of its own. Resolves when it runs; rejects with `folder_missing`,
 * `program_missing`, `program_not_executable` or `program_failed_to_start`.
 */
export async function startAgentProcess(options: AgentProcessOptions): Promise<AgentProcess> {
  const { label, log } = options;
  const folder = await stat(options.cwd).catch(() => null);
  if (folder?.isDirectory() !== true) {
    throw new PilothouseError('folder_missing', `${label} could not be started: the folder ${options.cwd} is not there.`, { personMustAct: true });
  }
  const launch = await launchOf(options.command);
  const child = spawn(launch.command, [...launch.prefix, ...options.args], {
    cwd: options.cwd, env: options.env, stdio: ['pipe', 'pipe', 'pipe'], detached: process.platform !== 'win32', windowsHide: true, shell: false,
  });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(launchError(error, label)));
  });
  await started;
  const running = new RunningProcess(child, options);
  await running.begin();
  log.debug('agent process started', { pid: running.pid, label });
  return running;
}

class RunningProcess implements AgentProcess {
  exit: ProcessExit | null = null;
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #options: AgentProcessOptions;
  #identity: ProcessIdentity | null = null;
  #ledgerKey: string | null = null;
  #noted: readonly ProcessIdentity[] = [];
  #stopping: Promise<StopReport> | null = null;
  readonly #words: RedactingStream;
  #stderr = '';

  constructor(child: ChildProcessWithoutNullStreams, options: AgentProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.#words = new RedactingStream(options.env);
    const decoder = new StringDecoder('utf8');
    const splitter = createLineSplitter(
      (line) => this.#guard(() => options.onLine(line)),
      (error) => this.#guard(() => options.onFault?.(error)),
    );
    child.stdout.on('data', (chunk: Buffer) => splitter.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#onStderr(this.#words.push(decoder.write(chunk))));
    // A broken pipe shows up as the rejection of `write` and as the exit; the events themselves must only not be unhandled.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', (error: Error) => options.log.trace('agent pipe closed', { message: error.message }));
    child.on('error', (error) => options.log.debug('agent process could not be signalled', { message: error.message }));
    this.exited = new Promise((resolve) => {
      let drain: NodeJS.Timeout | undefined;
      const finish = (): void => {
        clearTimeout(drain);
        if (this.exit !== null) return;
        splitter.end();
        this.#onStderr(this.#words.push(decoder.end()) + this.#words.end());
        const { exitCode: code, signalCode: signal } = child;
        this.exit = { code, signal, stderrTail: this.#stderr.trim(), expected: this.#stopping !== null };
        for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
        void this.#afterExit(this.exit).finally(() => {
          if (this.exit !== null) resolve(this.exit);
        });
      };
      child.once('close', finish);
      // Something that it started may hold its stdout open for ever.
      child.once('exit', () => {
        drain = setTimeout(finish, 500);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get #alive(): boolean {
    return this.exit === null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async begin(): Promise<void> {
    const { ledger, command, label, session, log } = this.#options;
    this.#identity = await identify(this.pid);
    if (ledger === null) return;
    try {
      this.#ledgerKey = await ledger.record({ pid: this.pid, command, label, session: session ?? null });
      if (this.exit !== null) await ledger.forget(this.#ledgerKey);
    } catch (error) {
      log.error('an agent process could not be noted: it would not be reaped if this host were killed', { pid: this.pid, error: String(error) });
    }
  }

  write(line: string): Promise<void> {
    const { label } = this.#options;
    const gone = (cause?: unknown): PilothouseError => new PilothouseError('process_gone', `${label} has ended.`, { cause });
    const { stdin } = this.#child;
    if (!this.#alive || !stdin.writable) return Promise.reject(gone());
    const written = new Promise<void>((resolve, reject) => {
      stdin.write(`${line}\n`, (error) => (error === null || error === undefined ? resolve() : reject(gone(error))));
    });
    return waitFor(written, { timeoutMs: 30_000, onTimeout: () => new PilothouseError('process_not_reading', `${label} takes no input any more. Stop it and resume the session.`) });
  }

  closeStdin(): void {
    this.#child.stdin.end();
  }

  async noteChildren(): Promise<void> {
    if (!this.#alive) return;
    const found = await this.#started();
    if (this.#alive) this.#noted = found;
  }

  async stop(options: StopOptions = {}): Promise<StopReport> {
    throwIfAborted(options.signal);
    this.#stopping ??= this.#end(options.graceMs ?? 3000, options.onKill).finally(() => {
      this.#stopping = null;
    });
    return waitFor(this.#stopping, {
      timeoutMs: (options.graceMs ?? 3000) + 15_000, signal: options.signal,
      onTimeout: () => new PilothouseError('process_will_not_die', `${this.#options.label} (process ${this.pid}) cannot be ended. End it by hand.`, { personMustAct: true }),
    });
  }

  async #end(graceMs: number, onKill?: () => void): Promise<StopReport> {
    const { label, log } = this.#options;
    if (!this.#alive) {
      await this.#endOrphans(this.#noted);
      return { step: 'nothing-to-stop', message: `${label} was not running.` };
    }
    // What it has started can be found only while it lives.
    const before = await this.#started();
    this.#signalGroup('SIGTERM');
    const killed = !(await this.#diesWithin(graceMs));
    if (killed) onKill?.();
    const after = killed ? await this.#started() : [];
    if (killed) this.#signalGroup('SIGKILL');
    const dead = !killed || (await this.#diesWithin(5000));
    const orphans = await this.#endOrphans([...before, ...after]);
    if (!dead || orphans.left > 0) {
      throw new PilothouseError('process_will_not_die', `${label} (process ${this.pid}) cannot be ended. End it by hand.`, { personMustAct: true });
    }
    await this.exited;
    log.debug('agent process stopped', { pid: this.pid, label, killed, tools: orphans.ended });
    const tools = orphans.ended > 0 ? ` ${orphans.ended} process${orphans.ended === 1 ? '' : 'es'} that it had started ended with it.` : '';
    return killed
      ? { step: 'killed', message: `${label} did not answer and was killed.${tools}` }
      : { step: 'terminated', message: `${label} was stopped.${tools}` };
  }

  async #started(): Promise<readonly ProcessIdentity[]> {
    this.#identity ??= await identify(this.pid);
    return this.#identity === null ? [] : descendants(this.#identity);
  }

  #diesWithin(ms: number): Promise<boolean> {
    if (!this.#alive) return Promise.resolve(true);
    return new Promise((resolve) => {
      const onExit = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#child.off('exit', onExit);
        resolve(false);
      }, ms);
      this.#child.once('exit', onExit);
    });
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (process.platform === 'win32') {
      // No signals there: closing stdin is the polite way.
      if (signal === 'SIGTERM') this.#child.stdin.end();
      else this.#child.kill(signal);
      return;
    }
    if (!signalProcess(-this.pid, signal)) signalProcess(this.pid, signal);
  }

  async #endOrphans(identities: readonly ProcessIdentity[]): Promise<{ ended: number; left: number }> {
    const living = await waitForDeath(identities, 0);
    if (living.length === 0) return { ended: 0, left: 0 };
    const { left } = await endProcesses(living, { graceMs: 700, killMs: 5000 });
    return { ended: living.length - left.length, left: left.length };
  }

  async #afterExit(exit: ProcessExit): Promise<void> {
    const { ledger, log, label } = this.#options;
    const noted = this.#noted;
    try {
      // Its own group is still known by its number; tools with sessions of their own only from the last note.
      if (!exit.expected) {
        if (process.platform !== 'win32') signalProcess(-this.pid, 'SIGTERM');
        const orphans = await this.#endOrphans(noted);
        if (orphans.ended + orphans.left > 0) log.info('ended what a dead agent left running', { pid: this.pid, label, ...orphans });
      }
      if (ledger !== null && this.#ledgerKey !== null) await ledger.forget(this.#ledgerKey);
    } catch (error) {
      log.warn('tidying up after an agent process failed', { pid: this.pid, error: String(error) });
    }
    log.debug('agent process ended', { pid: this.pid, label, code: exit.code, signal: exit.signal });
    this.#guard(() => this.#options.onExit?.(exit));
  }

  #onStderr(text: string): void {
    if (text === '') return;
    this.#stderr = (this.#stderr + text).slice(-stderrTailBytes);
    this.#guard(() => this.#options.onStderr?.(text));
  }

  /** A listener's mistake must not take the reading of the pipe with it. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#options.log.error('a listener of an agent process failed', { label: this.#options.label, error: String(error) });
    }
  }
}
