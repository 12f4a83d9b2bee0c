import type { ConnectionState } from '../../../model/backend.ts';
import type { Logger } from '../../../model/context.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import { findExecutable, programVersion, runProgram } from '../executable.ts';
import { oneLine } from './entries.ts';
import type { CodexServer } from './server.ts';
import { signInRemedy } from './turns.ts';
import { accountSchema, read } from './wire.ts';

const installCommand = 'npm install -g @openai/codex';
/** The first version whose items and files carry the ids by which live and history are one. */
const oldest = [0, 150, 0] as const;
const statusMs = 10_000;

interface ProbeOptions {
  /** Configured path, or the bare name that is looked for in PATH. */
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  readonly server: CodexServer;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

/** Absolute path of Codex. Rejects with `not_installed`. */
export async function findCodex(program: string, env: NodeJS.ProcessEnv): Promise<string> {
  const found = await findExecutable(program, env);
  if (found === null) throw new PilothouseError('not_installed', missing(program), { personMustAct: true });
  return found;
}

function missing(program: string): string {
  return program.includes('/') || program.includes('\\') ? `There is no Codex at ${program}. Correct the path, or install Codex.` : 'Codex is not installed: there is no codex on PATH.';
}

/**
 * Whether Codex is there, new enough and signed in. `codex login status` ends with 0 when it is; otherwise its app-server is asked, since a model
 * provider of the person's own (config.toml) needs no sign-in.
 */
export async function probe(options: ProbeOptions): Promise<ConnectionState> {
  const { program, env, server, log, signal } = options;
  const file = await findExecutable(program, env);
  if (file === null) return { status: 'not-installed', message: missing(program), remedy: { text: 'Install it in a terminal.', command: installCommand }, version: null };
  const version = await programVersion(file, env, signal);
  if (version === null) return { status: 'failed', message: 'Codex does not start: it did not tell its version.', remedy: { text: 'Install it anew in a terminal.', command: installCommand }, version: null };
  if (isOlder(version)) return { status: 'failed', message: `Codex ${version} is too old: Pilothouse needs ${oldest.join('.')} or later.`, remedy: { text: 'Update it in a terminal.', command: `${installCommand}@latest` }, version };
  const status = await runProgram(file, ['login', 'status'], { env, timeoutMs: statusMs, signal });
  if (status.code === 0) return { status: 'ready', message: null, remedy: null, version };
  const said = oneLine(`${status.stderr}\n${status.stdout}`.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('WARNING')).at(-1) ?? 'Not logged in');
  try {
    const account = read(accountSchema, await server.call('account/read', {}, { signal }));
    if (account !== null && (account.requiresOpenaiAuth === false || account.account !== null)) return { status: 'ready', message: null, remedy: null, version };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    log.info('codex could not be asked for its account', { error: describeError(error) });
    return { status: 'failed', message: oneLine(describeError(error)), remedy: null, version };
  }
  return { status: 'needs-sign-in', message: said, remedy: signInRemedy, version };
}

function isOlder(version: string): boolean {
  const parts = version.split(/[.+-]/).map(Number);
  for (const [index, least] of oldest.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}
