import { describe, expect, it } from 'vitest';
import { connectionAttention, sessionAttention } from '../../../src/core/fleet/attention.ts';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Machine, Session, Traits } from '../../../src/core/model/session.ts';
import { buildTree } from '../../../src/extension/tree/build.ts';
import { contextValue, shortFolder } from '../../../src/extension/tree/model.ts';
import type { TreeModel, TreeNode } from '../../../src/extension/tree/model.ts';
import { sessionLine, titleOf } from '../../../src/extension/tree/line.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import { age, belowFolder, describeSession, failureText, machineAmid, noticeText, oneLine, pickText, stripAnsi } from '../../../src/extension/tree/text.ts';

const TRAITS: Traits = { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true };
const session = (over: Partial<Session>): Session => ({
  id: 's1', connectionId: 'local-claude', machineId: 'this-computer', folder: '/home/ada/web', agent: 'claude', title: 'Dark mode', state: 'idle', createdAt: 1, updatedAt: 1,
  archived: false, owner: 'nobody', ownerName: null, branch: null, activity: null, usage: null, model: null, waiting: [], error: null, ...over,
});
const machine: Machine = { id: 'this-computer', connectionId: 'local-claude', name: 'This computer', state: 'online', seenAt: 1, home: '/home/ada' };
const connection = (id: string, name: string, more = false): Connection => ({ connectionId: id, name, system: 'local', state: { status: 'ready', message: null, remedy: null, version: null }, traits: TRAITS, more, canSignIn: false, dormant: false });
const input = { connections: [connection('local-claude', 'Claude Code'), connection('local-codex', 'Codex')], machines: [machine], groupBy: 'machine' as const, showArchived: false };
const permission = { requestId: 'r1', tool: 'Bash', title: 'npm test', ask: 'tool' as const, askedAt: 1 };

function outline(model: TreeModel): string[] {
  const lines: string[] = [];
  const walk = (nodes: readonly TreeNode[], depth: number): void => {
    for (const node of nodes) {
      const label = node.kind === 'group' || node.kind === 'more' || node.kind === 'older' ? node.label : node.kind === 'session' ? node.session.title : node.kind === 'permission' ? `? ${node.permission.title}` : 'Needs You';
      lines.push(`${'  '.repeat(depth)}${label}`);
      walk(model.children(node.id), depth + 1);
    }
  };
  walk(model.roots, 0);
  return lines;
}

describe('the sessions tree', () => {
  it('groups by machine and folder, with what needs the person first', () => {
    const model = buildTree({ ...input, sessions: [session({}), session({ id: 's2', title: 'Port parser', folder: '/srv/parser', connectionId: 'local-codex', state: 'waiting', waiting: [permission] })] });
    expect(outline(model)).toEqual(['Needs You', '  ? npm test', 'This computer', '  ~/web', '    Dark mode', '  /srv/parser', '    Port parser', '      ? npm test']);
  });

  it('groups by connection, folder and state', () => {
    const sessions = [session({}), session({ id: 's2', title: 'Port parser', connectionId: 'local-codex', state: 'failed' })];
    expect(outline(buildTree({ ...input, sessions, groupBy: 'connection' }))).toEqual(['Claude Code', '  This computer', '    ~/web', '      Dark mode', 'Codex', '  This computer', '    ~/web', '      Port parser']);
    expect(outline(buildTree({ ...input, sessions, groupBy: 'folder' }))).toEqual(['~/web', '  Dark mode', '  Port parser']);
    expect(outline(buildTree({ ...input, sessions, groupBy: 'status' }))).toEqual(['Failed', '  Port parser', 'Idle', '  Dark mode']);
  });

  it('tells more of a machine where its group stands', () => {
    const model = buildTree({ ...input, machines: [{ ...machine, detail: 'build-01' }], sessions: [session({})] });
    expect(model.roots).toMatchObject([{ kind: 'group', label: 'This computer', detail: 'build-01' }]);
  });

  it('hides archived sessions unless they are asked for, and never calls them needing', () => {
    const sessions = [session({ archived: true, waiting: [permission], state: 'waiting' })];
    expect(outline(buildTree({ ...input, sessions }))).toEqual([]);
    expect(outline(buildTree({ ...input, sessions, showArchived: true }))).toEqual(['Archived', '  Dark mode', '    ? npm test']);
  });

  it('gives every node one id, its parent, and a node that leads to more', () => {
    const sessions = Array.from({ length: 50 }, (_, index) => session({ id: `s${index}`, folder: `/home/ada/${index % 7}`, waiting: index % 5 === 0 ? [permission] : [] }));
    const model = buildTree({ ...input, connections: [connection('local-claude', 'Claude Code', true)], sessions });
    const ids: string[] = [];
    const walk = (nodes: readonly TreeNode[], parent: string | null): void => {
      for (const node of nodes) {
        ids.push(node.id);
        expect(model.parent(node.id)?.id ?? null).toBe(parent);
        expect(model.node(node.id)).toBe(node);
        walk(model.children(node.id), node.id);
      }
    };
    walk(model.roots, null);
    expect(new Set(ids).size).toBe(ids.length);
    expect(model.roots.at(-1)).toMatchObject({ kind: 'more', connectionId: 'local-claude' });
  });

  it('says in the context value what can be done', () => {
    const runs = { traits: TRAITS, dormant: false, system: 'local' as const };
    expect(contextValue(session({ state: 'running', owner: 'this' }), runs)).toBe('session:running:open:folder:interrupt:stop:fork:rename:archive:delete:pin:markunread');
    expect(contextValue(session({ state: 'idle' }), runs)).toBe('session:idle:open:folder:resume:fork:rename:archive:delete:pin:markunread');
    expect(contextValue(session({ state: 'running', owner: 'foreign' }), runs)).toBe('session:running:open:folder:fork:rename:archive:pin:markunread');
    expect(contextValue(session({ archived: true }), { ...runs, traits: { ...TRAITS, fork: false, remove: false, resume: false } })).toBe('session:idle:open:folder:rename:unarchive:markunread');
    expect(contextValue(session({ state: 'waiting', owner: 'window' }), { ...runs, dormant: true })).toBe('session:waiting:open:folder:pin:markunread');
  });

  it('knows of a session on another machine that its agent lives there, whoever looks', () => {
    const far = { traits: TRAITS, dormant: false, system: 'happy' as const };
    expect(contextValue(session({ state: 'running' }), far)).toBe('session:running:open:interrupt:stop:fork:rename:archive:delete:pin:markunread');
    expect(contextValue(session({ state: 'idle' }), far)).toBe('session:idle:open:stop:fork:rename:archive:delete:pin:markunread');
    expect(contextValue(session({ state: 'stopped' }), far)).toBe('session:stopped:open:resume:fork:rename:archive:delete:pin:markunread');
    expect(contextValue(session({ state: 'unknown' }), far)).toBe('session:unknown:open:fork:rename:archive:delete:pin:markunread');
    expect(contextValue(session({ state: 'idle', owner: 'foreign' }), far)).toBe('session:idle:open:fork:rename:archive:pin:markunread');
  });

  const account = (connectionId: string, name: string): Connection => ({ ...connection(connectionId, name), system: 'happy' });
  const far = (id: string, name: string, state: Machine['state'], connectionId = 'happy-1'): Machine => ({ id, connectionId, name, state, seenAt: 1, home: '/root' });

  it('shows the machines of all accounts, before they have sessions, those that answer first', () => {
    const machines = [far('m1', 'build-01', 'offline'), far('m2', 'laptop', 'online'), far('m3', 'attic', 'unknown', 'happy-2'), machine];
    const connections = [...input.connections, account('happy-1', 'Work'), account('happy-2', 'Home')];
    const sessions = [session({ id: 's9', connectionId: 'happy-1', machineId: 'm1', title: 'Far', folder: '/root/x' }), session({})];
    const byMachine = buildTree({ ...input, connections, machines, sessions });
    expect(outline(byMachine)).toEqual(['This computer', '  ~/web', '    Dark mode', 'laptop', 'attic', 'build-01', '  ~/x', '    Far']);
    expect(byMachine.roots.map((node) => (node.kind === 'group' ? [node.group, node.description, node.machineId] : []))).toEqual([
      ['machine', '', 'this-computer'], ['machine', 'Work', 'm2'], ['machine', 'no contact · Home', 'm3'], ['machine-offline', 'offline · Work', 'm1'],
    ]);
    expect(outline(buildTree({ ...input, connections, machines, sessions, groupBy: 'connection' }))).toEqual([
      'Claude Code', '  This computer', '    ~/web', '      Dark mode', 'Work', '  laptop', '  build-01', '    ~/x', '      Far', 'Home', '  attic',
    ]);
    expect(outline(buildTree({ ...input, connections, machines, sessions: [], groupBy: 'status' }))).toEqual([]);
  });

  it('tells of a session that is only shown that it is stored, unless another window tells more', () => {
    expect(describeSession(session({ state: 'unknown' }), 'claude', 1, true)).toBe('stored · claude · now');
    expect(describeSession(session({ state: 'running', owner: 'window' }), 'claude', 1, true)).toBe('running · claude · now · in another window');
    expect(describeSession(session({ state: 'unknown' }), 'claude', 1)).toBe('no contact · claude · now');
  });

  it('shortens folders below a home', () => {
    expect(shortFolder('/home/ada', ['/home/ada'])).toBe('~');
    expect(shortFolder('/home/adam/x', ['/home/ada'])).toBe('/home/adam/x');
    expect(shortFolder('', [])).toBe('(no folder)');
  });
});

describe('texts of labels', () => {
  it('takes controls, bidi marks and line breaks out of untrusted text', () => {
    expect(oneLine('safe\u202Efdp.exe\u0007\nnext')).toBe('safe fdp.exe next');
    expect(oneLine('x'.repeat(200), 10)).toBe(`${'x'.repeat(9)}…`);
    expect(Array.from(oneLine('😀'.repeat(20), 5))).toHaveLength(5);
  });

  it('reads a path from its session\'s folder', () => {
    expect(belowFolder('/home/ada/web/src/a.ts', '/home/ada/web')).toBe('src/a.ts');
    expect(belowFolder('rm -rf /home/ada/web/src', '/home/ada/web')).toBe('rm -rf /home/ada/web/src');
    expect(belowFolder('/home/ada/webs/a', '/home/ada/web')).toBe('/home/ada/webs/a');
    expect(['This computer', 'studio'].map(machineAmid)).toEqual(['this computer', 'studio']);
  });

  it('tells ages shortly', () => {
    const now = 1_000_000_000;
    expect([0, 59_000, 60_000, 3_600_000, 86_400_000 * 3, 86_400_000 * 800].map((ms) => age(now - ms, now))).toEqual(['now', 'now', '1 m', '1 h', '3 d', '2 y']);
    expect(age(now + 5_000, now)).toBe('now');
  });

  it('describes state, agent, age and who runs it', () => {
    expect(describeSession(session({ state: 'running', updatedAt: 0, activity: { phase: 'stalled', since: 0, detail: null, until: null } }), 'claude', 240_000)).toBe('no answer from the model · claude · 4 m');
    expect(describeSession(session({ owner: 'foreign', ownerName: 'a terminal' }), 'claude', 1)).toBe('idle · claude · now · run by a terminal');
  });

  it('takes terminal control sequences out', () => {
    expect(stripAnsi('\u001B[31mred\u001B[0m \u001B]8;;http://x\u0007link\u001B]8;;\u0007\u0008')).toBe('red link');
  });
});

describe('untrusted text where VS Code reads a syntax', () => {
  it('makes no links in a notification', () => {
    expect(noticeText('see [here](command:workbench.action.quit) and\n[there](https://a.example)')).toBe('see [here] (command:workbench.action.quit) and [there] (https://a.example)');
    // What is cut out between the brackets brings no link about.
    expect(noticeText('[x]\u200b(command:y)')).toBe('[x] (command:y)');
  });

  it('makes no icons in a quick pick, and leaves other text alone', () => {
    expect(pickText('$(check) done $(sync~spin)')).toBe(String.raw`\$(check) done \$(sync~spin)`);
    expect(pickText('echo $(git rev-parse HEAD) costs $5')).toBe('echo $(git rev-parse HEAD) costs $5');
  });

  it('tells an error of ours in its own words, and any other with its causes', () => {
    const cause = new Error('ENOENT: no such file');
    expect(failureText(new PilothouseError('not_found', 'There is no file a.ts.', { cause }))).toBe('There is no file a.ts.');
    expect(failureText(new Error('It broke', { cause }))).toBe('It broke: ENOENT: no such file');
    expect(failureText(new PilothouseError('refused', 'Agent: [fix](command:x)'))).toBe('Agent: [fix] (command:x)');
  });
});

describe('the line of a session', () => {
  const line = (over: Partial<Session>, dormant = false) => sessionLine(session(over), { now: 180_001, dormant, agent: 'claude' });

  it('is its whole title, then state and age before all else', () => {
    const title = 'Keyboard access to the date picker';
    expect(line({ title, state: 'waiting', waiting: [permission] })).toEqual({ label: title, description: 'asks · 3 m · claude' });
    expect(line({ state: 'running', owner: 'window' }).description).toBe('running · 3 m · in another window · claude');
    expect(line({ state: 'running', activity: { phase: 'stalled', since: 1, detail: null, until: null } }).description).toBe('stalled · 3 m · claude');
    expect(line({ owner: 'foreign', ownerName: 'a terminal on studio' }).description).toBe('idle · 3 m · run by a terminal on studio · claude');
    expect(line({ state: 'unknown' }, true).description).toBe('stored · 3 m · claude');
  });

  it('has one word for a session without a title', () => {
    expect([titleOf({ title: '' }), titleOf({ title: ' \u202e ' }), line({ title: '' }).label]).toEqual(['Untitled session', 'Untitled session', 'Untitled session']);
  });

  it('counts what waits once, archived sessions not at all', () => {
    const two = session({ waiting: [permission, { ...permission, requestId: 'r2' }] });
    const sessions = [two, session({ id: 's2' }), session({ id: 's3', waiting: [permission] }), session({ id: 's4', waiting: [permission], archived: true })];
    expect(buildTree({ ...input, sessions }).node('needs')).toMatchObject({ count: 3 });
  });

  it('has what needs the person in the order of the queue, of sessions and of connections', () => {
    const failed = session({ id: 's2', title: 'Port parser', state: 'failed', error: 'no model', unread: true });
    const asks = session({ id: 's3', state: 'waiting', waiting: [permission] });
    const needs = [
      ...sessionAttention(asks, { connection: null, unreadSince: null, undelivered: null }),
      connectionAttention({ ...connection('happy:1', 'Happy'), system: 'happy', state: { status: 'needs-sign-in', message: 'Sign in again.', remedy: null, version: null } }, true),
      ...sessionAttention(failed, { connection: null, unreadSince: 9, undelivered: null }),
    ].filter((item) => item !== null);
    const model = buildTree({ ...input, sessions: [failed, asks], needs });
    expect(model.node('needs')).toMatchObject({ count: 3 });
    expect(model.children('needs').map((node) => (node.kind === 'attention' ? [node.item.kind, node.session?.title ?? node.item.name] : [node.kind]))).toEqual([['permission'], ['sign-in', 'Happy'], ['failed', 'Port parser']]);
  });
});
