import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { turnMark, TurnState } from '../../../src/core/systems/happy/turn.ts';

const prompt = (text: string): JsonValue => ({ role: 'user', content: { type: 'text', text } });
const envelope = (ev: JsonObject, role = 'agent'): JsonValue => ({ role: 'session', content: { id: 'x', time: 1, role, turn: 't', ev } });
const START = envelope({ t: 'turn-start' });
const END = envelope({ t: 'turn-end', status: 'completed' });
const TEXT = envelope({ t: 'text', text: 'hello' });
const READY: JsonValue = { role: 'agent', content: { type: 'event', data: { type: 'ready' } } };

describe('marks', () => {
  it.each<[JsonValue, string | null]>([
    [prompt('x'), 'prompt'], [START, 'start'], [END, 'end'], [TEXT, 'other'], [READY, 'ready'], [envelope({ t: 'text', text: 'queued' }, 'user'), 'prompt'],
    [{ role: 'agent', content: { type: 'event', data: { type: 'switch', mode: 'local' } } }, null], [{ role: 'agent', content: { type: 'codex', data: { type: 'task_started' } } }, 'start'],
    [{ role: 'agent', content: { type: 'acp', provider: 'gemini', data: { type: 'task_complete' } } }, 'end'], [{ role: 'agent', content: { type: 'codex', data: { type: 'turn_aborted' } } }, 'end'],
    [{ role: 'agent', content: { type: 'output', data: { type: 'assistant' } } }, 'other'], [{ role: 'session', content: { type: 'session', data: { role: 'agent', ev: { t: 'file' } } } }, 'other'],
    [null, null], ['x', null], [{}, null], [[], null], [{ role: 'session', content: null }, null],
  ])('%j is %s', (content, mark) => expect(turnMark(content)).toBe(mark));
});

describe('a turn', () => {
  it('has ended when its end came and the agent rests', () => {
    const turn = new TurnState(0);
    turn.message(1, prompt('x'), 0);
    turn.activity(true, true, 100);
    turn.message(2, START, 200);
    turn.message(3, TEXT, 200);
    expect(turn.verdict('turn', 300)).toMatchObject({ done: false });
    turn.activity(true, false, 400);
    turn.message(4, END, 450);
    expect(turn.verdict('turn', 460)).toEqual({ done: false, stopped: false, againInMs: 390 });
    expect(turn.verdict('turn', 850)).toEqual({ done: true });
  });

  it('has not ended while a batch that waited begins', () => {
    const turn = new TurnState(0);
    turn.message(1, prompt('a'), 0);
    turn.activity(true, true, 10);
    turn.message(2, START, 20);
    turn.message(3, prompt('b'), 30);
    turn.activity(true, false, 40);
    turn.message(4, END, 50);
    turn.activity(true, true, 60);
    expect(turn.verdict('turn', 5_000)).toMatchObject({ done: false, againInMs: null });
    turn.message(5, envelope({ t: 'text', text: 'b' }, 'user'), 70);
    turn.activity(true, false, 80);
    expect(turn.verdict('turn', 90)).toMatchObject({ done: false });
    turn.message(6, END, 100);
    expect(turn.verdict('turn', 600)).toEqual({ done: true });
  });

  it('has ended without a mark when the agent answered, rests and is quiet; not before it answered', () => {
    const turn = new TurnState(0);
    turn.message(1, prompt('x'), 0);
    for (let at = 0; at < 20_000; at += 2_000) turn.activity(true, false, at);
    expect(turn.verdict('turn', 30_000)).toMatchObject({ done: false, againInMs: null });
    turn.message(2, TEXT, 30_000);
    expect(turn.verdict('turn', 60_000)).toMatchObject({ done: false });
    turn.activity(true, false, 60_000);
    turn.activity(true, false, 62_000);
    expect(turn.verdict('turn', 62_000)).toEqual({ done: true });
  });

  it('takes the word of the event `done`, but not over an agent that thinks', () => {
    const turn = new TurnState(0);
    turn.message(1, prompt('x'), 0);
    turn.activity(true, true, 10);
    turn.doneSaid();
    expect(turn.verdict('turn', 5_000)).toMatchObject({ done: false });
    turn.activity(true, false, 5_000);
    expect(turn.verdict('turn', 5_500)).toEqual({ done: true });
    turn.message(2, prompt('y'), 6_000);
    expect(turn.verdict('turn', 9_000)).toMatchObject({ done: false });
  });

  it('waits for a sign of life where none is known, and no longer than one takes', () => {
    const turn = new TurnState(0);
    turn.message(1, prompt('x'), 0);
    turn.message(2, END, 0);
    expect(turn.verdict('turn', 1_000)).toMatchObject({ done: false, againInMs: 1_600 });
    expect(turn.verdict('turn', 2_600)).toEqual({ done: true });
    turn.activity(true, false, 2_700);
    turn.contact(10_000);
    expect(turn.verdict('turn', 10_100)).toMatchObject({ done: false });
  });

  it('`ready` ends a turn only after something was said', () => {
    const turn = new TurnState(0);
    turn.message(1, prompt('x'), 0);
    turn.activity(true, false, 0);
    turn.message(2, READY, 10);
    expect(turn.verdict('turn', 1_000)).toMatchObject({ done: false });
    turn.message(3, TEXT, 20);
    turn.message(4, READY, 30);
    expect(turn.verdict('turn', 1_000)).toEqual({ done: true });
  });

  it('idle needs nothing that waits for the person, and no terminal; a process that ended is told', () => {
    const turn = new TurnState(0);
    turn.activity(true, false, 0);
    turn.row({ active: true, metadata: {}, agentState: { controlledByUser: true } });
    expect(turn.verdict('idle', 5_000)).toMatchObject({ done: false });
    expect(turn.verdict('turn', 5_000)).toEqual({ done: true });
    turn.row({ active: true, metadata: {}, agentState: { requests: { a: {} } } });
    expect(turn.verdict('turn', 5_000)).toMatchObject({ done: false });
    turn.row({ active: true, metadata: {}, agentState: { requests: {}, controlledByUser: false } });
    expect(turn.verdict('idle', 5_000)).toEqual({ done: true });
    turn.message(1, prompt('x'), 5_000);
    turn.row({ active: true, metadata: { lifecycleState: 'archived' }, agentState: {} });
    for (const want of ['turn', 'idle'] as const) expect(turn.verdict(want, 9_000)).toMatchObject({ done: false, stopped: true });
  });
});

/** Turns of the real daemon and real Claude Code, as a controller's socket saw them; contents cut down to their marks. */
describe('recorded turns', () => {
  interface Line {
    readonly at: number;
    readonly seq?: number;
    readonly content?: JsonObject;
    readonly thinking?: boolean;
    readonly event?: string;
    readonly asked?: number;
  }
  const folder = new URL('../../fixtures/happy-turns/', import.meta.url);
  it.each(readdirSync(folder).filter((file) => file.endsWith('.jsonl')))('%s: no turn is taken for done while more of it comes, and each is done at most 8 s after its last word', (name) => {
    const lines = readFileSync(new URL(name, folder), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Line);
    const end = (lines.at(-1)?.at ?? 0) + 10_000;
    const turn = new TurnState(lines[0]?.at ?? 0);
    const isPrompt = (line: Line): boolean => line.content?.['role'] === 'user';
    const spoken = lines.filter((line) => line.content !== undefined && !isPrompt(line) && turnMark(line.content) !== null);
    const done: number[] = [];
    let waiting = false;
    let now = lines[0]?.at ?? 0;
    let beatAt = now;
    const passTo = (until: number): void => {
      for (; now < until; now += 50) {
        // The recordings end where the lab looked away; signs of life went on.
        if (until === end && now - beatAt >= 2_000) {
          beatAt = now;
          turn.activity(true, false, now);
        }
        if (!waiting || !turn.verdict('turn', now).done) continue;
        waiting = false;
        done.push(now);
      }
    };
    for (const line of lines) {
      passTo(line.at);
      if (line.content !== undefined && line.seq !== undefined) {
        waiting ||= isPrompt(line);
        turn.message(line.seq, line.content, line.at);
      } else if (line.thinking !== undefined) turn.activity(true, line.thinking, line.at);
      else if (line.asked !== undefined) turn.row({ active: true, metadata: {}, agentState: { requests: line.asked === 0 ? {} : { asked: {} } } });
      else if (line.event === 'done') turn.doneSaid();
      if (line.thinking !== undefined) beatAt = line.at;
    }
    passTo(end);
    // A subagent that is done reports as the session's own user text, and begins a turn of its own.
    const prompts = lines.filter((line) => line.content !== undefined && turnMark(line.content) === 'prompt').map((line) => line.at);
    expect(done.length).toBeGreaterThan(0);
    expect(waiting, 'the last turn ends too').toBe(false);
    for (const at of done) {
      const next = prompts.find((one) => one > at) ?? end;
      const after = spoken.filter((line) => line.at > at && line.at < next);
      expect(after, `more came after ${at}`).toEqual([]);
      const last = Math.max(...lines.filter((line) => line.at <= at && (line.content !== undefined || line.thinking === true)).map((line) => line.at));
      expect(at - last, `${at} is late`).toBeLessThan(8_000);
    }
  });
});
