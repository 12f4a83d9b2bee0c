import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { code } from '../../contract/helpers.ts';
import { Observer, rowsOf } from '../../contract/observer.ts';
import type { HappyWindow } from './backendWorld.ts';
import { HappyWorld } from './backendWorld.ts';
import type { FakeAgent } from './fakeDaemon.ts';
import { asRig, rigSession } from './fakeRig.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let world: HappyWorld;
let window: HappyWindow;
const observers: Observer[] = [];
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 4, alive: false });
});
afterEach(async () => {
  for (const observer of observers.splice(0)) observer.dispose();
  await world[Symbol.asyncDispose]();
});

/** A session of Rig on its machine, with a window on it. */
async function rig(more: JsonObject = {}): Promise<{ readonly agent: FakeAgent; readonly one: Observer }> {
  asRig(world.daemon);
  await world.daemon.online();
  const agent = await world.daemon.start('/work', rigSession(more));
  agent.on('readFile', () => ({ success: false, error: 'It is a folder.' }));
  window = await world.connected();
  const one = new Observer(window.backend, agent.id, 'hints');
  observers.push(one);
  one.entries.push(...(await one.handle.history({ limit: 100 })).items);
  return { agent, one };
}
const form: JsonObject = {
  questions: [
    { id: 'where', header: 'Harbour', question: 'Which harbour?', options: [{ label: 'North', description: 'Nearer' }, { label: 'South' }], allowCustom: true },
    { id: 'when', header: 'Hour', question: 'When?', options: [{ label: 'Now' }, { label: 'Later' }], multiSelect: true },
  ],
};
const asked = (one: Observer) => rowsOf(one.rows, 'permission').at(-1);

describe('a form of Rig', () => {
  it('is a question that waits, is answered by its own call, and stands with what was said', async () => {
    const { agent, one } = await rig();
    await agent.ask('f1', form);
    const ask = await one.until('the question', () => one.asks()[0]);
    expect(ask).toMatchObject({ ask: 'question', requestId: 'communication:f1', questions: [{ id: 'where', free: true, multiple: false }, { id: 'when', free: false, multiple: true }] });
    await one.until('the session to wait', () => one.session?.state === 'waiting');
    expect(one.session?.waiting).toMatchObject([{ requestId: 'communication:f1', ask: 'question', title: 'Which harbour?' }]);
    await one.handle.answer(ask.requestId, { outcome: 'answer', answers: { where: ['South', 'or west'], when: ['Now', 'Later'] } });
    expect(agent.calls.filter(({ method }) => method === 'communication').map(({ params }) => params)).toEqual([
      { id: 'f1', kind: 'form', status: 'answered', answers: { where: { options: ['South'], custom: 'or west' }, when: { options: ['Now', 'Later'] } } },
    ]);
    await one.until('the answer', () => asked(one)?.outcome === 'answered');
    expect(asked(one)?.answers).toEqual({ where: ['South', 'or west'], when: ['Now', 'Later'] });
    await one.until('rest', () => one.session?.state === 'idle');
    expect(await code(one.handle.answer(ask.requestId, { outcome: 'answer', answers: {} }))).toBe('already_answered');
  });

  it('is declined, and withdrawn when the agent asks no more', async () => {
    const { agent, one } = await rig();
    await agent.ask('f1', form);
    const ask = await one.until('the question', () => one.asks()[0]);
    await one.handle.answer(ask.requestId, { outcome: 'deny' });
    expect(agent.calls.at(-1)).toMatchObject({ method: 'communication', params: { id: 'f1', kind: 'form', status: 'cancelled' } });
    await one.until('the end of it', () => asked(one)?.outcome === 'withdrawn');
    await agent.ask('f2', form);
    await one.until('the second question', () => one.asks()[0]?.requestId === 'communication:f2');
    await agent.withdraw('f2');
    await one.until('the end of that', () => asked(one)?.requestId === 'communication:f2' && asked(one)?.outcome === 'withdrawn');
    expect(await code(one.handle.answer('communication:f2', { outcome: 'answer', answers: { where: ['North'] } }))).toBe('already_answered');
  });

  it('that is answered in another window is answered here', async () => {
    const { agent, one } = await rig();
    const other = await world.connected();
    await agent.ask('f1', form);
    await one.until('the question', () => one.asks()[0]);
    await other.backend.session(agent.id).answer('communication:f1', { outcome: 'answer', answers: { where: ['North'] } });
    await one.until('the answer', () => asked(one)?.outcome === 'answered');
    expect(asked(one)?.answers).toEqual({ where: ['North'] });
  });
});

describe('what a session of Rig offers', () => {
  it('picks from what it lists, and prompts carry model and provider apart', async () => {
    const { agent, one } = await rig();
    const controls = one.handle.controls();
    expect(controls).toMatchObject({ model: 'codex:shared', mode: 'auto', effort: 'high', modes: [{ id: 'auto' }, { id: 'full_access' }], efforts: [{ id: 'low' }, { id: 'high' }] });
    expect(controls.models.map(({ id, label }) => [id, label])).toEqual([['codex:shared', 'GPT Shared'], ['claude:shared', 'Claude Shared']]);
    await one.handle.setModel('claude:shared');
    // The level of the model before is none of this one.
    expect(one.handle.controls()).toMatchObject({ model: 'claude:shared', effort: null, efforts: [{ id: 'low' }, { id: 'max' }] });
    await one.handle.setEffort('max');
    await one.handle.setMode('full_access');
    await one.handle.send({ text: 'Go', attachments: [] }, randomUUID());
    await one.until('the prompt at the agent', () => agent.prompts.includes('Go'));
    expect(agent.metas.at(-1)).toMatchObject({ model: 'shared', modelProviderId: 'claude', effort: 'max', permissionMode: 'full_access' });
  });

  it('keeps the model where it is locked, and picks nothing that it does not take', async () => {
    const base = rigSession();
    const { one } = await rig({ session: { status: 'running', modelLocked: true }, capabilities: { ...(base['capabilities'] as JsonObject), permissionModeSelection: false, reasoningSelection: false } });
    const controls = one.handle.controls();
    expect([controls.models, controls.modes, controls.efforts].map((list) => list.map(({ id }) => id))).toEqual([['codex:shared'], ['auto'], ['high']]);
    expect(await code(one.handle.setModel('claude:shared'))).toBe('invalid_argument');
    expect(await code(one.handle.setMode('full_access'))).toBe('invalid_argument');
  });

  it('tells what goes on beside its turn, and is interrupted only where it says that it can be', async () => {
    const { agent, one } = await rig();
    agent.turn = () => Promise.resolve();
    await one.handle.send({ text: 'Go', attachments: [] }, randomUUID());
    agent.think(true);
    await one.until('work', () => one.session?.state === 'running');
    expect(one.session?.activity).toMatchObject({ phase: 'thinking', detail: '1 subagent, 2 queued, 2 commands, 4 open tasks' });
    const stopping = one.handle.interrupt();
    await one.until('the interrupt', () => agent.calls.some(({ method, params }) => method === 'abort' && Object.keys(params).length === 0));
    agent.think(false);
    expect((await stopping).step).toBe('interrupted');
  });

  it('without abort among its calls is stopped only', async () => {
    const base = rigSession();
    const { agent, one } = await rig({ capabilities: { ...(base['capabilities'] as JsonObject), abort: false, rpcMethods: ['readFile'] } });
    agent.turn = () => Promise.resolve();
    await one.handle.send({ text: 'Go', attachments: [] }, randomUUID());
    agent.think(true);
    await one.until('work', () => one.session?.state === 'running');
    expect(await code(one.handle.interrupt())).toBe('unsupported');
    expect(agent.calls.some(({ method }) => method === 'abort')).toBe(false);
  });

  it('takes a prompt without a sign of life, asked by a call that it advertises', async () => {
    world.daemon.beatMs = 60_000;
    const { agent, one } = await rig();
    const other = await world.connected();
    await other.backend.session(agent.id).send({ text: 'At once', attachments: [] }, randomUUID());
    await one.until('the prompt at the agent', () => agent.prompts.includes('At once'));
    expect(agent.calls.map(({ method }) => method)).toEqual(['readFile']);
  });
});

describe('a session of Rig that is made', () => {
  it('is asked for with what Rig takes, again while it is pending and after a lost answer, under one id', async () => {
    const { made } = asRig(world.daemon, ['pending', 'lost', 'pending', 'success']);
    await world.daemon.online();
    window = await world.connected();
    const session = await window.backend.spawn({ machineId: world.daemon.machineId, folder: '/work', agent: 'rig', model: 'claude:shared', mode: 'auto', effort: 'max' });
    const calls = world.daemon.machine.calls.filter(({ method }) => method === 'spawn-happy-session').map(({ params }) => params);
    expect(calls).toHaveLength(4);
    expect(new Set(calls.map((params) => params['clientRequestId'])).size).toBe(1);
    expect(calls[0]).toEqual({
      type: 'spawn-in-directory', agent: 'rig', directory: '/work', approvedNewDirectoryCreation: false, clientRequestId: calls[0]?.['clientRequestId'], providerId: 'claude', modelId: 'shared', permissionMode: 'auto', effort: 'max',
    });
    expect([...made.values()].map(({ id }) => id)).toEqual([session.id]);
    expect(session.agent).toBe('rig');
    // The command line takes what was chosen and tells nobody: the record does, for every window and for the next prompt.
    expect(window.backend.session(session.id).controls()).toMatchObject({ model: 'claude:shared', mode: 'auto', effort: 'max' });
  });

  it('begins with what its machine says where nothing is chosen', async () => {
    asRig(world.daemon);
    await world.daemon.online();
    window = await world.connected();
    expect((await window.backend.places?.agents(world.daemon.machineId))?.map(({ id }) => id)).toEqual(['rig']);
    const controls = await window.backend.controls({ folder: '/work', machineId: world.daemon.machineId, agent: 'rig' });
    expect(controls).toMatchObject({ model: 'claude:shared', mode: 'auto', effort: 'max', efforts: [{ id: 'low' }, { id: 'max' }] });
  });
});
