import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PermissionRow } from '../../../src/core/model/row.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { code, wholeHistory } from '../../contract/helpers.ts';
import { Observer, rowsOf } from '../../contract/observer.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { FleetState } from '../../loopback/happy/conversations.ts';
import type { HappyWindow } from './backendWorld.ts';
import { HappyWorld } from './backendWorld.ts';
import { FakeAgent } from './fakeDaemon.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let world: HappyWorld;
let window: HappyWindow;
const observers: Observer[] = [];
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 40 });
  window = await world.connected();
});
afterEach(async () => {
  for (const observer of observers.splice(0)) observer.dispose();
  await world[Symbol.asyncDispose]();
});

/** A chat on a session of the fleet, with its past, once its state is known. */
async function chat(state: FleetState, on: HappyWindow = window): Promise<Observer> {
  return chatOn(world.inState(state).id, on);
}
async function chatOn(id: string, on: HappyWindow = window): Promise<Observer> {
  const observer = new Observer(on.backend, id, 'hints');
  observers.push(observer);
  observer.entries.push(...(await wholeHistory(on.backend, id)));
  const listed = (await on.all()).find((session) => session.id === id);
  if (listed !== undefined) observer.sessions.unshift(listed);
  return observer;
}
const permission = (one: Observer): PermissionRow | undefined => rowsOf(one.rows, 'permission').at(-1);
const send = (one: Observer, text: string): Promise<void> => one.handle.send({ text, attachments: [] }, randomUUID());
/** `meta` of the newest prompt, as the agent's side reads it. */
const metaOf = async (id: string): Promise<unknown> => {
  const values = (await world.phone.messages(id)).map(({ value }) => value as JsonObject);
  return values.findLast((value) => value['role'] === 'user')?.['meta'];
};

describe('what waits for the person', () => {
  it('is allowed, and the answer stands as it was given; a second one comes too late', async () => {
    const one = await chat('permission');
    const [ask] = one.asks();
    expect(ask).toMatchObject({ ask: 'tool', command: 'rm -rf dist && npm run build' });
    await one.handle.answer(ask?.requestId ?? '', { outcome: 'allow-session' });
    await one.until('the answer', () => permission(one)?.outcome === 'allowed-session');
    await one.until('rest', () => one.session?.state === 'idle');
    expect(one.entries.filter((entry) => entry.kind === 'answer').at(-1)).toMatchObject({ rev: 3, by: 'person', id: `${ask?.row ?? ''}/answer` });
    expect(await code(one.handle.answer(ask?.requestId ?? '', { outcome: 'deny' }))).toBe('already_answered');
    expect(await code(one.handle.answer('no-such-request', { outcome: 'allow' }))).toBe('already_answered');
  });

  it('is denied with the reason', async () => {
    const one = await chat('permission');
    await one.handle.answer(one.asks()[0]?.requestId ?? '', { outcome: 'deny', reason: 'Keep the old output.' });
    await one.until('the answer', () => permission(one)?.outcome === 'denied');
    expect(permission(one)).toMatchObject({ answerReason: 'Keep the old output.' });
    expect(rowsOf(one.rows, 'tool').at(-1)).toMatchObject({ status: 'denied' });
    const again = await chat('permission', await world.connected());
    expect(permission(again)).toMatchObject({ outcome: 'denied', answerReason: 'Keep the old output.' });
  });

  it('is a question: answered with what was picked, which the relay never tells', async () => {
    const one = await chat('question');
    const [ask] = one.asks();
    const id = ask?.questions[0]?.id ?? '';
    expect(await code(one.handle.answer(ask?.requestId ?? '', { outcome: 'allow' }))).toBe('invalid_argument');
    await one.handle.answer(ask?.requestId ?? '', { outcome: 'answer', answers: { [id]: ['Five'] } });
    await one.until('the answer', () => permission(one)?.outcome === 'answered');
    expect(permission(one)?.answers).toEqual({ [id]: ['Five'] });
  });

  it('is a plan: shown from its call, and begun in the mode that was picked, which the next prompt carries', async () => {
    const one = await chat('plan');
    const [ask] = one.asks();
    expect(permission(one)?.plan).toMatch(/^# Plan/);
    await one.handle.answer(ask?.requestId ?? '', { outcome: 'allow', optionId: 'mode:acceptEdits' });
    await one.until('the answer', () => permission(one)?.outcome === 'allowed-session');
    await one.until('the mode', () => one.handle.controls().mode === 'acceptEdits');
    await one.until('rest', () => one.session?.state === 'idle');
    await send(one, 'hello');
    expect(await metaOf(one.handle.id)).toMatchObject({ sentFrom: 'pilothouse', permissionMode: 'acceptEdits' });
  });

  it('keeps the answer of who was faster', async () => {
    const one = await chat('permission');
    const [ask] = one.asks();
    const held = world.server.faults.pushes('hold', ({ event }) => event === 'update');
    await world.phone.answer(one.handle.id, ask?.requestId ?? '', { approved: false, decision: 'denied' });
    const late = code(one.handle.answer(ask?.requestId ?? '', { outcome: 'allow' }));
    setTimeout(() => held.release(), 300);
    expect(await late).toBe('already_answered');
    await one.until('the answer', () => permission(one)?.outcome === 'denied');
  });

  it('is told as not confirmed when the agent takes the answer and says nothing', async () => {
    await world.daemon.online();
    const agent = await world.daemon.start('/work');
    await agent.setState({ ...agent.agentState, requests: { deaf: { tool: 'Bash', arguments: { command: 'ls' }, createdAt: Date.now() } } });
    agent.on('permission', () => undefined);
    const one = await chatOn(agent.id, await world.connected({ haste: 10 }));
    await one.until('the request', () => one.asks()[0]);
    expect(await code(one.handle.answer('deaf', { outcome: 'allow' }))).toBe('not_confirmed');
    expect(permission(one)).toMatchObject({ outcome: null });
  });
});

describe('turns', () => {
  it('runs one, told live as in the history, and a second window sees the same', async () => {
    const one = await chat('idle');
    const other = await chat('idle', await world.connected());
    const before = one.rows.length;
    const end = await one.turn('what is here?');
    expect(end.state).toBe('completed');
    expect(one.rows[before]).toMatchObject({ kind: 'prompt', text: 'what is here?' });
    await one.until('the same in the other window', () => JSON.stringify(other.rows) === JSON.stringify(one.rows));
    expect(viewOf([...await wholeHistory(window.backend, one.handle.id)]).map((row) => row.key)).toEqual(one.rows.map((row) => row.key));
  });

  it('is interrupted: the turn is cancelled, and there is nothing to interrupt then', async () => {
    const one = await chat('idle');
    await send(one, 'tell me something long');
    await one.until('some of it', () => one.said().includes('Part 2'));
    expect(await one.handle.interrupt()).toMatchObject({ step: 'interrupted' });
    await one.until('the end', () => rowsOf(one.rows, 'turn').at(-1)?.state === 'cancelled');
    await one.until('rest', () => one.session?.state === 'idle');
    await one.quiet(3_100);
    expect((await one.handle.interrupt()).step).toBe('nothing-to-stop');
  });

  it('sends the chosen model, mode and effort with each prompt; what is not offered is refused', async () => {
    const one = await chat('idle');
    await one.handle.setModel('opus');
    await one.handle.setEffort('high');
    await one.handle.setMode('acceptEdits');
    expect(one.handle.controls()).toMatchObject({ model: 'opus', effort: 'high', mode: 'acceptEdits' });
    await send(one, 'hello');
    expect(await metaOf(one.handle.id)).toEqual({ sentFrom: 'pilothouse', permissionMode: 'acceptEdits', model: 'opus', effort: 'high' });
    expect(await code(one.handle.setModel('no-such-model'))).toBe('invalid_argument');
    await one.handle.setMode('bypassPermissions');
    expect(await code(one.handle.setMode('default'))).toBe('invalid_argument');
    await one.handle.setMode('plan');
    await one.handle.setMode('default');
    expect(one.handle.controls().mode).toBe('default');
  });

  it('leaves a session where nothing was chosen as it is', async () => {
    const one = await chat('idle');
    await send(one, 'hello');
    expect(await metaOf(one.handle.id)).toEqual({ sentFrom: 'pilothouse' });
  });

  it('takes a session over from its terminal', async () => {
    await world.daemon.online();
    const agent = await world.daemon.start('/work');
    await agent.setState({ ...agent.agentState, controlledByUser: true });
    let switches = 0;
    agent.on('switch', async () => {
      switches += 1;
      await agent.setState({ ...agent.agentState, controlledByUser: false });
      return true;
    });
    const one = await chatOn(agent.id);
    await one.until('the terminal', () => one.session?.owner === 'foreign');
    await one.handle.takeOver?.();
    await one.until('it to be nobody’s', () => one.session?.owner === 'nobody');
    await one.handle.takeOver?.();
    expect(switches).toBe(1);
  });
});

describe('the record', () => {
  it('is renamed among others who write it, and loses nobody’s keys', async () => {
    const one = await chat('idle');
    const { id } = one.handle;
    const other = await world.connected();
    world.server.faults.slowDatabase(5);
    await Promise.all([one.handle.rename('One'), other.backend.session(id).setModel('haiku'), world.phone.rename(id, 'By the phone'), one.handle.setEffort('low')]);
    const metadata = (await world.phone.session(id)).metadata ?? {};
    expect(metadata).toMatchObject({ modelMode: 'haiku', effortLevel: 'low', path: world.inState('idle').path, lifecycleState: 'running' });
    await one.until('one title everywhere', () => [window, other].every((each) => each.session(id)?.title === (metadata['summary'] as JsonObject)['text']));
    expect(await code(one.handle.rename('  '))).toBe('invalid_argument');
  });

  it('is archived by our mark alone: who stops it or whom Happy stops is not put away', async () => {
    const one = await chat('idle');
    expect((await one.handle.stop()).step).toBe('terminated');
    await one.until('the end', () => one.session?.state === 'stopped');
    expect(one.session?.archived).toBe(false);
    expect((await world.phone.session(one.handle.id)).metadata).toMatchObject({ lifecycleState: 'archived' });
    await one.handle.archive(true);
    await one.until('the mark', () => one.session?.archived === true);
    const again = await world.connected();
    const listed = async (): Promise<boolean | undefined> => (await again.all()).find(({ id }) => id === one.handle.id)?.archived;
    expect(await listed()).toBe(true);
    await again.backend.session(one.handle.id).archive(false);
    expect(await listed()).toBe(false);
  });

  it('brings a stopped session back before it is sent to', async () => {
    const one = await chat('stopped');
    expect(one.session?.state).toBe('stopped');
    const end = await one.turn('are you there?');
    expect(end.state).toBe('completed');
    expect(one.said()).toContain('I am an agent of the demo');
    expect(one.session?.archived).toBe(false);
    expect(rowsOf(one.rows, 'prompt').filter(({ text }) => text === 'are you there?')).toHaveLength(1);
  });

  it('brings a session back whose process was killed unheard, though the server still flags it as active', async () => {
    await world.daemon.online();
    const agent = await world.daemon.start('/work');
    agent.crash();
    const back: FakeAgent[] = [];
    world.daemon.machine.on('resume-happy-session', () => {
      expect(world.server.messages(agent.id)).toHaveLength(0);
      const again = new FakeAgent(world.daemon, agent.id, agent.cipher, agent.metadata, 1);
      back.push(again);
      world.daemon.agents.push(again);
      return { type: 'success', sessionId: agent.id };
    });
    const late = await world.connected();
    expect((await late.all()).find(({ id }) => id === agent.id)?.state).not.toBe('stopped');
    await late.backend.session(agent.id).send({ text: 'are you there?', attachments: [] }, randomUUID());
    await expect.poll(() => back[0]?.prompts).toEqual(['are you there?']);
  });

  it('keeps what is sent while the machine is away, and asks no process that was heard a moment ago', async () => {
    await world.daemon.online();
    const agent = await world.daemon.start('/work');
    agent.turn = () => Promise.resolve();
    const late = await world.connected();
    const handle = late.backend.session(agent.id);
    await expect.poll(() => late.session(agent.id)?.state).toBe('idle');
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    await handle.send({ text: 'one', attachments: [] }, randomUUID());
    expect(agent.calls.map(({ method }) => method)).toEqual([]);
    agent.crash();
    world.daemon.machine.socket.disconnect();
    const other = await world.connected();
    const before = world.server.messages(agent.id).length;
    expect(await code(other.backend.session(agent.id).send({ text: 'two', attachments: [] }, randomUUID()))).toBe('machine_offline');
    expect(world.server.messages(agent.id).length).toBe(before);
  });

  it('says why a session does not come back', async () => {
    const away = world.fleet.sessions.find(({ state, machine }) => state === 'stopped' && !machine.online) ?? world.fleet.sessions.find(({ state, machine }) => state === 'archived' && !machine.online);
    const one = await chatOn(away?.id ?? '');
    expect(await code(send(one, 'are you there?'))).toBe('machine_offline');
    expect(rowsOf(one.rows, 'prompt').some(({ text }) => text === 'are you there?')).toBe(false);
    const unreadable = await chat('unreadable');
    expect(await code(send(unreadable, 'and you?'))).toBe('encryption_failed');
    expect(unreadable.rows).toMatchObject([{ kind: 'notice', code: 'session_locked' }]);
  });

  it('is removed for everybody, its process first', async () => {
    const one = await chat('idle');
    await one.handle.remove();
    await one.until('the removal', () => one.removed);
    expect(world.server.rows().sessions.some(({ id }) => id === one.handle.id)).toBe(false);
    expect(world.server.sockets().some(({ sessionId }) => sessionId === one.handle.id)).toBe(false);
    await one.handle.remove();
  });
});

describe('files', () => {
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

  it('go with a prompt, sealed, once, and come back as images in other windows', async () => {
    const one = await chat('idle');
    const other = await chat('idle', await world.connected());
    const prompt = { text: 'what is this?', attachments: [{ name: 'dot.png', mediaType: 'image/png', size: png.length, data: png.toString('base64'), path: null }] };
    const clientId = randomUUID();
    await one.handle.send(prompt, clientId);
    await one.handle.send(prompt, clientId);
    const shown = (each: Observer): unknown => rowsOf(each.rows, 'file').map(({ file }) => [file.name, file.data]);
    for (const each of [one, other]) await each.until('the image', () => JSON.stringify(shown(each)) === JSON.stringify([['dot.png', png.toString('base64')]]));
    expect(rowsOf(other.rows, 'prompt').filter((row) => row.text === 'what is this?')).toHaveLength(1);
    const order = other.rows.filter((row) => row.kind === 'file' || (row.kind === 'prompt' && row.text === 'what is this?')).map((row) => row.kind);
    expect(order).toEqual(['file', 'prompt']);
    expect(JSON.stringify(world.server.rows())).not.toContain(png.toString('base64'));
    const late = await chat('idle', await world.connected());
    await late.until('the image in the history', () => JSON.stringify(shown(late)) === JSON.stringify([['dot.png', png.toString('base64')]]));
  });

  it('are refused without content, and nothing is sent', async () => {
    const one = await chat('idle');
    const before = world.server.messages(one.handle.id).length;
    expect(await code(one.handle.send({ text: 'look', attachments: [{ name: 'gone.png', mediaType: 'image/png', size: 10, data: null, path: '/tmp/gone.png' }] }, randomUUID()))).toBe('invalid_argument');
    expect(world.server.messages(one.handle.id)).toHaveLength(before);
  });
});
