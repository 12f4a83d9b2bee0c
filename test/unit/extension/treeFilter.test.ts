import { describe, expect, it } from 'vitest';
import type { Session } from '../../../src/core/model/session.ts';
import { buildTree } from '../../../src/extension/tree/build.ts';
import { parseFilter } from '../../../src/extension/tree/filter.ts';
import { sessionRow } from './sessionRow.ts';

const names = { machine: (id: string) => (id === 'm1' ? 'Studio' : 'laptop'), connection: (id: string) => (id === 'happy-1' ? 'Work' : 'Home') };
const asks = { requestId: 'r', tool: 'Bash', title: 'ls', ask: 'tool' as const, askedAt: 1 };
const sessions: readonly Session[] = [
  sessionRow({ id: 'a', title: 'Tidy the Café', folder: '/srv/web', branch: 'menu', model: 'opus' }),
  sessionRow({ id: 'b', title: 'Port parser', folder: '/srv/parser', agent: 'codex', machineId: 'm2', connectionId: 'happy-2', state: 'running' }),
  sessionRow({ id: 'c', title: 'Old one', archived: true, unread: true }),
  sessionRow({ id: 'd', title: 'Asks', state: 'waiting', waiting: [asks], pinned: true }),
];
const found = (text: string): string => {
  const filter = parseFilter(text, names);
  return filter === null ? '-' : sessions.filter((session) => filter.matches(session)).map(({ id }) => id).join('');
};

describe('a filter', () => {
  it('finds every word in title, folder, branch, agent, model, machine or connection, without case and accents', () => {
    expect(['cafe', 'TIDY web', 'menu', 'opus', 'codex', 'studio', 'laptop parser', 'home', 'tidy parser', '"the café"', '"café the"'].map(found)).toEqual(['a', 'a', 'a', 'a', 'b', 'acd', 'b', 'b', '', 'a', '']);
  });

  it('says nothing without a word', () => {
    expect(['', '   ', '""'].map(found)).toEqual(['-', '-', '-']);
  });

  it('looks in one field alone where it is named', () => {
    expect(['agent:codex', 'title:parser', 'folder:parser', 'title:srv', 'machine:stu', 'connection:home', 'branch:menu', 'model:opus', 'nonsense:menu'].map(found)).toEqual(['b', 'b', 'b', '', 'acd', 'b', 'a', 'a', '']);
  });

  it('looks at states and marks, also while they are being typed', () => {
    expect(['is:waiting', 'is:running', 'is:idle', 'is:pinned', 'is:unread', 'is:archived', 'is:w', 'is:', 'is:failed', 'is:nonsense', 'is:idle cafe'].map(found)).toEqual(['d', 'b', 'ac', 'd', 'c', 'c', 'd', 'abcd', '', '', 'a']);
  });
});

describe('a filtered tree', () => {
  const tree = (text: string) => buildTree({ connections: [], machines: [], sessions, groupBy: 'status', showArchived: false, filter: parseFilter(text, names) });

  it('holds what matches, open, under ids of its own', () => {
    const model = tree('parser');
    expect(model.roots).toMatchObject([{ id: 'filter/status/Running', open: true }]);
    expect([model.listed, model.children('filter/status/Running').length]).toEqual([1, 1]);
  });

  it('holds archived sessions where they are asked for', () => {
    expect([tree('old').listed, tree('is:archived').listed]).toEqual([0, 1]);
    expect(tree('is:archived').roots).toMatchObject([{ group: 'archived', open: true }]);
  });

  it('has what needs the person only where it matches', () => {
    expect(tree('asks').roots.map(({ kind }) => kind)).toEqual(['needs', 'group']);
    expect(tree('parser').roots.map(({ kind }) => kind)).toEqual(['group']);
  });
});
