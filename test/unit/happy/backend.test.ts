import { afterEach, describe, expect, it, vi } from 'vitest';
import { startProxy } from '../../loopback/happy/proxy.ts';
import { code } from '../../contract/helpers.ts';
import { HappyWorld } from './backendWorld.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });
const patient = { timeout: 8_000, interval: 20 };

let world: HappyWorld;
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});
const ownSockets = (): readonly (string | undefined)[] => world.server.sockets().filter(({ happyClient }) => happyClient === 'pilothouse/0').map(({ appState }) => appState);

describe('the lists of an account', () => {
  it('has 2,000 sessions in pages, newest first, in every state; one that no key opens says so and costs the others nothing', async () => {
    world = await HappyWorld.make({ sessions: 2_000, alive: false });
    const window = await world.window();
    expect(await window.backend.connect()).toEqual({ status: 'ready', message: null, remedy: null, version: null });
    const all = await window.all();
    expect(new Set(all.map(({ id }) => id))).toEqual(new Set(world.fleet.sessions.map(({ id }) => id)));
    expect(all.map(({ updatedAt }) => updatedAt)).toEqual(all.map(({ updatedAt }) => updatedAt).toSorted((one, other) => other - one));
    const byId = new Map(all.map((session) => [session.id, session]));
    const { sessions, machines: there } = world.server.rows();
    const seenAt = new Map([...sessions, ...there].map(({ id, activeAt }) => [id, activeAt]));
    const seen = (id: string): number => seenAt.get(id) ?? 0;
    for (const { id, state, title, machine, path } of world.fleet.sessions) {
      const shown = byId.get(id);
      if (state === 'unreadable') expect(shown).toMatchObject({ title: 'Cannot be decrypted', machineId: '', folder: '', waiting: [] });
      else expect(shown).toMatchObject({ title, machineId: machine.id, folder: path, connectionId: 'happy' });
      if (state === 'archived') expect(shown).toMatchObject({ state: 'stopped', archived: true });
      // Of one that was seen last when its machine was, or after, nobody knows whether it lives on where the machine is.
      const vanished = !machine.online && seen(id) > seen(machine.id) - 90_000;
      if (state === 'stopped') expect(shown).toMatchObject({ state: vanished ? 'unknown' : 'stopped', archived: false });
      if (state === 'permission' || state === 'question' || state === 'plan') expect(shown).toMatchObject({ state: 'waiting', waiting: [expect.objectContaining({ ask: state === 'permission' ? 'tool' : state })] });
      if (state === 'local') expect(shown).toMatchObject({ owner: 'foreign', ownerName: `a terminal on ${machine.host}` });
    }
    const machines = await window.backend.machines();
    expect(new Map(machines.map(({ name, state }) => [name, state]))).toEqual(new Map([['studio', 'online'], ['laptop', 'online'], ['build-server', 'offline']]));
    expect(machines.every(({ home }) => home !== null)).toBe(true);
  }, 60_000);

  it('goes on from a cursor although the list moved, and takes no other for one', async () => {
    world = await HappyWorld.make({ sessions: 12 });
    const window = await world.connected();
    const first = await window.backend.sessions({ limit: 5 });
    await world.phone.send(world.inState('idle').id, 'hello');
    const seen = new Set(first.items.map(({ id }) => id));
    let { next } = first;
    while (next !== null) {
      const page = await window.backend.sessions({ limit: 5, cursor: next });
      for (const { id } of page.items) seen.add(id);
      ({ next } = page);
    }
    seen.add(world.inState('idle').id);
    expect(seen.size).toBe(12);
    expect(await code(window.backend.sessions({ limit: 5, cursor: 'newest' }))).toBe('invalid_argument');
  });

  it('tells of a session that another client makes, renames and deletes; side chats are in no list', async () => {
    world = await HappyWorld.make();
    await world.daemon.online();
    const window = await world.connected();
    const side = await world.daemon.start('/work', { isSideChat: true });
    const made = await world.daemon.start('/work');
    await expect.poll(() => window.session(made.id), patient).toMatchObject({ folder: '/work', state: 'idle' });
    await world.phone.rename(made.id, 'By the phone');
    await expect.poll(() => window.session(made.id)?.title, patient).toBe('By the phone');
    await world.phone.http('DELETE', `/v1/sessions/${made.id}`);
    await expect.poll(() => window.removed(made.id), patient).toBe(true);
    expect(window.session(side.id)).toBeNull();
    expect((await window.all()).map(({ id }) => id)).not.toContain(side.id);
    expect(await code(window.backend.session(made.id).rename('Ghost'))).toBe('session_not_found');
  });

  it('P7: never goes back to a record that it knew before, in whatever order pushes come', async () => {
    world = await HappyWorld.make({ alive: false });
    const window = await world.connected();
    const { id } = world.inState('idle');
    const held = world.server.faults.pushes('hold', ({ event }) => event === 'update');
    const names = ['first', 'second', 'third', 'fourth'];
    for (const name of names) await world.phone.rename(id, name);
    held.release([2, 0, 3, 1, 3, 2]);
    await expect.poll(() => window.session(id)?.title, patient).toBe('fourth');
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    const told = window.events.flatMap((event) => (event.type === 'session' && event.session.id === id ? [names.indexOf(event.session.title)] : []));
    expect(told).toEqual(told.toSorted((one, other) => one - other));
    expect(window.session(id)?.title).toBe('fourth');
  });

  it('finds what was deleted and made while nobody was told, when it comes back', async () => {
    world = await HappyWorld.make();
    const window = await world.connected();
    const gone = world.inState('stopped').id;
    const lost = world.server.faults.pushes('drop');
    await world.phone.http('DELETE', `/v1/sessions/${gone}`);
    await world.daemon.online();
    const made = await world.daemon.start('/work');
    lost.remove();
    expect(window.removed(gone)).toBe(false);
    world.server.dropSockets(({ happyClient }) => happyClient === 'pilothouse/0');
    await expect.poll(() => window.removed(gone), patient).toBe(true);
    await expect.poll(() => window.session(made.id)?.folder, patient).toBe('/work');
    expect((await window.all()).map(({ id }) => id)).not.toContain(gone);
  });
});

describe('contact', () => {
  it('knows nothing while the server is away, and everything within 5 s of its return', async () => {
    world = await HappyWorld.make();
    const window = await world.connected();
    window.backend.attention?.({ focused: true, visible: true });
    const { id } = world.inState('idle');
    const [studio] = world.fleet.machines;
    await expect.poll(() => window.session(id)?.state, patient).toBe('idle');
    await world.server.down();
    await expect.poll(() => window.state?.status, patient).toBe('offline');
    expect(window.state?.message).toMatch(/cannot be reached/);
    expect(await code(window.backend.sessions({ limit: 5 }))).toBe('connection_failed');
    await expect.poll(() => window.machine(studio?.id ?? '')?.state, patient).toBe('unknown');
    await world.server.up();
    const back = performance.now();
    await expect.poll(() => window.state?.status, patient).toBe('ready');
    await expect.poll(() => window.machine(studio?.id ?? '')?.state, patient).toBe('online');
    expect(performance.now() - back).toBeLessThan(5_000);
    expect((await window.all()).find((session) => session.id === id)?.state).not.toBe('stopped');
    await expect.poll(() => window.session(id)?.state, patient).toBe('idle');
  });

  it('that comes back brings the state of every session, though nothing else has changed and no page was asked for', async () => {
    world = await HappyWorld.make({ alive: false });
    const window = await world.connected();
    await expect.poll(() => new Set(window.events.flatMap((event) => (event.type === 'session' ? [event.session.id] : []))).size, patient).toBe(16);
    window.events.length = 0;
    world.server.dropSockets(({ happyClient }) => happyClient === 'pilothouse/0');
    await expect.poll(() => window.events.filter((event) => event.type === 'session').length, patient).toBe(16);
    expect(window.events.flatMap((event) => (event.type === 'machine' ? [event.machine.state] : []))).toContain('unknown');
  });

  it('is made in the end although the server was away when it began, and says so meanwhile', async () => {
    world = await HappyWorld.make({ alive: false });
    await world.server.down();
    const window = await world.window();
    const connecting = window.backend.connect();
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    await world.server.up();
    expect((await connecting).status).toBe('ready');
    expect(await window.all()).toHaveLength(16);
  });

  it('notices a connection that is half-open within seconds while somebody looks', async () => {
    world = await HappyWorld.make();
    const proxy = await startProxy(world.server.url);
    try {
      const window = await world.connected({ url: proxy.url });
      window.backend.attention?.({ focused: true, visible: true });
      const { id } = world.inState('idle');
      await expect.poll(() => window.session(id)?.state, patient).toBe('idle');
      const light = proxy.add({ kind: 'blackhole' });
      await world.phone.rename(id, 'In the dark');
      await expect.poll(() => window.state?.status, { ...patient, timeout: 12_000 }).toBe('offline');
      light();
      const back = performance.now();
      await expect.poll(() => window.session(id)?.title, patient).toBe('In the dark');
      expect(performance.now() - back).toBeLessThan(5_000);
    } finally {
      await proxy.close();
    }
  });

  it('asks for a sign-in when the token is not taken any more, and is back when it is', async () => {
    world = await HappyWorld.make();
    const token = world.server.tokenFor(world.fleet.master).token;
    const window = await world.connected({ token });
    world.server.revoke(token);
    await expect.poll(() => window.state, patient).toMatchObject({ status: 'needs-sign-in', message: expect.stringMatching(/Sign in/) as string });
    expect(await code(window.backend.session(world.inState('idle').id).rename('Mine'))).toBe('authentication_failed');
    expect((await window.backend.connect()).status).toBe('needs-sign-in');
    world.server.restore(token);
    expect((await window.backend.connect()).status).toBe('ready');
    expect(await window.all()).toHaveLength(16);
  });

  it('silences the phone only while the window has the focus and shows something of ours', async () => {
    world = await HappyWorld.make({ alive: false });
    const window = await world.connected();
    expect(ownSockets()).toEqual(['background']);
    for (const [focused, visible, told] of [[true, false, 'background'], [false, true, 'background'], [true, true, 'active'], [false, true, 'background']] as const) {
      window.backend.attention?.({ focused, visible });
      await expect.poll(ownSockets, patient).toEqual([told]);
    }
    window.backend.attention?.({ focused: true, visible: true });
    await expect.poll(ownSockets, patient).toEqual(['active']);
    world.server.dropSockets();
    await expect.poll(ownSockets, patient).toEqual(['active']);
  });

  it('tells nothing after it was disposed of', async () => {
    world = await HappyWorld.make();
    const window = await world.connected();
    await window.backend[Symbol.asyncDispose]();
    const before = window.events.length;
    await world.phone.rename(world.inState('idle').id, 'Late');
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    expect(window.events).toHaveLength(before);
    await expect.poll(ownSockets, patient).toEqual([]);
    expect(await code(window.backend.session(world.inState('idle').id).rename('Later'))).toBe('closed');
  });
});

describe('machines', () => {
  it('offers the agents and folders of each, and says when nobody answers there', async () => {
    world = await HappyWorld.make();
    const window = await world.connected();
    const [studio, laptop, server] = world.fleet.machines;
    const { places } = window.backend;
    expect((await places?.agents(studio?.id ?? ''))?.map(({ id }) => id)).toEqual(['claude', 'codex']);
    expect((await places?.agents(laptop?.id ?? ''))?.map(({ label }) => label)).toEqual(['Claude Code']);
    expect(await places?.folders(studio?.id ?? '', null)).toEqual({ path: '/home/dev', folders: ['Downloads', 'work'] });
    expect((await places?.folders(studio?.id ?? '', '/home/dev/work'))?.folders).toContain('api');
    expect(await code(places?.folders(studio?.id ?? '', '/home/nobody') ?? Promise.resolve())).toBe('folder_missing');
    expect(await code(places?.folders(server?.id ?? '', null) ?? Promise.resolve())).toBe('machine_offline');
    expect(await code(places?.folders('nowhere', null) ?? Promise.resolve())).toBe('machine_not_found');
  });

  it('spawns: refused without the folder, made with it, under the given name; in the list at once', async () => {
    world = await HappyWorld.make();
    const window = await world.connected();
    const machineId = world.fleet.machines[0]?.id ?? '';
    const where = { machineId, folder: '/home/dev/fresh' };
    expect(await code(window.backend.spawn(where))).toBe('folder_missing');
    const made = await window.backend.spawn({ ...where, createFolder: true, title: 'Fresh start', agent: 'codex' });
    expect(made).toMatchObject({ ...where, title: 'Fresh start', agent: 'codex', archived: false });
    expect((await window.all()).map(({ id }) => id)).toContain(made.id);
    await expect.poll(() => window.session(made.id)?.state, patient).toBe('idle');
    expect((await world.phone.session(made.id)).metadata?.['summary']).toMatchObject({ text: 'Fresh start' });
    expect(await code(window.backend.spawn({ ...where, agent: 'nonsense' }))).toBe('spawn_failed');
    expect(await code(window.backend.spawn({ machineId: world.fleet.machines[2]?.id ?? '', folder: '/srv' }))).toBe('machine_offline');
  });

  it('offers what a session can be begun with before there is one', async () => {
    world = await HappyWorld.make({ alive: false });
    const window = await world.connected();
    const controls = await window.backend.controls({ folder: '/work', machineId: world.fleet.machines[0]?.id ?? '', agent: 'codex' });
    expect(controls.modes.map(({ id }) => id)).toEqual(['default', 'auto', 'read-only', 'safe-yolo', 'yolo']);
    expect(controls.mode).toBe('default');
  });
});
