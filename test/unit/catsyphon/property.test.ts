import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CatsyphonError } from '../../../src/core/systems/catsyphon/errors.ts';
import type { CollectorEvent } from '../../../src/core/systems/catsyphon/events.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { clientOf } from './rig.ts';
import { Lanes, trouble, troubles } from './trouble.ts';

const RUNS = Number(process.env['PILOTHOUSE_P10_RUNS'] ?? 500);
/** Requests of a step that takes no harm: its batches, and looks at the session. */
const TRIES_A_STEP = 40;

const lanes = new Lanes();
beforeAll(() => lanes.open(16));
afterAll(() => lanes.close());

const worlds = fc.record({
  /** Of each event its kind, whether the server fails on it, and whether it stands in the list twice. */
  events: fc.array(fc.record({ kind: fc.constantFrom('message', 'tool_call', 'tool_result', 'thinking', 'error'), poison: fc.double({ min: 0, max: 1, noNaN: true }).map((chance) => chance > 0.97), twice: fc.boolean() }), { minLength: 1, maxLength: 60 }),
  /** How many of those that wait go at once. */
  steps: fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 4 }),
  faults: troubles,
  /** Requests after which the client dies, and another one goes on with what it had not heard of. */
  crashes: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
  /** The server is away for so many tries of the first step. */
  outage: fc.integer({ min: 0, max: 2 }),
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function eventOf(kind: string, words: string, at: number): CollectorEvent {
  const emittedAt = 1_700_000_000_000 + at;
  switch (kind) {
    case 'tool_call': return { type: 'tool_call', data: { tool_name: 'Read', tool_use_id: words, parameters: { words } }, emittedAt };
    case 'tool_result': return { type: 'tool_result', data: { tool_use_id: words, success: true, result: words }, emittedAt };
    case 'thinking': return { type: 'thinking', data: { content: words }, emittedAt };
    case 'error': return { type: 'error', data: { message: words }, emittedAt };
    default: return { type: 'message', data: { author_role: 'assistant', message_type: 'response', content: words }, emittedAt };
  }
}

let runs = 0;
/** Sends a world's events through all its trouble, as who keeps a spool does. */
async function play(server: CatsyphonTestServer, world: World, deadlineMs = 400): Promise<{ readonly stored: readonly string[]; readonly wanted: readonly string[]; readonly parked: readonly string[]; readonly poison: readonly string[]; readonly requests: number }> {
  runs += 1;
  const session = `p10:${runs}`;
  const wordsOf = (index: number): string => `${world.events[index]?.poison === true ? 'poison' : 'word'} ${index}`;
  const spool = world.events.flatMap(({ kind, twice }, index) => Array.from({ length: twice ? 2 : 1 }, () => eventOf(kind, wordsOf(index), index * 10)));
  const first = server.requests.length;
  const collector = server.newCollector();
  trouble(server, world.faults);
  const options = { retry: { initialDelay: 0.005, maxDelay: 0.005, maxRetries: 3 }, deadlineMs };
  let client = clientOf(server, collector, options);
  const parked = new Set<string>();
  let waiting = spool;
  let [step, tries, unsettled, crash] = [0, 0, false, 0];
  server.down = world.outage > 0;
  for (; waiting.length > 0 && tries < TRIES_A_STEP; tries += 1) {
    if (tries === world.outage) server.down = false;
    const part = waiting.slice(0, world.steps[step % world.steps.length]);
    const done = new Set<CollectorEvent>();
    const stop = new AbortController();
    const before = server.requests.length;
    const limit = world.crashes[crash];
    const watch = limit === undefined ? null : setInterval(() => server.requests.length - before >= limit && stop.abort(), 1);
    const known = client;
    try {
      const report = await known.sendEvents(session, part, { signal: stop.signal, unsettled, onDone: (indices) => indices.forEach((index) => part[index] !== undefined && done.add(part[index])) });
      for (const one of report.parked) parked.add(/poison \d+/.exec(JSON.stringify(one.event.data))?.[0] ?? JSON.stringify(one.event.data));
      unsettled = false;
      step += 1;
    } catch (error) {
      if (stop.signal.aborted) {
        // What the dead client had heard of is not known to the next one.
        done.clear();
        crash += 1;
        await known[Symbol.asyncDispose]();
        client = clientOf(server, collector, options);
        unsettled = true;
      } else if (!(error instanceof CatsyphonError)) throw error;
      // Alone with a poisoned event it can't be told from an outage: more of what waits goes along.
      step += 1;
      if (tries > 20) world = { ...world, steps: [70] };
    } finally {
      if (watch !== null) clearInterval(watch);
    }
    waiting = waiting.filter((event) => !done.has(event));
  }
  await client[Symbol.asyncDispose]();
  const all = world.events.map((_, index) => wordsOf(index));
  const poison = all.filter((words) => words.startsWith('poison'));
  const stored = server.kernel.rows(session).map((row) => /(?:word|poison) \d+/.exec(JSON.stringify(row.data))?.[0] ?? '');
  return { stored: stored.toSorted(), wanted: all.filter((words) => words.startsWith('word')).toSorted(), parked: [...parked], poison, requests: server.requests.length - first };
}

/** P10. */
test('what was sent is stored, each once, whatever becomes of requests, of the server and of the client', { timeout: 300_000 }, async () => {
  await lanes.assert(worlds, RUNS, async (server, world) => {
    const { stored, wanted, parked, poison, requests } = await play(server, world);
    expect(stored).toEqual(wanted);
    // Nothing good is parked, and what is parked the server never took.
    expect(poison).toEqual(expect.arrayContaining([...parked]));
    expect(requests).toBeLessThan(600);
  });
});

test('a calm way takes no more requests than it has batches', async () => {
  await lanes.assert(fc.integer({ min: 1, max: 300 }), 20, async (server, count) => {
    const { stored, wanted, requests } = await play(server, { events: Array.from({ length: count }, () => ({ kind: 'message', poison: false, twice: false })), steps: [count], faults: [], crashes: [], outage: 0 }, 30_000);
    expect(stored).toEqual(wanted);
    expect(requests).toBe(Math.ceil(count / 50));
  });
});
