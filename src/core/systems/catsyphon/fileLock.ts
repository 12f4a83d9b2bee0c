import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { sleep, systemClock } from '../../transport/clock.ts';

/** A note is believed for so long; what is done under a lock takes milliseconds. */
const BELIEVED_MS = 30_000;

/**
 * `work` while no other program of ours is at that file. Whoever wants it writes a note of its own beside it and looks then: of two at the same moment at least the later one sees the other, so
 * both never have it, and a note never changes its name, so none is taken for another. Notes of dead processes do not count. Rejects with `busy()` after `mostMs`, and with what the file system says.
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>, options: { readonly mostMs: number; readonly busy: () => Error }): Promise<T> {
  const folder = path.dirname(file);
  const prefix = `${path.basename(file)}.`;
  const end = systemClock.monotonic() + options.mostMs;
  for (;;) {
    const name = `${prefix}${process.pid}-${randomUUID()}.lock`;
    const note = path.join(folder, name);
    await writeFile(`${note}.part`, JSON.stringify({ pid: process.pid, computer: hostname() }), { mode: 0o600, flag: 'wx' });
    try {
      await rename(`${note}.part`, note);
      const others = (await readdir(folder)).filter((one) => one.startsWith(prefix) && one.endsWith('.lock') && one !== name);
      const living = await Promise.all(others.map((one) => lives(path.join(folder, one))));
      if (!living.includes(true)) return await work();
    } finally {
      await Promise.all([rm(note, { force: true }), rm(`${note}.part`, { force: true })]);
    }
    if (systemClock.monotonic() > end) throw options.busy();
    await keptAwake(5 + Math.random() * 30);
  }
}

/** Notes of the dead are put away: their names are never used again. */
async function lives(note: string): Promise<boolean> {
  try {
    const [text, facts] = await Promise.all([readFile(note, 'utf8'), stat(note)]);
    const { pid, computer } = JSON.parse(text) as { readonly pid?: unknown; readonly computer?: unknown };
    const gone = typeof pid === 'number' && computer === hostname() && !isRunning(pid);
    if (!gone && Date.now() - facts.mtimeMs < BELIEVED_MS) return true;
    await rm(note, { force: true });
    return false;
  } catch (error) {
    // Given back since the look; what makes no sense is believed, for its time.
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** The clock's timers do not keep a process alive; who waits for a file must go on. */
async function keptAwake(ms: number): Promise<void> {
  const handle = setTimeout(() => undefined, ms + 1_000);
  await sleep(systemClock, ms).finally(() => clearTimeout(handle));
}
