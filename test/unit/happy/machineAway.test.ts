import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { code } from '../../contract/helpers.ts';
import type { HappyWindow } from './backendWorld.ts';
import { HappyWorld } from './backendWorld.ts';
import { FakeAgent } from './fakeDaemon.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** Waits are over so much sooner: that a process would have been heard is known after 0.6 s. */
const HASTE = 10;

let world: HappyWorld;
beforeEach(async () => {
  // The server looks for who is not there for longer than any test goes on.
  world = await HappyWorld.make({ sessions: 2, alive: false, times: { rpcGrace: 600_000 } });
  await world.daemon.online();
});
afterEach(() => world[Symbol.asyncDispose]());

const calls = (): number => world.server.events.filter(({ event }) => event === 'rpc-call').length;
const row = (id: string): { readonly active: boolean } | undefined => world.server.rows().sessions.find((one) => one.id === id);

/** A session whose machine went away with it. */
async function away(window: HappyWindow | null): Promise<FakeAgent> {
  const agent = await world.daemon.start('/work');
  if (window !== null) await expect.poll(() => window.session(agent.id)?.state).toBe('idle');
  agent.crash();
  world.daemon.machine.socket.disconnect();
  if (window !== null) await expect.poll(() => window.machine(world.daemon.machineId)?.state).toBe('offline');
  return agent;
}

describe('a machine that is known to be away', () => {
  it('is not asked: stop says so and changes nothing, archive puts the session away, delete removes its record', async () => {
    const window = await world.connected({ haste: HASTE });
    const { id } = await away(window);
    const handle = window.backend.session(id);
    await sleep(800);
    expect(await code(handle.stop())).toBe('machine_offline');
    expect(row(id)?.active).toBe(true);
    await handle.archive(true);
    expect(row(id)?.active).toBe(false);
    await expect.poll(() => window.session(id)?.archived).toBe(true);
    await handle.remove();
    expect(row(id)).toBeUndefined();
    expect(calls()).toBe(0);
  });

  it('gives a session back that was put away and turns out to live', async () => {
    const window = await world.connected({ haste: HASTE });
    const gone = await away(window);
    await sleep(800);
    await window.backend.session(gone.id).archive(true);
    await expect.poll(() => window.session(gone.id)?.archived).toBe(true);
    world.daemon.agents.push(new FakeAgent(world.daemon, gone.id, gone.cipher, gone.metadata, 1));
    await expect.poll(() => window.session(gone.id)?.archived, { timeout: 5_000 }).toBe(false);
  });

  it('does not keep a process from being ended that is heard', async () => {
    const window = await world.connected({ haste: HASTE });
    const agent = await world.daemon.start('/work');
    world.daemon.machine.socket.disconnect();
    await expect.poll(() => window.machine(world.daemon.machineId)?.state).toBe('offline');
    await sleep(800);
    expect(window.session(agent.id)?.state).toBe('idle');
    const stopping = window.backend.session(agent.id).stop();
    await world.server.until(() => agent.dead, 'the end');
    world.server.faults.clear();
    stopping.catch(() => undefined);
  });

  it('leaves the state of its sessions unknown, whatever their flags say', async () => {
    await world.daemon.says('shutting-down');
    const { id, cipher, metadata } = await away(null);
    const window = await world.connected();
    expect(row(id)?.active).toBe(true);
    expect((await window.all()).find((one) => one.id === id)?.state).toBe('unknown');
    world.daemon.machine.socket.connect();
    await world.daemon.online();
    await world.daemon.says('running');
    await expect.poll(() => window.machine(world.daemon.machineId)?.state).toBe('online');
    world.daemon.agents.push(new FakeAgent(world.daemon, id, cipher, metadata, 1));
    await expect.poll(() => window.session(id)?.state).toBe('idle');
  });
});

describe('a machine of which nothing is known yet', () => {
  it('is asked beside the session, for a short time', async () => {
    const { id } = await away(null);
    const window = await world.connected({ haste: HASTE });
    expect(await code(window.backend.session(id).stop())).toBe('machine_offline');
    expect(calls()).toBe(2);
    expect(row(id)?.active).toBe(true);
  });
});
