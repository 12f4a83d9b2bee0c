import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { Lanes, trouble, troubles } from '../catsyphon/trouble.ts';
import { until } from '../store/support.ts';
import { CONNECTION, type ShipWindow, ShipWorld } from './shipperWorld.ts';

const RUNS = process.env['PILOTHOUSE_LONG'] === undefined ? 60 : 500;

const lanes = new Lanes();
beforeAll(() => lanes.open(16));
afterAll(() => lanes.close());

const worlds = fc.record({
  /** Of each turn its session, how much is said in it, whether the server fails on something of it, and whether something that was said before is told anew, as by another reading of the same. */
  turns: fc.array(fc.record({ session: fc.nat({ max: 2 }), said: fc.integer({ min: 0, max: 40 }), poison: fc.nat({ max: 9 }).map((chance) => chance === 0), anew: fc.boolean() }), { minLength: 1, maxLength: 6 }),
  troubles,
  /** Of the windows at the start and of those that come after them: with which call of the store or the server each one dies; 0: never. */
  windows: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 5 }),
  together: fc.integer({ min: 1, max: 3 }),
  /** After so many turns the server is away for a while. */
  away: fc.nat({ max: 6 }),
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;
const PAUSE_MS = 6;

async function play(server: CatsyphonTestServer, plan: World): Promise<void> {
  server.kernel.sessions.clear();
  const world = new ShipWorld(server, 300);
  world.on();
  trouble(server, plan.troubles);
  const crashes = [...plan.windows];
  const open: ShipWindow[] = [];
  /** As many as there were, each that died followed by another one. */
  const fill = async (): Promise<void> => {
    for (const window of open.filter(({ dead }) => dead)) await window.close();
    open.splice(0, open.length, ...open.filter(({ dead }) => !dead));
    while (open.length < plan.together) {
      const crashAt = crashes.shift();
      open.push(world.window(crashAt === undefined || crashAt === 0 ? undefined : crashAt));
      await open.at(-1)?.start();
    }
  };
  const said: Entry[] = [];
  try {
    for (const [index, turn] of plan.turns.entries()) {
      await fill();
      server.down = index === plan.away;
      const session = `s${turn.session}`;
      world.tell(session, { state: 'running' });
      const entries = Array.from({ length: turn.said }, (_, place) => world.said(`${turn.poison && place === 1 ? 'poison' : 'word'} ${index}.${place}`));
      said.push(...entries);
      await world.write(session, turn.anew ? [...entries, ...entries.slice(0, 3).map((entry) => ({ ...entry, rev: 7 }))] : entries);
      world.tell(session, { state: 'idle', updatedAt: index + 10 });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    server.down = false;
    for (let round = 0; round < 3; round += 1) await fill().then(() => new Promise((resolve) => setTimeout(resolve, PAUSE_MS)));
    await fill();
    // Whatever died: one that lives sees to the rest.
    const last = await world.window().start();
    await until(async () => {
      await fill();
      return (await last.shipper.unsent(CONNECTION)).events === 0;
    }, 60_000);
    const words = said.map((entry) => (entry.kind === 'text' ? entry.text : ''));
    expect(world.stored.toSorted()).toEqual(words.filter((word) => word.startsWith('word')).toSorted());
  } finally {
    await world.close();
  }
}

/** P10, over the log, the shipper and its windows. */
test('what was said is stored, each once, whatever becomes of requests, of the server and of windows between any two writes', { timeout: 600_000 }, async () => {
  await lanes.assert(worlds, RUNS, play);
});
