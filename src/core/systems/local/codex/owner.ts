import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

/** Who holds a thread. Codex (seen with 0.150 and 0.169) locks `$CODEX_HOME/thread-writer-locks/<thread>.lock` while it has the thread loaded, and leaves the file when it is killed. */
interface Writer {
  /** Null where the system does not tell who holds a lock. */
  readonly pid: number | null;
  /** Program of that process, such as `codex`. */
  readonly program: string | null;
}

/** The process that has the thread loaded; null when none has, as far as can be known. Linux tells it by /proc/locks; elsewhere the lock's file counts. */
export async function writerOf(home: string, threadId: string): Promise<Writer | null> {
  const file = path.join(home, 'thread-writer-locks', `${threadId}.lock`);
  const facts = await stat(file).catch(() => null);
  if (facts === null) return null;
  if (process.platform !== 'linux') return { pid: null, program: null };
  const locks = await readFile('/proc/locks', 'utf8').catch(() => null);
  if (locks === null) return { pid: null, program: null };
  const pid = lockHolder(locks, facts.ino);
  if (pid === null) return null;
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return { pid: pid > 0 ? pid : null, program: name.trim() === '' ? null : name.trim() };
}

/** Pid that holds a lock of that inode by flock(2) in the text of /proc/locks (proc_locks(5)); 0 for a process outside of our pid namespace. */
export function lockHolder(locks: string, inode: number): number | null {
  for (const line of locks.split('\n')) {
    const match = /^\d+: (?:FLOCK|OFDLCK)\s+\S+\s+WRITE\s+(-?\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line);
    const [, pid, found] = match ?? [];
    if (pid !== undefined && Number(found) === inode) return Math.max(0, Number(pid));
  }
  return null;
}

/** A person's word for a foreign writer. */
export function writerName(writer: Writer): string {
  const program = writer.program ?? 'Codex';
  return writer.pid === null ? `${program} in another program` : `${program} (process ${writer.pid})`;
}

/** True when `pid` is that process or was started by it, directly or through others (npm's `codex` is a script that starts the real one). Linux only. */
export async function descendsFrom(pid: number, ancestor: number): Promise<boolean> {
  let current = pid;
  for (let depth = 0; depth < 6 && current > 1; depth += 1) {
    if (current === ancestor) return true;
    const text = await readFile(`/proc/${current}/stat`, 'latin1').catch(() => '');
    const [, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (parent === undefined) return false;
    current = Number(parent);
  }
  return false;
}
