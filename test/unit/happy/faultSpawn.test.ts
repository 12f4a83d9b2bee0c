import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SpawnError } from '../../../src/core/systems/happy/errors.ts';
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

const spawn = () => world.fleet.spawn(world.connectionId, { machineId: world.daemon.machineId, folder: '/work' });
const made = (): string => world.daemon.agents.at(-1)?.id ?? '';
/** The lists and pushes are lost from now on. */
function deaf(): () => void {
  const lists = world.server.faults.http({ client: CLIENT, path: '/v2/sessions' }, { kind: 'status', status: 503 }, 999);
  const pushes = world.server.faults.pushes('drop');
  return () => {
    lists.remove();
    pushes.remove();
  };
}
async function failure(work: Promise<unknown>): Promise<SpawnError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof SpawnError)) throw new Error(`no SpawnError but ${String(error)}`, { cause: error });
  return error;
}

describe('a session that was started while the server goes away', () => {
  it('is answered when the server is back', async () => {
    let heal = (): void => undefined;
    world.daemon.onSpawned = () => void (heal = deaf());
    const spawning = spawn();
    await until(() => world.server.requests.filter(({ fault }) => fault === 'status').length >= 4);
    heal();
    world.server.dropSockets(({ happyClient }) => happyClient === CLIENT);
    expect((await spawning).id).toBe(made());
  });

  it('is named where the server stays away, so that no second one is asked for', async () => {
    let heal = (): void => undefined;
    const unheard = world.server.faults.pushes('drop');
    world.daemon.onSpawned = () => void (heal = deaf());
    const lost = await failure(spawn());
    expect(lost).toMatchObject({ code: 'spawn_unknown', sessionId: made(), candidates: [made()] });
    expect(lost.message).toMatch(/was started in \/work.*do not start another/);
    heal();
    unheard.remove();
    world.server.dropSockets(({ happyClient }) => happyClient === CLIENT);
    await world.truth();
  });

  it('is unknown where the answer is lost and nobody can look, and found where that is over in time', async () => {
    let heal = (): void => undefined;
    world.daemon.onSpawned = () => {
      heal = deaf();
      return new Promise(() => undefined);
    };
    const unseen = await failure(spawn());
    expect(unseen).toMatchObject({ code: 'spawn_unknown', sessionId: null, candidates: [] });
    expect(unseen.message).toMatch(/could not be asked/);
    heal();
    const spawning = failure(spawn());
    const before = world.server.requests.filter(({ fault }) => fault === 'status').length;
    await until(() => world.server.requests.filter(({ fault }) => fault === 'status').length >= before + 4);
    heal();
    expect(await spawning).toMatchObject({ code: 'spawn_unknown', candidates: [made()] });
    expect(world.daemon.machine.calls.filter(({ method }) => method === 'spawn-happy-session')).toHaveLength(2);
    world.server.dropSockets(({ happyClient }) => happyClient === CLIENT);
    await world.truth();
  });
});
