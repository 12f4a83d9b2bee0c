import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as zlib from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { CodexDisk } from '../../../src/core/systems/local/codex/disk.ts';
import { presentIn, removeLeftovers } from '../../../src/core/systems/local/codex/leftovers.ts';
import { lockHolder } from '../../../src/core/systems/local/codex/owner.ts';

describe('files', () => {
  let home = '';
  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'pilothouse-codex-'));
  });
  afterEach(async () => rm(home, { recursive: true, force: true }));

  const id = (n: number): string => `01a1fdda-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const line = (type: string, payload: object, second = 0): string => JSON.stringify({ timestamp: new Date(Date.UTC(2026, 10, 21, 10, 0, second)).toISOString(), type, payload });
  const turn = (n: number, words = 'Hello'): readonly string[] => [
    line('event_msg', { type: 'task_started', turn_id: `t${n}` }, n),
    line('event_msg', { type: 'item_completed', turn_id: `t${n}`, item: { type: 'UserMessage', id: `u${n}`, content: [{ type: 'text', text: `${words} ${n}` }] } }, n),
    line('event_msg', { type: 'item_completed', turn_id: `t${n}`, item: { type: 'AgentMessage', id: `a${n}`, content: [{ type: 'Text', text: `Answer ${n}` }] } }, n),
    line('event_msg', { type: 'task_complete', turn_id: `t${n}`, duration_ms: 5 }, n),
  ];
  async function rollout(n: number, lines: readonly string[], options: { readonly folder?: string; readonly meta?: object; readonly packed?: boolean; readonly archived?: boolean; readonly age?: number } = {}): Promise<string> {
    const folder = options.archived === true ? path.join(home, 'archived_sessions') : path.join(home, 'sessions', '2026', '11', '21');
    await mkdir(folder, { recursive: true });
    const meta = line('session_meta', { id: id(n), timestamp: '2026-11-21T10:00:00.000Z', cwd: options.folder ?? '/code', source: 'cli', base_instructions: { text: 'x'.repeat(30_000) }, history_mode: 'paginated', ...options.meta });
    const file = path.join(folder, `rollout-2026-11-21T10-00-00-${id(n)}.jsonl${options.packed === true ? '.zst' : ''}`);
    const text = `${[meta, ...lines].join('\n')}\n`;
    await writeFile(file, options.packed === true ? zlib.zstdCompressSync(text) : text);
    const when = new Date(Date.UTC(2026, 10, 21, 12) - (options.age ?? n) * 60_000);
    await utimes(file, when, when);
    return file;
  }
  async function all(disk: CodexDisk, thread: string, limit: number): Promise<{ readonly pages: number; readonly entries: readonly Entry[] }> {
    const entries: Entry[] = [];
    let pages = 0;
    for (let cursor: string | undefined; ;) {
      const page = await disk.page(thread, { limit, live: false, cursor });
      pages += 1;
      entries.unshift(...page.items);
      if (page.next === null) return { pages, entries };
      cursor = page.next;
    }
  }

  it('are listed newest first, once each, packed and archived ones too', async () => {
    await rollout(1, turn(1), { age: 30 });
    await rollout(2, turn(1), { age: 10, archived: true });
    await rollout(3, turn(1), { age: 20, packed: true });
    await writeFile(path.join(home, 'sessions', 'notes.jsonl'), 'x');
    const disk = new CodexDisk(home);
    const files = await disk.list();
    expect(files.map((file) => [file.id, file.archived, file.packed])).toEqual([[id(2), true, false], [id(3), false, true], [id(1), false, false]]);
    for (const file of files) expect(await disk.head(file)).toMatchObject({ folder: '/code', preview: 'Hello 1', paginated: true, internal: false });
    expect((await all(disk, id(3), 100)).entries).toHaveLength(4);
  });

  it('are read from their end in pages of whole turns, which together are the whole', async () => {
    await rollout(1, Array.from({ length: 40 }, (_, n) => turn(n + 1)).flat());
    const disk = new CodexDisk(home);
    const whole = await all(disk, id(1), 100_000);
    const paged = await all(disk, id(1), 10);
    expect(paged.pages).toBeGreaterThan(10);
    expect(viewOf(paged.entries)).toEqual(viewOf(whole.entries));
    expect(viewOf(whole.entries)).toHaveLength(120);
    await expect(disk.page(id(1), { limit: 5, live: false, cursor: 'nonsense' })).rejects.toMatchObject({ code: 'bad_cursor' });
    await expect(disk.page(id(9), { limit: 5, live: false })).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('a fork has the past of the thread that it came from, up to where it left it', async () => {
    const source = await rollout(1, [...turn(1), ...turn(2)]);
    const end = (await stat(source)).size;
    await writeFile(source, `${turn(3).join('\n')}\n`, { flag: 'a' });
    await rollout(2, turn(4), { meta: { history_base: { thread_id: id(1), end_byte_offset: end } } });
    const disk = new CodexDisk(home);
    const rows = viewOf((await all(disk, id(2), 3)).entries);
    expect(rows.flatMap((row) => (row.kind === 'prompt' ? [row.text] : []))).toEqual(['Hello 1', 'Hello 2', 'Hello 4']);
    expect(await disk.forksOf(id(1))).toEqual([id(2)]);
  });

  it('a turn that nobody finished was cancelled, unless somebody is at it', async () => {
    await rollout(1, [...turn(1), ...turn(2).slice(0, 2), line('response_item', { type: 'function_call', name: 'exec_command', call_id: 'c1', arguments: '{"cmd":"sleep 9"}' }, 3)]);
    const disk = new CodexDisk(home);
    const left = viewOf((await disk.page(id(1), { limit: 100, live: false })).items);
    expect(left.slice(-2)).toMatchObject([{ kind: 'tool', command: 'sleep 9', status: 'cancelled' }, { kind: 'turn', state: 'cancelled' }]);
    const live = viewOf((await disk.page(id(1), { limit: 100, live: true })).items);
    expect(live.at(-1)).toMatchObject({ kind: 'tool', status: 'running' });
    const [file] = await disk.list();
    expect(file === undefined ? null : await disk.tail(file)).toMatchObject({ last: 'open' });
  });

  it('the last name that was given to a thread counts', async () => {
    await writeFile(path.join(home, 'session_index.jsonl'), [{ id: id(1), thread_name: 'First' }, { id: id(2), thread_name: 'Other' }, { id: id(1), thread_name: 'Second\nline' }].map((one) => JSON.stringify(one)).join('\n') + '\n{broken');
    expect(await new CodexDisk(home).names()).toEqual(new Map([[id(1), 'Second line'], [id(2), 'Other']]));
    expect(await new CodexDisk(path.join(home, 'nowhere')).list()).toEqual([]);
  });

  it('only empty folders of the sandbox that were not there before are taken away', async () => {
    for (const name of ['.aws', '.codex', '.git', 'src']) await mkdir(path.join(home, name));
    const before = await presentIn(home);
    await rm(path.join(home, '.codex'), { recursive: true });
    await rm(path.join(home, '.git'), { recursive: true });
    for (const name of ['.agents', '.codex']) await mkdir(path.join(home, name));
    await writeFile(path.join(home, '.git'), 'gitdir: elsewhere');
    expect(await removeLeftovers(home, before)).toEqual(['.agents']);
    await mkdir(path.join(home, '.agents', 'x'), { recursive: true });
    expect(await removeLeftovers(home, new Set())).toEqual(['.codex', '.aws']);
    expect((await readdir(home)).sort()).toEqual(['.agents', '.git', 'src']);
  });

  it('who holds a lock is read from the table of locks', () => {
    const table = '1: FLOCK  ADVISORY  WRITE 17404 fe:00:2212181 0 EOF\n2: POSIX  ADVISORY  WRITE 99 fe:00:5 0 EOF\n3: FLOCK  ADVISORY  WRITE 0 fe:00:7 0 EOF\n';
    expect([2_212_181, 5, 7, 8].map((inode) => lockHolder(table, inode))).toEqual([17_404, null, 0, null]);
  });
});
