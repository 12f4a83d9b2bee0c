import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { HappyHttp } from '../../../src/core/systems/happy/http.ts';
import { HappyWorld } from './backendWorld.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let world: HappyWorld;
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 2, alive: false });
  await world.daemon.online();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await world[Symbol.asyncDispose]();
});

it('a record that cannot be read withdraws no request that was open', async () => {
  const agent = await world.daemon.start('/work');
  await agent.setState({ ...agent.agentState, requests: { r: { tool: 'Bash', arguments: { command: 'ls' }, createdAt: Date.now() } } });
  const window = await world.connected();
  const entries: string[] = [];
  window.backend.session(agent.id).live((event) => {
    if (event.type === 'entries') entries.push(...event.entries.map((entry) => entry.kind));
  });
  await window.backend.session(agent.id).history({ limit: 10 });
  await expect.poll(() => window.session(agent.id)?.waiting.length).toBe(1);
  const answer = (await agent.socket.timeout(2_000).emitWithAck('update-state', { sid: agent.id, agentState: 'bm90IG91cnM=', expectedVersion: 2 })) as { result: string };
  expect(answer.result).toBe('success');
  await sleep(300);
  expect(window.session(agent.id)?.waiting).toHaveLength(1);
  expect(entries).not.toContain('answer');
});

it('images are fetched a few at a time, each once, and no larger than they are shown', async () => {
  let [now, most] = [0, 0];
  const asked: string[] = [];
  const sizes = new Set<number | undefined>();
  vi.spyOn(HappyHttp.prototype, 'download').mockImplementation(async (_session, ref, options) => {
    asked.push(ref);
    sizes.add(options?.maxBytes);
    now += 1;
    most = Math.max(most, now);
    await sleep(5);
    now -= 1;
    return new Uint8Array(8);
  });
  const agent = await world.daemon.start('/work');
  const files = Array.from({ length: 12 }, (_, index) => ({ id: randomUUID(), time: Date.now(), role: 'user', ev: { t: 'file', ref: `ref${index}`, name: 'dot.png', size: 8, mimeType: 'image/png' } }));
  await agent.say(...files);
  const handle = (await world.connected()).backend.session(agent.id);
  handle.live(() => undefined);
  await handle.history({ limit: 50 });
  await handle.history({ limit: 50 });
  await expect.poll(() => asked.length).toBe(12);
  await handle.history({ limit: 50 });
  await sleep(100);
  expect(new Set(asked).size).toBe(12);
  expect(asked).toHaveLength(12);
  expect(most).toBeLessThanOrEqual(3);
  expect([...sizes]).toEqual([2 * 1024 * 1024]);
});
