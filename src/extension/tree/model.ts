import type { Connection } from '../../core/fleet/connection.ts';
import type { Machine, Session, SessionKey, SessionState, WaitingPermission } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';

export type GroupBy = 'machine' | 'folder' | 'status' | 'connection';

/** A node of the Sessions tree. `id` is stable, so that VS Code keeps what is open and selected. */
export type TreeNode =
  | { readonly kind: 'needs'; readonly id: string; readonly count: number }
  | { readonly kind: 'permission'; readonly id: string; readonly key: SessionKey; readonly session: Session; readonly permission: WaitingPermission; readonly inNeeds: boolean }
  | { readonly kind: 'group'; readonly id: string; readonly group: GroupKind; readonly label: string; readonly description: string; readonly connectionId: string | null; readonly folder: string | null; readonly detail: string | null }
  | { readonly kind: 'session'; readonly id: string; readonly key: SessionKey; readonly session: Session; readonly inNeeds: boolean }
  | { readonly kind: 'more'; readonly id: string; readonly connectionId: string; readonly label: string };
export type GroupKind = 'connection' | 'machine' | 'machine-offline' | 'folder' | 'status';

export interface TreeInput {
  readonly connections: readonly Connection[];
  readonly machines: readonly Machine[];
  readonly sessions: readonly Session[];
  readonly groupBy: GroupBy;
  readonly showArchived: boolean;
}

export interface TreeModel {
  readonly roots: readonly TreeNode[];
  children(id: string): readonly TreeNode[];
  node(id: string): TreeNode | null;
  parent(id: string): TreeNode | null;
}

/** Whether a session waits for the person: a permission, a question or a plan is open. */
export function needsPerson(session: Session): boolean {
  return !session.archived && session.waiting.length > 0;
}

/** The whole tree, from the fleet's state; pure. */
export function buildTree(input: TreeInput): TreeModel {
  const children = new Map<string, TreeNode[]>();
  const nodes = new Map<string, TreeNode>();
  const parents = new Map<string, string>();
  const roots: TreeNode[] = [];
  const add = (parent: string | null, node: TreeNode): void => {
    nodes.set(node.id, node);
    if (parent === null) roots.push(node);
    else {
      parents.set(node.id, parent);
      const list = children.get(parent);
      if (list === undefined) children.set(parent, [node]);
      else list.push(node);
    }
  };

  const waiting = input.sessions.filter(needsPerson);
  if (waiting.length > 0) {
    add(null, { kind: 'needs', id: 'needs', count: waiting.reduce((sum, session) => sum + session.waiting.length, 0) });
    for (const session of waiting) {
      const key = sessionKey(session);
      for (const permission of session.waiting) add('needs', { kind: 'permission', id: `needs/${key}/${permission.requestId}`, key, session, permission, inNeeds: true });
    }
  }

  const groups = new Set<string>();
  const group = (parent: string | null, id: string, make: () => Omit<Extract<TreeNode, { kind: 'group' }>, 'kind' | 'id'>): string => {
    if (!groups.has(id)) {
      groups.add(id);
      add(parent, { kind: 'group', id, ...make() });
    }
    return id;
  };
  const shown = input.sessions.filter((session) => input.showArchived || !session.archived);
  const machineName = new Map(input.machines.map((machine) => [machine.id, machine]));
  const connectionById = new Map(input.connections.map((connection) => [connection.connectionId, connection]));
  const homes = input.machines.map((machine) => machine.home).filter((home) => home !== null);

  // Groups stand in a fixed order, whatever session moved last, so that the tree does not jump under the pointer.
  const place = (session: Session): string => {
    const machine = machineName.get(session.machineId);
    const machineGroup = (parent: string | null, prefix: string): string =>
      group(parent, `${prefix}machine/${session.machineId}`, () => ({
        group: machine?.state === 'offline' ? 'machine-offline' : 'machine',
        label: machine?.name ?? session.machineId,
        description: machine === undefined || machine.state === 'online' ? '' : machine.state,
        connectionId: prefix === '' ? null : session.connectionId,
        folder: null,
        detail: machine?.detail ?? null,
      }));
    const folderGroup = (parent: string | null, prefix: string): string =>
      group(parent, `${prefix}folder/${session.machineId}/${session.folder}`, () => ({
        group: 'folder', label: shortFolder(session.folder, homes), description: '', connectionId: null, folder: session.folder, detail: null,
      }));
    switch (input.groupBy) {
      case 'machine': {
        const top = machineGroup(null, '');
        return folderGroup(top, `${top}/`);
      }
      case 'connection': {
        const connection = connectionById.get(session.connectionId);
        const top = group(null, `connection/${session.connectionId}`, () => ({
          group: 'connection', label: connection?.name ?? session.connectionId, description: '', connectionId: session.connectionId, folder: null, detail: null,
        }));
        const middle = machineGroup(top, `${top}/`);
        return folderGroup(middle, `${middle}/`);
      }
      case 'folder':
        return folderGroup(null, '');
      case 'status': {
        const label = STATUS_GROUPS[session.state];
        return group(null, `status/${label}`, () => ({ group: 'status', label, description: '', connectionId: null, folder: null, detail: null }));
      }
    }
  };
  const ordered = input.groupBy === 'status'
    ? [...shown].sort((a, b) => STATUS_ORDER.indexOf(STATUS_GROUPS[a.state]) - STATUS_ORDER.indexOf(STATUS_GROUPS[b.state]))
    : shown;
  for (const session of ordered) {
    const key = sessionKey(session);
    const parent = place(session);
    const id = `${parent}/session/${key}`;
    add(parent, { kind: 'session', id, key, session, inNeeds: false });
    for (const permission of session.waiting) add(id, { kind: 'permission', id: `${id}/${permission.requestId}`, key, session, permission, inNeeds: false });
  }
  for (const connection of input.connections) {
    if (connection.more) add(null, { kind: 'more', id: `more/${connection.connectionId}`, connectionId: connection.connectionId, label: `Show more of ${connection.name}` });
  }
  return {
    roots,
    children: (id) => children.get(id) ?? [],
    node: (id) => nodes.get(id) ?? null,
    parent: (id) => nodes.get(parents.get(id) ?? '') ?? null,
  };
}

const STATUS_GROUPS: Readonly<Record<SessionState, string>> = {
  waiting: 'Waiting', running: 'Running', starting: 'Running', failed: 'Failed', idle: 'Idle', stopped: 'Stopped', unknown: 'No Contact',
};
const STATUS_ORDER = ['Waiting', 'Running', 'Failed', 'Idle', 'Stopped', 'No Contact'];

/** `~/web` for `/home/ada/web`; an unknown folder is said so. */
export function shortFolder(folder: string, homes: readonly string[]): string {
  if (folder === '') return '(no folder)';
  for (const home of homes) {
    if (folder === home) return '~';
    if (folder.startsWith(`${home}/`) || folder.startsWith(`${home}\\`)) return `~${folder.slice(home.length)}`;
  }
  return folder;
}

/** What can be done to a session now, as its context value says it: `session:<state>:open:stop:…`. */
export function contextValue(session: Session, { traits, dormant }: Pick<Connection, 'traits' | 'dormant'>): string {
  const verbs = ['open', 'folder'];
  if (dormant) return `session:${session.state}:${verbs.join(':')}`;
  const ours = session.owner === 'this' || session.owner === 'window';
  const active = session.state === 'running' || session.state === 'waiting';
  if (traits.interrupt && active && ours) verbs.push('interrupt');
  if (traits.stop && ours) verbs.push('stop');
  if (traits.resume && !ours && session.owner !== 'foreign') verbs.push('resume');
  if (traits.fork) verbs.push('fork');
  verbs.push('rename', session.archived ? 'unarchive' : 'archive');
  if (traits.remove && session.owner !== 'foreign') verbs.push('delete');
  return `session:${session.state}:${verbs.join(':')}`;
}
