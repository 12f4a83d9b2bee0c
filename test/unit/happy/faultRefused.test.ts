import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { until } from '../store/support.ts';
import type { SharedStore } from './faultScenario.ts';
import { sharedStore } from './faultScenario.ts';
import { CLIENT, FaultWorld } from './faultWorld.ts';

vi.setConfig({ testTimeout: 30_000 });

let shared: SharedStore;
let world: FaultWorld;
beforeAll(async () => {
  shared = await sharedStore();
});
beforeEach(async () => {
  world = await FaultWorld.make(shared.store, 1);
});
afterEach(async () => {
  expect(await world.end()).toEqual([]);
});
afterAll(() => shared.close());

const MESSAGES = /^\/v3\/sessions\/[^/]+\/messages$/;
const EVERYTHING = /^\/v[123]\//;
const dropOwn = (): unknown => world.server.dropSockets(({ happyClient }) => happyClient === CLIENT);

describe('a token that requests are refused for', () => {
  it('holds while the server takes it when it is asked itself: what was refused is tried again', async () => {
    const struck = world.server.faults.http({ client: CLIENT, method: 'POST', path: MESSAGES }, { kind: 'status', status: 401 }, 2);
    await world.prompt('refused twice');
    await world.truth();
    expect(struck.hits).toBe(2);
    expect(world.states).not.toContain('needs-sign-in');
  });

  it('holds where the lists were refused once, and they are read again', async () => {
    const struck = world.server.faults.http({ client: CLIENT, path: '/v1/machines' }, { kind: 'status', status: 403 });
    dropOwn();
    await until(() => struck.hits === 1);
    await world.truth();
    expect(world.states).not.toContain('needs-sign-in');
  });

  it('is void when the server stands by it, though the socket that came with it lives; what is to be sent waits, and goes when it holds again', async () => {
    const struck = world.server.faults.http({ client: CLIENT, path: EVERYTHING }, { kind: 'status', status: 401 }, 99_999);
    await world.prompt('written meanwhile');
    await until(() => world.status === 'needs-sign-in');
    await until(() => world.runtime.outboxItems().every(({ delivery, error }) => delivery === 'queued' && error !== null));
    expect(world.runtime.outboxItems().map(({ error }) => error)).toEqual([expect.stringMatching(/Sign in/)]);
    await world.fleet.refresh();
    expect(world.status).toBe('needs-sign-in');
    struck.remove();
    await world.fleet.refresh();
    await world.truth();
  });

  it('is seen to be void with the contact, not taken for a server that is away', async () => {
    const struck = world.server.faults.http({ client: CLIENT, path: EVERYTHING }, { kind: 'status', status: 401 }, 99_999);
    dropOwn();
    await until(() => world.status === 'needs-sign-in');
    const before = world.server.requests.length;
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    // Asked again now and then for what is looked at, never in a loop.
    expect(world.server.requests.length - before).toBeLessThan(12);
    struck.remove();
    await world.fleet.refresh();
    await world.truth();
  });
});
