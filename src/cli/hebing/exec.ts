import path from 'node:path';
import type { JsonValue } from '../../core/model/json.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import { silentLogger } from '../../core/transport/logger.ts';
import { KEY_VARIABLES } from '../../core/systems/hebing/credentials.ts';
import type { WorkerTask } from '../../core/systems/hebing/heldJob.ts';
import { findExecutable } from '../../core/systems/local/executable.ts';
import { startAgentProcess } from '../../core/systems/local/process.ts';
import type { CliIo } from '../io.ts';
import { plainText, UsageError } from '../io.ts';

/** Milliseconds between SIGTERM and SIGKILL: less than a tenth of a lease, which is what is left of one that is lost. */
const GRACE_MS = 2_000;
/** Characters of an output. */
const LARGEST = 64 * 1024 * 1024;

/**
 * The words of a command line as a POSIX shell would cut them, and nothing else that a shell does: white space separates, `'…'` and `"…"` hold together, a backslash (but on Windows, where
 * it is in paths) takes the next character as it is. Throws UsageError for an open quote, and for what asks for a shell: `| & ; < >` and backquotes outside of quotes.
 */
export function commandWords(command: string, platform: NodeJS.Platform = process.platform): readonly string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | '\'' | null = null;
  for (let at = 0; at < command.length; at += 1) {
    const character = command.charAt(at);
    if (quote !== null && character === quote) quote = null;
    else if (character === '\\' && quote !== '\'' && platform !== 'win32') {
      at += 1;
      word = (word ?? '') + command.charAt(at);
    } else if (quote !== null) word = (word ?? '') + character;
    else if (character === '"' || character === '\'') {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      if (/[|&;<>`]/.test(character)) throw new UsageError(`--exec runs a program without a shell, which ${character} would need. Put it in quotes, or give a shell: --exec "sh -c '…'".`);
      word = (word ?? '') + character;
    }
  }
  if (quote !== null) throw new UsageError(`--exec has a ${quote} that is not closed.`);
  if (word !== null) words.push(word);
  if (words.length === 0 || words[0] === '') throw new UsageError('--exec names no program.');
  return words;
}

/** The program and its arguments, found on PATH. Throws UsageError, `program_missing`. */
export async function commandOf(text: string, io: CliIo): Promise<{ readonly program: string; readonly args: readonly string[] }> {
  const [name = '', ...args] = commandWords(text);
  const near = /[/\\]/.test(name) && !name.startsWith('~/') ? path.resolve(io.cwd, name) : name;
  const program = await findExecutable(near, io.env);
  if (program === null) throw new PilothouseError('program_missing', `There is no program ${name}. Give one that is on PATH, or its path.`, { personMustAct: true });
  return { program, args };
}

/**
 * Runs a command for one job: the task is one line of JSON on its stdin, the JSON on its stdout is the output, its stderr is shown. hebing's key is not in its environment. Rejects with
 * `command_failed` where it ends with another code than 0 or prints no JSON. When `signal` fires it is ended, with all that it started.
 */
export async function runCommand({ program, args }: { readonly program: string; readonly args: readonly string[] }, task: WorkerTask, io: CliIo, signal: AbortSignal): Promise<JsonValue> {
  signal.throwIfAborted();
  const lines: string[] = [];
  let size = 0;
  const env = Object.fromEntries(Object.entries(io.env).filter(([name]) => !KEY_VARIABLES.includes(name)));
  const child = await startAgentProcess({
    command: program, args, cwd: io.cwd, env, log: silentLogger, ledger: null, label: program,
    onLine: (line) => {
      size += line.length;
      if (size <= LARGEST) lines.push(line);
    },
    onStderr: (text) => io.err(plainText(text)),
    onFault: () => {
      size = Infinity;
    },
  });
  const stop = (): void => void child.stop({ graceMs: GRACE_MS }).catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    // A program that wants no input may have closed it.
    void child.write(JSON.stringify(task)).catch(() => undefined).then(() => child.closeStdin());
    const { code, signal: killed } = await child.exited;
    signal.throwIfAborted();
    if (code !== 0) throw new PilothouseError('command_failed', `${program} ended with ${code === null ? String(killed) : `code ${code}`}: nothing is submitted.`);
    if (size > LARGEST) throw new PilothouseError('command_failed', `${program} printed more than 64 MiB: nothing is submitted.`);
    return outputOf(lines.join('\n'), program);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function outputOf(text: string, program: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new PilothouseError('command_failed', `What ${program} printed is not one JSON value: nothing is submitted.`);
  }
}
