import { isAbort } from '../../../model/errors.ts';
import { sleep, systemClock } from '../../../transport/clock.ts';
import { silentLogger } from '../../../transport/logger.ts';
import { findExecutable } from '../executable.ts';
import type { ProcessLedger } from '../ledger.ts';
import type { AgentProcess } from '../process.ts';
import { startAgentProcess } from '../process.ts';
import { abortError } from '../wait.ts';
import { AgentError } from './types.ts';

const maxStderr = 1024 * 1024;
/** How often it is looked what the agent has started, so that it can be ended after the agent has died. */
const lookMs = 1000;

interface RunOptions {
  readonly program: string;
  readonly label: string;
  readonly install: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Goes to stdin, which then ends. */
  readonly input: string;
  readonly timeoutSec: number;
  readonly signal: AbortSignal;
  /** Notes the process, so that it can be ended when this program dies before it. */
  readonly ledger: ProcessLedger;
  readonly onLine: (line: string) => void;
}
interface RunOutcome {
  /** -1 when it was ended by a signal or by us. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly durationSec: number;
  readonly cmd: readonly string[];
}

/**
 * Runs a program for one turn. At a time-out and at an abort it is ended with all that it has started, before this settles. Rejects with AgentError
 * `not_installed` or `start_failed`, and with the signal's reason.
 */
export async function runTurn(options: RunOptions): Promise<RunOutcome> {
  const { label, signal } = options;
  if (signal.aborted) throw reasonOf(signal);
  const file = await findExecutable(options.program, options.env);
  if (file === null) throw new AgentError('not_installed', `${label} is not installed: there is no ${options.program} on PATH. Install it with ${options.install}; if it is there already, add its folder to PATH.`, { personMustAct: true });
  const began = performance.now();
  const lines: string[] = [];
  let stderr = '';
  let child: AgentProcess;
  try {
    child = await startAgentProcess({
      command: file, args: options.args, cwd: options.cwd, env: options.env, log: silentLogger, ledger: options.ledger, label,
      onLine: (line) => {
        lines.push(line);
        options.onLine(line);
      },
      onStderr: (text) => {
        stderr = (stderr + text).slice(-maxStderr);
      },
    });
  } catch (error) {
    throw new AgentError('start_failed', error instanceof Error ? error.message : `${label} could not be started.`, { cause: error });
  }
  // An agent that does not read its prompt ends with what it has to say about it.
  child.write(options.input).catch(() => undefined).finally(() => child.closeStdin());
  const over = new AbortController();
  const looking = setInterval(() => void child.noteChildren().catch(() => undefined), lookMs);
  const onAbort = (): void => over.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const first = await Promise.race([child.exited.then(() => 'ended' as const), sleep(systemClock, options.timeoutSec * 1000, over.signal).then(() => 'late' as const, () => 'aborted' as const)]);
    if (first !== 'ended') await child.stop();
    const exit = await child.exited;
    if (first === 'aborted') throw reasonOf(signal);
    const timedOut = first === 'late';
    const note = timedOut ? `${stderr === '' || stderr.endsWith('\n') ? '' : '\n'}timed out after ${options.timeoutSec} s\n` : '';
    return {
      exitCode: timedOut ? -1 : (exit.code ?? -1), stdout: lines.length === 0 ? '' : `${lines.join('\n')}\n`, stderr: stderr + note, timedOut,
      durationSec: (performance.now() - began) / 1000, cmd: [file, ...options.args],
    };
  } finally {
    clearInterval(looking);
    signal.removeEventListener('abort', onAbort);
    over.abort();
  }
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error || isAbort(reason) ? (reason as Error) : abortError();
}
