import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { code, rejection, wholeHistory } from '../../contract/helpers.ts';
import { rowsOf } from '../../contract/observer.ts';
import { plainScript, spoken } from '../../loopback/clawdforge/script.ts';
import { listed, say, Stage } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.make();
});
afterEach(() => stage.dispose());

describe('an answer that was cut', () => {
  it.each(['events', 'lines', 'whole'] as const)('in %s, in every place: the turn fails, says that the server counted it, keeps what came, and nothing is sent again', async (form) => {
    stage.server.form = form;
    const { window, chat } = await stage.chat();
    const events = spoken('one two three');
    for (let after = 0; after <= events.length; after += 1) {
      stage.server.script = () => ({ events, cut: { after } });
      const end = await chat.turn(`cut ${after}`);
      expect(end).toMatchObject({ state: 'failed', error: expect.stringContaining('The server has counted the turn') as string });
    }
    expect(stage.server.prompts()).toHaveLength(events.length + 1);
    expect(rowsOf(chat.rows, 'text').map((row) => [row.text, row.streaming])).toEqual(form === 'whole' ? [] : [['one ', false], ['one two ', false], ['one two three', false]]);
    expect(rowsOf(chat.rows, 'notice').every((row) => row.code === 'turn_lost' && row.text.includes('was not sent again'))).toBe(true);
    expect(chat.session).toMatchObject({ state: 'failed', error: expect.stringContaining('lost') as string });
    stage.server.script = plainScript;
    expect((await chat.turn('Go on')).state).toBe('completed');
    expect(chat.session?.state).toBe('idle');
    const again = viewOf(await wholeHistory(window.backend, chat.handle.id));
    expect(again).toEqual(chat.rows);
    // All of them were ours.
    expect(rowsOf(chat.rows, 'notice').some((row) => row.code === 'foreign_turns')).toBe(false);
  });

  it('before it began: whether the server has the prompt is not known, and the server is asked', async () => {
    const { chat } = await stage.chat();
    stage.server.script = () => ({ events: [], cut: { after: 'nothing', work: 'given up' } });
    const end = await chat.turn('Hello');
    expect(end).toMatchObject({ state: 'failed', error: expect.stringContaining('has not counted the turn so far') as string });
    stage.server.script = plainScript;
    expect((await chat.turn('Hello again')).state).toBe('completed');
    expect(stage.server.prompts()).toEqual(['Hello', 'Hello again']);
    expect(rowsOf(chat.rows, 'notice').map((row) => row.code)).toEqual(['turn_lost']);
  });

  it('and a server that cannot be asked: it says that too', async () => {
    const { chat } = await stage.chat();
    stage.server.script = () => {
      stage.server.faults.push({ method: 'GET', path: /sess_/, times: 9 });
      return { events: [], cut: { after: 'nothing' } };
    };
    expect((await chat.turn('Hello')).error).toContain('could not be asked');
    expect(stage.server.count('POST', /turn$/)).toBe(1);
  });

  it('that the server counts later is told then, as ours', async () => {
    const { window, chat } = await stage.chat();
    stage.server.script = () => ({ events: [], cut: { after: 'nothing', work: 'given up' } });
    await chat.turn('Hello');
    const hosted = [...stage.server.sessions.values()][0];
    if (hosted !== undefined) hosted.turns += 1;
    await window.backend.sessions({ limit: 5 });
    expect(rowsOf(chat.rows, 'notice').map((row) => row.code)).toEqual(['turn_lost', 'turn_counted']);
    await window.backend.sessions({ limit: 5 });
    expect(rowsOf(chat.rows, 'notice')).toHaveLength(2);
  });
});

describe('a prompt that the server certainly has not', () => {
  it.each([[400, 'prompt_refused'], [409, 'turn_running'], [413, 'prompt_refused'], [429, 'rate_limited']] as const)('as its refusal with %d says, comes back as %s, leaves nothing behind and can be sent again under its id', async (status, named) => {
    const { chat } = await stage.chat();
    stage.server.faults.push({ method: 'POST', path: /turn$/, status, body: { error: 'not now' } });
    const clientId = randomUUID();
    expect(await rejection(say(chat, 'Hello', clientId))).toMatchObject({ code: named, personMustAct: false });
    expect(chat.entries).toEqual([]);
    expect((await chat.turn('Hello', { outcome: 'allow' }, clientId)).state).toBe('completed');
    expect(rowsOf(chat.rows, 'prompt')).toHaveLength(1);
  });

  it.each(['says so', 'answers with 410'])('for its session is closed, as its state %s, comes back without a turn being asked for', async (how) => {
    const { chat } = await stage.chat();
    if (how === 'says so') stage.server.expire(chat.handle.id);
    else stage.server.faults.push({ method: 'GET', path: /^\/sessions\/sess/, status: 410 });
    expect(await code(say(chat, 'Hello'))).toBe('session_closed');
    expect(stage.server.count('POST', /turn$/)).toBe(0);
  });
});

it('a turn that the server fails is shown with its words, once', async () => {
  const { chat } = await stage.chat();
  stage.server.script = () => ({ events: [], refuse: { status: 502, body: { error: 'agent crashed', stderr: 'out of memory' } } });
  expect(await chat.turn('Hello')).toMatchObject({ state: 'failed', error: expect.stringContaining('agent crashed') as string });
  stage.server.script = () => ({ events: spoken('so far'), stopReason: 'timeout', ok: false });
  expect(await chat.turn('Long work')).toMatchObject({ state: 'failed', error: expect.stringContaining('time for a turn was over (600 s)') as string, durationMs: 34 });
  stage.server.script = () => ({ events: [], ok: false, stopReason: 'error' });
  expect((await chat.turn('Bad work')).state).toBe('failed');
  expect(stage.server.prompts()).toHaveLength(3);
});

it('an interrupt leaves the answer and says so; what the server does then is counted as ours', async () => {
  stage.server.form = 'whole';
  const { window, chat } = await stage.chat();
  await say(chat, 'slowly, please');
  expect(await chat.handle.interrupt()).toMatchObject({ step: 'interrupted', message: expect.stringContaining('cannot be told to stop') as string });
  expect(await chat.turnEnd(0)).toMatchObject({ state: 'cancelled', error: null });
  expect(rowsOf(chat.rows, 'notice').map((row) => row.code)).toEqual(['interrupted']);
  await expect.poll(() => [...stage.server.sessions.values()].some(({ busy }) => busy)).toBe(false);
  const hosted = [...stage.server.sessions.values()][0];
  if (hosted !== undefined) hosted.turns += 1;
  await window.backend.sessions({ limit: 5 });
  expect(rowsOf(chat.rows, 'notice').map((row) => row.code)).toEqual(['interrupted', 'turn_counted']);
});

it('turns of another client of the token are told of, once, for their words cannot be read', async () => {
  const { window, chat } = await stage.chat();
  await chat.turn('Mine');
  await using other = new Forge({ baseUrl: stage.server.url, token: stage.token });
  const theirs = other.attach(chat.handle.id);
  await theirs.turn('Theirs');
  await theirs.turn('Theirs too');
  expect((await chat.turn('Mine again')).state).toBe('completed');
  await window.backend.sessions({ limit: 5 });
  const told = rowsOf(chat.rows, 'notice');
  expect(told.map((row) => [row.code, row.text])).toEqual([['foreign_turns', expect.stringMatching(/^2 turns of this session were sent by another client/)]]);
  // It stands where it was seen: before our next prompt.
  expect(chat.rows.map((row) => row.kind)).toEqual(['prompt', 'text', 'turn', 'notice', 'prompt', 'text', 'turn']);
  expect(JSON.stringify(chat.rows)).not.toContain('Theirs');
  const fresh = await other.createSession();
  await fresh.turn('Before we looked');
  const history = await wholeHistory(window.backend, fresh.sessionId);
  expect(history).toEqual([expect.objectContaining({ kind: 'notice', code: 'foreign_turns', text: expect.stringContaining('A turn of this session was') as string })]);
});

describe('a window that dies in a turn', () => {
  it('leaves what was said so far; whoever comes next ends the turn, says what the server counted, and sends nothing again', async () => {
    let dead = false;
    const window = await stage.window(stage.token, (context) => ({ ...context, keep: { ...context.keep, set: (key, value) => (dead ? Promise.resolve() : context.keep.set(key, value)) } }));
    await window.backend.connect();
    const chat = stage.observe(window.backend, (await window.backend.spawn({ machineId: stage.machineId, folder: '' })).id);
    await chat.turn('First');
    const clientId = randomUUID();
    await say(chat, 'slowly', clientId);
    await expect.poll(async () => [...(await window.context.keep.list('log:')).values()].join(''), { timeout: 5_000 }).toContain('The sea is wide');
    dead = true;
    window.die();
    const next = await stage.window();
    await next.backend.connect();
    const there = stage.observe(next.backend, chat.handle.id);
    const rows = viewOf(await wholeHistory(next.backend, chat.handle.id));
    expect(rows.map((row) => row.kind)).toEqual(['prompt', 'text', 'turn', 'prompt', 'text', 'notice', 'turn']);
    expect(rows[3]).toMatchObject({ clientId, text: 'slowly' });
    expect(rows[4]).toMatchObject({ streaming: false, text: expect.stringContaining('The sea is wide') as string });
    expect(rows.at(-1)).toMatchObject({ state: 'failed', error: expect.stringMatching(/window closed.*not counted/) as string });
    expect(await listed(next.backend, chat.handle.id)).toMatchObject({ state: 'failed', owner: 'nobody' });
    // An outbox that asks again for what it was sending gets it as sent.
    await say(there, 'slowly', clientId);
    expect(stage.server.prompts()).toEqual(['First', 'slowly']);
    expect(viewOf(await wholeHistory(next.backend, chat.handle.id))).toEqual(rows);
  });

  it('that is closed as it should be leaves the same', async () => {
    const { window, chat } = await stage.chat();
    await say(chat, 'slowly');
    await chat.until('text', () => chat.said().length > 20);
    await window.close();
    const next = await stage.window();
    await next.backend.connect();
    await expect.poll(() => [...stage.server.sessions.values()].some(({ busy }) => busy)).toBe(false);
    expect(await listed(next.backend, chat.handle.id)).toMatchObject({ state: 'failed' });
    const rows = viewOf(await wholeHistory(next.backend, chat.handle.id));
    expect(rows.map((row) => row.kind)).toEqual(['prompt', 'text', 'notice', 'turn']);
    expect(rowsOf(rows, 'text')[0]?.text.length).toBeGreaterThan(20);
  });
});

it('an answer is written before its turn counts as done', async () => {
  const order: string[] = [];
  const window = await stage.window(stage.token, (context) => ({
    ...context,
    keep: { ...context.keep, set: async (key, value) => {
      await new Promise((resolve) => {
        setTimeout(resolve, 30);
      });
      await context.keep.set(key, value);
      if (key.startsWith('log:') && (value ?? '').includes('"state":"completed"')) order.push('written');
    } },
  }));
  await window.backend.connect();
  const chat = stage.observe(window.backend, (await window.backend.spawn({ machineId: stage.machineId, folder: '' })).id);
  chat.handle.live((event) => {
    if (event.type === 'entries' && event.entries.some((entry) => entry.kind === 'turn' && entry.phase === 'end')) order.push('told');
  });
  await chat.turn('Hello');
  expect(order).toEqual(['written', 'told']);
});

it('an answer that cannot be written is shown all the same, and says that it exists nowhere else', async () => {
  let full = false;
  const window = await stage.window(stage.token, (context) => ({
    ...context, keep: { ...context.keep, set: (key, value) => (full && key.startsWith('log:') ? Promise.reject(new Error('disk full')) : context.keep.set(key, value)) },
  }));
  await window.backend.connect();
  const chat = stage.observe(window.backend, (await window.backend.spawn({ machineId: stage.machineId, folder: '' })).id);
  stage.server.script = (turn) => {
    full = true;
    return plainScript(turn);
  };
  expect((await chat.turn('Hello')).state).toBe('completed');
  expect(chat.said()).toContain('Hello');
  expect(rowsOf(chat.rows, 'notice')).toEqual([expect.objectContaining({ level: 'error', code: 'not_kept' })]);
  // What cannot be written down beforehand is not sent.
  expect(await rejection(say(chat, 'Again'))).toMatchObject({ message: 'disk full' });
  expect(stage.server.prompts()).toEqual(['Hello']);
});
