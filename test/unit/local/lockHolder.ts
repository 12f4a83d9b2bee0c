import { spawn } from 'node:child_process';
import { mkdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createProcessLedger } from '../../../src/core/systems/local/ledger.ts';
import { createSessionLocks } from '../../../src/core/systems/local/sessionLock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';

/** Another program of the same person: does what each line of stdin says, and answers each with a line. Arguments: home folder, its name, its state folder. */
const [home = '', program = '', stateDir = ''] = process.argv.slice(2);
const locks = createSessionLocks({ env: { HOME: home }, scope: 'test', program, stateDir, log: silentLogger });
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const attempt = (id: string): Promise<string> => locks.acquire(id).then(() => 'has it', (error: unknown) => (error instanceof Error ? error.message : 'failed'));

/** Starts what an agent would be, and notes it as the drivers do. */
async function agent(): Promise<string> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore', detached: true });
  child.unref();
  const pid = child.pid ?? 0;
  await createProcessLedger(stateDir, silentLogger).record({ pid, command: process.execPath, label: 'An agent', session: null });
  return String(pid);
}

/** Tries `rounds` times; where it has the session, nobody else may be inside. Tells how often it was in, and how often somebody else was too. */
async function contest(id: string, rounds: number): Promise<string> {
  const inside = path.join(home, 'inside');
  let times = 0;
  let broken = 0;
  for (let round = 0; round < rounds; round += 1) {
    if ((await attempt(id)) === 'has it') {
      times += 1;
      const alone = await mkdir(inside).then(() => true, () => false);
      if (!alone) broken += 1;
      await new Promise((resolve) => {
        setTimeout(resolve, Math.random() * 6);
      });
      if (alone) await rmdir(inside);
      await locks.release(id);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, Math.random() * 6);
    });
  }
  return JSON.stringify({ times, broken });
}

async function answer(line: string): Promise<string> {
  const [what, id = '', count = '0'] = line.split(' ');
  if (what === 'acquire') return attempt(id);
  if (what === 'agent') return agent();
  if (what === 'contest') return contest(id, Number(count));
  if (what === 'holder') return (await locks.holder(id)) ?? 'nobody';
  await locks.release(id);
  return 'gave it back';
}

for await (const line of createInterface({ input: process.stdin })) say(await answer(line));
