import { spawn } from 'node:child_process';
import { PilothouseError } from '../../../model/errors.ts';
import { findExecutable } from '../executable.ts';
import { throwIfAborted } from '../wait.ts';

interface GitResult {
  /** Null where it did not end by itself. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface GitOptions {
  /** Milliseconds; what only looks is quick. */
  readonly timeoutMs?: number;
  readonly input?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The repository's own hooks run, as they would if the person typed the command. */
  readonly hooks?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** `git` of this computer, run without a shell. */
export interface Git {
  /** Never rejects for git's own failures, which are in the result; with `git_missing`, `git_timed_out` or an abort for others. */
  run(folder: string, args: readonly string[], options?: GitOptions): Promise<GitResult>;
  /** What it printed. Rejects with `git_failed`, in git's own words, when it ends otherwise than with 0. */
  need(folder: string, args: readonly string[], options?: GitOptions): Promise<string>;
}

const LOOK_MS = 20_000;
const GRACE_MS = 5_000;
const MOST_BYTES = 64 * 1024 * 1024;

/** What points git at another repository than that of its folder (`git rev-parse --local-env-vars`); a window may have been started by a hook. */
const ELSEWHERE = new Set([
  'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_CONFIG', 'GIT_CONFIG_PARAMETERS', 'GIT_CONFIG_COUNT', 'GIT_OBJECT_DIRECTORY', 'GIT_DIR', 'GIT_WORK_TREE', 'GIT_IMPLICIT_WORK_TREE', 'GIT_GRAFT_FILE',
  'GIT_INDEX_FILE', 'GIT_NO_REPLACE_OBJECTS', 'GIT_REPLACE_REF_BASE', 'GIT_PREFIX', 'GIT_SHALLOW_FILE', 'GIT_COMMON_DIR', 'GIT_NAMESPACE',
]);

/**
 * The person's git, in their environment. Nobody is there to answer, so it asks nothing; what was said by it is read in English. Programs that a repository names for itself (hooks, a file
 * system monitor) run only where the person could expect it: `hooks`. Such a repository is one of a trusted workspace: in another no agent runs, and nothing here is called.
 */
export function createGit(env: NodeJS.ProcessEnv): Git {
  const base = Object.fromEntries(Object.entries(env).filter(([name]) => !ELSEWHERE.has(name)));
  const quiet = { LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_EDITOR: 'true', GIT_MERGE_AUTOEDIT: 'no', GIT_OPTIONAL_LOCKS: '0' };
  let found: Promise<string | null> | null = null;
  const run = async (folder: string, args: readonly string[], options: GitOptions = {}): Promise<GitResult> => {
    throwIfAborted(options.signal);
    found ??= findExecutable('git', env);
    const file = await found;
    if (file === null) throw new PilothouseError('git_missing', 'Git was not found on this computer. Install it, then try again.', { personMustAct: true });
    const silent = options.hooks === true ? [] : ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false'];
    return await ended(file, [...silent, ...args], { folder, env: { ...base, ...quiet, ...options.env }, options });
  };
  return {
    run,
    need: async (folder, args, options) => {
      const { code, stdout, stderr } = await run(folder, args, options);
      if (code !== 0) throw new PilothouseError('git_failed', `git ${args.find((word) => !word.startsWith('-')) ?? ''}: ${lastWords(stderr, stdout)}`);
      return stdout;
    },
  };
}

/** What git said in the end, in at most three lines as one. */
export function lastWords(stderr: string, stdout = ''): string {
  const lines = `${stdout}\n${stderr}`.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('hint:'));
  return lines.slice(-3).join(' ').slice(0, 400) || 'it said nothing';
}

interface Launch {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly options: GitOptions;
}

function ended(file: string, args: readonly string[], { folder, env, options }: Launch): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...args], { cwd: folder, env, windowsHide: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let size = 0;
    let failure: Error | null = null;
    let killing: NodeJS.Timeout | null = null;
    // It takes its locks away when it is asked to end, and leaves them when it is killed.
    const stop = (error: Error): void => {
      if (failure !== null) return;
      failure = error;
      child.kill('SIGTERM');
      killing = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    };
    const timer = setTimeout(() => stop(new PilothouseError('git_timed_out', `git ${args.find((word) => /^[a-z]/.test(word) && !word.includes('.')) ?? ''} took too long and was stopped. Nothing is lost; try again.`)), options.timeoutMs ?? LOOK_MS);
    const onAbort = (): void => stop(Object.assign(new Error('The call was cancelled.'), { name: 'AbortError' }));
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const collect = (into: Buffer[]) => (bytes: Buffer): void => {
      size += bytes.length;
      if (size > MOST_BYTES) stop(new PilothouseError('git_failed', 'git printed more than can be read. Finish the worktree in a terminal.'));
      else into.push(bytes);
    };
    child.stdout.on('data', collect(out));
    child.stderr.on('data', collect(err));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      if (killing !== null) clearTimeout(killing);
      options.signal?.removeEventListener('abort', onAbort);
      act();
    };
    // A folder that is gone fails like a program that is.
    child.on('error', (error) => finish(() => resolve({ code: null, stdout: '', stderr: error.message })));
    child.on('close', (code) => finish(() => (failure === null ? resolve({ code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') }) : reject(failure))));
  });
}
