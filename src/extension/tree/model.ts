import type { Connection } from '../../core/fleet/connection.ts';
import type { Machine, Session, SessionKey, SessionState, SystemId, WaitingPermission } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';

type GroupBy = 'machine' | 'folder' | 'status' | 'connection';

/** A node of the Sessions tree. `id` is stable, so that VS Code keeps what is open and selected. */
export type TreeNode =
  | { readonly kind: 'needs'; readonly id: string; readonly count: number }
  | { readonly kind: 'permission'; readonly id: string; readonly key: SessionKey; readonly session: Session; readonly permission: WaitingPermission; readonly inNeeds: boolean }
  | { readonly kind: 'group'; readonly id: string; readonly group: GroupKind; readonly label: string; readonly description: string; readonly connectionId: string | null; readonly machineId: string | null; readonly folder: string | null; readonly detail: string | null }
  | { readonly kind: 'session'; readonly id: string; readonly key: SessionKey; readonly session: Session; readonly inNeeds: boolean }
  | { readonly kind: 'more'; readonly id: string; readonly connectionId: string; readonly label: string };
type GroupKind = 'connection' | 'machine' | 'machine-offline' | 'folder' | 'status';

interface TreeInput {
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
function needsPerson(session: Session): boolean {
  return !session.archived && session.waiting.length > 0;
}

/** How many requests wait for the person: each once, wherever it stands in the tree. */
export function waitingFor(sessions: readonly Session[]): number {
  return sessions.reduce((sum, session) => sum + (needsPerson(session) ? session.waiting.length : 0), 0);
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
    add(null, { kind: 'needs', id: 'needs', count: waitingFor(waiting) });
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

  const remote = input.connections.filter((connection) => connection.system !== 'local');
  const machineGroup = (parent: string | null, prefix: string, machineId: string, connectionId: string): string =>
    group(parent, `${prefix}machine/${machineId}`, () => {
      const machine = machineName.get(machineId);
      const account = prefix === '' && remote.length > 1 ? (remote.find((connection) => connection.connectionId === machine?.connectionId)?.name ?? '') : '';
      return {
        group: machine?.state === 'offline' ? 'machine-offline' : 'machine',
        label: machine?.name ?? (machineId === '' ? 'Unknown machine' : machineId),
        description: [machine === undefined || machine.state === 'online' ? '' : machine.state === 'offline' ? 'offline' : 'no contact', account].filter((word) => word !== '').join(' · '),
        connectionId: prefix === '' ? null : connectionId,
        machineId,
        folder: null,
        detail: machine?.detail ?? null,
      };
    });
  const connectionGroup = (connectionId: string): string =>
    group(null, `connection/${connectionId}`, () => ({
      group: 'connection', label: connectionById.get(connectionId)?.name ?? connectionId, description: '', connectionId, machineId: null, folder: null, detail: null,
    }));

  // Groups that are known beforehand stand in a fixed order: this computer, machines that answer, those that do not, and machines of accounts before they have sessions.
  if (input.groupBy === 'machine') {
    const own = shown.find((session) => connectionById.get(session.connectionId)?.system === 'local');
    if (own !== undefined) machineGroup(null, '', own.machineId, own.connectionId);
  } else if (input.groupBy === 'connection') {
    for (const { connectionId, system } of input.connections) if (system !== 'local' || shown.some((session) => session.connectionId === connectionId)) connectionGroup(connectionId);
  }
  for (const machine of [...input.machines].sort(byContact)) {
    if (!remote.some((connection) => connection.connectionId === machine.connectionId)) continue;
    if (input.groupBy === 'machine') machineGroup(null, '', machine.id, machine.connectionId);
    else if (input.groupBy === 'connection') machineGroup(`connection/${machine.connectionId}`, `connection/${machine.connectionId}/`, machine.id, machine.connectionId);
  }

  const place = (session: Session): string => {
    const folderGroup = (parent: string | null, prefix: string): string =>
      group(parent, `${prefix}folder/${session.machineId}/${session.folder}`, () => ({
        group: 'folder', label: shortFolder(session.folder, homes), description: '', connectionId: input.groupBy === 'connection' ? session.connectionId : null, machineId: session.machineId, folder: session.folder, detail: null,
      }));
    switch (input.groupBy) {
      case 'machine': {
        const top = machineGroup(null, '', session.machineId, session.connectionId);
        return folderGroup(top, `${top}/`);
      }
      case 'connection': {
        const top = connectionGroup(session.connectionId);
        const middle = machineGroup(top, `${top}/`, session.machineId, session.connectionId);
        return folderGroup(middle, `${middle}/`);
      }
      case 'folder':
        return folderGroup(null, '');
      case 'status': {
        const label = STATUS_GROUPS[session.state];
        return group(null, `status/${label}`, () => ({ group: 'status', label, description: '', connectionId: null, machineId: null, folder: null, detail: null }));
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

const CONTACT: readonly Machine['state'][] = ['online', 'unknown', 'offline'];
function byContact(a: Machine, b: Machine): number {
  return CONTACT.indexOf(a.state) - CONTACT.indexOf(b.state) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1);
}

/** Whether an agent works for the session, or waits to: here, in another window, or, as far as is known, on its own machine. */
export function isAlive(session: Pick<Session, 'owner' | 'state'>, system: SystemId): boolean {
  if (session.owner === 'this' || session.owner === 'window') return true;
  return system !== 'local' && session.owner === 'nobody' && session.state !== 'stopped' && session.state !== 'unknown';
}

/** What can be done to a session now, as its context value says it: `session:<state>:open:stop:…`. */
export function contextValue(session: Session, { traits, dormant, system }: Pick<Connection, 'traits' | 'dormant' | 'system'>): string {
  const verbs = system === 'local' ? ['open', 'folder'] : ['open'];
  if (dormant) return `session:${session.state}:${verbs.join(':')}`;
  const alive = isAlive(session, system);
  const active = session.state === 'running' || session.state === 'waiting';
  if (traits.interrupt && active && alive) verbs.push('interrupt');
  if (traits.stop && alive) verbs.push('stop');
  if (traits.resume && !alive && session.owner !== 'foreign' && (system === 'local' || session.state !== 'unknown')) verbs.push('resume');
  if (traits.fork) verbs.push('fork');
  verbs.push('rename', session.archived ? 'unarchive' : 'archive');
  if (traits.remove && session.owner !== 'foreign') verbs.push('delete');
  return `session:${session.state}:${verbs.join(':')}`;
}
