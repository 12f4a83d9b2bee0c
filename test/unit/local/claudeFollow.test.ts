import { appendFile, chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SessionBackend, SessionHandle } from '../../../src/core/model/backend.ts';
import type { BackendContext } from '../../../src/core/model/context.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import type { Row, ToolRow } from '../../../src/core/model/row.ts';
import { createClaudeBackend } from '../../../src/core/systems/local/claude/backend.ts';
import { projectName } from '../../../src/core/systems/local/claude/files.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { HandClock } from '../session/hand-clock.ts';
import { memoryLog, tempFolder, until } from './processScripts.ts';

/** Stands in for the agent's program: gets ready, writes nothing, and ends when it is told to. */
const program = `#!${process.execPath}
if (process.argv.includes('--version')) console.log('2.1.329 (Claude Code)');
else if (!process.argv.includes('--help')) {
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { type, request_id } = JSON.parse(line);
    if (type === 'control_request') console.log(JSON.stringify({ type: 'control_response', response: { subtype: 'success', request_id, response: {} } }));
  }).on('close', () => process.exit(0));
}
`;
const id = '00000000-0000-4000-8000-000000000001';
let folder = '';
const line = (value: JsonObject): string => `${JSON.stringify(value)}\n`;
const asks = (uuid: string, text: string, second: number): string => line({ parentUuid: null, isSidechain: false, type: 'user', message: { role: 'user', content: text }, uuid, timestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(), cwd: folder, gitBranch: 'main' });
const says = (message: string, text: string, second: number): string => line({
  parentUuid: 'x', isSidechain: false, message: { id: message, model: 'm', content: [{ type: 'text', text }], stop_reason: 'end_turn', usage: { input_tokens: 10, output_tokens: 5 } },
  apiBlockIndex: 0, type: 'assistant', uuid: `a-${message}`, timestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(),
});

describe('a transcript that others write', () => {
  let temp: Awaited<ReturnType<typeof tempFolder>>;
  let clock: HandClock;
  let backend: SessionBackend;
  let handle: SessionHandle;
  let file = '';
  let heard: Entry[] = [];
  let holder: 'this' | 'other' | 'nobody' = 'nobody';

  beforeEach(async () => {
    temp = await tempFolder();
    folder = temp.path;
    clock = new HandClock();
    heard = [];
    holder = 'nobody';
    const project = path.join(temp.path, 'config', 'projects', projectName(folder));
    await mkdir(project, { recursive: true });
    file = path.join(project, `${id}.jsonl`);
    const claude = path.join(temp.path, 'claude');
    await writeFile(claude, program);
    await chmod(claude, 0o700);
    const kept = new Map<string, string>();
    const context: BackendContext = {
      connectionId: 'c', log: memoryLog(), clock, stateDir: path.join(temp.path, 'state'),
      keep: {
        get: async (key) => kept.get(key) ?? null,
        set: async (key, value) => void (value === null ? kept.delete(key) : kept.set(key, value)),
        list: async (prefix) => new Map([...kept].filter(([key]) => key.startsWith(prefix))),
      },
      leases: {
        acquire: async () => {
          holder = 'this';
          return true;
        },
        release: async () => {
          holder = 'nobody';
        },
        holder: async () => holder,
      },
    };
    await mkdir(context.stateDir);
    backend = createClaudeBackend(context, { path: claude, configDir: path.join(temp.path, 'config'), env: { PATH: process.env['PATH'], HOME: temp.path } });
    await writeFile(file, asks('u1', 'One', 1) + says('m1', 'First', 2));
    handle = backend.session(id);
  });
  afterEach(async () => {
    await moving(Promise.resolve(backend[Symbol.asyncDispose]()));
    await temp.remove();
  });

  const listen = (): { dispose(): void } => handle.live((event) => {
    if (event.type === 'entries') heard.push(...event.entries);
  });
  const prompts = (entries: readonly Entry[] = heard): string[] => [...new Set(entries.flatMap((entry) => (entry.kind === 'prompt' ? [entry.text] : [])))];
  const texts = (): string[] => [...new Set(heard.flatMap((entry) => (entry.kind === 'text' ? [entry.text] : [])))];
  /** Lets looks come until `check` holds. */
  const looks = (check: () => boolean): Promise<true> => until(() => {
    clock.advance(700);
    return check();
  });
  /** Moves the clock on until that is done. */
  const moving = async <T>(work: Promise<T>): Promise<T> => {
    let over = false;
    const done = work.finally(() => {
      over = true;
    });
    done.catch(() => undefined);
    await until(() => {
      clock.advance(100);
      return over;
    }, 15_000);
    return done;
  };
  /** Long enough for several looks, each with its reading. */
  const quiet = async (): Promise<void> => {
    for (let look = 0; look < 4; look += 1) {
      clock.advance(700);
      await new Promise((resolve) => {
        setTimeout(resolve, 25);
      });
    }
  };

  it('is told from where the history was read, however late the first look is', async () => {
    const page = await handle.history({ limit: 50 });
    expect(prompts(page.items)).toEqual(['One']);
    await appendFile(file, asks('u2', 'Two', 3));
    listen();
    await appendFile(file, says('m2', 'Second', 4));
    await looks(() => texts().includes('Second'));
    expect(prompts()).toEqual(['Two']);
    expect(texts()).toEqual(['Second']);
  });

  it('is told from there as well when the listener came first', async () => {
    listen();
    await handle.history({ limit: 50 });
    await appendFile(file, asks('u2', 'Two', 3));
    await looks(() => prompts().includes('Two'));
    await appendFile(file, asks('u3', 'Three', 5));
    await looks(() => prompts().includes('Three'));
  });

  it('is told whole when it appears after nothing was there', async () => {
    const fresh = '00000000-0000-4000-8000-000000000002';
    const other = path.join(path.dirname(file), `${fresh}.jsonl`);
    const later = backend.session(fresh);
    later.live((event) => {
      if (event.type === 'entries') heard.push(...event.entries);
    });
    await quiet();
    await writeFile(other, asks('u9', 'Nine', 3));
    await looks(() => prompts().includes('Nine'));
  });

  it('is told from where our own process left it', async () => {
    listen();
    await handle.history({ limit: 50 });
    await moving(handle.resume());
    expect(await moving(handle.stop().then(() => holder))).toBe('nobody');
    await appendFile(file, asks('u2', 'Two', 3) + says('m2', 'Second', 4));
    await looks(() => texts().includes('Second'));
    expect(prompts()).toEqual(['Two']);
  });

  it('is told to its end before our own process starts', async () => {
    listen();
    await handle.history({ limit: 50 });
    await quiet();
    await appendFile(file, asks('u2', 'Two', 3) + says('m2', 'Second', 4));
    await moving(handle.resume());
    expect(prompts()).toEqual(['Two']);
    expect(texts()).toEqual(['Second']);
  });

  it('is read anew when it is shorter than it was, or another one', async () => {
    listen();
    await handle.history({ limit: 50 });
    await quiet();
    expect(heard).toEqual([]);
    await writeFile(file, asks('u2', 'Two', 3));
    await looks(() => prompts().includes('Two'));
    await writeFile(`${file}.tmp`, asks('u3', 'Three', 3) + says('m3', 'Third', 4));
    await rename(`${file}.tmp`, file);
    await looks(() => prompts().includes('Three'));
  });

  it('is told by whole lines, though the history was read in the middle of one', async () => {
    const two = asks('u2', 'Two', 3);
    await appendFile(file, two.slice(0, 40));
    await handle.history({ limit: 50 });
    listen();
    await appendFile(file, two.slice(40));
    await looks(() => prompts().includes('Two'));
    expect(heard.some((entry) => entry.kind === 'unknown')).toBe(false);
  });

  it('of many megabytes is told whole, in several goes', async () => {
    await handle.history({ limit: 50 });
    const calls: number[] = [];
    handle.live((event) => {
      if (event.type === 'entries') calls.push(event.entries.length);
    });
    listen();
    const long = 'word '.repeat(60_000);
    for (let n = 0; n < 20; n += 1) await appendFile(file, asks(`v${n}`, `Prompt ${n}`, 3 + n) + says(`l${n}`, `${n} ${n === 7 ? long.repeat(20) : long}`, 4 + n));
    await looks(() => prompts().includes('Prompt 19'));
    expect(prompts()).toHaveLength(20);
    expect(calls.length).toBeGreaterThan(1);
  });

  it('that another window runs is left to the store, and told again when it does not any more', async () => {
    listen();
    await handle.history({ limit: 50 });
    holder = 'other';
    await appendFile(file, asks('u2', 'Two', 3));
    await quiet();
    expect(heard).toEqual([]);
    holder = 'nobody';
    await appendFile(file, asks('u3', 'Three', 5));
    await looks(() => prompts().includes('Three'));
    expect(prompts()).toEqual(['Three']);
  });

  it('is not told again to somebody who comes long after the last one', async () => {
    listen().dispose();
    await handle.history({ limit: 50 });
    clock.advance(120_000);
    await appendFile(file, asks('u2', 'Two', 3));
    listen();
    await quiet();
    await appendFile(file, asks('u3', 'Three', 5));
    await looks(() => prompts().includes('Three'));
    expect(prompts()).toEqual(['Three']);
  });

  it('tells of subagents too, whose steps stand in files of their own', async () => {
    listen();
    await handle.history({ limit: 50 });
    const beside = path.join(file.replace(/\.jsonl$/, ''), 'subagents');
    await mkdir(beside, { recursive: true });
    const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
    const calls = (id: string, name: string, input: JsonObject, second: number): string => line({
      parentUuid: 'x', isSidechain: false, type: 'assistant', uuid: `c-${id}`, timestamp: at(second), message: { id: `m-${id}`, model: 'm', content: [{ type: 'tool_use', id, name, input }], stop_reason: null },
    });
    const results = (id: string, content: string, second: number, detail: JsonObject = {}): string => line({
      parentUuid: 'x', isSidechain: false, type: 'user', uuid: `r-${id}`, timestamp: at(second), message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content }] }, toolUseResult: detail,
    });
    const tool = (): ToolRow | undefined => viewOf(heard).find((row) => row.kind === 'tool');
    const steps = (): unknown[] => (tool()?.children ?? []).map((row) => (row.kind === 'tool' ? [row.title, row.status, row.turn] : row.kind));
    await appendFile(file, asks('u2', 'Two', 3) + calls('t1', 'Agent', { description: 'look', prompt: 'Look.' }, 4) + results('t1', 'Launched.', 5, { status: 'async_launched', agentId: 'abc' }));
    await looks(() => tool() !== undefined);
    expect(tool()).toMatchObject({ status: 'running', output: '' });
    await writeFile(path.join(beside, 'agent-abc.jsonl'), calls('t2', 'Bash', { command: 'ls' }, 6));
    await looks(() => steps().length > 0);
    expect(steps()).toEqual([['ls', 'running', 'u2']]);
    await appendFile(path.join(beside, 'agent-abc.jsonl'), results('t2', 'a.txt', 7) + calls('t3', 'Write', { file_path: '/w/b.txt', content: '' }, 8) + results('t3', 'ok', 9));
    await looks(() => steps().length > 1);
    const ended = '<task-notification>\n<task-id>abc</task-id>\n<tool-use-id>t1</tool-use-id>\n<status>failed</status>\n<summary>Agent "look" failed: it broke</summary>\n<result>Half.</result>\n</task-notification>';
    await appendFile(file, says('m2', 'Done', 10) + asks('u3', ended, 11));
    await looks(() => tool()?.status === 'error');
    expect(tool()).toMatchObject({ output: 'Half.', turn: 'u2' });
    const turn = (): Row | undefined => viewOf(heard).find((row) => row.kind === 'turn' && row.turn === 'u2');
    await looks(() => turn() !== undefined && viewOf(heard).some((row) => row.kind === 'notice' && row.text === 'Agent "look" failed'));
    expect(turn()).toMatchObject({ filesChanged: ['/w/b.txt'] });
  });
});
