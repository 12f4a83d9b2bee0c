import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionHandle } from '../../../src/core/model/backend.ts';
import { HappySessionHandle } from '../../../src/core/systems/happy/backend/session.ts';
import { code } from '../../contract/helpers.ts';
import type { HappyWindow } from './backendWorld.ts';
import { HappyWorld } from './backendWorld.ts';
import type { FakeAgent } from './fakeDaemon.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** Waits are over so much sooner: the half minute for a sign of work takes 3 s. */
const HASTE = 10;

let world: HappyWorld;
let window: HappyWindow;
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 2, alive: false });
  await world.daemon.online();
  window = await world.connected({ haste: HASTE });
});
afterEach(() => world[Symbol.asyncDispose]());

const send = (handle: SessionHandle, text: string, id: string = randomUUID()): Promise<void> => handle.send({ text, attachments: [] }, id);
const idle = async (id: string): Promise<void> => expect.poll(() => window.session(id)?.state, { timeout: 5_000 }).toBe('idle');
const ids = (id: string): readonly (string | null)[] => world.server.messages(id).map(({ localId }) => localId);

/** A session whose process has ended; the next one begins as `resumed` says, and does with prompts what `turn` says. */
async function ended(pageMs: number, turn?: (agent: FakeAgent, text: string) => Promise<void>): Promise<{ readonly handle: HappySessionHandle; readonly id: string; readonly back: FakeAgent[] }> {
  const agent = await world.daemon.start('/work');
  await agent.say({ id: randomUUID(), time: Date.now(), role: 'agent', turn: 'before', ev: { t: 'text', text: 'Something said before.' } });
  await agent.exit();
  await expect.poll(() => window.session(agent.id)?.state).toBe('stopped');
  const back: FakeAgent[] = [];
  world.daemon.resumes({ pageMs }, (again) => {
    if (turn !== undefined) again.turn = (text) => turn(again, text);
    back.push(again);
  });
  const handle = window.backend.session(agent.id);
  if (!(handle instanceof HappySessionHandle)) throw new Error('This is no session of Happy.');
  return { handle, id: agent.id, back };
}

describe('a prompt that is sent after a resume', () => {
  it('is delivered once its agent works on it', async () => {
    const { handle, id, back } = await ended(0);
    await send(handle, 'are you there?');
    expect(back.map(({ prompts }) => prompts)).toEqual([['are you there?']]);
    await idle(id);
    await send(handle, 'and now?');
    expect(back).toHaveLength(1);
  });

  it('is told as not taken up where the process skipped it, and goes as another prompt when it is sent again', async () => {
    const { handle, id, back } = await ended(2_000);
    const first = randomUUID();
    expect(await code(send(handle, 'are you there?', first))).toBe('not_taken_up');
    expect(back[0]?.prompts).toEqual([]);
    expect(ids(id)).toContain(first);
    // Under its own id it stays passed by: the server has it.
    expect(await code(send(handle, 'are you there?', first))).toBe('not_taken_up');
    expect(back[0]?.prompts).toEqual([]);
    await send(handle, 'are you there?', randomUUID());
    expect(back[0]?.prompts).toEqual(['are you there?']);
    expect(back).toHaveLength(1);
  });

  it('counts as taken up by what Claude writes of itself when it begins, though the model is silent and the server deaf', async () => {
    const { handle, back } = await ended(0, (agent) => agent.setMetadata({ ...agent.metadata, tools: ['Bash'] }));
    await send(handle, 'are you there?');
    expect(back[0]?.prompts).toEqual(['are you there?']);
  });

  it('does not count as taken up by a rename', async () => {
    const { handle, id } = await ended(2_000);
    const sending = code(send(handle, 'are you there?'));
    await expect.poll(() => ids(id).length).toBe(2);
    await world.phone.rename(id, 'By the phone');
    expect(await sending).toBe('not_taken_up');
  });

  it('is told as not taken up where the process ended before', async () => {
    const { handle, back } = await ended(0, async (agent) => agent.crash());
    expect(await code(send(handle, 'are you there?'))).toBe('not_taken_up');
    expect(back[0]?.dead).toBe(true);
  });

  it('is delivered after all when a late word comes', async () => {
    const { handle, back } = await ended(0, () => Promise.resolve());
    const delivered: string[] = [];
    handle.live((event) => {
      if (event.type === 'delivered') delivered.push(event.clientId);
    });
    const id = randomUUID();
    expect(await code(send(handle, 'are you there?', id))).toBe('not_taken_up');
    await sleep(100);
    expect(delivered).toEqual([]);
    await back[0]?.speak('Here I am.');
    await expect.poll(() => delivered).toEqual([id]);
  });

  it('is not delivered by the work on another prompt, which the owner sent when no answer came', async () => {
    const { handle, id, back } = await ended(0, () => Promise.resolve());
    const delivered: string[] = [];
    handle.live((event) => {
      if (event.type === 'delivered') delivered.push(event.clientId);
    });
    expect(await code(send(handle, 'are you there?'))).toBe('not_taken_up');
    await world.phone.send(id, 'anybody?');
    await back[0]?.speak('Here I am.');
    await expect.poll(() => world.server.messages(id).length).toBeGreaterThan(3);
    await sleep(500);
    expect(delivered).toEqual([]);
  });

  it('is watched too where somebody else resumed the session', async () => {
    const { handle, id, back } = await ended(600);
    const other = (await world.connected()).backend.session(id);
    await other.resume();
    await expect.poll(() => window.session(id)?.state, { timeout: 5_000 }).not.toBe('stopped');
    expect(await code(send(handle, 'are you there?'))).toBe('not_taken_up');
    expect(back.map(({ prompts }) => prompts)).toEqual([[]]);
  });
});

describe('a process to which the server is deaf', () => {
  it('rests when it was told to be done, though its turn comes in behind that', async () => {
    await window.backend[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    world = await HappyWorld.make({ sessions: 2, alive: false, times: { stoppedFor: 600_000 } });
    await world.daemon.online();
    window = await world.connected();
    const { handle, id } = await ended(0, async (agent) => {
      await world.daemon.post(`/v1/sessions/${agent.id}/push-event`, { kind: 'done', title: 'It’s ready!', body: 'work' });
      await sleep(100);
      const envelope = { id: randomUUID(), time: Date.now(), role: 'agent', turn: 't1' };
      await agent.say({ ...envelope, ev: { t: 'turn-start' } }, { ...envelope, id: randomUUID(), ev: { t: 'text', text: 'Here I am.' } });
    });
    const watching = handle.live(() => undefined);
    await handle.history({ limit: 10 });
    await send(handle, 'are you there?');
    await expect.poll(() => handle.log.turnHint()?.turn).toBe('t1');
    // What changed is told a moment later.
    await sleep(500);
    expect(window.session(id)?.state).toBe('idle');
    watching.dispose();
  });
});
