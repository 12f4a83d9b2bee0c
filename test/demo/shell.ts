import { spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const longest = 10 * 60_000;
const grace = 1000;
const keptOutput = 256 * 1024;

export interface Finished {
  readonly output: string;
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  /** `cancelled` by the person, `late` after ten minutes. */
  readonly ended: 'itself' | 'cancelled' | 'late';
}

/**
 * Runs a command line in the system's shell, in a process group of its own, without input. `onOutput` gets all output so far (the last 256 KiB), at most ten
 * times a second. When `signal` aborts or ten minutes are over the whole group is ended: SIGTERM, after a second SIGKILL. Never rejects.
 */
export async function runCommand(command: string, cwd: string, signal: AbortSignal, onOutput: (output: string) => void): Promise<Finished> {
  const group = process.platform !== 'win32';
  // The agent's own Node comes first, so that `node` in a command is one that knows TypeScript.
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const env = { ...process.env, PATH: path, NO_COLOR: '1', FORCE_COLOR: '0' };
  const child = spawn(command, { cwd, shell: true, detached: group, stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  let ended: Finished['ended'] = 'itself';
  let told = '';
  const tell = (): void => {
    if (output === told) return;
    told = output;
    onOutput(output);
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output = (output + stripVTControlCharacters(text).replaceAll('\r\n', '\n')).slice(-keptOutput);
    });
  }

  const kill = (name: 'SIGTERM' | 'SIGKILL'): void => {
    if (child.pid === undefined) return;
    try {
      if (group) process.kill(-child.pid, name);
      else child.kill(name);
    } catch {
      // The group has ended by itself.
    }
  };
  let hard: NodeJS.Timeout | undefined;
  const stop = (why: Finished['ended']): void => {
    ended = why;
    kill('SIGTERM');
    hard = setTimeout(() => kill('SIGKILL'), grace);
  };
  const cancel = (): void => stop('cancelled');
  const exitKill = (): void => kill('SIGKILL');
  const late = setTimeout(() => stop('late'), longest);
  const ticker = setInterval(tell, 100);
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  process.once('exit', exitKill);

  const exitCode = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += `${error.message}\n`;
      resolve(127);
    });
    child.once('close', (code) => resolve(code));
    // A child of the command may keep the pipes open after the command itself has ended.
    child.once('exit', (code) => setTimeout(() => resolve(code), 300));
  });
  clearTimeout(late);
  clearTimeout(hard);
  clearInterval(ticker);
  signal.removeEventListener('abort', cancel);
  process.removeListener('exit', exitKill);
  if (ended !== 'itself') kill('SIGKILL');
  child.stdout.destroy();
  child.stderr.destroy();
  tell();
  return { output, exitCode, ended };
}
