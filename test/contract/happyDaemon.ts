import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { claudeEnv } from '../loopback/agent-env.ts';
import type { AccessKey } from '../loopback/happy/phone.ts';
import { agentProgram } from './agents.ts';

export interface HappyDaemonOptions {
  /** The Happy server's address. */
  readonly url: string;
  /** What the machine was linked with: its `access.key`. */
  readonly accessKey: AccessKey;
  /** Where a model endpoint for `claude` is (see startAnthropic). */
  readonly modelUrl: string;
  /** A folder of its own: home, Happy's and Claude's folders, temporary files. */
  readonly dir: string;
  /** Folders of more agents' programs: the daemon finds them on its PATH, before others. */
  readonly programs?: readonly string[];
  /** More for the environment of the daemon and its sessions. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real `happy` daemon and what it spawned. */
export interface HappyDaemon {
  readonly machineId: string;
  readonly pid: number;
  /** HAPPY_HOME_DIR: `access.key`, `settings.json`, `sessions.json`, `daemon.state.json`, `logs`. */
  readonly happyHome: string;
  /** The environment of the daemon, to start other programs of Happy's in. */
  readonly env: Readonly<Record<string, string>>;
  /** Process ids of now: the daemon's, its sessions' and their agents'. Sessions outlive their daemon. */
  processes(): Promise<number[]>;
  /** The end of every log, for a failing test to show. */
  logs(): Promise<string>;
  /** Ends the daemon only, as `happy daemon stop` does; its sessions go on. */
  stopDaemon(): Promise<void>;
  /** Starts the daemon again in the same folders. */
  startAgain(): Promise<HappyDaemon>;
  /** Ends the daemon, its sessions and their agents, by process id. */
  stop(): Promise<void>;
}

/**
 * Starts the real `happy` 1.2.5 daemon under Node 24 against a Happy server; resolves when it has made its machine known there and answers.
 * Rejects with the end of its log. Nothing it does leaves `dir` and 127.0.0.1.
 */
export async function startHappyDaemon(options: HappyDaemonOptions): Promise<HappyDaemon> {
  const happyHome = path.join(options.dir, 'happy');
  await mkdir(happyHome, { recursive: true, mode: 0o700 });
  const keyFile = path.join(happyHome, 'access.key');
  if (!existsSync(keyFile)) await writeFile(keyFile, JSON.stringify(options.accessKey), { mode: 0o600 });
  const [program, claude] = await Promise.all([agentProgram('happy'), agentProgram('claude')]);
  const base = await claudeEnv(options.modelUrl, options.dir);
  const env = {
    ...base, HAPPY_HOME_DIR: happyHome, HAPPY_SERVER_URL: options.url, HAPPY_WEBAPP_URL: options.url, HAPPY_DISABLE_CAFFEINATE: '1',
    // The daemon starts its sessions with the `node` on PATH: it must be the one that it runs under itself.
    PATH: [path.dirname(process.execPath), path.dirname(claude), ...(options.programs ?? []), base['PATH']].join(path.delimiter), ...options.env,
  };
  const entry = path.resolve(path.dirname(program), '..', 'happy', 'dist', 'index.mjs');
  const output = createWriteStream(path.join(options.dir, 'daemon.out'), { flags: 'a' });
  const child = spawn(process.execPath, ['--no-warnings', '--no-deprecation', entry, 'daemon', 'start-sync'], { cwd: options.dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  const daemon = new RunningDaemon(options, child, happyHome, env);
  try {
    await daemon.ready();
  } catch (error) {
    const logs = await daemon.logs();
    await daemon.stop();
    throw new Error(`The Happy daemon did not start: ${error instanceof Error ? error.message : String(error)}\n${logs}`, { cause: error });
  }
  return daemon;
}

class RunningDaemon implements HappyDaemon {
  machineId = '';
  readonly happyHome: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #options: HappyDaemonOptions;
  readonly #child: ChildProcess;

  constructor(options: HappyDaemonOptions, child: ChildProcess, happyHome: string, env: Readonly<Record<string, string>>) {
    this.#options = options;
    this.#child = child;
    this.happyHome = happyHome;
    this.env = env;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async ready(timeoutMs = 30_000): Promise<void> {
    const until = Date.now() + timeoutMs;
    while (Date.now() < until) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error(`it ended with ${this.#child.exitCode ?? this.#child.signalCode}`);
      const status = await this.#control('status').catch(() => null);
      if (status !== null && status['connected'] === true && typeof status['machineId'] === 'string') {
        this.machineId = status['machineId'];
        return;
      }
      await sleep(50);
    }
    throw new Error(`it was not connected within ${timeoutMs} ms`);
  }

  async processes(): Promise<number[]> {
    const found = await withVariable('HAPPY_HOME_DIR', this.happyHome);
    return this.#child.exitCode === null && this.#child.signalCode === null && !found.includes(this.pid) ? [this.pid, ...found] : found;
  }

  async logs(): Promise<string> {
    const folder = path.join(this.happyHome, 'logs');
    const files = [path.join(this.#options.dir, 'daemon.out'), ...(await readdir(folder).catch(() => [])).map((file) => path.join(folder, file))];
    const ends = await Promise.all(files.map(async (file) => `--- ${path.basename(file)}\n${(await readFile(file, 'utf8').catch(() => '')).slice(-6_000)}`));
    return ends.join('\n');
  }

  async stopDaemon(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit', { signal: AbortSignal.timeout(10_000) });
    await this.#control('stop').catch(() => this.#child.kill('SIGTERM'));
    await ended.catch(() => this.#child.kill('SIGKILL'));
  }

  startAgain(): Promise<HappyDaemon> {
    return startHappyDaemon(this.#options);
  }

  async stop(): Promise<void> {
    await this.stopDaemon();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const pid of await this.processes()) end(pid, signal);
      for (const until = Date.now() + 3_000; Date.now() < until && (await this.processes()).length > 0;) await sleep(50);
    }
    const left = await this.processes();
    if (left.length > 0) throw new Error(`Processes ${left.join(', ')} of the Happy daemon could not be ended.`);
  }

  /** Asks the daemon's own control server on 127.0.0.1. */
  async #control(what: 'status' | 'stop'): Promise<Readonly<Record<string, unknown>>> {
    const state = JSON.parse(await readFile(path.join(this.happyHome, 'daemon.state.json'), 'utf8')) as { readonly httpPort: number; readonly pid: number };
    if (state.pid !== this.pid) throw new Error('The state file is that of a daemon before this one.');
    const response = await fetch(`http://127.0.0.1:${state.httpPort}/${what}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}', signal: AbortSignal.timeout(2_000) });
    return (await response.json()) as Readonly<Record<string, unknown>>;
  }
}

/** Ids of the processes that were started with this variable: only ours have this folder. Linux; none elsewhere. */
async function withVariable(name: string, value: string): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => []);
  const found = await Promise.all(entries.filter((entry) => /^\d+$/.test(entry)).map(async (pid) => {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    return environment.split('\0').includes(`${name}=${value}`) ? [Number(pid)] : [];
  }));
  return found.flat();
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself meanwhile.
  }
}
