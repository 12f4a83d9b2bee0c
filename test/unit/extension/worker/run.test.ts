import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SessionControls } from '../../../../src/core/model/session.ts';
import { systemClock } from '../../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../../src/core/transport/logger.ts';
import { HebingAccess } from '../../../../src/extension/hebing/access.ts';
import type { WorkerDefinition } from '../../../../src/extension/worker/definition.ts';
import type { RunningWorker, WorkerParts } from '../../../../src/extension/worker/run.ts';
import { askingMode, runWorker } from '../../../../src/extension/worker/run.ts';
import type { TestAgent } from '../../../loopback/hebing/kernel.ts';
import { startHebingServer, type HebingTestServer } from '../../../loopback/hebing/server.ts';
import { CONNECTION } from '../../fleet/fakeBackend.ts';
import type { FleetWindow } from '../../fleet/fleetWorld.ts';
import { FleetWorld } from '../../fleet/fleetWorld.ts';

const KEY = 'media.echo.v1';
/** Time at ten times its pace, for what rests for seconds; the kernel's leases are long. */
const fast = { ...systemClock, monotonic: () => performance.now() * 10, setTimeout: (callback: () => void, ms: number) => systemClock.setTimeout(callback, ms / 10) };

let hebing: HebingTestServer;
let caller: TestAgent;
let access: HebingAccess;
let world: FleetWorld;
let window: FleetWindow;
let root: string;
beforeEach(async () => {
  hebing = await startHebingServer({ leaseMs: 600_000 });
  caller = hebing.newAgent();
  access = new HebingAccess(hebing.newAgent().key, { serverUrl: hebing.url, allowPlainHttp: false });
  world = new FleetWorld();
  window = await (await world.window()).connect();
  root = path.join(world.folder, 'root');
  mkdirSync(path.join(root, 'web'), { recursive: true });
});
afterEach(async () => {
  await access.close();
  await world[Symbol.asyncDispose]();
  await hebing.close();
});

const definition = (more: Partial<WorkerDefinition> = {}): WorkerDefinition => ({
  id: '00000000-0000-4000-8000-000000000001', connectionId: 'hebing-1', capabilityKey: KEY, capabilityName: 'Echo', wantsObject: false,
  place: { connectionId: CONNECTION, machineId: 'here', folder: path.join(root, 'web'), agent: null, model: null, local: true }, template: 'Echo:\n{{input.text}}', review: false, ceilingNc: null, concurrency: 1, workspace: '', running: true,
  createdAt: 1, ...more,
});
const ends: string[] = [];
function run(own: WorkerDefinition, more: Partial<WorkerParts> = {}): Promise<RunningWorker> {
  ends.length = 0;
  return runWorker({
    definition: own, access, fleet: window.fleet, store: window.store, clock: fast, log: silentLogger, proxy: undefined, refuses: () => null, roots: () => [root], reviewer: null, onChange: () => undefined,
    onEnd: (_job, end) => void ends.push(`${end.how} ${end.error ?? ''}`.trim()), ...more,
  });
}
const controls = (mode: string | null, ...modes: readonly string[]): SessionControls => ({ models: [], model: null, modes: modes.map((id) => ({ id, label: id, description: null })), mode, efforts: [], effort: null, commands: [] });

describe('a worker of an account', () => {
  test('does a job in a session of the folder, and hebing settles it; an output that hebing refuses is asked for again', async () => {
    const { job } = hebing.kernel.create(caller, KEY, { text: 'harbour' }, null);
    const { worker, run: running } = await run(definition());
    await vi.waitFor(() => expect(world.system.delivered).toHaveLength(1), { timeout: 5_000 });
    expect(world.system.delivered[0]?.text).toContain('Echo:\n```data\n"harbour"\n```');
    expect(world.system.sessions.get('s1')?.folder).toBe(path.join(root, 'web'));
    await window.backend.tell('s1', { state: 'idle', activity: null });
    await vi.waitFor(() => expect(world.system.delivered).toHaveLength(2), { timeout: 5_000 });
    expect(world.system.delivered[1]?.text).toContain('it is not what the capability promises');
    window.backend.say('s1', '```json\n{"echo":"harbour"}\n```');
    await window.backend.tell('s1', { state: 'idle', activity: null });
    await vi.waitFor(() => expect(job.status).toBe('succeeded'), { timeout: 5_000 });
    expect(job.output).toEqual({ echo: 'harbour' });
    worker.stop();
    await running;
    expect([ends, hebing.count('POST', /submit$/), hebing.count('POST', /bid$/)]).toEqual([['submitted'], 2, 1]);
    expect(world.system.calls).toEqual(['window 1: stop']);
    expect(await window.store.leases.holder('worker:hebing-1:media.echo.v1')).toBe('nobody');
  });

  test('does not start outside of the workspace, by a link neither, nor where this window or its agent lets nobody work', async () => {
    symlinkSync(world.folder, path.join(root, 'link'));
    const place = (folder: string): Partial<WorkerDefinition> => ({ place: { ...definition().place, folder } });
    for (const folder of [world.folder, path.join(root, 'link'), path.join(root, 'none'), path.join(root, '..')]) await expect(run(definition(place(folder)))).rejects.toMatchObject({ code: 'worker_refused', message: expect.stringContaining('not within this workspace') as string });
    await expect(run(definition(), { roots: () => [] })).rejects.toMatchObject({ code: 'worker_refused' });
    await expect(run(definition(), { refuses: () => 'This workspace is not trusted: workers do not run here.' })).rejects.toMatchObject({ code: 'worker_refused', message: 'This workspace is not trusted: workers do not run here.' });
    await expect(run(definition({ place: { ...definition().place, connectionId: 'gone' } }))).rejects.toMatchObject({ code: 'worker_refused', message: expect.stringContaining('not there any more') as string });
    expect(hebing.requests).toEqual([]);
  });

  test('bids for nothing once its folder leads out of the workspace', async () => {
    let roots = [root];
    const { worker, run: running } = await run(definition(), { roots: () => roots });
    await vi.waitFor(() => expect(hebing.count('GET', '/kernel-jobs/available')).toBe(1), { timeout: 5_000 });
    roots = [];
    hebing.kernel.create(caller, KEY, { text: 'harbour' }, null);
    await vi.waitFor(() => expect(ends).toHaveLength(1), { timeout: 5_000 });
    await vi.waitFor(() => expect(worker.state.trouble).toContain('not within this workspace'), { timeout: 5_000 });
    worker.stop();
    await running;
    expect([world.system.sessions.size, ends, hebing.count('POST', /submit$/)]).toEqual([0, [expect.stringContaining('failed')], 0]);
  });
});

describe('the permission mode of a job', () => {
  test('is the one that asks; an agent that has only others is not started', async () => {
    expect([askingMode(controls('bypassPermissions', 'default', 'bypassPermissions')), askingMode(controls('ask', 'ask', 'edit')), askingMode(controls(null))]).toEqual(['default', 'ask', null]);
    expect(() => askingMode(controls('bypassPermissions', 'bypassPermissions'))).toThrow(expect.objectContaining({ code: 'mode_unsafe' }) as Error);
    window.backend.controls = () => Promise.resolve(controls('yolo', 'yolo'));
    await expect(run(definition())).rejects.toMatchObject({ code: 'mode_unsafe' });
  });
});
