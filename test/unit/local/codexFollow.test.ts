import { appendFile, mkdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import { CodexDisk } from '../../../src/core/systems/local/codex/disk.ts';
import { RolloutFollower } from '../../../src/core/systems/local/codex/follow.ts';
import { HandClock } from '../session/hand-clock.ts';
import { tempFolder, until } from './processScripts.ts';

const id = '01a1fdda-0000-7000-8000-000000000001';
const line = (type: string, payload: object): string => `${JSON.stringify({ timestamp: '2026-11-21T10:00:00.000Z', type, payload })}\n`;
const turn = (n: number): string => [
  line('event_msg', { type: 'task_started', turn_id: `t${n}` }),
  line('event_msg', { type: 'item_completed', turn_id: `t${n}`, item: { type: 'UserMessage', id: `u${n}`, content: [{ type: 'text', text: `Prompt ${n}` }] } }),
  line('event_msg', { type: 'task_complete', turn_id: `t${n}`, duration_ms: 5 }),
].join('');

const child = '01a1fdda-0000-7000-8000-0000000000c1';
const grandchild = '01a1fdda-0000-7000-8000-0000000000c2';
const starts = (agent: string, kind = 'started'): string => line('event_msg', { type: 'item_completed', turn_id: 't2', item: { type: 'SubAgentActivity', id: `a${agent}${kind}`, kind, agent_thread_id: agent, agent_path: '/root/looker' } });
const says = (text: string): string => line('event_msg', { type: 'item_completed', turn_id: 'tc', item: { type: 'AgentMessage', id: `m ${text}`, content: [{ type: 'Text', text }] } });

describe('a rollout that others write', () => {
  let temp: Awaited<ReturnType<typeof tempFolder>>;
  let clock: HandClock;
  let follower: RolloutFollower | null = null;
  let heard: Entry[] = [];
  let file = '';

  beforeEach(async () => {
    temp = await tempFolder();
    clock = new HandClock();
    heard = [];
    const folder = path.join(temp.path, 'sessions', '2026', '11', '21');
    await mkdir(folder, { recursive: true });
    file = path.join(folder, `rollout-2026-11-21T10-00-00-${id}.jsonl`);
    await writeFile(file, line('session_meta', { id, timestamp: '2026-11-21T10:00:00.000Z', cwd: '/code', source: 'cli', history_mode: 'paginated' }) + turn(1));
    await written(60_000);
  });
  afterEach(async () => {
    follower?.dispose();
    await temp.remove();
  });

  /** Gives the file the time of so many milliseconds ago. */
  const written = async (ago: number): Promise<void> => {
    const at = new Date(clock.now() - ago);
    await utimes(file, at, at);
  };
  const follow = (): void => {
    follower = new RolloutFollower({ disk: new CodexDisk(temp.path), id, clock, wanted: async () => true, entries: (entries) => heard.push(...entries), changed: () => undefined });
  };
  const prompts = (): string[] => [...new Set(heard.flatMap((entry) => (entry.kind === 'prompt' ? [entry.text] : [])))];
  const looks = (check: () => boolean): Promise<true> => until(() => {
    clock.advance(700);
    return check();
  });
  const quiet = async (): Promise<void> => {
    for (let look = 0; look < 4; look += 1) {
      clock.advance(700);
      await new Promise((resolve) => {
        setTimeout(resolve, 25);
      });
    }
  };

  it('is told of though it was written before the first look', async () => {
    follow();
    await appendFile(file, turn(2));
    await written(0);
    await looks(() => prompts().length > 0);
    expect(prompts()).toEqual(['Prompt 2']);
  });

  it('is told of when the file came after the following began', async () => {
    const other = file.replace('000000000001', '000000000002');
    follower = new RolloutFollower({ disk: new CodexDisk(temp.path), id: id.replace('000000000001', '000000000002'), clock, wanted: async () => true, entries: (entries) => heard.push(...entries), changed: () => undefined });
    await quiet();
    await writeFile(other, line('session_meta', { id, timestamp: '2026-11-21T10:00:00.000Z', cwd: '/code', source: 'cli', history_mode: 'paginated' }) + turn(3));
    await looks(() => prompts().includes('Prompt 3'));
  });

  it('that rested when it was opened is not told again, but goes on', async () => {
    follow();
    await quiet();
    expect(heard).toEqual([]);
    await appendFile(file, turn(2));
    await looks(() => prompts().length > 0);
    expect(prompts()).toEqual(['Prompt 2']);
  });

  it('goes on behind a line that is longer than what is read at once, in the thread as in a subagent', async () => {
    const image = (bytes: number): string => line('response_item', { type: 'message', role: 'user', content: [{ type: 'input_image', image_url: 'x'.repeat(bytes) }] });
    const childFile = path.join(path.dirname(file), `rollout-2026-11-21T10-00-05-${child}.jsonl`);
    await writeFile(childFile, line('session_meta', { id: child, timestamp: '2026-11-21T10:00:00.000Z', cwd: '/code', source: { subagent: {} }, history_mode: 'paginated' }) + line('event_msg', { type: 'task_started', turn_id: 'tc' }));
    follow();
    await quiet();
    await appendFile(file, image(9 * 1024 * 1024) + turn(2));
    await looks(() => prompts().includes('Prompt 2'));
    await appendFile(file, starts(child));
    await appendFile(childFile, says('I look.'));
    const said = (): string[] => heard.flatMap((entry) => (entry.kind === 'text' ? [entry.text] : []));
    await looks(() => said().includes('I look.'));
    await appendFile(childFile, image(17 * 1024 * 1024) + says('I have seen it.'));
    await looks(() => said().includes('I have seen it.'));
  });

  it('what its subagents do, and theirs, is told within their rows while they are at it', async () => {
    const fileOf = (thread: string): string => path.join(path.dirname(file), `rollout-2026-11-21T10-00-05-${thread}.jsonl`);
    const meta = (thread: string): string => line('session_meta', { id: thread, timestamp: '2026-11-21T10:00:00.000Z', cwd: '/code', source: { subagent: {} }, history_mode: 'paginated' });
    follow();
    await quiet();
    await appendFile(file, line('event_msg', { type: 'task_started', turn_id: 't2' }) + starts(child));
    await looks(() => heard.some((entry) => entry.kind === 'tool'));
    await writeFile(fileOf(child), meta(child) + line('event_msg', { type: 'task_started', turn_id: 'tc' }) + says('I look.'));
    const said = (parent: string): string[] => heard.flatMap((entry) => (entry.kind === 'text' && entry.parent === parent ? [entry.text] : []));
    await looks(() => said(`agent:${child}`).length > 0);
    await writeFile(fileOf(grandchild), meta(grandchild) + line('event_msg', { type: 'task_started', turn_id: 'tg' }) + says('I help.'));
    await appendFile(fileOf(child), starts(grandchild) + says('It helps.'));
    await looks(() => said(`agent:${child}`).length > 1 && said(`agent:${grandchild}`).length > 0);
    expect(said(`agent:${child}`)).toEqual(['I look.', 'It helps.']);
    expect(said(`agent:${grandchild}`)).toEqual(['I help.']);
    expect(heard.some((entry) => entry.kind === 'turn' && entry.turn !== 't2')).toBe(false);
  });
});
