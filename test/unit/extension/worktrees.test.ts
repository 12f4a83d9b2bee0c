import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Leases } from '../../../src/core/model/context.ts';
import type { Session, SessionKey, Traits } from '../../../src/core/model/session.ts';
import { printOf } from '../../../src/core/systems/local/worktree/state.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { buildTree } from '../../../src/extension/tree/build.ts';
import { sessionLine } from '../../../src/extension/tree/line.ts';
import { contextValue } from '../../../src/extension/tree/model.ts';
import { SessionWorktrees } from '../../../src/extension/worktrees.ts';
import { WorktreeWorld } from '../local/worktreeWorld.ts';
import { until } from '../local/processScripts.ts';

const TRAITS: Traits = { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true };
const CONNECTION: Connection = { connectionId: 'local-claude', name: 'Claude Code', system: 'local', state: { status: 'ready', message: null, remedy: null, version: null }, traits: TRAITS, more: false, canSignIn: false, dormant: false };
const leases: Leases = { acquire: () => Promise.resolve(true), release: () => Promise.resolve(), holder: () => Promise.resolve('nobody') };
const session = (folder: string): Session => ({
  id: folder, connectionId: 'local-claude', machineId: 'this-computer', folder, agent: 'claude', title: 'Fix', state: 'idle', createdAt: 1, updatedAt: 1, archived: false, owner: 'nobody', ownerName: null, branch: null,
  activity: null, usage: null, model: null, waiting: [], error: null,
});

let world: WorktreeWorld;
let windows: SessionWorktrees[];
let trusted: boolean;
const open = (): SessionWorktrees => {
  const window = new SessionWorktrees({ env: world.env, leases, log: silentLogger, trusted: () => trusted });
  windows.push(window);
  return window;
};
beforeEach(() => {
  world = new WorktreeWorld();
  windows = [];
  trusted = true;
});
afterEach(() => {
  for (const window of windows) window.dispose();
  world.close();
});

test('a session in a worktree stands under the folder that it is for, with its branch, in every window, and stays there when it is finished', async () => {
  const [one, other] = [open(), open()];
  const { worktree, folder } = await one.make(world.repository, 'Fix');
  const told: SessionKey[] = [];
  const inside = session(path.join(folder, 'src'));
  other.showIn({ sessions: () => [inside, session(world.repository)], connections: () => [CONNECTION], marks: { redress: (key) => told.push(key) } });
  await until(() => other.of(inside.folder) !== null);

  const shown = other.dress(inside);
  expect(shown).toMatchObject({ branch: 'pilothouse/fix', worktree: { branch: 'pilothouse/fix', source: world.repository } });
  expect(other.dress(inside)).toBe(shown);
  expect(other.dress({ ...inside, branch: 'of-the-agent' }).branch).toBe('of-the-agent');
  expect(other.sessionsIn(worktree.id)).toEqual([inside]);
  const plain = session(world.repository);
  expect(other.dress(plain)).toBe(plain);

  const tree = buildTree({ connections: [CONNECTION], machines: [], groupBy: 'folder', showArchived: false, sessions: [shown, plain] });
  expect(tree.roots.map((root) => [root.kind === 'group' ? root.folder : '', tree.children(root.id).length])).toEqual([[world.repository, 2]]);
  expect(sessionLine(shown, { now: 1, dormant: false, agent: 'claude' }).description).toBe('idle · now · fix · claude');
  expect(contextValue(shown, CONNECTION)).toContain(':worktree:');

  await one.remove(worktree, { keepBranch: false, agreed: null });
  await until(() => other.of(inside.folder)?.endedAt !== undefined);
  expect(told).toContain(`local-claude\u0000${inside.folder}`);
  const after = other.dress(inside);
  expect(after.worktree).toEqual({ branch: 'pilothouse/fix', source: world.repository, finished: true });
  expect(contextValue(after, CONNECTION)).not.toContain('worktree');
  expect((await one.make(world.repository, 'Fix')).worktree.path).not.toBe(worktree.path);
});

test('the worktree of a session that came to nothing goes with it, unless others work there or something was done', async () => {
  const window = open();
  const { worktree, folder } = await window.make(world.repository, 'Empty');
  let others: readonly Session[] = [session(folder)];
  window.showIn({ sessions: () => others, connections: () => [CONNECTION], marks: { redress: () => undefined } });
  await window.leftBy(session(folder));
  expect(window.all().map((each) => each.id)).toEqual([worktree.id]);
  others = [];
  world.write('b.txt', 'b\n', folder);
  await window.leftBy(session(folder));
  expect(window.all()).toHaveLength(1);
  await window.remove(worktree, { keepBranch: false, agreed: printOf(await window.state(worktree)) });
  const second = await window.make(world.repository, 'ログイン'.repeat(20));
  await window.leftBy(session(second.folder));
  expect([window.all(), window.of(second.folder)]).toEqual([[], null]);
  mkdirSync(path.join(world.home, 'plain'));
  await window.leftBy(session(path.join(world.home, 'plain')));
});

test('a worktree ends only with a session of this computer’s own agents, in a workspace that is trusted', async () => {
  const window = open();
  const { worktree, folder } = await window.make(world.repository, 'Whose');
  const own = session(folder);
  const elsewhere: Session = { ...session(folder), id: 'elsewhere', connectionId: 'happy-1', machineId: 'their-computer' };
  const hosted: Session = { ...elsewhere, id: 'hosted', agentSession: { agent: 'claude', id: 'x', host: hostname() } };
  const pretends: Session = { ...elsewhere, id: 'pretends', machineId: 'this-computer' };
  let all: readonly Session[] = [];
  window.showIn({ sessions: () => all, connections: () => [CONNECTION, { connectionId: 'happy-1', system: 'happy' }], marks: { redress: () => undefined } });
  expect(window.endingWith(own)?.id).toBe(worktree.id);
  for (const each of [elsewhere, hosted, pretends, { ...own, connectionId: 'gone' }]) {
    expect([window.ofSession(each), window.endingWith(each)]).toEqual([null, null]);
    await window.leftBy(each);
  }
  expect(window.dress(elsewhere)).toBe(elsewhere);

  all = [own, elsewhere, hosted, pretends];
  expect([window.sessionsIn(worktree.id), window.hostedIn(worktree.id)]).toEqual([[own], [hosted]]);
  expect(window.endingWith(own)).toBeNull();

  [all, trusted] = [[own], false];
  expect([window.ofSession(own)?.id, window.endingWith(own)]).toEqual([worktree.id, null]);
  all = [];
  await window.leftBy(own);
  expect(window.all().map((each) => each.id)).toEqual([worktree.id]);
  trusted = true;
  await window.leftBy(own);
  expect(window.all()).toEqual([]);
});
