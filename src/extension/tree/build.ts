import type { AttentionItem } from '../../core/fleet/attention.ts';
import { compareAttention, sessionAttention } from '../../core/fleet/attention.ts';
import type { Connection } from '../../core/fleet/connection.ts';
import type { Machine, Session, SessionKey } from '../../core/model/session.ts';
import { parseSessionKey, sessionKey } from '../../core/model/session.ts';
import type { Group, TreeInput } from './groups.ts';
import type { GroupNode, TreeModel, TreeNode } from './model.ts';
import { byContact, needsNodes, folderOf, requestNode, shortFolder, STATUS_GROUPS, STATUS_ORDER } from './model.ts';

/** Rows that a group shows at first: sessions of a folder, folders, and sessions of what stands at the top; and how many more each time that the person asks. */
const FIRST = { sessions: 10, folders: 20, top: 30 } as const;
export const MORE = 30;
/** So few are shown rather than a way to them. */
const SLACK = 3;
/** So many groups beside each other are open at first; of more, only the newest. */
const OPEN = 8;

/** The whole tree, from the fleet's state. Groups are made at once, rows when a group is opened. */
export function buildTree(input: TreeInput): TreeModel {
  return new GroupedTree(input);
}

class GroupedTree implements TreeModel {
  roots: readonly TreeNode[];
  readonly listed: number;
  private readonly input: TreeInput;
  private readonly ranks: Map<string, number>;
  /** Before the ids of all groups: a filtered tree opens and closes by itself. */
  private readonly base: string;
  private readonly homes: readonly string[];
  private readonly machines: ReadonlyMap<string, Machine>;
  private readonly connections: ReadonlyMap<string, Connection>;
  private readonly remote: readonly Connection[];
  private readonly groups = new Map<string, Group>();
  private readonly tops: Group[] = [];
  /** Groups by connection and id of their sessions: no string is made for any of them. */
  private readonly placed = new Map<string, Map<string, Group>>();
  /** Groups of folders by connection, machine and folder of their sessions. */
  private readonly known = new Map<string, Map<string, Map<string, Group>>>();
  private readonly nodes = new Map<string, TreeNode>();
  private readonly parents = new Map<string, string>();
  private readonly lists = new Map<string, readonly TreeNode[]>();
  private readonly fixed: TreeNode[] = [];
  private whole = false;

  constructor(input: TreeInput) {
    this.input = input;
    this.ranks = input.ranks ?? new Map<string, number>();
    this.base = input.filter == null ? '' : 'filter/';
    this.machines = new Map(input.machines.map((machine) => [machine.id, machine]));
    this.connections = new Map(input.connections.map((connection) => [connection.connectionId, connection]));
    this.remote = input.connections.filter((connection) => connection.system !== 'local');
    this.homes = input.machines.map((machine) => machine.home).filter((home) => home !== null);
    this.addNeeds();
    const listed = input.sessions.filter((session) => this.isListed(session));
    if (input.filter == null) this.addKnownGroups(listed);
    for (const session of listed) this.put(session);
    this.listed = listed.length;
    this.roots = this.rootNodes();
  }

  children(id: string): readonly TreeNode[] {
    const known = this.lists.get(id);
    if (known !== undefined) return known;
    const group = this.groups.get(id);
    const made = group === undefined ? [] : this.childrenOf(group);
    if (group !== undefined) this.lists.set(id, made);
    return made;
  }

  node(id: string): TreeNode | null {
    this.makeRows(id);
    return this.nodes.get(id) ?? null;
  }

  parent(id: string): TreeNode | null {
    this.makeRows(id);
    return this.nodes.get(this.parents.get(id) ?? '') ?? null;
  }

  place(key: SessionKey): string | null {
    const parsed = parseSessionKey(key);
    const group = parsed === null ? undefined : this.placed.get(parsed.connectionId)?.get(parsed.id);
    return group === undefined ? null : `${group.node.id}/session/${key}`;
  }

  renewNeeds(items: readonly AttentionItem[], session: (key: SessionKey) => Session | null): readonly string[] | null {
    const before = this.fixed.pop();
    const others = before === undefined ? this.roots : this.roots.slice(1);
    if (before !== undefined) {
      for (const { id } of this.lists.get(before.id) ?? []) this.forget(id);
      this.forget(before.id);
    }
    this.showNeeds(items, session);
    this.roots = [...this.fixed, ...others];
    const [after] = this.fixed;
    if (before === undefined || after === undefined) return before === after ? [] : null;
    return [after.id];
  }

  replace(session: Session): readonly string[] | null {
    const key = sessionKey(session);
    const group = this.placed.get(session.connectionId)?.get(session.id);
    if (group === undefined) return this.isListed(session) ? null : [];
    const index = group.sessions.findIndex(({ id, connectionId }) => id === session.id && connectionId === session.connectionId);
    const before = group.sessions[index];
    if (before === undefined || !this.isListed(session) || this.groupId(session) !== group.node.id) return null;
    group.sessions[index] = session;
    group.stirred = true;
    if (group.shown === null) return [];
    // What works, and what is newer than something that is shown, is shown.
    if (!group.shown.has(key)) return this.renewRows(group);
    const id = `${group.node.id}/session/${key}`;
    const node = this.nodes.get(id);
    const list = this.lists.get(group.node.id);
    if (node?.kind !== 'session' || list === undefined) return null;
    const made = this.keep({ ...node, session });
    this.lists.set(group.node.id, list.map((each) => (each.id === id ? made : each)));
    this.addRequests(id, key, session);
    return [id];
  }

  /** Shows the rows of a group that belong there by now; gives the group where they are others, and nothing else. */
  private renewRows(group: Group): readonly string[] {
    const { id } = group.node;
    const before = this.lists.get(id) ?? [];
    const after = this.childrenOf(group);
    const kept = new Set(after.map((node) => node.id));
    for (const node of before) if (!kept.has(node.id)) this.forget(node.id);
    this.lists.set(id, after);
    return before.length === after.length && before.every((node, index) => node.id === after[index]?.id) ? [] : [id];
  }

  /** A node that is there no longer, with what stands below it. */
  private forget(id: string): void {
    for (const node of this.lists.get(id) ?? []) this.forget(node.id);
    this.lists.delete(id);
    this.nodes.delete(id);
    this.parents.delete(id);
  }

  /** VS Code asks by ids that an earlier tree gave it: every group makes its rows then, once. */
  private makeRows(id: string): void {
    if (this.whole || this.nodes.has(id) || !id.startsWith(this.base)) return;
    this.whole = true;
    for (const group of this.groups.keys()) this.children(group);
  }

  private isListed(session: Session): boolean {
    const { filter, showArchived } = this.input;
    if (session.archived && !showArchived && filter?.archived !== true) return false;
    return filter == null || filter.matches(session);
  }

  private addNeeds(): void {
    const facts = { connection: null, unreadSince: null, undelivered: null };
    const items = this.input.needs ?? this.input.sessions.flatMap((session) => sessionAttention(session, facts)).sort(compareAttention);
    if (items.length === 0) return;
    const ids = new Set(items.map(({ key }) => (key === null ? null : (parseSessionKey(key)?.id ?? null))));
    const sessions = new Map(this.input.sessions.flatMap((session) => (ids.has(session.id) ? [[sessionKey(session), session]] : [])));
    this.showNeeds(items, (key) => sessions.get(key) ?? null);
  }

  private showNeeds(items: readonly AttentionItem[], sessionOf: (key: SessionKey) => Session | null): void {
    const { filter } = this.input;
    const found = (key: SessionKey): Session | null => {
      const session = sessionOf(key);
      return session === null || filter == null || filter.matches(session) ? session : null;
    };
    const [needs, ...requests] = needsNodes(filter == null ? items : items.filter(({ key }) => key !== null), found);
    if (needs === undefined) return;
    this.fixed.push(needs);
    for (const node of [needs, ...requests]) this.nodes.set(node.id, node);
    for (const node of requests) this.parents.set(node.id, needs.id);
    this.lists.set(needs.id, requests);
  }

  /** Groups that are known beforehand stand in a fixed order: this computer, machines that answer, those that do not, and machines of accounts before they have sessions. */
  private addKnownGroups(listed: readonly Session[]): void {
    const { groupBy, connections } = this.input;
    const own = listed.find((session) => !session.archived && this.connections.get(session.connectionId)?.system === 'local');
    const used = new Set(listed.map(({ machineId }) => machineId));
    const uses = (connectionId: string): boolean => listed.some((session) => session.connectionId === connectionId);
    if (groupBy === 'machine') {
      if (own !== undefined) this.machineGroup(null, own.machineId, own.connectionId);
    } else if (groupBy === 'connection') {
      for (const { connectionId, system } of connections) if (system !== 'local' || uses(connectionId)) this.connectionGroup(connectionId);
    } else return;
    const hosts = [...this.input.machines].sort(byContact).filter(({ connectionId }) => this.remote.some((each) => each.connectionId === connectionId));
    const unused = new Set(hosts.filter(({ id }) => !used.has(id)));
    for (const machine of hosts) {
      // Of many machines, one that is away and has nothing is nothing to look at.
      if (unused.size > OPEN && machine.state !== 'online' && unused.has(machine)) continue;
      this.machineGroup(groupBy === 'machine' ? null : this.connectionGroup(machine.connectionId), machine.id, machine.connectionId);
    }
  }

  private put(session: Session): void {
    const group = this.groupFor(session);
    group.sessions.push(session);
    within(this.placed, session.connectionId).set(session.id, group);
    for (let each: Group | null = group; each !== null && each.newest < session.updatedAt; each = each.parent) each.newest = session.updatedAt;
  }

  /** As `groupOf`, without making an id for each session. */
  private groupFor(session: Session): Group {
    if (session.archived || session.pinned === true || this.input.groupBy === 'status') return this.groupOf(session);
    const folders = within(within(this.known, session.connectionId), session.machineId);
    const folder = folderOf(session);
    const known = folders.get(folder);
    if (known !== undefined) return known;
    const made = this.groupOf(session);
    folders.set(folder, made);
    return made;
  }

  /** Id of the group in which a session stands. */
  private groupId(session: Session): string {
    const { archived, pinned, connectionId, machineId, state } = session;
    const folder = folderOf(session);
    if (archived) return `${this.base}archived`;
    if (pinned === true) return `${this.base}pinned`;
    switch (this.input.groupBy) {
      case 'machine': return `${this.base}machine/${machineId}/folder/${machineId}/${folder}`;
      case 'connection': return `${this.base}connection/${connectionId}/machine/${machineId}/folder/${machineId}/${folder}`;
      case 'folder': return `${this.base}folder/${machineId}/${folder}`;
      case 'status': return `${this.base}status/${STATUS_GROUPS[state]}`;
    }
  }

  private groupOf(session: Session): Group {
    const { archived, pinned, connectionId, machineId } = session;
    if (archived) return this.group(null, 'archived', { group: 'archived', label: 'Archived' });
    if (pinned === true) return this.group(null, 'pinned', { group: 'pinned', label: 'Pinned' });
    switch (this.input.groupBy) {
      case 'machine': return this.folderGroup(this.machineGroup(null, machineId, connectionId), session);
      case 'connection': return this.folderGroup(this.machineGroup(this.connectionGroup(connectionId), machineId, connectionId), session);
      case 'folder': return this.folderGroup(null, session);
      case 'status': return this.group(null, `status/${STATUS_GROUPS[session.state]}`, { group: 'status', label: STATUS_GROUPS[session.state] });
    }
  }

  private connectionGroup(connectionId: string): Group {
    return this.group(null, `connection/${connectionId}`, { group: 'connection', label: this.connections.get(connectionId)?.name ?? connectionId, connectionId });
  }

  private machineGroup(parent: Group | null, machineId: string, connectionId: string): Group {
    const machine = this.machines.get(machineId);
    const account = parent === null && this.remote.length > 1 ? (this.remote.find((connection) => connection.connectionId === machine?.connectionId)?.name ?? '') : '';
    return this.group(parent, `machine/${machineId}`, {
      group: machine?.state === 'offline' ? 'machine-offline' : 'machine',
      label: machine?.name ?? (machineId === '' ? 'Unknown machine' : machineId),
      description: [machine === undefined || machine.state === 'online' ? '' : machine.state === 'offline' ? 'offline' : 'no contact', account].filter((word) => word !== '').join(' · '),
      connectionId: parent === null ? null : connectionId, machineId, detail: machine?.detail ?? null,
    });
  }

  private folderGroup(parent: Group | null, session: Session): Group {
    const { machineId, connectionId } = session;
    const folder = folderOf(session);
    return this.group(parent, `folder/${machineId}/${folder}`, {
      group: 'folder', label: shortFolder(folder, this.homes), description: parent === null && this.machines.size > 1 ? (this.machines.get(machineId)?.name ?? '') : '', connectionId: this.input.groupBy === 'connection' ? connectionId : null, machineId, folder,
    });
  }

  private group(parent: Group | null, name: string, look: Pick<GroupNode, 'group' | 'label'> & Partial<GroupNode>): Group {
    const id = `${parent === null ? this.base : `${parent.node.id}/`}${name}`;
    const known = this.groups.get(id);
    if (known !== undefined) return known;
    const node: GroupNode = { kind: 'group', description: '', connectionId: null, machineId: null, folder: null, detail: null, open: true, empty: false, ...look, id };
    const made: Group = { node, parent, groups: [], sessions: [], newest: 0, stirred: false, shown: null };
    this.groups.set(id, made);
    if (parent === null) this.tops.push(made);
    else {
      parent.groups.push(made);
      this.parents.set(id, parent.node.id);
    }
    return made;
  }

  private rootNodes(): readonly TreeNode[] {
    const { groupBy, connections } = this.input;
    const is = (kind: GroupNode['group']) => (group: Group): boolean => group.node.group === kind;
    const own = this.tops.filter((group) => group.node.group !== 'pinned' && group.node.group !== 'archived');
    if (groupBy === 'status') own.sort((a, b) => STATUS_ORDER.indexOf(a.node.label) - STATUS_ORDER.indexOf(b.node.label));
    const more = connections.filter((connection) => connection.more).map(({ connectionId, name }) => this.keep({ kind: 'more', id: `more/${connectionId}`, connectionId, label: `Show more of ${name}` }));
    return [...this.fixed, ...this.seal(null, this.tops.filter(is('pinned'))), ...this.seal(null, own), ...this.seal(null, this.tops.filter(is('archived'))), ...more];
  }

  /** The nodes of groups that stand beside each other: the folders of a machine newest first, which of them are open at first, and a way to those that are not shown. */
  private seal(parent: Group | null, groups: readonly Group[]): TreeNode[] {
    const folders = groups.length > 0 && groups.every(({ node }) => node.group === 'folder');
    const shown = folders ? this.limited(parent?.node.id ?? this.base, groups) : groups;
    const newest = groups.length > OPEN ? new Set([...groups].sort((a, b) => b.newest - a.newest).slice(0, OPEN)) : null;
    const nodes = shown.map((group): TreeNode => {
      const empty = group.groups.length === 0 && group.sessions.length === 0;
      const open = this.base !== '' || (group.node.group !== 'archived' && (newest === null || newest.has(group)));
      group.node = { ...group.node, open, empty, ...(group.node.group === 'archived' ? { description: String(group.sessions.length) } : {}) };
      // VS Code does not open what it knew as empty: a group that fills is another one to it.
      const shownNode = this.keep(empty ? { ...group.node, id: `${group.node.id}/empty` } : group.node);
      if (parent !== null) this.parents.set(shownNode.id, parent.node.id);
      return shownNode;
    });
    if (shown.length < groups.length) nodes.push(this.older(parent?.node.id ?? this.base, groups.length - shown.length, 'folders'));
    return nodes;
  }

  private limited(id: string, groups: readonly Group[]): readonly Group[] {
    const newest = [...groups].sort((a, b) => b.newest - a.newest).slice(0, this.limit(id, FIRST.folders, groups.length));
    return newest.sort((a, b) => this.rank(b.node.id, b.newest) - this.rank(a.node.id, a.newest) || (a.node.id < b.node.id ? -1 : 1));
  }

  private childrenOf(group: Group): readonly TreeNode[] {
    if (group.groups.length > 0) return this.seal(group, group.groups);
    const { id } = group.node;
    const limit = this.limit(id, group.node.group === 'folder' ? FIRST.sessions : FIRST.top, group.sessions.length);
    if (group.stirred) group.sessions.sort((a, b) => b.updatedAt - a.updatedAt);
    const shown = group.sessions.filter(({ state }, index) => index < limit || state === 'running' || state === 'waiting' || state === 'starting');
    group.shown = new Set(shown.map(sessionKey));
    // Who comes into sight again stands where it belongs by then.
    if (this.ranks.size > 0 && shown.length < group.sessions.length) for (const session of group.sessions) if (!group.shown.has(sessionKey(session))) this.ranks.delete(`${id}/${sessionKey(session)}`);
    const ranked = shown.map((session) => ({ session, rank: this.rank(`${id}/${sessionKey(session)}`, session.updatedAt) })).sort((a, b) => b.rank - a.rank || (a.session.id < b.session.id ? -1 : 1));
    const nodes = ranked.map(({ session }) => this.sessionNode(group, session));
    const hidden = group.sessions.length - shown.length;
    return hidden > 0 ? [...nodes, this.older(id, hidden, 'sessions')] : nodes;
  }

  private sessionNode(group: Group, session: Session): TreeNode {
    const key = sessionKey(session);
    const id = `${group.node.id}/session/${key}`;
    const node = this.keep<TreeNode>({ kind: 'session', id, key, session, place: group.node.folder === null ? shortFolder(folderOf(session), this.homes) : null });
    this.parents.set(id, group.node.id);
    this.addRequests(id, key, session);
    return node;
  }

  /** What a session asks, below its row. */
  private addRequests(id: string, key: SessionKey, session: Session): void {
    for (const node of this.lists.get(id) ?? []) this.forget(node.id);
    this.lists.set(id, session.waiting.map((permission): TreeNode => {
      const request = this.keep<TreeNode>({ kind: 'permission', id: `${id}/${requestNode(permission)}`, key, session, permission, inNeeds: false });
      this.parents.set(request.id, id);
      return request;
    }));
  }

  private older(groupId: string, hidden: number, what: 'sessions' | 'folders'): TreeNode {
    const count = Math.min(MORE, hidden);
    const label = what === 'sessions' ? `Show ${count} older…` : `Show ${count} more folder${count === 1 ? '' : 's'}…`;
    const node = this.keep<TreeNode>({ kind: 'older', id: `${groupId}/older`, groupId, label, description: hidden > count ? `of ${hidden}` : '' });
    if (this.groups.has(groupId)) this.parents.set(node.id, groupId);
    return node;
  }

  private keep<N extends TreeNode>(node: N): N {
    this.nodes.set(node.id, node);
    return node;
  }

  private limit(id: string, first: number, all: number): number {
    const limit = first + (this.input.older?.get(id) ?? 0);
    return all <= limit + SLACK ? all : limit;
  }

  private rank(id: string, at: number): number {
    const known = this.ranks.get(id);
    if (known !== undefined) return known;
    this.ranks.set(id, at);
    return at;
  }
}

function within<V>(maps: Map<string, Map<string, V>>, name: string): Map<string, V> {
  const known = maps.get(name);
  if (known !== undefined) return known;
  const made = new Map<string, V>();
  maps.set(name, made);
  return made;
}
