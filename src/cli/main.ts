import { realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { catsyphonUsage, runCatsyphon } from './catsyphon.ts';
import { clawdforgeUsage, runClawdforge } from './clawdforge.ts';
import { happyUsage, runHappy } from './happy.ts';
import { hebingUsage, runHebing } from './hebing.ts';
import type { CliIo } from './io.ts';
import { asCalled, exitFailed, exitOk, exitUsage, plainLine } from './io.ts';
import { localUsage, runLocal } from './local.ts';
import { ownVersion } from './version.ts';

/** What follows the system's word on the command line goes to its runner. */
const systems: Readonly<Record<string, { readonly run: (argv: readonly string[], io: CliIo) => Promise<number>; readonly usage: string }>> = {
  local: { run: runLocal, usage: localUsage },
  happy: { run: runHappy, usage: happyUsage },
  clawdforge: { run: runClawdforge, usage: clawdforgeUsage },
  hebing: { run: runHebing, usage: hebingUsage },
  catsyphon: { run: runCatsyphon, usage: catsyphonUsage },
};

const usage = `pilothouse <system> <verb> [--json]
pilothouse --version

${Object.values(systems).map((system) => system.usage).join('\n')}
Exit codes: 0 done, 1 failed (one line on stderr), 2 wrong usage.
`;

/** The command `pilothouse`. Gives the exit code; never rejects. */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    io.err(asCalled(usage, io));
    return exitUsage;
  }
  if (word === 'help' || word === '--help' || word === '-h') {
    io.out(asCalled(usage, io));
    return exitOk;
  }
  if (word === '--version') {
    io.out(`${ownVersion()}\n`);
    return exitOk;
  }
  const system = Object.hasOwn(systems, word) ? systems[word] : undefined;
  if (system === undefined) {
    io.err(asCalled(`There is no system ${JSON.stringify(plainLine(word))}: use ${Object.keys(systems).join(', ')}. See pilothouse --help.\n`, io));
    return exitUsage;
  }
  return system.run(rest, io);
}

/** How long agents may take to end after a signal before the process ends without them. */
const endMs = 20_000;
/** Ctrl+C within this time of another one is the wish to end. */
const againMs = 5000;

/** The process's own stdin, stdout and signals. SIGTERM (143), Ctrl+C that nobody listens to and a second Ctrl+C (130) end what runs, then the process. */
function processIo(): CliIo {
  const ending = new AbortController();
  const listeners = new Set<() => void>();
  const end = (code: number): void => {
    if (ending.signal.aborted) return;
    process.exitCode = code;
    ending.abort();
    process.stdin.destroy();
    setTimeout(() => process.exit(code), endMs).unref();
  };
  let interruptedAt = -Infinity;
  process.on('SIGINT', () => {
    const again = performance.now() - interruptedAt < againMs;
    interruptedAt = performance.now();
    if (listeners.size === 0 || again) end(130);
    else for (const listener of listeners) listener();
  });
  process.on('SIGTERM', () => end(143));
  // A reader that went away (`| head`) is no failure of ours.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  return {
    stdin: process.stdin, interactive: process.stdin.isTTY, env: process.env, cwd: process.cwd(), program: calledAs(process.argv[1], process.cwd(), process.execPath),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    ending: ending.signal,
    onInterrupt(listener) {
      const own = (): void => listener();
      listeners.add(own);
      return { dispose: () => void listeners.delete(own) };
    },
  };
}

/**
 * What to type for the command: its name where it was called by that, else the file that Node was given, from this folder where that is shorter. A Node of this folder's packages is not
 * what `node` means there: npx finds it.
 */
export function calledAs(started: string | undefined, cwd: string, node: string): string {
  if (started === undefined || path.basename(started) === 'pilothouse') return 'pilothouse';
  const near = path.relative(cwd, started);
  const file = near.length < started.length ? near : started;
  const program = node.startsWith(path.join(cwd, 'node_modules', path.sep)) ? 'npx --no-install node' : 'node';
  return `${program} ${/^[\w@%+=:,./\\-]+$/.test(file) ? file : `"${file}"`}`;
}

/** True when this file is what Node was started with, also by a link to it. */
function isProgram(): boolean {
  const [, started] = process.argv;
  try {
    return started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
}

if (isProgram()) {
  const io = processIo();
  const code = await run(process.argv.slice(2), io).catch((error: unknown) => {
    process.stderr.write(`${plainLine(error instanceof Error ? error.message : 'unexpected failure')}\n`);
    return exitFailed;
  });
  // A signal has set its own code.
  if (!io.ending.aborted) process.exitCode = code;
  process.stdin.destroy();
}
