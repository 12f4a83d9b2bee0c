import { homedir } from 'node:os';
import path from 'node:path';
import type { ConnectionState } from '../../../model/backend.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { findExecutable, programVersion, runProgram } from '../executable.ts';

export const installCommand = 'npm install -g @anthropic-ai/claude-code';
export const agentLabel = 'Claude Code';

/** The agent's program as found on this computer. */
export interface Program {
  readonly path: string;
  readonly version: string | null;
  /** Flags and commands that its help lists: an unknown flag ends it at once. */
  readonly help: string;
}

/** Folder in which the agent keeps its sessions. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  const own = env['CLAUDE_CONFIG_DIR'];
  return own !== undefined && own !== '' ? own : path.join(env['HOME'] ?? env['USERPROFILE'] ?? homedir(), '.claude');
}

/** Looks on PATH, then where the agent's own installers put it: a VS Code that was started from a desktop has a short PATH. */
export async function findProgram(configured: string | undefined, env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Program | null> {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? homedir();
  const places = configured !== undefined && configured !== '' ? [configured] : [
    'claude', path.join(home, '.local/bin/claude'), path.join(home, '.claude/local/claude'), path.join(home, '.npm-global/bin/claude'), '/opt/homebrew/bin/claude', '/usr/local/bin/claude',
  ];
  for (const place of places) {
    const found = await findExecutable(place, env);
    if (found === null) continue;
    const [version, help] = await Promise.all([programVersion(found, env, signal), runProgram(found, ['--help'], { env, timeoutMs: 10_000, signal })]);
    return { path: found, version, help: help.stdout };
  }
  return null;
}

export function notInstalled(configured: string | undefined): ConnectionState {
  const message = configured === undefined || configured === '' ? 'Claude Code is not installed: there is no claude on PATH.' : `Claude Code is not there: ${configured} cannot be run.`;
  return { status: 'not-installed', message, remedy: { text: 'Install it in a terminal.', command: installCommand }, version: null };
}

export function notInstalledError(configured: string | undefined): PilothouseError {
  return new PilothouseError('not_installed', `${notInstalled(configured).message ?? ''} Install it with \`${installCommand}\`.`, { personMustAct: true });
}

/** Whether somebody is signed in, by `claude auth status` (2.1 and later; it answers in about 0.3 s without the network). Null: it does not tell. */
export async function signedIn(program: Program, env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<boolean | null> {
  if (!hasAuth(program)) return null;
  const result = await runProgram(program.path, ['auth', 'status'], { env, timeoutMs: 8000, signal });
  try {
    const value = JSON.parse(result.stdout) as JsonValue;
    return isJsonObject(value) && typeof value['loggedIn'] === 'boolean' ? value['loggedIn'] : null;
  } catch {
    return null;
  }
}

/** `claude auth` came with 2.1; before, its words were a prompt. */
function hasAuth(program: Program): boolean {
  return /^\s+auth\b/m.test(program.help);
}

/** Arguments with which the program signs in by itself in a terminal. Null: it was not found yet. */
export function signInArgs(program: Program | null): readonly string[] {
  return program === null || hasAuth(program) ? ['auth', 'login'] : ['/login'];
}

export function needsSignIn(program: Program | null, words: string | null): ConnectionState {
  return {
    status: 'needs-sign-in', message: words ?? 'Nobody is signed in to Claude Code.', remedy: { text: 'Sign in in a terminal.', command: ['claude', ...signInArgs(program)].join(' ') },
    version: program?.version ?? null,
  };
}

export interface LaunchOptions {
  readonly mode: string;
  readonly model: string | null;
  readonly effort: string | null;
  /** What to run: a session that has no transcript yet, one that has, or a copy of another one. */
  readonly session:
    | { readonly is: 'fresh'; readonly id: string }
    | { readonly is: 'resumed'; readonly id: string }
    /** `upTo`: id of the last message that it takes over; all of them without it. */
    | { readonly is: 'forked'; readonly id: string; readonly from: string; readonly upTo?: string }
    /** Nothing will be asked of the model; no transcript comes of it. */
    | { readonly is: 'probe' };
}

/** Arguments of an interactive session over stream-json with the control protocol. Flags that this version does not have are left out. */
export function launchArgs(program: Program, options: LaunchOptions): string[] {
  const args = ['-p', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose', '--include-partial-messages', '--permission-prompt-tool', 'stdio'];
  const has = (flag: string): boolean => new RegExp(`${flag}\\b`).test(program.help);
  if (has('--replay-user-messages')) args.push('--replay-user-messages');
  if (has('--forward-subagent-text')) args.push('--forward-subagent-text');
  const { session } = options;
  if (session.is === 'fresh') args.push('--session-id', session.id);
  if (session.is === 'resumed') args.push('--resume', session.id);
  if (session.is === 'forked') args.push('--resume', session.from, '--fork-session', '--session-id', session.id, ...(session.upTo === undefined ? [] : ['--resume-session-at', session.upTo]));
  if (options.mode === 'bypassPermissions') args.push('--dangerously-skip-permissions');
  args.push('--permission-mode', options.mode);
  if (options.model !== null && options.model !== 'default') args.push('--model', options.model);
  if (options.effort !== null && has('--effort')) args.push('--effort', options.effort);
  return args;
}
