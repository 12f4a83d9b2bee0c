/**
 * Happy against a loopback server in a process of its own: listing and decrypting 2,000 sessions, opening a session of 20,000 messages, and the way of a push to the view. Baseline
 * in the same run: the obvious way (tweetnacl for every key and record, the whole history first, everything in memory), and for pushes a bare socket. `holds`: for how long the event loop was held
 * at most, the worst of all runs.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ratio } from './measure.ts';

const run = promisify(execFile);
const RUNS = 3;
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

type Numbers = Readonly<Record<string, number>>;

export async function benchHappy(sessions: number, messages: number): Promise<Record<string, unknown>> {
  const server = fork(here('happyServer.ts'), [String(sessions), String(messages)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  try {
    if (server.stdout === null) throw new Error('The server says nothing.');
    const lines = createInterface({ input: server.stdout });
    const [fleet] = (await once(lines, 'line', { signal: AbortSignal.timeout(120_000) })) as [string];
    const measure = async <T = Numbers>(what: string): Promise<T> => {
      const { stdout } = await run(process.execPath, ['--expose-gc', here('happyRun.ts'), what], { env: { ...process.env, PILOTHOUSE_BENCH_FLEET: fleet }, timeout: 300_000, maxBuffer: 1 << 24 });
      return JSON.parse(stdout) as T;
    };
    const compare = async (name: string): Promise<{ readonly ours: Numbers; readonly obvious: Numbers; readonly ratios: Numbers }> => {
      const all: { readonly ours: Numbers[]; readonly obvious: Numbers[] } = { ours: [], obvious: [] };
      for (let round = 0; round < RUNS; round += 1) {
        all.obvious.push(await measure(`${name}Obvious`));
        all.ours.push(await measure(`${name}Ours`));
      }
      const [ours, obvious] = [medians(all.ours), medians(all.obvious)];
      const ratios = Object.fromEntries(Object.entries(ours).flatMap(([key, value]) => (/Ms$|^ms$|Mb$/.test(key) && !key.includes('Hold') && (obvious[key] ?? 0) > 0 ? [[key, ratio(value, obvious[key] ?? 1)]] : [])));
      return { ours, obvious, ratios };
    };
    const [list, open, push] = [await compare('list'), await compare('open'), await measure<{ readonly ours: Numbers; readonly bare: Numbers }>('push')];
    const fleets: Numbers[] = [];
    for (let round = 0; round < RUNS; round += 1) fleets.push(await measure('listFleet'));
    const inFleet = medians(fleets);
    const held = (from: Numbers, prefix = 'longest'): Numbers => ({ ms: from[`${prefix}HoldMs`] ?? 0, cpuMs: from[`${prefix}HoldCpuMs`] ?? 0 });
    const holds = { listing: held(list.ours), listingInFleet: held(inFleet), firstScreen: held(open.ours, 'firstScreen'), filling: held(open.ours) };
    return { holds, list, listInFleet: inFleet, open, push: { ...push, ratio: ratio(push.ours['median'] ?? 0, push.bare['median'] ?? 1) } };
  } finally {
    server.disconnect();
    server.kill();
  }
}

/** Of holds the worst: one is too many. */
function medians(all: readonly Numbers[]): Numbers {
  const middle = (key: string): number => all.map((one) => one[key] ?? 0).sort((a, b) => a - b)[/Hold(?:Cpu)?Ms$/.test(key) ? all.length - 1 : Math.floor(all.length / 2)] ?? 0;
  return Object.fromEntries(Object.keys(all[0] ?? {}).map((key) => [key, middle(key)]));
}
