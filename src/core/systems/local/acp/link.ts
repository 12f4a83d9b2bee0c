import type { AgentRequestMethod, AgentRequestParamsByMethod, InitializeRequest } from '@agentclientprotocol/sdk';
import type { StopReport } from '../../../model/backend.ts';
import type { Clock, Logger } from '../../../model/context.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { ProcessLedger } from '../ledger.ts';
import { parseJsonLine } from '../lines.ts';
import type { AgentProcess, ProcessExit } from '../process.ts';
import { startAgentProcess } from '../process.ts';
import type { RpcId } from '../rpc.ts';
import { createRpc } from '../rpc.ts';
import { wordsOf } from './outcome.ts';
import { num, obj, objects, oneLine, str } from './read.ts';

/** Told to the agent; it changes nothing. */
const clientVersion = '0.1.0';
/** The protocol's version that we speak (schema v1). */
const protocolVersion = 1;
/** Agents that are fetched by `npx` on their first start take their time. */
const startMs = 60_000;

/** What we declare. Files and commands are those of the session's folder (`files.ts`, `terminals.ts`); questions come as forms, never as links. */
const clientCapabilities: NonNullable<InitializeRequest['clientCapabilities']> = {
  fs: { readTextFile: true, writeTextFile: true }, terminal: true, auth: { terminal: true }, elicitation: { form: {} },
};

/** What the agent said of itself in `initialize`. */
export interface AgentFacts {
  readonly version: string | null;
  readonly load: boolean;
  readonly resume: boolean;
  readonly list: boolean;
  readonly fork: boolean;
  readonly close: boolean;
  readonly delete: boolean;
  /** `session/set_title` of the unstable part. */
  readonly title: boolean;
  readonly images: boolean;
  readonly embedded: boolean;
  /** `_session/steering` of claude-agent-acp and codex-acp. */
  readonly steer: boolean;
  readonly authMethods: readonly JsonObject[];
}

function factsOf(result: JsonObject): AgentFacts {
  const capabilities = obj(result, 'agentCapabilities') ?? {};
  const session = obj(capabilities, 'sessionCapabilities') ?? {};
  const prompt = obj(capabilities, 'promptCapabilities') ?? {};
  const has = (key: string): boolean => obj(session, key) !== null;
  return {
    version: str(obj(result, 'agentInfo') ?? {}, 'version'), load: capabilities['loadSession'] === true,
    resume: has('resume'), list: has('list'), fork: has('fork'), close: has('close'), delete: has('delete'), title: has('title'),
    images: prompt['image'] === true, embedded: prompt['embeddedContext'] === true,
    steer: (obj(obj(result, '_meta') ?? {}, 'steering') ?? {})['supported'] === true,
    authMethods: objects(result, 'authMethods'),
  };
}

interface LinkOptions {
  /** Absolute path of the program. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly label: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly ledger: ProcessLedger;
  readonly signal?: AbortSignal | undefined;
  onRequest(method: string, params: JsonObject, id: RpcId): void;
  onNotification(method: string, params: JsonObject): void;
  onExit(exit: ProcessExit): void;
}
interface CallLimits {
  /** Milliseconds; 30,000 by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Methods that the SDK's stable types do not have, or whose parameters are made elsewhere. */
interface ExtraMethods {
  'session/fork': { sessionId: string; cwd: string; mcpServers: [] };
  'session/set_config_option': JsonObject;
  'session/set_mode': JsonObject;
  'session/set_model': JsonObject;
  'session/set_title': { sessionId: string; title: string };
  '_session/steering': JsonObject;
}

/** One running agent program that has answered `initialize`. */
export interface Link {
  readonly facts: AgentFacts;
  readonly pid: number;
  /** Null while the program runs. */
  readonly exit: ProcessExit | null;
  call<M extends AgentRequestMethod>(method: M, params: AgentRequestParamsByMethod[M], limits?: CallLimits): Promise<JsonValue>;
  extra<M extends keyof ExtraMethods>(method: M, params: ExtraMethods[M], limits?: CallLimits): Promise<JsonValue>;
  cancel(sessionId: string): Promise<void>;
  respond(id: RpcId, result: JsonValue): void;
  refuse(id: RpcId, code: number, message: string): void;
  /** Remembers what the agent has started, for the case that it dies by itself. */
  noteChildren(): Promise<void>;
  /** Ends the program with all that it has started; resolves when they are dead. `onKill`: it does not end by itself. */
  stop(onKill?: () => void): Promise<StopReport>;
}

function startFailure(label: string, exit: ProcessExit | null, cause: unknown): PilothouseError {
  const last = exit?.stderrTail.split('\n').findLast((line) => line.trim() !== '') ?? null;
  const said = last === null ? '' : ` It said: ${oneLine(last, 400)}`;
  if (exit !== null) return new PilothouseError('agent_failed', `${label} ended before it answered (${exitWords(exit)}).${said}`, { cause, personMustAct: true });
  return new PilothouseError('agent_failed', `${label} does not speak the Agent Client Protocol: ${wordsOf(cause)}${said}`, { cause, personMustAct: true });
}

/** How a program ended, in words. */
export function exitWords(exit: ProcessExit): string {
  return exit.signal === null ? `exit code ${exit.code ?? 'unknown'}` : `signal ${exit.signal}`;
}

/**
 * Starts the program and initializes it. The wire is JSON-RPC 2.0 in lines. The SDK's own connection is not used: it hands notifications on
 * asynchronously, so that the answer to a prompt can overtake the text before it, and it drops what its schema does not know.
 * Rejects with `program_…`, `folder_missing` or `agent_failed`.
 */
export async function startLink(options: LinkOptions): Promise<Link> {
  const { label, log } = options;
  let noise = 0;
  const rpc = createRpc({
    label, versioned: true, clock: options.clock,
    send: (line) => child.write(line),
    onRequest: (method, params, id) => options.onRequest(method, isJsonObject(params) ? params : {}, id),
    onNotification: (method, params) => options.onNotification(method, isJsonObject(params) ? params : {}),
  });
  const child: AgentProcess = await startAgentProcess({
    command: options.command, args: options.args, cwd: options.cwd, env: options.env, log, ledger: options.ledger, label,
    onLine(line) {
      const message = parseJsonLine(line);
      if (message !== undefined && rpc.receive(message)) return;
      // Programs that print to stdout before they speak JSON are common enough; they are not told off, only counted.
      noise += 1;
      if (noise === 1) log.info('the agent wrote a line that is no message', { label });
    },
    onFault: (error) => log.warn('a line of the agent was left out', { label, code: error.code }),
    onExit(exit) {
      options.onExit(exit);
      rpc.close(new PilothouseError('process_died', `${label} has ended (${exitWords(exit)}).`));
    },
  });
  const fail = async (cause: unknown): Promise<never> => {
    const { exit } = child;
    await child.stop().catch((error: unknown) => log.error('an agent that did not initialize could not be stopped', { label, error: wordsOf(error) }));
    if (options.signal?.aborted === true) throw cause;
    throw startFailure(label, exit, cause);
  };
  const params: InitializeRequest = { protocolVersion, clientCapabilities, clientInfo: { name: 'pilothouse', title: 'Pilothouse', version: clientVersion } };
  const answer = await rpc.request('initialize', params as unknown as JsonValue, { timeoutMs: startMs, signal: options.signal }).catch(fail);
  const result = isJsonObject(answer) ? answer : {};
  if (num(result, 'protocolVersion') !== protocolVersion) await fail(new PilothouseError('agent_failed', `it speaks version ${String(num(result, 'protocolVersion'))}, we speak ${protocolVersion}. Update the agent or Pilothouse.`));
  const soon = (what: Promise<void>): void => void what.catch((error: unknown) => log.debug('an answer did not reach the agent', { label, error: wordsOf(error) }));
  return {
    facts: factsOf(result),
    pid: child.pid,
    get exit() {
      return child.exit;
    },
    call: (method, call, limits) => rpc.request(method, call, limits),
    extra: (method, call, limits) => rpc.request(method, call, limits),
    cancel: (sessionId) => rpc.notify('session/cancel', { sessionId }),
    respond: (id, value) => soon(rpc.respond(id, value)),
    refuse: (id, code, message) => soon(rpc.refuse(id, code, message)),
    noteChildren: () => child.noteChildren(),
    stop: (onKill) => child.stop({ onKill }),
  };
}
