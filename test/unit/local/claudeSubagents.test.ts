import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { canonicalJson } from '../../../src/core/model/json.ts';
import { Follower } from '../../../src/core/systems/local/claude/follow.ts';
import { historyPage } from '../../../src/core/systems/local/claude/pages.ts';
import { tempFolder } from './processScripts.ts';

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
const line = (value: JsonObject): string => `${JSON.stringify(value)}\n`;
const asks = (uuid: string, second: number): string => line({ parentUuid: null, isSidechain: false, type: 'user', message: { role: 'user', content: 'Look' }, uuid, timestamp: at(second), cwd: '/w' });
const calls = (id: string, name: string, input: JsonObject, second: number): string => line({
  parentUuid: 'x', isSidechain: false, type: 'assistant', uuid: `c-${id}`, timestamp: at(second), message: { id: `m-${id}`, model: 'm', content: [{ type: 'tool_use', id, name, input }], stop_reason: null },
});
const results = (id: string, content: string, second: number, detail: JsonObject = {}): string => line({
  parentUuid: 'x', isSidechain: false, type: 'user', uuid: `r-${id}`, timestamp: at(second), message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content }] }, toolUseResult: detail,
});
const says = (id: string, text: string, second: number): string => line({
  parentUuid: 'x', isSidechain: false, type: 'assistant', uuid: `s-${id}`, timestamp: at(second), message: { id, model: 'm', content: [{ type: 'text', text }], stop_reason: 'end_turn' }, apiBlockIndex: 0,
});
const launch = (id: string, agent: string, second: number): string => calls(id, 'Agent', { description: 'look', prompt: 'Look.' }, second) + results(id, 'Launched.', second, { status: 'async_launched', agentId: agent });

describe('a subagent that works while it is followed', () => {
  let temp: Awaited<ReturnType<typeof tempFolder>>;
  let sessions = 0;
  let file = '';
  let follower: Follower;
  /** Pieces, as they were told. */
  let told: (readonly Entry[])[] = [];
  const look = async (): Promise<readonly Entry[]> => {
    told = [];
    await follower.read(false, (entries) => told.push(entries));
    return told.flat();
  };
  const agent = (id: string): string => path.join(file.replace(/\.jsonl$/, ''), 'subagents', `agent-${id}.jsonl`);
  const start = async (): Promise<void> => {
    sessions += 1;
    file = path.join(temp.path, `s${sessions}.jsonl`);
    await mkdir(path.dirname(agent('abc')), { recursive: true });
    await writeFile(file, asks('u1', 1) + launch('t1', 'abc', 2));
    follower = new Follower(file, '/w', 0);
  };
  beforeAll(async () => {
    temp = await tempFolder();
  });
  afterAll(() => temp.remove());
  beforeEach(start);

  const texts = (entries: readonly Entry[]): string[] => entries.flatMap((entry) => (entry.kind === 'text' ? [entry.text] : []));

  it('is told by what it added, not anew at every line', async () => {
    await writeFile(agent('abc'), Array.from({ length: 3000 }, (_, n) => says(`a${n}`, `Line ${n}`, 3)).join(''));
    expect(texts(await look())).toHaveLength(3000);
    expect(await look()).toEqual([]);
    await appendFile(agent('abc'), says('b', 'One more', 4));
    const more = await look();
    expect(texts(more)).toEqual(['One more']);
    expect(more).toHaveLength(1);
  });

  it('is told to its end, in several goes, however much it wrote', async () => {
    const long = 'word '.repeat(20_000);
    for (let n = 0; n < 20; n += 1) await appendFile(agent('abc'), Array.from({ length: 10 }, (_, m) => says(`a${n}-${m}`, `${n}.${m} ${n === 3 && m === 3 ? long.repeat(15) : long}`, 3)).join(''));
    await appendFile(agent('abc'), says('last', 'The end', 4));
    const entries = texts(await look());
    expect(entries).toHaveLength(201);
    expect(entries.at(-1)).toBe('The end');
    expect(Math.max(...told.map((piece) => texts(piece).length))).toBeLessThan(20);
  });

  it('is told by whole lines, and gives what one reading of all of it gives', async () => {
    const inner = calls('n1', 'Bash', { command: 'pwd' }, 8) + results('n1', '/w', 9);
    const whole = says('a', 'Ä first', 3) + calls('t2', 'Write', { file_path: '/w/ö.txt', content: '' }, 4) + results('t2', 'ok', 5) + calls('t3', 'TodoWrite', { todos: [{ content: 'A', status: 'pending' }] }, 5) + results('t3', 'ok', 5, { oldTodos: [], newTodos: [] })
      + launch('t4', 'def', 6) + calls('t5', 'Edit', { file_path: '/w/open.txt', old_string: 'a', new_string: 'b' }, 7) + says('z', 'Last', 9);
    const bytes = Buffer.from(whole);
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 8 }), async (cuts) => {
      await start();
      const gathered = [...(await look())];
      await writeFile(agent('def'), inner);
      let from = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
        await appendFile(agent('abc'), bytes.subarray(from, cut));
        from = cut;
        gathered.push(...(await look()));
      }
      await appendFile(file, says('done', 'Done', 20));
      gathered.push(...(await look()));
      const page = await historyPage(file, '/w', { limit: 100 }, false);
      const sorted = (entries: readonly Entry[]): string[] => entries.map(canonicalJson).sort();
      expect(sorted(gathered)).toEqual(sorted(page.items));
      expect(gathered.find((entry) => entry.kind === 'turn' && entry.phase === 'end')).toMatchObject({ filesChanged: ['/w/ö.txt'] });
    }), { numRuns: 25 });
  });

  it('is read anew when its file is shorter than it was, or another one', async () => {
    await writeFile(agent('abc'), says('a', 'First, and long', 3) + says('b', 'Second', 4));
    expect(texts(await look())).toEqual(['First, and long', 'Second']);
    await writeFile(agent('abc'), says('a', 'Short', 3));
    expect(texts(await look())).toEqual(['Short']);
    await writeFile(`${agent('abc')}.tmp`, says('a', 'Another', 3) + says('c', 'one', 5));
    await rename(`${agent('abc')}.tmp`, agent('abc'));
    expect(texts(await look())).toEqual(['Another', 'one']);
  });

  it('that seems to have started itself is read once', async () => {
    await writeFile(agent('abc'), launch('t1', 'abc', 3) + says('a', 'Round', 4));
    expect(texts(await look())).toEqual(['Round']);
    await writeFile(file, says('done', 'Done', 20), { flag: 'a' });
    expect(texts((await historyPage(file, '/w', { limit: 100 }, true)).items)).toEqual(['Done', 'Round']);
  });
});
