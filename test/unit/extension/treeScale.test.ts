import { describe, expect, it } from 'vitest';
import { sessionAttention } from '../../../src/core/fleet/attention.ts';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Machine, Session, Traits } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { buildTree } from '../../../src/extension/tree/build.ts';
import { changesBetween } from '../../../src/extension/tree/changes.ts';
import { dropOf } from '../../../src/extension/tree/drop.ts';
import type { TreeModel, TreeNode } from '../../../src/extension/tree/model.ts';
import { sessionRow } from './sessionRow.ts';

const TRAITS: Traits = { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true };
const connection: Connection = { connectionId: 'happy-1', name: 'Work', system: 'happy', state: { status: 'ready', message: null, remedy: null, version: null }, traits: TRAITS, more: false, canSignIn: false, dormant: false, lastContactAt: null };
const machine = (id: string, state: Machine['state'] = 'online'): Machine => ({ id, connectionId: 'happy-1', name: id, state, seenAt: 1, home: '/root' });
const session = (at: number, over: Partial<Session> = {}): Session => sessionRow({ id: `s${at}`, title: `T${at}`, updatedAt: at, ...over });
const newestFirst = (sessions: readonly Session[]): readonly Session[] => [...sessions].sort((a, b) => b.updatedAt - a.updatedAt);
const input = { connections: [connection], machines: [machine('m1')], groupBy: 'folder' as const, showArchived: false };
const FOLDER = 'folder/m1//srv/web';
const titles = (nodes: readonly TreeNode[]): string[] => nodes.map((node) => (node.kind === 'session' ? node.session.title : node.kind === 'needs' || node.kind === 'permission' || node.kind === 'attention' ? node.kind : node.label));
const labels = (model: TreeModel): string[] => titles(model.roots);

describe('long groups', () => {
  const many = newestFirst(Array.from({ length: 75 }, (_, index) => session(index + 1)));

  it('show the newest, and lead to the others thirty at a time', () => {
    const first = buildTree({ ...input, sessions: many });
    expect(titles(first.children(FOLDER))).toEqual([...many.slice(0, 10).map(({ title }) => title), 'Show 30 older…']);
    expect(first.children(FOLDER).at(-1)).toMatchObject({ kind: 'older', groupId: FOLDER, description: 'of 65' });
    const more = buildTree({ ...input, sessions: many, older: new Map([[FOLDER, 30]]) });
    expect(titles(more.children(FOLDER)).slice(-2)).toEqual(['T36', 'Show 30 older…']);
    expect(titles(buildTree({ ...input, sessions: many, older: new Map([[FOLDER, 60]]) }).children(FOLDER))).toEqual([...many.slice(0, 70).map(({ title }) => title), 'Show 5 older…']);
    expect(titles(buildTree({ ...input, sessions: many.slice(0, 13) }).children(FOLDER))).toHaveLength(13);
  });

  it('always show what works', () => {
    const busy = many.map((each) => (each.title === 'T3' ? { ...each, state: 'running' as const } : each));
    expect(titles(buildTree({ ...input, sessions: busy }).children(FOLDER))).toContain('T3');
  });

  it('of folders show the newest twenty', () => {
    const folders = newestFirst(Array.from({ length: 45 }, (_, index) => session(index + 1, { folder: `/srv/f${index + 1}` })));
    const model = buildTree({ ...input, sessions: folders });
    expect(labels(model)).toHaveLength(21);
    expect([labels(model)[0], labels(model)[20]]).toEqual(['/srv/f45', 'Show 25 more folders…']);
    const more = buildTree({ ...input, sessions: folders, older: new Map([['', 30]]) });
    expect(labels(more)).toHaveLength(45);
  });

  it('of machines open the eight that changed last, and leave out those that are away and empty', () => {
    const machines = [...Array.from({ length: 20 }, (_, index) => machine(`a${index}`)), ...Array.from({ length: 15 }, (_, index) => machine(`z${index}`, 'offline'))];
    const sessions = newestFirst(Array.from({ length: 12 }, (_, index) => session(index + 1, { machineId: `a${index}` })));
    const model = buildTree({ ...input, machines, sessions, groupBy: 'machine' });
    expect(labels(model)).toHaveLength(20);
    expect(model.roots.filter((node) => node.kind === 'group' && node.open).map((node) => node.id).sort()).toEqual(['machine/a10', 'machine/a11', 'machine/a4', 'machine/a5', 'machine/a6', 'machine/a7', 'machine/a8', 'machine/a9']);
  });
});

describe('pinned and archived sessions', () => {
  const sessions = newestFirst([session(1, { pinned: true }), session(2), session(3, { archived: true }), session(4, { pinned: true, archived: true })]);

  it('stand once, in groups of their own, with their folder', () => {
    const model = buildTree({ ...input, sessions, showArchived: true });
    expect(labels(model)).toEqual(['Pinned', '/srv/web', 'Archived']);
    expect(model.children('pinned')).toMatchObject([{ kind: 'session', place: '/srv/web', session: { title: 'T1' } }]);
    expect(titles(model.children('archived'))).toEqual(['T4', 'T3']);
    expect(model.node('archived')).toMatchObject({ open: false, description: '2' });
    expect(labels(buildTree({ ...input, sessions }))).toEqual(['Pinned', '/srv/web']);
    expect(model.place(sessionKey(session(1)))).toBe(`pinned/session/${sessionKey(session(1))}`);
  });

  it('are taken in and out by what they are dropped on', () => {
    const model = buildTree({ ...input, sessions, showArchived: true });
    const under = (id: string): TreeNode | null => model.children(id)[0] ?? null;
    expect([dropOf(model.node('pinned')), dropOf(under('pinned'))]).toEqual([['unarchiveSession', 'pinSession'], ['unarchiveSession', 'pinSession']]);
    expect([dropOf(model.node('archived')), dropOf(under('archived'))]).toEqual([['archiveSession'], ['archiveSession']]);
    expect([dropOf(model.node(FOLDER)), dropOf(under(FOLDER))]).toEqual([['unarchiveSession', 'unpinSession'], ['unarchiveSession', 'unpinSession']]);
    expect(dropOf(null)).toEqual([]);
  });
});

describe('one changed session', () => {
  const sessions = newestFirst(Array.from({ length: 40 }, (_, index) => session(index + 1)));
  const changed = (model: TreeModel, at: number, over: Partial<Session>) => model.replace(session(at, over));

  it('is one changed node, found by its id and with its session', () => {
    const model = buildTree({ ...input, sessions });
    model.children(FOLDER);
    const [id = ''] = changed(model, 40, { state: 'running', updatedAt: 90 }) ?? [];
    expect(id).toBe(`${FOLDER}/session/${sessionKey(session(40))}`);
    expect([model.node(id), model.children(FOLDER)[0]]).toMatchObject([{ session: { state: 'running' } }, { session: { state: 'running' } }]);
  });

  it('is none where nobody looked into its group, and is there when somebody does', () => {
    const model = buildTree({ ...input, sessions });
    expect(changed(model, 1, { updatedAt: 99, title: 'Came up' })).toEqual([]);
    expect(titles(model.children(FOLDER))[0]).toBe('Came up');
  });

  it('changes the shape when it moves or is marked', () => {
    const model = buildTree({ ...input, sessions });
    model.children(FOLDER);
    expect([changed(model, 40, { folder: '/x' }), changed(model, 40, { pinned: true }), changed(model, 40, { archived: true })]).toEqual([null, null, null]);
    expect(model.replace(session(77))).toBeNull();
    expect(model.replace(session(77, { archived: true }))).toEqual([]);
  });

  it('has what it asks below it, and nothing of what was answered', () => {
    const model = buildTree({ ...input, sessions });
    model.children(FOLDER);
    const row = `${FOLDER}/session/${sessionKey(session(40))}`;
    const asks = (requestId: string) => ({ requestId, tool: 'Bash', title: 'ls', ask: 'tool' as const, askedAt: 1 });
    expect(changed(model, 40, { waiting: [asks('r1')] })).toEqual([row]);
    expect(model.children(row).map(({ id }) => id)).toEqual([`${row}/r1@1`]);
    expect(changed(model, 40, { waiting: [asks('r2')] })).toEqual([row]);
    expect([model.node(`${row}/r1@1`), model.node(`${row}/r2@1`)?.kind, model.parent(`${row}/r2@1`)?.id]).toEqual([null, 'permission', row]);
  });

  it('comes into sight without a tree made anew: its group shows other rows', () => {
    const model = buildTree({ ...input, sessions });
    const before = model.children(FOLDER).map(({ id }) => id);
    expect(changed(model, 2, { title: 'Still out of sight' })).toEqual([]);
    expect(changed(model, 2, { updatedAt: 99 })).toEqual([FOLDER]);
    const after = model.children(FOLDER).map(({ id }) => id);
    expect([after[0], after.length]).toEqual([`${FOLDER}/session/${sessionKey(session(2))}`, before.length]);
    const gone = before.filter((id) => !after.includes(id));
    expect(gone.map((id) => model.node(id))).toEqual([null]);
  });

  it('stays in its place while it is in sight, and comes to the top from out of sight', () => {
    const ranks = new Map<string, number>();
    const order = (list: readonly Session[]): string[] => titles(buildTree({ ...input, sessions: newestFirst(list), ranks }).children(FOLDER));
    expect(order(sessions).slice(0, 3)).toEqual(['T40', 'T39', 'T38']);
    const later = sessions.map((each) => (each.title === 'T38' ? { ...each, updatedAt: 100 } : each.title === 'T2' ? { ...each, updatedAt: 101 } : each));
    expect(order(later).slice(0, 4)).toEqual(['T2', 'T40', 'T39', 'T38']);
    ranks.clear();
    expect(order(later).slice(0, 4)).toEqual(['T2', 'T38', 'T40', 'T39']);
  });
});

it('shows what needs the person without a tree made anew, and the roots where the group comes or goes', () => {
  const asking = session(2, { waiting: [{ requestId: 'r', tool: 'Bash', title: 'ls', ask: 'tool', askedAt: 1 }] });
  const facts = { connection: null, unreadSince: null, undelivered: null };
  const model = buildTree({ ...input, sessions: newestFirst([session(1), asking]), needs: [] });
  const of = (...list: readonly Session[]) => model.renewNeeds(list.flatMap((each) => sessionAttention(each, facts)), (key) => list.find((each) => sessionKey(each) === key) ?? null);
  const rootIds = model.roots.map(({ id }) => id);
  expect(of()).toEqual([]);
  expect([of(asking), model.roots.map(({ id }) => id)]).toEqual([null, ['needs', ...rootIds]]);
  const [first] = model.children('needs');
  expect([first?.kind, model.parent(first?.id ?? '')?.id, of({ ...asking, title: 'Renamed' })]).toEqual(['permission', 'needs', ['needs']]);
  expect(model.children('needs').map((node) => (node.kind === 'permission' ? node.session.title : null))).toEqual(['Renamed']);
  expect([of(), model.roots.map(({ id }) => id), model.node('needs'), model.node(first?.id ?? '')]).toEqual([null, rootIds, null, null]);
});

describe('what changed between two trees', () => {
  const sessions = newestFirst([session(1), session(2), session(3, { folder: '/srv/api' })]);
  const build = (list: readonly Session[]): TreeModel => buildTree({ ...input, sessions: list });
  const fetched = new Set([FOLDER, 'folder/m1//srv/api']);

  it('is the session that looks otherwise, the group whose rows are others, or all where the roots are', () => {
    const before = build(sessions);
    for (const id of fetched) before.children(id);
    const renamed = sessions.map((each) => (each.title === 'T1' ? { ...each, title: 'Renamed' } : each));
    expect(changesBetween(before, build(renamed), fetched)).toEqual([`${FOLDER}/session/${sessionKey(session(1))}`]);
    expect(changesBetween(before, build(newestFirst([...sessions, session(9)])), fetched)).toBeNull();
    expect(changesBetween(before, build(newestFirst([...sessions, session(2.5, { id: 's9' })])), fetched)).toEqual([FOLDER]);
    expect(changesBetween(before, build(sessions), fetched)).toEqual([]);
  });

  it('is nothing in a group that nobody opened', () => {
    expect(changesBetween(build(sessions), build(sessions.map((each) => ({ ...each, title: 'X' }))), new Set())).toEqual([]);
  });
});

describe('ids of an earlier tree', () => {
  it('are found before VS Code asks for anything anew', () => {
    const model = buildTree({ ...input, sessions: [session(1)] });
    const id = `${FOLDER}/session/${sessionKey(session(1))}`;
    expect(model.node(id)).toMatchObject({ kind: 'session' });
    expect(model.parent(id)?.id).toBe(FOLDER);
    expect(model.node('folder/m1//gone')).toBeNull();
  });
});
