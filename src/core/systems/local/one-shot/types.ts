import type { Entry } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';

export const SANDBOX_READ_ONLY = 'read-only';
export const SANDBOX_WORKSPACE_WRITE = 'workspace-write';
export const SANDBOX_DANGER_FULL_ACCESS = 'danger-full-access';
export type Sandbox = typeof SANDBOX_READ_ONLY | typeof SANDBOX_WORKSPACE_WRITE | typeof SANDBOX_DANGER_FULL_ACCESS;
export const BACKEND_CLAUDE = 'claude';
export const BACKEND_CODEX = 'codex';

/** What one turn came to. */
export interface AgentResult {
  /** The agent ended by itself and without an error. */
  readonly ok: boolean;
  /** -1 after a time-out, and when it was ended by a signal. */
  readonly exitCode: number;
  readonly stdout: string;
  /** With a line about the time-out, where there was one. */
  readonly stderr: string;
  /** The agent's last message; '' where there is none. */
  readonly finalMessage: string;
  readonly durationSec: number;
  /** Files that were not there before, relative to `cwd`, with `/`, sorted. */
  readonly filesCreated: readonly string[];
  /** Files whose time or size is another one now, in the same form. */
  readonly filesModified: readonly string[];
  readonly cmd: readonly string[];
  readonly backend: string;
  readonly sessionId: string | null;
  /** The agent's output as JSON: Claude's result, Codex's events. Null where it gave none. */
  readonly raw: JsonValue;
}

export interface SendOptions {
  readonly timeoutSec?: number;
  /** For this turn; the session's own when absent. */
  readonly sandbox?: Sandbox;
  /** What the agent does, as soon as it tells: Codex item by item, Claude at its end. */
  readonly onEntry?: (entry: Entry) => void;
  readonly signal?: AbortSignal;
}

/** A conversation with a command-line agent, a process a turn. Disposing of it ends the turn that runs. */
export interface AgentSession extends AsyncDisposable {
  readonly cwd: string;
  /** Null before the agent named one. */
  readonly sessionId: string | null;
  /** Turns that were begun. */
  readonly turnCount: number;
  readonly backend: string;
  /**
   * One turn. Rejects with AgentError: `busy` while another one runs, `session_runs_elsewhere` while another program of this computer runs the session,
   * `invalid_argument`, `not_installed`, `unreadable_output`; an aborted call with the signal's reason, once nothing of the agent is left running. A time-out is no rejection.
   */
  send(prompt: string, options?: SendOptions): Promise<AgentResult>;
}

/** What a backend is made with: checked, and with every default in its place. */
export interface BackendOptions {
  /** Absolute; exists. */
  readonly cwd: string;
  readonly sandbox: Sandbox;
  readonly model: string | null;
  readonly timeoutSec: number;
  readonly extraArgs: readonly string[];
  /** Whole environment of the agent. */
  readonly env: NodeJS.ProcessEnv;
  /** Session to go on with. */
  readonly sessionId: string | null;
  /** The program that runs it, in a person's words within a sentence: told to others who want the session meanwhile. */
  readonly program: string;
}

/** Root of what this module throws. `output` is what an agent printed that could not be read, `stderr` what it said beside it. */
export class AgentError extends PilothouseError {
  readonly output: string | null;
  readonly stderr: string | null;

  constructor(code: string, message: string, options: { readonly cause?: unknown; readonly personMustAct?: boolean; readonly output?: string; readonly stderr?: string } = {}) {
    const { output, stderr, ...rest } = options;
    super(code, message, rest);
    this.output = output ?? null;
    this.stderr = stderr ?? null;
  }
}

/** Timers count up to 2^31 - 1 ms; beyond that they fire at once. */
const maxTimeoutSec = 2_147_483;
const sandboxes: readonly string[] = [SANDBOX_READ_ONLY, SANDBOX_WORKSPACE_WRITE, SANDBOX_DANGER_FULL_ACCESS];

/** True for the names of the three modes. */
export function isSandbox(value: string): value is Sandbox {
  return sandboxes.includes(value);
}
export function checkedSandbox(value: string): Sandbox {
  if (isSandbox(value)) return value;
  throw new AgentError('invalid_argument', `There is no sandbox ${JSON.stringify(value)}: use ${sandboxes.join(', ')}.`);
}
/** Seconds of a time-out; one that is longer than a timer can run (24 days) is as long as that. Throws AgentError `invalid_argument`. */
export function checkedTimeout(seconds: number): number {
  if (Number.isFinite(seconds) && seconds > 0) return Math.min(seconds, maxTimeoutSec);
  throw new AgentError('invalid_argument', 'A time-out is a number of seconds above 0.');
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Throws AgentError `invalid_argument` for an id to resume that is no UUID; null is no wish to resume. */
export function needUuid(sessionId: string | null, label: string): void {
  if (sessionId !== null && !uuid.test(sessionId)) throw new AgentError('invalid_argument', `A session of ${label} is resumed by its id, which is a UUID.`);
}
