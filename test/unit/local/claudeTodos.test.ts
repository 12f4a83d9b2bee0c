import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { canonicalJson } from '../../../src/core/model/json.ts';
import { Follower } from '../../../src/core/systems/local/claude/follow.ts';
import { historyPage } from '../../../src/core/systems/local/claude/pages.ts';
import { ClaudeReader } from '../../../src/core/systems/local/claude/reader.ts';
import { todosAt, todosOf } from '../../../src/core/systems/local/claude/todosAt.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { assertOrderFree } from '../session/properties.ts';
import { tempFolder } from './processScripts.ts';

const silent = { onTaken: () => undefined, onAsk: () => undefined, onTurnEnd: () => undefined, onTitle: () => undefined, onMode: () => undefined, onLoginFailed: () => undefined, onRefuse: () => undefined };
let temp: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  temp = await tempFolder();
});
afterAll(() => temp.remove());

/** What happens in a session that keeps a list. `process`: another process of ours goes on. */
type Step =
  | { readonly do: 'prompt' | 'list' | 'process' | 'talk' }
  | { readonly do: 'create'; readonly subject: string; readonly fails: boolean }
  | { readonly do: 'update'; readonly task: number; readonly status: string | null; readonly subject: string | null }
  | { readonly do: 'write'; readonly todos: readonly string[] };

/** One session, told by the lines of the wire and by those of the transcript, as Claude Code 2.1.329 writes both. */
class Session {
  readonly file: string;
  readonly entries: Entry[] = [];
  #disk = '';
  #saved = '';
  #reader: ClaudeReader;
  #at = Date.UTC(2026, 0, 1);
  #count = 0;
  #tasks = new Map<string, { subject: string; status: string }>();
  #next = 1;

  constructor(file: string) {
    this.file = file;
    this.#reader = new ClaudeReader({ folder: '/w', events: silent });
  }

  async play(steps: readonly Step[]): Promise<this> {
    for (const step of steps) await this.#step(step);
    this.#line({ type: 'assistant', message: { id: 'last', model: 'm', content: [{ type: 'text', text: 'Done.' }], stop_reason: 'end_turn' } });
    this.#wire({ type: 'result', subtype: 'success', is_error: false, result: 'Done.' });
    await this.save();
    return this;
  }
  async save(): Promise<void> {
    this.#saved = this.#disk;
    await writeFile(this.file, this.#saved);
  }

  async #step(step: Step): Promise<void> {
    this.#count += 1;
    switch (step.do) {
      case 'prompt': return this.#prompt();
      case 'process':
        await this.save();
        this.#wire({ type: 'result', subtype: 'success', is_error: false, result: '' });
        this.#reader.ended(null, this.#at);
        this.entries.push(...this.#reader.flush());
        this.#reader = new ClaudeReader({ folder: '/w', events: silent, todos: await todosOf(this.file) });
        return this.#prompt();
      case 'talk':
        return this.#line({ type: 'assistant', message: { id: `m${this.#count}`, model: 'm', content: [{ type: 'text', text: 'So.' }], stop_reason: null } });
      case 'create': {
        if (step.fails) return this.#call('TaskCreate', { subject: step.subject, description: '' }, '<tool_use_error>No.</tool_use_error>', 'Error: No.', true);
        const id = String(this.#next);
        this.#next += 1;
        this.#tasks.set(id, { subject: step.subject, status: 'pending' });
        return this.#call('TaskCreate', { subject: step.subject, description: '' }, `Task #${id} created successfully: ${step.subject}`, { task: { id, subject: step.subject, description: '' } });
      }
      case 'update': {
        const id = String(step.task);
        const input = { taskId: id, ...(step.status === null ? {} : { status: step.status }), ...(step.subject === null ? {} : { subject: step.subject }) };
        const task = this.#tasks.get(id);
        if (task === undefined) return this.#call('TaskUpdate', input, 'Task not found', { success: false, taskId: id, updatedFields: [], error: 'Task not found' });
        if (step.status === 'deleted') this.#tasks.delete(id);
        else this.#tasks.set(id, { subject: step.subject ?? task.subject, status: step.status ?? task.status });
        return this.#call('TaskUpdate', input, `Updated task #${id}`, { success: true, taskId: id, updatedFields: Object.keys(input).slice(1) });
      }
      case 'list': {
        const tasks = [...this.#tasks].map(([id, task]) => ({ id, ...task, blockedBy: [] }));
        return this.#call('TaskList', {}, tasks.map((task) => `#${task.id} [${task.status}] ${task.subject}`).join('\n'), { tasks });
      }
      default: {
        const todos = step.todos.map((content, index) => ({ content, status: index === 0 ? 'in_progress' : 'pending', activeForm: content }));
        return this.#call('TodoWrite', { todos }, 'Todos have been modified successfully.', { oldTodos: [], newTodos: todos });
      }
    }
  }

  #prompt(): void {
    const uuid = `u${this.#count}`;
    this.#at += 1000;
    this.#disk += `${JSON.stringify({ type: 'user', uuid, parentUuid: null, isSidechain: false, timestamp: this.#time(), cwd: '/w', message: { role: 'user', content: `Prompt ${uuid}` } })}\n`;
    this.#wire({ type: 'result', subtype: 'success', is_error: false, result: '' });
    this.#reader.sent({ text: `Prompt ${uuid}`, attachments: [] }, uuid, this.#at);
    this.#wire({ type: 'command_lifecycle', command_uuid: uuid, state: 'started' });
  }

  #call(name: string, input: JsonObject, words: string, detail: JsonObject | string, failed = false): void {
    const id = `toolu_${this.#count}`;
    this.#line({ type: 'assistant', message: { id: `m${this.#count}`, model: 'm', content: [{ type: 'tool_use', id, name, input }], stop_reason: null } });
    const content = [{ type: 'tool_result', tool_use_id: id, content: words, ...(failed ? { is_error: true } : {}) }];
    this.#line({ type: 'user', message: { role: 'user', content } }, detail);
  }

  /** A line of both; some of them in the same millisecond. */
  #line(value: JsonObject, detail: JsonObject | string | null = null): void {
    this.#at += this.#count % 3 === 0 ? 0 : 5;
    const shared = { ...value, uuid: `l${this.#count}-${value['type'] === 'user' ? 'r' : 'c'}`, timestamp: this.#time() };
    this.#disk += `${JSON.stringify({ parentUuid: 'x', isSidechain: false, ...shared, ...(detail === null ? {} : { toolUseResult: detail }) })}\n`;
    this.#wire({ ...shared, parent_tool_use_id: null, ...(detail === null ? {} : { tool_use_result: detail }) });
  }
  #wire(value: JsonObject): void {
    this.#reader.accept(value, this.#at);
    this.entries.push(...this.#reader.flush());
  }
  #time(): string {
    return new Date(this.#at).toISOString();
  }
}

async function pages(file: string, limit: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  let cursor: string | undefined;
  do {
    const page = await historyPage(file, '/w', { limit, ...(cursor === undefined ? {} : { cursor }) }, true);
    entries.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return entries;
}
const lists = (entries: readonly Entry[]): unknown[] => viewOf(entries).filter((row) => row.kind === 'todo').map((row) => [row.key, row.turn, row.items]);
let files = 0;
const play = async (steps: readonly Step[]): Promise<Session> => {
  files += 1;
  await mkdir(path.join(temp.path, 'p'), { recursive: true });
  return new Session(path.join(temp.path, 'p', `s${files}.jsonl`)).play(steps);
};

describe('the to-do list of a session', () => {
  const steps: readonly Step[] = [
    { do: 'prompt' }, { do: 'create', subject: 'Mend the boat', fails: false }, { do: 'create', subject: 'Never', fails: true }, { do: 'create', subject: 'Paint it', fails: false },
    { do: 'update', task: 1, status: 'in_progress', subject: null }, { do: 'talk' }, { do: 'prompt' }, { do: 'talk' }, { do: 'update', task: 1, status: 'completed', subject: null },
    { do: 'process' }, { do: 'update', task: 2, status: null, subject: 'Paint it blue' }, { do: 'update', task: 9, status: 'completed', subject: null }, { do: 'prompt' }, { do: 'list' },
  ];
  const expected = [
    ['todo:u1', 'u1', [{ text: 'Mend the boat', status: 'running' }, { text: 'Paint it', status: 'pending' }]],
    ['todo:u7', 'u7', [{ text: 'Mend the boat', status: 'done' }, { text: 'Paint it', status: 'pending' }]],
    ['todo:u10', 'u10', [{ text: 'Mend the boat', status: 'done' }, { text: 'Paint it blue', status: 'pending' }]],
  ];

  it('is one row a turn that changes it, over turns and processes, live and from disk', async () => {
    const session = await play(steps);
    expect(lists(session.entries)).toEqual(expected);
    for (const limit of [1, 2, 3, 5, 1000]) expect(lists(await pages(session.file, limit))).toEqual(expected);
    expect(lists([...(await pages(session.file, 2)), ...session.entries])).toEqual(expected);
  });

  it('is followed where somebody else keeps it', async () => {
    const session = await play(steps);
    const whole = (await pages(session.file, 1000)).filter((entry) => entry.kind === 'todo');
    const from = whole[1]?.order[1] ?? 0;
    const told: Entry[] = [];
    await new Follower(session.file, '/w', from).read(false, (entries) => told.push(...entries));
    expect(told.filter((entry) => entry.kind === 'todo').map(canonicalJson)).toEqual(whole.slice(1).map(canonicalJson));
  });

  it('is what the agent last wrote, and nothing that failed', async () => {
    const session = await play([{ do: 'prompt' }, { do: 'write', todos: ['A', 'B'] }, { do: 'write', todos: ['B', 'C'] }, { do: 'prompt' }, { do: 'create', subject: 'Never', fails: true }]);
    const written = [['todo:u1', 'u1', [{ text: 'B', status: 'running' }, { text: 'C', status: 'pending' }]]];
    expect(lists(session.entries)).toEqual(written);
    expect(lists(await pages(session.file, 1))).toEqual(written);
  });

  it('is the same from both sources, in any pages and any order, whatever happens', async () => {
    const subject = fc.constantFrom('A', 'B', 'Mend the boat');
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('prompt' as const, 'talk' as const, 'list' as const, 'process' as const) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('create' as const), subject, fails: fc.nat(4).map((n) => n === 0) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('write' as const), todos: fc.array(subject, { maxLength: 3 }) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('update' as const), task: fc.integer({ min: 1, max: 4 }), status: fc.constantFrom('pending', 'in_progress', 'completed', 'deleted', null), subject: fc.option(subject) }) },
    );
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.integer({ min: 1, max: 6 }), async (more, limit) => {
      const session = await play([{ do: 'prompt' }, ...more]);
      const whole = await pages(session.file, 1000);
      const todos = (entries: readonly Entry[]): string[] => entries.filter((entry) => entry.kind === 'todo').map(canonicalJson).sort();
      expect(todos(await pages(session.file, limit))).toEqual(todos(whole));
      expect(lists(whole)).toEqual(lists(session.entries));
      expect(lists([...session.entries, ...whole])).toEqual(lists(session.entries));
      await assertOrderFree([...session.entries, ...whole].filter((entry) => entry.kind === 'todo'), { runs: 2 });
    }), { numRuns: 60 });
  });

  describe('before a page', () => {
    const called = (message: string, id: string, name: string, input: JsonObject): string => `${JSON.stringify({ type: 'assistant', isSidechain: false, uuid: id, message: { id: message, model: 'm', content: [{ type: 'tool_use', id, name, input }] } })}\n`;
    const answered = (id: string, detail: JsonObject | string, failed = false): string => `${JSON.stringify({ type: 'user', isSidechain: false, uuid: `r-${id}`, message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'So.', ...(failed ? { is_error: true } : {}) }] }, toolUseResult: detail })}\n`;
    const todos = (...words: string[]): JsonObject => ({ todos: words.map((content) => ({ content, status: 'pending', activeForm: content })) });
    const wrote = { oldTodos: [], newTodos: [] };
    const asked = (uuid: string): string => `${JSON.stringify({ type: 'user', uuid, isSidechain: false, cwd: '/w', message: { role: 'user', content: 'Go on' } })}\n`;
    /** The list at the end of that transcript, as a task shows that is added, and how many bytes were read for it. */
    const listOf = async (content: string): Promise<{ readonly items: unknown; readonly bytes: number }> => {
      files += 1;
      const file = path.join(temp.path, `raw${files}.jsonl`);
      await writeFile(file, content);
      const handle = await open(file, 'r');
      let bytes = 0;
      const counting = {
        read: async (buffer: Buffer, offset: number, length: number, position: number) => {
          const read = await handle.read(buffer, offset, length, position);
          bytes += read.bytesRead;
          return read;
        },
      } as unknown as FileHandle;
      try {
        const book = await todosAt(counting, (await handle.stat()).size);
        book.call('last', 'TaskCreate', { subject: 'last' });
        const items = book.result({ callId: 'last', status: 'ok', output: '' }, { task: { id: 'last', subject: 'last' } });
        return { items: items?.map((item) => item.text), bytes };
      } finally {
        await handle.close();
      }
    };

    it('is looked for no further back than where the agent last wrote all of it, within a long turn too', async () => {
      const filler = `${JSON.stringify({ type: 'assistant', isSidechain: false, message: { id: 'f', model: 'm', content: [{ type: 'text', text: 'x'.repeat(20_000) }] } })}\n`.repeat(200);
      const turn = (prompt: string, n: number): string => prompt + filler + called(`m${n}`, `t${n}`, 'TodoWrite', todos(`A${n}`)) + answered(`t${n}`, wrote);
      for (const prompt of [asked('u'), '']) {
        const { items, bytes } = await listOf(asked('u0') + turn(prompt, 1) + turn(prompt, 2) + turn(prompt, 3) + called('m4', 't4', 'TodoWrite', todos('Never')) + answered('t4', 'Error: No.', true));
        expect(items).toEqual(['A3', 'last']);
        expect(bytes).toBeLessThan(1024 * 1024);
      }
    });

    it('holds what was called together with the list and came after it', async () => {
      const { items } = await listOf(
        asked('u') + called('m0', 't0', 'TodoWrite', todos('Old')) + answered('t0', wrote)
        + called('m1', 't1', 'TaskCreate', { subject: 'Beside' }) + called('m1', 't2', 'TodoWrite', todos('A')) + answered('t2', wrote) + answered('t1', { task: { id: '1', subject: 'Beside' } }),
      );
      expect(items).toEqual(['A', 'Beside', 'last']);
    });
  });
});
