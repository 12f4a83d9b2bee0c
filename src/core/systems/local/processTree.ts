import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { pause } from './wait.ts';

/** One process for certain: a pid alone is used again by the system, a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process only. Linux: clock ticks since boot; macOS: ps's lstart; Windows: file time ticks. */
  readonly start: string;
}
interface ProcessRecord extends ProcessIdentity {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly zombie: boolean;
}

function run(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, [...args], { timeout: 10_000, windowsHide: true, maxBuffer: 16 * 1024 * 1024, env: { ...process.env, LC_ALL: 'C' } }, (_error, stdout) => resolve(stdout));
  });
}

/** From `/proc/<pid>/stat` (proc(5)): the command in brackets may hold spaces and brackets, so fields count from the last `)`. */
export function parseProcStat(text: string): ProcessRecord | null {
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, group, session] = fields;
  const start = fields[19];
  if (!Number.isInteger(pid) || state === undefined || start === undefined || start === '') return null;
  return { pid, start, parent: Number(parent), group: Number(group), session: Number(session), zombie: state === 'Z' || state === 'X' };
}

/** From a line of `ps -o pid=,ppid=,pgid=,stat=,lstart=`; ps tells no session id there, the group stands in for it. */
export function parsePsLine(line: string): ProcessRecord | null {
  const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
  if (match === null) return null;
  const [, pid, parent, group, state, start] = match;
  if (start === undefined || state === undefined) return null;
  return { pid: Number(pid), parent: Number(parent), group: Number(group), session: Number(group), zombie: state.startsWith('Z'), start };
}

function parseWindowsLine(line: string): ProcessRecord | null {
  const match = /^(\d+) (\d+) (\d+)\s*$/.exec(line);
  if (match === null) return null;
  const [, pid, parent, start] = match;
  if (start === undefined) return null;
  return { pid: Number(pid), parent: Number(parent), group: -1, session: -1, zombie: false, start };
}

async function linuxRecord(pid: number): Promise<ProcessRecord | null> {
  try {
    return parseProcStat(await readFile(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return null;
  }
}

async function table(only?: number): Promise<readonly ProcessRecord[]> {
  const present = (one: ProcessRecord | null): one is ProcessRecord => one !== null;
  if (process.platform === 'linux') {
    if (only !== undefined) return [await linuxRecord(only)].filter(present);
    const names = await readdir('/proc').catch(() => []);
    return (await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => linuxRecord(Number(name))))).filter(present);
  }
  if (process.platform === 'win32') {
    const filter = only === undefined ? '' : ` -Filter "ProcessId=${only}"`;
    const script = `Get-CimInstance Win32_Process${filter} | ForEach-Object { "$($_.ProcessId) $($_.ParentProcessId) $($_.CreationDate.Ticks)" }`;
    return (await run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', script])).split('\n').map(parseWindowsLine).filter(present);
  }
  const which = only === undefined ? ['-A'] : ['-p', String(only)];
  return (await run('ps', [...which, '-o', 'pid=,ppid=,pgid=,stat=,lstart='])).split('\n').map(parsePsLine).filter(present);
}

/** The process that has this pid now; null when there is none, or only its corpse. */
export async function identify(pid: number): Promise<ProcessIdentity | null> {
  const record = (await table(pid)).find((one) => one.pid === pid);
  return record === undefined || record.zombie ? null : { pid: record.pid, start: record.start };
}

/** True while that very process is there. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.start === identity.start;
}

/**
 * What `root` has started and what these have, and everything in a process group or session that one of them leads: tools of agents have
 * sessions of their own, and a group outlives its parent. Without the root; empty when it is gone (then nothing can be found any more).
 */
export async function descendants(root: ProcessIdentity): Promise<readonly ProcessIdentity[]> {
  const all = await table();
  if (!all.some((one) => one.pid === root.pid && one.start === root.start)) return [];
  const starts = new Map(all.map((one) => [one.pid, one.start]));
  // Windows keeps the parent's pid after its death: a parent that is younger than its child is another process with that pid.
  const stale = (one: ProcessRecord): boolean => process.platform === 'win32' && BigInt(starts.get(one.parent) ?? '0') > BigInt(one.start);
  const inside = new Set([root.pid]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const one of all) {
      if (inside.has(one.pid) || one.pid === process.pid || stale(one)) continue;
      if (!inside.has(one.parent) && !inside.has(one.group) && !inside.has(one.session)) continue;
      inside.add(one.pid);
      grew = true;
    }
  }
  return all.filter((one) => inside.has(one.pid) && one.pid !== root.pid && !one.zombie).map(({ pid, start }) => ({ pid, start }));
}

/** Sends a signal; false when there is no such process or it is not ours to end. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

async function survivors(identities: readonly ProcessIdentity[]): Promise<readonly ProcessIdentity[]> {
  if (identities.length === 0) return [];
  const now = new Map((identities.length === 1 ? await table(identities[0]?.pid) : await table()).map((one) => [one.pid, one]));
  return identities.filter(({ pid, start }) => {
    const record = now.get(pid);
    return record !== undefined && record.start === start && !record.zombie;
  });
}

/** Waits until all of them are dead; gives those that are not after `ms`. */
export async function waitForDeath(identities: readonly ProcessIdentity[], ms: number): Promise<readonly ProcessIdentity[]> {
  const end = performance.now() + ms;
  let rest = 10;
  for (;;) {
    const left = await survivors(identities);
    if (left.length === 0 || performance.now() >= end) return left;
    await pause(Math.min(rest, Math.max(1, end - performance.now())));
    rest = Math.min(rest * 2, 200);
  }
}

/**
 * Ends exactly these processes: SIGTERM, up to `graceMs` of patience, SIGKILL, up to `killMs`. Each is checked by its start time before each
 * signal. Gives those that live on.
 */
export async function endProcesses(
  identities: readonly ProcessIdentity[],
  options: { readonly graceMs: number; readonly killMs: number },
): Promise<{ readonly left: readonly ProcessIdentity[]; readonly killed: boolean }> {
  let left = await survivors(identities);
  if (left.length === 0) return { left, killed: false };
  if (process.platform !== 'win32' && options.graceMs > 0) {
    for (const { pid } of left) signalProcess(pid, 'SIGTERM');
    left = await waitForDeath(left, options.graceMs);
    if (left.length === 0) return { left, killed: false };
  }
  for (const { pid } of left) {
    if (process.platform === 'win32') await run('taskkill.exe', ['/PID', String(pid), '/T', '/F']);
    else signalProcess(pid, 'SIGKILL');
  }
  return { left: await waitForDeath(left, options.killMs), killed: true };
}

/** Where pids mean what they mean here: this boot, and on Linux this pid namespace. Equal texts: pids can be compared. */
export async function pidSpace(): Promise<{ readonly boot: string; readonly namespace: string }> {
  if (process.platform !== 'linux') return { boot: '', namespace: '' };
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return { boot: boot.trim(), namespace: await readlink('/proc/self/ns/pid').catch(() => '') };
}
