import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../../src/core/model/session.ts';
import { childOf, defaultMode, isAbsolutePath, machinesToPick, parentOf, recentFolders, typedPath } from '../../../src/extension/commands/remotePlaces.ts';
import { sessionRow } from './sessionRow.ts';

describe('folders of other machines', () => {
  it('are walked up and down, whatever the machine runs', () => {
    expect(['/', '/srv', '/srv/x/', 'C:\\', 'C:\\Users', 'C:\\Users\\ada', '\\\\host\\share\\x', '/odd\\name/x'].map(parentOf)).toEqual([null, '/', '/srv', null, 'C:\\', 'C:\\Users', '\\\\host\\share', '/odd\\name']);
    expect([childOf('/', 'srv'), childOf('/srv', 'x'), childOf('C:\\', 'Users'), childOf('C:\\Users', 'ada')]).toEqual(['/srv', '/srv/x', 'C:\\Users', 'C:\\Users\\ada']);
  });

  it('lead back up by as many steps as they were walked down', () => {
    const names = fc.array(fc.stringMatching(/^[a-z .-]{1,8}$/).filter((name) => name.trim() !== ''), { maxLength: 6 });
    fc.assert(fc.property(fc.constantFrom('/', 'C:\\'), names, (root, walked) => {
      let path: string = root;
      for (const name of walked) path = childOf(path, name);
      for (let step = 0; step < walked.length; step += 1) path = parentOf(path) ?? 'too far';
      expect(path).toBe(root);
    }));
  });

  it('are taken as typed when they are absolute or of the home folder', () => {
    expect(typedPath(' ~/web/ ', '/home/ada')).toBe('/home/ada/web');
    expect(typedPath('~', '/home/ada')).toBe('/home/ada');
    expect(typedPath('/', null)).toBe('/');
    expect(typedPath('D:\\work\\', null)).toBe('D:\\work');
    expect(['web', '~web', './x', '', '~/x'].map((text) => typedPath(text, null))).toEqual([null, null, null, null, null]);
    expect(typedPath('~ada/x', '/home/ada')).toBeNull();
    expect(['/x', 'C:/x', '\\\\host\\x', 'x', 'C:x'].map(isAbsolutePath)).toEqual([true, true, true, false, false]);
  });

  it('that sessions used come first, of this machine, once each, the last used first', () => {
    const sessions = [sessionRow({ machineId: 'm1', folder: '/b' }), sessionRow({ machineId: 'm2', folder: '/far' }), sessionRow({ machineId: 'm1', folder: '/a' }), sessionRow({ machineId: 'm1', folder: '/b' }), sessionRow({ machineId: 'm1', folder: '' })];
    expect(recentFolders(sessions, 'm1')).toEqual(['/b', '/a']);
    expect(recentFolders(sessions, 'm1', 1)).toEqual(['/b']);
  });
});

describe('what a session elsewhere begins with', () => {
  it('is a machine that answers', () => {
    const machine = (id: string, state: Machine['state'], seenAt: number): Machine => ({ id, connectionId: 'h', name: id, state, seenAt, home: null });
    const picked = machinesToPick([machine('gone', 'offline', 9), machine('quiet', 'unknown', 5), machine('old', 'online', 1), machine('new', 'online', 2)]);
    expect(picked.map((each) => each.id)).toEqual(['new', 'old', 'quiet', 'gone']);
  });

  it('is the agent\'s default permission mode, and never one that asks for nothing', () => {
    const modes = (...ids: string[]) => ids.map((id) => ({ id, label: id, description: null }));
    expect(defaultMode({ modes: modes('default', 'bypassPermissions'), mode: 'bypassPermissions' })).toBe('default');
    expect(defaultMode({ modes: modes('ask', 'yolo'), mode: 'ask' })).toBe('ask');
    for (const mode of ['bypassPermissions', 'yolo', 'safe-yolo', 'dangerously-skip', 'full-access', 'never']) expect(defaultMode({ modes: modes(mode), mode })).toBeNull();
    expect(defaultMode({ modes: [], mode: null })).toBeNull();
  });
});
