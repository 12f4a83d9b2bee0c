import { afterEach, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { TranscriptView } from '../../../src/core/session/transcript-api.ts';
import { createTranscript } from '../../../src/core/session/transcript.ts';
import { outlineOf, placeOfPrompt, promptFrom, promptsBefore, rowOfRequest, rowsOfTurn } from '../../../src/core/session/turns.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { HandClock } from './hand-clock.ts';
import { MemoryStore } from './memory-store.ts';
import { SESSION } from './properties.ts';

const base = (id: string, order: number, turn: string | null) => ({ id, row: id, order: [order], rev: 0, at: 1_000 + order, turn, parent: null });
const prompt = (id: string, order: number, text: string, turn: string | null): Entry => ({ ...base(id, order, turn), kind: 'prompt', text, attachments: [], clientId: null });
const said = (id: string, order: number, turn: string, parent: string | null = null): Entry => ({ ...base(id, order, turn), parent, kind: 'text', text: `said ${id}` });
const end = (turn: string, order: number, filesChanged: readonly string[] = []): Entry => ({ ...base(`end:${turn}`, order, turn), turn, kind: 'turn', phase: 'end', state: 'completed', durationMs: 9, figures: null, filesChanged, error: null });
const agent = (id: string, order: number, turn: string): Entry => ({ ...base(id, order, turn), kind: 'tool', callId: id, name: 'Task', verb: 'agent', title: 'look', input: null, command: null, cwd: null, locations: [], diffs: [] });

/** `turns` turns of five rows, the third of which is an agent with a row within. */
function session(turns: number): Entry[] {
  return Array.from({ length: turns }, (_, turn) => {
    const at = turn * 10;
    const name = `t${turn}`;
    return [prompt(`p${turn}`, at, turn % 2 === 0 ? 'Go on' : `Prompt ${turn}`, name), said(`a${turn}`, at + 1, name), agent(`g${turn}`, at + 2, name), said(`n${turn}`, at + 3, name, `g${turn}`), said(`b${turn}`, at + 4, name), end(name, at + 5, turn === 1 ? ['x.ts', 'y.ts'] : [])];
  }).flat();
}

const open: TranscriptView[] = [];
afterEach(async () => {
  for (const view of open.splice(0)) await view[Symbol.asyncDispose]();
});
/** A view that holds the last 20 rows; the others are in the store. */
async function view(entries: readonly Entry[]): Promise<TranscriptView> {
  const store = new MemoryStore();
  const options = { store, session: SESSION, log: silentLogger, clock: new HandClock(), tailRows: 20 };
  const first = await createTranscript(options);
  first.add(entries);
  await first[Symbol.asyncDispose]();
  const made = await createTranscript(options);
  open.push(made);
  return made;
}
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('where a row stands', () => {
  it('is told for rows in memory and in the store, and for those within others', async () => {
    const transcript = await view(session(100));
    expect([transcript.total, transcript.start]).toEqual([500, 480]);
    for (const [key, index] of [['p99', 495], ['n99', 497], ['p3', 15], ['g3', 17], ['n3', 17], ['end:t0', 4]] as const) expect([key, await transcript.indexOf(key)]).toEqual([key, index]);
    expect(await transcript.indexOf('nothing')).toBeNull();
    const added = prompt('late', 5_000, 'now', null);
    transcript.add([added]);
    expect(await transcript.indexOf('late')).toBe(500);
  });
});

describe('what was asked', () => {
  it('is all there, newest first, in pages that end somewhere', async () => {
    const transcript = await view(session(250));
    const first = await promptsBefore(transcript, null);
    expect([first.prompts.length, first.prompts[0]?.key, first.next]).toEqual([100, 'p249', 'p150']);
    const found = [...first.prompts];
    for (let { next } = first; next !== null;) {
      const page = await promptsBefore(transcript, next);
      found.push(...page.prompts);
      ({ next } = page);
    }
    expect(found.map((row) => row.key)).toEqual(Array.from({ length: 250 }, (_, place) => `p${249 - place}`));
    expect(await promptsBefore(transcript, 'p0')).toEqual({ prompts: [], next: null });
    expect(await promptsBefore(transcript, 'gone')).toEqual({ prompts: [], next: null });
  });

  it('is looked for in so many rows at once, and a page ends with long texts', async () => {
    const far = await view([prompt('p', 0, 'the only one', null), ...Array.from({ length: 9_000 }, (_, place) => said(`s${place}`, place + 1, 't'))]);
    const pages = [];
    for (let next: string | null = null, more = true; more;) {
      const page = await promptsBefore(far, next);
      pages.push(page.prompts.length);
      ({ next } = page);
      more = next !== null;
    }
    expect(pages).toEqual([0, 0, 1]);
    const long = await view(Array.from({ length: 4 }, (_, place) => prompt(`l${place}`, place, 'x'.repeat(250_000), null)));
    expect(await promptsBefore(long, null)).toMatchObject({ prompts: [{ key: 'l3' }, { key: 'l2' }], next: 'l2' });
  });
});

describe('a request of an agent', () => {
  const ask = (id: string, order: number, parent: string | null): Entry => ({
    ...base(id, order, 't0'), parent, kind: 'permission', requestId: `request ${id}`, callId: null, ask: 'tool', tool: 'Bash', title: 'ls', reason: null, input: null, command: 'ls', cwd: null, diffs: [], plan: null, questions: [],
    options: [], takesReason: false,
  });

  it('is found far above what is in memory, also within an agent', async () => {
    const transcript = await view([...session(300), ask('q1', 6, null), ask('q2', 7, 'g0')]);
    expect(transcript.start).toBeGreaterThan(1_000);
    expect(await rowOfRequest(transcript, 'request q1')).toMatchObject({ index: 5, row: { key: 'q1' } });
    expect(await rowOfRequest(transcript, 'request q2')).toMatchObject({ index: 2, row: { key: 'g0' } });
    expect(await rowOfRequest(transcript, 'another')).toBeNull();
  });
});

describe('the outline of a session', () => {
  it('has every turn, newest first, with how it ended and what it changed', async () => {
    const transcript = await view([...session(150), prompt('running', 9_000, 'Still running', 'r')]);
    const turns = await all(outlineOf(transcript));
    expect(turns).toHaveLength(151);
    expect(turns[0]).toEqual({ key: 'running', index: 750, text: 'Still running', at: 10_000, state: null, durationMs: null, filesChanged: 0 });
    expect(turns.at(-2)).toEqual({ key: 'p1', index: 5, text: 'Prompt 1', at: 1_010, state: 'completed', durationMs: 9, filesChanged: 2 });
    expect(turns.at(-1)).toMatchObject({ key: 'p0', index: 0 });
  });

  it('ends when it is no longer wanted', async () => {
    const abort = new AbortController();
    const turns = outlineOf(await view(session(300)), { signal: abort.signal });
    expect((await turns.next()).done).toBe(false);
    abort.abort();
    await expect(all(turns)).rejects.toThrow();
  });

  it('is empty for a session without rows', async () => {
    expect(await all(outlineOf(await view([])))).toEqual([]);
  });
});

describe('moving by prompts', () => {
  it('goes to the one before and behind, in the store too', async () => {
    const transcript = await view(session(200));
    expect(await promptFrom(transcript, 999, -1)).toMatchObject({ index: 995, row: { key: 'p199' } });
    expect(await promptFrom(transcript, 995, -1)).toMatchObject({ index: 990 });
    expect(await promptFrom(transcript, 12, 1)).toMatchObject({ index: 15 });
    expect(await promptFrom(transcript, 0, -1)).toBeNull();
    expect(await promptFrom(transcript, 995, 1)).toBeNull();
  });

  it('gives a turn whole, from any of its rows', async () => {
    const transcript = await view([said('before', -5, 'x'), ...session(50)]);
    const turn = ['p3', 'a3', 'g3', 'b3', 'end:t3'];
    for (const index of [16, 18, 20]) expect((await rowsOfTurn(transcript, index)).map((row) => row.key)).toEqual(turn);
    expect((await rowsOfTurn(transcript, 0)).map((row) => row.key)).toEqual(['before']);
    expect((await rowsOfTurn(transcript, transcript.total - 1)).map((row) => row.key)).toEqual(['p49', 'a49', 'g49', 'b49', 'end:t49']);
  });
});

describe('the place of a prompt', () => {
  it('says what ended before it and how often it was said again', async () => {
    const transcript = await view(session(100));
    expect(await placeOfPrompt(transcript, 'p50')).toMatchObject({ prompt: { key: 'p50' }, within: false, point: { row: 'p50', text: 'Go on', turnBefore: 't49', first: false, sameBehind: 24 } });
    expect(await placeOfPrompt(transcript, 'p0')).toMatchObject({ point: { turnBefore: null, first: true, sameBehind: 49 } });
    expect(await placeOfPrompt(transcript, 'p99')).toMatchObject({ point: { turnBefore: 't98', sameBehind: 0 } });
  });

  it('is none for what is no prompt of the session, and says so of one within a turn', async () => {
    const transcript = await view([...session(3), prompt('steer', 14, 'And this', 't1')]);
    for (const key of ['a1', 'n1', 'nothing']) expect(await placeOfPrompt(transcript, key)).toBeNull();
    expect(await placeOfPrompt(transcript, 'steer')).toMatchObject({ within: true });
  });
});
