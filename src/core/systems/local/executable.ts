import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import path from 'node:path';

/** Name of the variable that holds the search path: Windows does not care about its case. */
function variable(env: NodeJS.ProcessEnv, name: string, platform: NodeJS.Platform): string | undefined {
  if (platform !== 'win32') return env[name];
  const key = Object.keys(env).find((one) => one.toUpperCase() === name);
  return key === undefined ? undefined : env[key];
}

async function isExecutable(file: string, platform: NodeJS.Platform): Promise<boolean> {
  try {
    if (!(await stat(file)).isFile()) return false;
    await access(file, platform === 'win32' ? constants.F_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Absolute path of a program, or null. A `program` with a path separator (a configured path; `~/` is the home folder) is checked where it is; a
 * bare name is looked for in PATH, with the endings of PATHEXT on Windows. No shell takes part, and the current folder is not searched.
 */
export async function findExecutable(
  program: string,
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): Promise<string | null> {
  if (program === '' || program.includes('\0')) return null;
  const windows = platform === 'win32';
  const paths = windows ? path.win32 : path.posix;
  const endings = windows ? (variable(env, 'PATHEXT', platform) ?? '.COM;.EXE;.BAT;.CMD').split(';').filter((one) => one !== '') : [];
  const variants = (base: string): string[] => {
    if (!windows) return [base];
    const given = endings.some((ending) => base.toLowerCase().endsWith(ending.toLowerCase()));
    return given ? [base] : endings.map((ending) => base + ending.toLowerCase());
  };
  const folders: string[] = [];
  let name = program;
  if (program.includes('/') || (windows && program.includes('\\'))) {
    const home = variable(env, windows ? 'USERPROFILE' : 'HOME', platform);
    const whole = program.startsWith('~/') && home !== undefined ? paths.join(home, program.slice(2)) : program;
    if (!paths.isAbsolute(whole)) return null;
    folders.push(paths.dirname(whole));
    name = paths.basename(whole);
  } else {
    for (const one of (variable(env, 'PATH', platform) ?? '').split(windows ? ';' : ':')) {
      const folder = windows ? one.replaceAll('"', '') : one;
      if (folder !== '' && paths.isAbsolute(folder)) folders.push(folder);
    }
  }
  for (const folder of folders) {
    for (const candidate of variants(paths.join(folder, name))) {
      if (await isExecutable(candidate, platform)) return candidate;
    }
  }
  return null;
}

/** What to spawn for a program's path: itself, or for npm's `.cmd` shim on Windows (which only a shell could run) what the shim runs. */
interface Launch {
  readonly command: string;
  readonly prefix: readonly string[];
}

export async function launchOf(file: string, platform: NodeJS.Platform = process.platform): Promise<Launch> {
  if (platform !== 'win32' || !/\.(?:cmd|bat)$/i.test(file)) return { command: file, prefix: [] };
  const shim = await readFile(file, 'utf8').catch(() => '');
  const target = /"%(?:~dp0|dp0%)\\([^"%]+\.(?:js|mjs|cjs|exe))"/i.exec(shim)?.[1];
  if (target === undefined) return { command: file, prefix: [] };
  const whole = path.win32.join(path.win32.dirname(file), target);
  return whole.toLowerCase().endsWith('.exe') ? { command: whole, prefix: [] } : { command: 'node', prefix: [whole] };
}

interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** True when it was ended because its time was over. */
  readonly timedOut: boolean;
}

/** Runs a short-lived program to its end, without a shell. Never rejects; a program that cannot be started gives code null. */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<RunResult> {
  const launch = await launchOf(file);
  return new Promise((resolve) => {
    const child = execFile(
      launch.command,
      [...launch.prefix, ...args],
      {
        timeout: options.timeoutMs, killSignal: 'SIGKILL', windowsHide: true, maxBuffer: 4 * 1024 * 1024,
        ...(options.env === undefined ? {} : { env: options.env }),
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr, timedOut: error?.killed === true && options.signal?.aborted !== true });
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end();
  });
}

/** The version that `<file> --version` prints (its first `n.n.n…`), or null. At most five seconds. */
export async function programVersion(file: string, env: NodeJS.ProcessEnv = process.env, signal?: AbortSignal): Promise<string | null> {
  const result = await runProgram(file, ['--version'], { env, timeoutMs: 5000, signal });
  return /\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.-]+)?/.exec(`${result.stdout}\n${result.stderr}`)?.[0] ?? null;
}
