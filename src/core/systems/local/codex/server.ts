import { mkdir } from 'node:fs/promises';
import type { StopReport } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { ProcessLedger } from '../ledger.ts';
import { parseJsonLine } from '../lines.ts';
import type { AgentProcess, ProcessExit } from '../process.ts';
import { startAgentProcess } from '../process.ts';
import type { Rpc, RpcId } from '../rpc.ts';
import { createRpc, RpcError } from '../rpc.ts';
import { throwIfAborted, waitFor } from '../wait.ts';

const startMs = 20_000;
const callMs = 30_000;
/** How long the app-server may run without anything to do. */
const idleMs = 5 * 60_000;
const childrenMs = 1000;

interface ServerOptions {
  readonly context: BackendContext;
  readonly ledger: ProcessLedger;
  /** Absolute path of Codex now; rejects with `not_installed`. */
  readonly program: () => Promise<string>;
  readonly env: NodeJS.ProcessEnv;
  readonly onNotification: (method: string, params: JsonValue) => void;
  readonly onRequest: (method: string, params: JsonValue, id: RpcId) => void;
  /** It ended, whether asked to or not. */
  readonly onExit: (exit: ProcessExit) => void;
  /** True while it must not be stopped for being idle. */
  readonly busy: () => boolean;
}
interface Running {
  readonly process: AgentProcess;
  readonly rpc: Rpc;
}
interface ServerCall {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** True for the refusal of a request whose method this version of Codex does not have (`unknown variant` of serde, or JSON-RPC's code). */
export function isUnsupported(error: unknown): boolean {
  return error instanceof RpcError && (error.rpcCode === -32_601 || /unknown variant|method not found|requires experimentalApi/i.test(error.message));
}

/** The one `codex app-server` of a connection: started when it is first needed, stopped when idle for five minutes, started again on demand. */
export class CodexServer {
  readonly #options: ServerOptions;
  #running: Running | null = null;
  #starting: Promise<Running> | null = null;
  #stopping: Promise<StopReport> | null = null;
  #idle: { cancel(): void } | null = null;
  #children: { cancel(): void } | null = null;
  #used = 0;
  #closed = false;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get pid(): number | null {
    return this.#running?.process.pid ?? null;
  }

  /** Request and answer; starts the server where none runs. Rejects with an RpcError in Codex's words, `rpc_timeout`, or what the start rejects with. */
  async call(method: string, params: JsonValue, options: ServerCall = {}): Promise<JsonValue> {
    throwIfAborted(options.signal);
    const running = await waitFor(this.start(), { clock: this.#options.context.clock, timeoutMs: startMs + 5000, signal: options.signal, onTimeout: () => new PilothouseError('start_timeout', 'Codex did not start in time. Try again, or see the log.') });
    this.touch();
    return running.rpc.request(method, params, { timeoutMs: options.timeoutMs ?? callMs, signal: options.signal });
  }

  async respond(id: RpcId, result: JsonValue): Promise<void> {
    if (this.#running === null) throw new PilothouseError('process_gone', 'Codex has ended: nobody waits for this answer any more.');
    this.touch();
    await this.#running.rpc.respond(id, result);
  }

  refuse(id: RpcId, message: string): void {
    this.#running?.rpc.refuse(id, -32_601, message).catch(() => undefined);
  }

  /** Something happened: it is not idle. */
  touch(): void {
    this.#used = this.#options.context.clock.monotonic();
  }

  /** Codex has begun something that must not outlive it. */
  noteChildren(): void {
    if (this.#children !== null) return;
    this.#children = this.#options.context.clock.setTimeout(() => {
      this.#children = null;
      void this.#running?.process.noteChildren().catch(() => undefined);
    }, childrenMs);
  }

  /** Ends it with all that it has started; resolves when it is dead. */
  stop(): Promise<StopReport> {
    this.#stopping ??= this.#stop().finally(() => {
      this.#stopping = null;
    });
    return this.#stopping;
  }

  /** Stops it for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.stop();
  }

  /** The running server, started where none runs. Joins a start that is under way. */
  start(): Promise<Running> {
    if (this.#closed) return Promise.reject(new PilothouseError('connection_closed', 'This Codex connection is closed.'));
    if (this.#running !== null && this.#stopping === null) return Promise.resolve(this.#running);
    this.#starting ??= this.#launch().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #stop(): Promise<StopReport> {
    await this.#starting?.catch(() => undefined);
    const running = this.#running;
    if (running === null) return { step: 'nothing-to-stop', message: 'Codex was not running.' };
    const report = await running.process.stop();
    await running.process.exited;
    return report;
  }

  async #launch(): Promise<Running> {
    // Rejects only where the process cannot be ended; then there must be no second one.
    await this.#stopping;
    const { context, ledger, env } = this.#options;
    const command = await this.#options.program();
    await mkdir(context.stateDir, { recursive: true, mode: 0o700 });
    const held: { running: Running | null } = { running: null };
    const child = await startAgentProcess({
      command, args: ['app-server'], cwd: context.stateDir, env, log: context.log, ledger, label: 'Codex',
      onLine: (line) => this.#onLine(held.running, line),
      onExit: (exit) => this.#onExit(held.running, exit),
      onFault: (error) => context.log.warn('codex sent what could not be read', { code: error.code }),
    });
    const rpc = createRpc({
      label: 'Codex', clock: context.clock, send: (line) => child.write(line),
      onNotification: (method, params) => this.#options.onNotification(method, params),
      onRequest: (method, params, id) => this.#options.onRequest(method, params, id),
    });
    const running: Running = { process: child, rpc };
    held.running = running;
    this.#running = running;
    try {
      await rpc.request('initialize', { clientInfo: { name: 'pilothouse', title: 'Pilothouse', version: '0' }, capabilities: { experimentalApi: true, requestAttestation: false } }, { timeoutMs: startMs });
      await rpc.notify('initialized');
    } catch (error) {
      const said = child.exit?.stderrTail.split('\n').filter((line) => line.trim() !== '').at(-1);
      await child.stop().catch(() => undefined);
      throw new PilothouseError('start_failed', said === undefined ? 'Codex started, but does not speak the app-server protocol. Update it.' : `Codex did not start: ${said}`, { cause: error, personMustAct: true });
    }
    this.touch();
    this.#watchIdle(idleMs);
    return running;
  }

  #onLine(running: Running | null, line: string): void {
    const message = parseJsonLine(line);
    if (message === undefined || running === null || !running.rpc.receive(message)) this.#options.context.log.debug('codex sent a line that is no message', { characters: line.length });
  }

  #onExit(running: Running | null, exit: ProcessExit): void {
    const gone = new PilothouseError('process_gone', exit.expected ? 'Codex was stopped.' : 'Codex has ended unexpectedly.');
    running?.rpc.close(gone);
    if (running !== null && this.#running !== running) return;
    this.#running = null;
    this.#idle?.cancel();
    this.#idle = null;
    this.#options.onExit(exit);
  }

  #watchIdle(ms: number): void {
    const { clock, log } = this.#options.context;
    this.#idle?.cancel();
    this.#idle = clock.setTimeout(() => {
      const left = this.#used + idleMs - clock.monotonic();
      if (this.#options.busy()) this.#watchIdle(idleMs);
      else if (left > 0) this.#watchIdle(left);
      else {
        log.debug('codex is idle and is stopped');
        this.stop().catch((error: unknown) => log.warn('an idle codex could not be stopped', { error: String(error) }));
      }
    }, ms);
  }
}
