import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import process from 'node:process';

/** Who a process is: a pid alone may be somebody else's by now. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The boot and the pid namespace within which the pid means something; empty where that can't be told. */
  readonly host: string;
  /** Opaque, equal for the same process only; empty where it can't be told (Windows). */
  readonly started: string;
}

const PS_DEADLINE_MS = 2_000;

/** This process. Threads share it. */
export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, host: thisHost(), started: startOf(process.pid) ?? '' };
}

/** `dead`: certainly gone, or its pid is another process's. `unknown`: of another boot, container or computer, so that only its heartbeat can tell. */
export function stateOf(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  if (identity.host !== thisHost()) return 'unknown';
  if (!hasProcess(identity.pid)) return 'dead';
  if (identity.started === '') return 'unknown';
  const started = startOf(identity.pid);
  if (started === null) return 'unknown';
  return started === identity.started ? 'alive' : 'dead';
}

let host: string | null = null;
function thisHost(): string {
  host ??= `${attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())}${attempt(() => readlinkSync('/proc/self/ns/pid'))}`;
  return host;
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Start of a process: clock ticks since boot from `/proc/<pid>/stat` (proc(5): field 22, counted behind the command's last bracket), else ps's `lstart`. */
function startOf(pid: number): string | null {
  if (process.platform === 'win32') return null;
  if (process.platform === 'linux') {
    const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  }
  const started = attempt(() => execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: PS_DEADLINE_MS, env: { ...process.env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'ignore'] }).trim());
  return started === '' ? null : started;
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
