import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { StringDecoder } from 'node:string_decoder';
import type { Clock, Logger } from '../../../model/context.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import { findExecutable, launchOf } from '../executable.ts';
import type { ProcessLedger } from '../ledger.ts';
import type { ProcessIdentity } from '../processTree.ts';
import { descendants, endProcesses, identify } from '../processTree.ts';
import { waitFor } from '../wait.ts';
import { inFolder } from './files.ts';
import { list, num, objects, str } from './read.ts';

/** Bytes of output that are kept for the agent where it names no limit. */
const keptBytes = 1024 * 1024;
/** Characters of one terminal's output that reach the transcript. */
const shownChars = 4 * 1024 * 1024;
/** Milliseconds in which pieces of output are gathered. */
const gatherMs = 40;
/** A command may run as long as the turn does; beyond this the agent's question is answered with an error. */
const longestWaitMs = 24 * 60 * 60 * 1000;

export interface TerminalEvents {
  output(terminalId: string, text: string): void;
  exit(terminalId: string, exitCode: number | null): void;
}
interface TerminalOptions {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ledger: ProcessLedger;
  readonly label: string;
  readonly events: TerminalEvents;
}
interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/**
 * What to run for a `terminal/create`. The schema has a program and its arguments, but agents also put a whole shell line into `command`: that
 * one runs as they mean it, by the system's shell as a program of its own.
 */
async function commandOf(params: JsonObject, env: NodeJS.ProcessEnv): Promise<{ readonly file: string; readonly args: readonly string[] }> {
  const command = str(params, 'command');
  if (command === null || command.trim() === '' || command.includes('\0')) throw new PilothouseError('invalid_argument', 'There is no command to run.');
  const args = list(params, 'args').filter((one) => typeof one === 'string');
  const file = await findExecutable(command, env);
  if (file !== null) {
    const launch = await launchOf(file);
    return { file: launch.command, args: [...launch.prefix, ...args] };
  }
  if (args.length > 0 || !/[\s;&|<>$`"'(]/.test(command)) throw new PilothouseError('program_missing', `The program ${command} was not found.`);
  return process.platform === 'win32' ? { file: env['ComSpec'] ?? 'cmd.exe', args: ['/d', '/s', '/c', command] } : { file: '/bin/sh', args: ['-c', command] };
}

/** One command that runs for the agent. */
class Terminal {
  readonly id: string;
  readonly exited: Promise<Exit>;
  exit: Exit | null = null;
  private readonly limit: number;
  private readonly options: TerminalOptions;
  private readonly child: ReturnType<typeof spawn>;
  private identity: ProcessIdentity | null = null;
  private kept = '';
  private truncated = false;
  private shown = 0;
  private gathered = '';
  private timer: { cancel(): void } | null = null;
  private killing: Promise<void> | null = null;

  constructor(id: string, file: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv, limit: number, options: TerminalOptions) {
    this.id = id;
    this.limit = limit;
    this.options = options;
    const child = spawn(file, [...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32', windowsHide: true, shell: false });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      const decoder = new StringDecoder('utf8');
      stream.on('data', (chunk: Buffer) => this.take(decoder.write(chunk)));
      stream.on('error', (error: Error) => options.log.trace('terminal pipe closed', { message: error.message }));
    }
    this.exited = new Promise((resolve) => {
      let drain: { cancel(): void } | null = null;
      const finish = (): void => {
        drain?.cancel();
        if (this.exit !== null) return;
        this.exit = { exitCode: child.exitCode, signal: child.signalCode };
        child.stdout.destroy();
        child.stderr.destroy();
        this.show();
        options.events.exit(id, child.exitCode);
        resolve(this.exit);
      };
      child.once('close', finish);
      child.once('error', finish);
      // Something that it started may hold its pipes open for ever.
      child.once('exit', () => {
        drain = options.clock.setTimeout(finish, 500);
      });
    });
  }

  async begin(): Promise<void> {
    const { child } = this;
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new PilothouseError('program_failed_to_start', 'The command could not be started.', { cause: error })));
    });
    const { pid } = child;
    if (pid === undefined) return;
    this.identity = await identify(pid);
    const key = await this.options.ledger.record({ pid, command: 'terminal', label: `${this.options.label} (command)`, session: null }).catch(() => null);
    if (key !== null) void this.exited.then(() => this.options.ledger.forget(key)).catch(() => undefined);
  }

  output(): { readonly output: string; readonly truncated: boolean; readonly exitStatus?: Exit } {
    return { output: this.kept, truncated: this.truncated, ...(this.exit === null ? {} : { exitStatus: this.exit }) };
  }

  /** Ends it with all that it has started; resolves when they are dead. */
  kill(): Promise<void> {
    this.killing ??= this.end().finally(() => {
      this.killing = null;
    });
    return this.killing;
  }

  private async end(): Promise<void> {
    const { identity } = this;
    if (identity === null || this.exit !== null) return;
    const { left } = await endProcesses([identity, ...(await descendants(identity))], { graceMs: 700, killMs: 5000 });
    if (left.length > 0) throw new PilothouseError('process_will_not_die', `The command (process ${identity.pid}) cannot be ended. End it by hand.`, { personMustAct: true });
    await waitFor(this.exited, { clock: this.options.clock, timeoutMs: 5000, onTimeout: () => new PilothouseError('process_will_not_die', 'The command did not end.') });
  }

  private take(text: string): void {
    if (text === '' || this.exit !== null) return;
    this.kept += text;
    if (Buffer.byteLength(this.kept) > this.limit) {
      // Cut at the front, as the schema wants it, and not within a character.
      const bytes = Buffer.from(this.kept, 'utf8');
      let from = bytes.length - this.limit;
      while (from < bytes.length && ((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
      this.kept = bytes.subarray(from).toString('utf8');
      this.truncated = true;
    }
    if (this.shown >= shownChars) return;
    this.shown += text.length;
    this.gathered += this.shown >= shownChars ? `${text}\n[the rest of the output is not shown]\n` : text;
    this.timer ??= this.options.clock.setTimeout(() => this.show(), gatherMs);
  }

  private show(): void {
    this.timer?.cancel();
    this.timer = null;
    const text = this.gathered;
    this.gathered = '';
    if (text !== '') this.options.events.output(this.id, text);
  }
}

/** The terminals that run for one session (`terminal/*`, schema v1). All are ended by `killAll`. */
export class Terminals {
  private readonly options: TerminalOptions;
  private readonly running = new Map<string, Terminal>();

  constructor(options: TerminalOptions) {
    this.options = options;
  }

  /** Commands that have not ended. */
  get active(): number {
    return [...this.running.values()].filter((one) => one.exit === null).length;
  }

  async create(params: JsonObject): Promise<{ readonly terminalId: string }> {
    const { folder } = this.options;
    const cwd = await inFolder(folder, str(params, 'cwd') ?? folder);
    const env: NodeJS.ProcessEnv = { ...this.options.env };
    for (const one of objects(params, 'env')) {
      const name = str(one, 'name');
      if (name !== null && name !== '') env[name] = str(one, 'value') ?? '';
    }
    const { file, args } = await commandOf(params, env);
    const limit = num(params, 'outputByteLimit');
    const terminal = new Terminal(`terminal-${randomUUID()}`, file, args, cwd, env, limit === null || limit < 0 ? keptBytes : Math.min(limit, 16 * keptBytes), this.options);
    this.running.set(terminal.id, terminal);
    try {
      await terminal.begin();
    } catch (error) {
      this.running.delete(terminal.id);
      throw error;
    }
    return { terminalId: terminal.id };
  }

  output(params: JsonObject): ReturnType<Terminal['output']> {
    return this.find(params).output();
  }

  waitForExit(params: JsonObject): Promise<Exit> {
    return waitFor(this.find(params).exited, { clock: this.options.clock, timeoutMs: longestWaitMs, onTimeout: () => new PilothouseError('timeout', 'The command has run for a day.') });
  }

  async kill(params: JsonObject): Promise<void> {
    await this.find(params).kill();
  }

  async release(params: JsonObject): Promise<void> {
    const terminal = this.find(params);
    this.running.delete(terminal.id);
    await terminal.kill();
  }

  /** Ends every command; rejects when one cannot be ended. */
  async killAll(): Promise<void> {
    const results = await Promise.allSettled([...this.running.values()].map((one) => one.kill()));
    const failed = results.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  private find(params: JsonObject): Terminal {
    const terminal = this.running.get(str(params, 'terminalId') ?? '');
    if (terminal === undefined) throw new PilothouseError('terminal_not_found', 'There is no such terminal.');
    return terminal;
  }
}
