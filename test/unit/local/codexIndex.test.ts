import { appendFile, mkdir, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { viewOf } from '../../../src/core/session/view.ts';
import { createCodexBackend } from '../../../src/core/systems/local/codex/backend.ts';
import { CodexDisk } from '../../../src/core/systems/local/codex/disk.ts';
import { RolloutIndex } from '../../../src/core/systems/local/codex/rolloutIndex.ts';
import { contextIn, temporary } from './codexRig.ts';

let place: Awaited<ReturnType<typeof temporary>>;
let home = '';
beforeEach(async () => {
  place = await temporary();
  home = await place.folder('codex');
});
afterEach(async () => place.remove());

const id = (n: number): string => `01a1fdda-0000-7000-8000-${String(n).padStart(12, '0')}`;
const line = (type: string, payload: object): string => `${JSON.stringify({ timestamp: '2026-11-21T10:00:00.000Z', type, payload })}\n`;
const meta = (n: number, more: object = {}): string => line('session_meta', { id: id(n), timestamp: '2026-11-21T10:00:00.000Z', cwd: '/code', source: 'cli', history_mode: 'paginated', ...more });
const said = (n: number, words: string): string => [
  line('event_msg', { type: 'task_started', turn_id: `t${n}` }),
  line('event_msg', { type: 'item_completed', turn_id: `t${n}`, item: { type: 'UserMessage', id: `u${n}`, content: [{ type: 'text', text: words }] } }),
  line('event_msg', { type: 'task_complete', turn_id: `t${n}`, duration_ms: 5 }),
].join('');

/** Writes a rollout of a day; `changed` in seconds before `now`. */
async function rollout(n: number, text: string, options: { readonly day?: string; readonly changed?: number; readonly now?: number } = {}): Promise<string> {
  const { day = '2026/11/21', changed = n, now = Date.UTC(2026, 10, 21, 12) } = options;
  const folder = path.join(home, 'sessions', ...day.split('/'));
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `rollout-${day.replaceAll('/', '-')}T10-00-00-${id(n)}.jsonl`);
  await writeFile(file, text);
  await utimes(file, new Date(now), new Date(now - changed * 1000));
  return file;
}
const listed = async (): Promise<readonly (readonly [string, string])[]> => {
  await using backend = createCodexBackend(contextIn(place.path), { env: { HOME: place.path, PATH: '' }, codexHome: home });
  return (await backend.sessions({ limit: 50 })).items.map((one) => [one.id, one.title] as const);
};

describe('rollouts that are not as they should be', () => {
  it('empty, half-written, foreign and odd ones are passed over until they are whole, and stop nothing', async () => {
    await rollout(1, meta(1) + said(1, 'Whole'));
    const empty = await rollout(2, '');
    const half = await rollout(3, (meta(3) + said(1, 'Later')).slice(0, 60));
    await rollout(4, `${JSON.stringify({ v: 9, header: { thread: id(4) } })}\n${JSON.stringify({ v: 9, body: [] })}\n`);
    await rollout(5, `\u0000\u0001{{{{\n${'x'.repeat(1000)}`);
    await rollout(6, '[1,2,3]\nnull\n"session_meta"\n{"type":"session_meta","payload":7}\n');
    await mkdir(path.join(home, 'sessions', '2026', '11', '21', `rollout-2026-11-21T10-00-00-${id(7)}.jsonl`));
    expect(await listed()).toEqual([[id(1), 'Whole']]);
    await writeFile(empty, meta(2) + said(1, 'Filled'));
    await writeFile(half, meta(3) + said(1, 'Later'));
    expect(new Set((await listed()).map(([, title]) => title))).toEqual(new Set(['Whole', 'Filled', 'Later']));
  });

  it('one whose last line is being written opens with all before it, and nothing of that line twice', async () => {
    const next = said(2, 'Second');
    const file = await rollout(1, meta(1) + said(1, 'First') + next.slice(0, 90));
    const disk = new CodexDisk(home);
    const prompts = async (): Promise<readonly string[]> => viewOf((await disk.page(id(1), { limit: 100, live: true })).items).flatMap((row) => (row.kind === 'prompt' ? [row.text] : []));
    expect(await prompts()).toEqual(['First']);
    await appendFile(file, next.slice(90));
    expect(await prompts()).toEqual(['First', 'Second']);
  });

  it('one of a format to come shows what is known of it, and what is not as it is', async () => {
    await rollout(1, meta(1, { history_mode: 'braided', shape: { deep: true } }) + line('hologram', { a: 1 }) + said(1, 'Still read')
      + line('event_msg', { type: 'item_completed', turn_id: 't1', item: { type: 'Hologram', id: 'h1', layers: 3 } }) + line('event_msg', { type: 'sung', verses: 2 }) + '{"timestamp":"never","type":"event_msg","payload":[]}\n');
    const rows = viewOf((await new CodexDisk(home).page(id(1), { limit: 100, live: false })).items);
    expect(rows.map((row) => row.kind)).toEqual(['prompt', 'turn', 'unknown']);
    expect(rows[2]).toMatchObject({ raw: { layers: 3 } });
    expect(await listed()).toEqual([[id(1), 'Still read']]);
  });

  it('a file that tells nothing is not read again before it changes', async () => {
    const file = await rollout(1, 'not a rollout\n'.repeat(10));
    const disk = new CodexDisk(home);
    const [found] = await disk.list();
    if (found === undefined) throw new Error('not found');
    expect(await disk.head(found)).toBeNull();
    // The same size and time: what stands in it now is not seen.
    const same = { ...found };
    await writeFile(file, meta(1) + said(1, 'Now'));
    expect(await disk.head(same)).toBeNull();
    const [later] = await disk.list();
    expect(later === undefined ? null : await disk.head(later)).toMatchObject({ preview: 'Now' });
  });
});

describe('a list of many', () => {
  it('reads no file whole: forty of four hundred megabytes are listed as small ones are', async () => {
    for (let n = 1; n <= 40; n += 1) {
      const file = await rollout(n, meta(n) + said(1, `Prompt ${n}`));
      await truncate(file, 400 * 1024 * 1024);
      await utimes(file, new Date(), new Date(Date.UTC(2026, 10, 21, 12) - n * 1000));
    }
    const before = process.memoryUsage().rss;
    const began = performance.now();
    const titles = (await listed()).map(([, title]) => title);
    expect(titles).toEqual(Array.from({ length: 40 }, (_, index) => `Prompt ${index + 1}`));
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
  });

  it('goes on where a page ended, also when a session changed meanwhile', async () => {
    for (let n = 1; n <= 25; n += 1) await rollout(n, meta(n) + said(1, `Prompt ${n}`));
    await using backend = createCodexBackend(contextIn(place.path), { env: { HOME: place.path, PATH: '' }, codexHome: home });
    const first = await backend.sessions({ limit: 10 });
    await utimes(path.join(home, 'sessions', '2026', '11', '21', `rollout-2026-11-21T10-00-00-${id(20)}.jsonl`), new Date(), new Date(Date.UTC(2026, 10, 21, 13)));
    const second = await backend.sessions({ limit: 10, cursor: first.next ?? '' });
    const third = await backend.sessions({ limit: 10, cursor: second.next ?? '' });
    expect([...first.items, ...second.items, ...third.items].map((one) => one.title)).toEqual(Array.from({ length: 25 }, (_, index) => `Prompt ${index + 1}`));
    expect(third.next).toBeNull();
    expect((await backend.sessions({ limit: 10 })).items[0]?.title).toBe('Prompt 20');
  });
});

describe('a glance at the files', () => {
  it('sees at once what is made, changed lately, archived or gone, and what is old in turn', async () => {
    let now = Date.UTC(2026, 10, 21, 23, 50);
    const index = new RolloutIndex(home, () => now);
    const ids = async (): Promise<readonly string[]> => (await index.glance()).map((file) => file.id.slice(-4));
    await rollout(1, meta(1), { day: '2024/01/05', changed: 1_000_000 });
    const two = await rollout(2, meta(2), { changed: 500 });
    expect(await ids()).toEqual(['0002', '0001']);
    await rollout(3, meta(3), { changed: 100 });
    // Where Codex lives the next day has begun.
    await rollout(4, meta(4), { day: '2026/11/22', changed: 50 });
    expect(await ids()).toEqual(['0004', '0003', '0002', '0001']);
    await utimes(two, new Date(), new Date(Date.UTC(2026, 10, 21, 12, 30)));
    expect(await ids()).toEqual(['0002', '0004', '0003', '0001']);
    await mkdir(path.join(home, 'archived_sessions'));
    await rename(two, path.join(home, 'archived_sessions', path.basename(two)));
    expect((await index.glance()).map((file) => [file.id.slice(-4), file.archived])).toEqual([['0002', true], ['0004', false], ['0003', false], ['0001', false]]);
    await rm(path.join(home, 'archived_sessions', path.basename(two)));
    expect(await ids()).toEqual(['0004', '0003', '0001']);
    // A folder that no glance looks into: a whole look now and then finds it.
    await rollout(5, meta(5), { day: '2023/03/03', changed: 10 });
    expect(await ids()).not.toContain('0005');
    now += 6 * 60_000;
    expect(await ids()).toEqual(['0005', '0004', '0003', '0001']);
  });

  it('comes to every file within a few looks, however many there are', async () => {
    const files: string[] = [];
    for (let n = 1; n <= 3300; n += 1) {
      const folder = path.join(home, 'sessions', '2020', String((n % 12) + 1).padStart(2, '0'), String((n % 28) + 1).padStart(2, '0'));
      await mkdir(folder, { recursive: true });
      files.push(path.join(folder, `rollout-2020-01-01T10-00-00-${id(n)}.jsonl`));
    }
    await Promise.all(files.map((file) => writeFile(file, '')));
    const index = new RolloutIndex(home);
    expect(await index.all()).toHaveLength(3300);
    const [first = '', last = ''] = [files[0], files.at(-1)];
    for (const file of [first, last]) await utimes(file, new Date(), new Date(Date.now() + 60_000));
    for (let look = 0; look < 3; look += 1) await index.glance();
    expect(new Set((await index.glance()).slice(0, 2).map((file) => file.path))).toEqual(new Set([first, last]));
  });

  it('several at once are one after the other, and a list is as fresh as was asked', async () => {
    await rollout(1, meta(1));
    let now = 1_000_000;
    const index = new RolloutIndex(home, () => now);
    const [one, two, three] = await Promise.all([index.all(), index.glance(), index.all()]);
    expect([one.length, two.length, three.length]).toEqual([1, 1, 1]);
    await rollout(2, meta(2));
    expect(await index.all(5000)).toHaveLength(1);
    now += 6000;
    expect(await index.all(5000)).toHaveLength(2);
    await rollout(3, meta(3));
    expect(await index.all()).toHaveLength(3);
  });

  it('many at once share a look that was begun after they asked', async () => {
    await rollout(1, meta(1));
    let now = 1_000_000;
    const index = new RolloutIndex(home, () => now);
    // Each whole look makes a list of its own.
    const looks = async (maxAgeMs: number): Promise<number> => new Set(await Promise.all(Array.from({ length: 6 }, () => index.all(maxAgeMs)))).size;
    expect(await looks(5000)).toBe(1);
    now += 6000;
    expect(await looks(5000)).toBe(1);
    // The first began its look before the others asked: theirs is one more, for all of them.
    expect(await looks(0)).toBe(2);
    const late = index.all();
    await rollout(2, meta(2));
    expect(await index.all()).toHaveLength(2);
    await late;
  });
});
