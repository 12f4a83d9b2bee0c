import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Logger } from '../../model/context.ts';
import { descendants, endProcesses, identify, isAlive, pidSpace } from './processTree.ts';

const identity = z.object({ pid: z.int().positive(), start: z.string().min(1) });
const recordSchema = z.object({
  format: z.literal(1),
  process: identity,
  owner: identity,
  space: z.object({ boot: z.string(), namespace: z.string() }),
  /** Program's path, without its arguments. */
  command: z.string(),
  label: z.string(),
  session: z.string().nullable(),
  /** Milliseconds since the epoch. */
  at: z.number(),
});
type LedgerRecord = z.infer<typeof recordSchema>;

interface ReapReport {
  /** Ended, each verified dead. */
  readonly ended: readonly LedgerRecord[];
  /** Should have been ended, but lives on. */
  readonly left: readonly LedgerRecord[];
  /** Records of processes that were gone already. */
  readonly forgotten: number;
  /** Records that are not ours to touch: their owner lives, or their pids mean nothing here. */
  readonly kept: number;
}

export interface ProcessLedger {
  /** Notes a process that this host has just started. Gives the note's key for `forget`. */
  record(entry: { readonly pid: number; readonly command: string; readonly label: string; readonly session: string | null }): Promise<string>;
  forget(key: string): Promise<void>;
  /**
   * Ends what a dead host left running, with all that it has started, and nothing else: its owner must be gone (or its pid be another
   * process now), and the process itself must still be the one that was noted. Two windows may do it at once.
   */
  reapDead(): Promise<ReapReport>;
}

/** One small file a process (mode 600) in `<stateDir>/processes` (mode 700). */
export function createProcessLedger(stateDir: string, log: Logger): ProcessLedger {
  const folder = path.join(stateDir, 'processes');
  const own = identify(process.pid);
  const fileOf = (key: string): string => path.join(folder, key);
  const drop = async (key: string): Promise<void> => {
    await unlink(fileOf(key)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') log.warn('a process note could not be removed', { code: error.code });
    });
  };
  const load = async (key: string): Promise<LedgerRecord | null> => {
    try {
      return recordSchema.parse(JSON.parse(await readFile(fileOf(key), 'utf8')));
    } catch {
      return null;
    }
  };
  return {
    async record({ pid, command, label, session }) {
      const [target, owner, space] = await Promise.all([identify(pid), own, pidSpace()]);
      const key = `${pid}-${randomUUID()}.json`;
      // A process that died at once, or a system that tells no start times: nothing that could be ended for certain.
      if (target === null || owner === null) return key;
      const entry: LedgerRecord = { format: 1, process: target, owner, space, command, label, session, at: Date.now() };
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(fileOf(`${key}.part`), JSON.stringify(entry), { mode: 0o600 });
      await rename(fileOf(`${key}.part`), fileOf(key));
      return key;
    },
    forget: drop,
    async reapDead() {
      const ended: LedgerRecord[] = [];
      const left: LedgerRecord[] = [];
      let forgotten = 0;
      let kept = 0;
      const here = await pidSpace();
      const keys = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
      for (const key of keys) {
        const record = await load(key);
        if (record === null) {
          log.warn('a process note could not be read and was dropped', { key });
          await drop(key);
          forgotten += 1;
          continue;
        }
        if (record.space.boot === here.boot && record.space.namespace !== here.namespace) {
          kept += 1;
          continue;
        }
        if (record.space.boot === here.boot && (await isAlive(record.owner))) {
          kept += 1;
          continue;
        }
        if (record.space.boot !== here.boot || !(await isAlive(record.process))) {
          await drop(key);
          forgotten += 1;
          continue;
        }
        const whole = [record.process, ...(await descendants(record.process))];
        const outcome = await endProcesses(whole, { graceMs: 1500, killMs: 5000 });
        if (outcome.left.length > 0) {
          log.error('a process of a dead host does not die', { pid: record.process.pid, label: record.label });
          left.push(record);
          continue;
        }
        log.info('ended what a dead host left running', { pid: record.process.pid, label: record.label, processes: whole.length });
        await drop(key);
        ended.push(record);
      }
      return { ended, left, forgotten, kept };
    },
  };
}
