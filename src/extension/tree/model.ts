import type { AttentionItem } from '../../core/fleet/attention.ts';
import type { Connection } from '../../core/fleet/connection.ts';
import type { Machine, Session, SessionKey, SessionState, SystemId, Traits, WaitingPermission } from '../../core/model/session.ts';

export type GroupBy = 'machine' | 'folder' | 'status' | 'connection';

/** A node of the Sessions tree. `id` is stable, so that VS Code keeps what is open and selected. */
export type TreeNode =
  | { readonly kind: 'needs'; readonly id: string; readonly count: number }
  | { readonly kind: 'permission'; readonly id: string; readonly key: SessionKey; readonly session: Session; readonly permission: WaitingPermission; readonly inNeeds: boolean }
  /** What needs the person and is no request; `session` null: it is of a connection. */
  | { readonly kind: 'attention'; readonly id: string; readonly item: AttentionItem; readonly session: Session | null }
  | GroupNode
  /** `place`: its folder, where no group above tells it. */
  | { readonly kind: 'session'; readonly id: string; readonly key: SessionKey; readonly session: Session; readonly place: string | null }
  /** Rows of a group, or folders, that are not shown; `groupId` is the empty or the filter's beginning of ids for those at the top. */
  | { readonly kind: 'older'; readonly id: string; readonly groupId: string; readonly label: string; readonly description: string }
  | { readonly kind: 'more'; readonly id: string; readonly connectionId: string; readonly label: string };
export interface GroupNode {
  readonly kind: 'group';
  readonly id: string;
  readonly group: GroupKind;
  readonly label: string;
  readonly description: string;
  readonly connectionId: string | null;
  readonly machineId: string | null;
  readonly folder: string | null;
  readonly detail: string | null;
  /** Open until the person closes it. */
  readonly open: boolean;
  readonly empty: boolean;
}
type GroupKind = 'connection' | 'machine' | 'machine-offline' | 'folder' | 'status' | 'pinned' | 'archived';

export interface TreeModel {
  readonly roots: readonly TreeNode[];
  /** How many sessions are in it. */
  readonly listed: number;
  children(id: string): readonly TreeNode[];
  node(id: string): TreeNode | null;
  parent(id: string): TreeNode | null;
  /** Id of the node of a session, apart from what needs the person; null where it is not listed. */
  place(key: SessionKey): string | null;
  /** Takes what needs the person as it is now, and gives the ids of the nodes that look otherwise; null where the roots are others. */
  renewNeeds(items: readonly AttentionItem[], session: (key: SessionKey) => Session | null): readonly string[] | null;
  /** Takes a session as it is now, and gives the ids of the nodes that look otherwise; null where the tree has another shape now and must be built anew. */
  replace(session: Session): readonly string[] | null;
}

/** A request in the id of its node: what asks under the id of one that was answered is another node, which no press on the one before is about. */
export function requestNode({ requestId, askedAt }: WaitingPermission): string {
  return `${requestId}@${askedAt}`;
}

/** What needs the person: the group, and after it all that stands in it, in its order; nothing where nothing does. */
export function needsNodes(items: readonly AttentionItem[], sessionOf: (key: SessionKey) => Session | null): readonly TreeNode[] {
  const nodes = items.flatMap((item): TreeNode[] => {
    const { key, request } = item;
    const session = key === null ? null : sessionOf(key);
    if (key === null) return [{ kind: 'attention', id: `needs/${item.id}`, item, session }];
    if (session === null) return [];
    if (request === null) return [{ kind: 'attention', id: `needs/${item.id}`, item, session }];
    return [{ kind: 'permission', id: `needs/${key}/${requestNode(request)}`, key, session, permission: request, inNeeds: true }];
  });
  return nodes.length === 0 ? [] : [{ kind: 'needs', id: 'needs', count: nodes.length }, ...nodes];
}

export const STATUS_GROUPS: Readonly<Record<SessionState, string>> = {
  waiting: 'Waiting', running: 'Running', starting: 'Running', failed: 'Failed', idle: 'Idle', stopped: 'Stopped', unknown: 'No Contact',
};
export const STATUS_ORDER = ['Waiting', 'Running', 'Failed', 'Idle', 'Stopped', 'No Contact'];

/** The folder that a session is for: of one in a worktree of its own, that which the worktree was made of. */
export function folderOf({ folder, worktree }: Pick<Session, 'folder' | 'worktree'>): string {
  return worktree?.source ?? folder;
}

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
export function byContact(a: Machine, b: Machine): number {
  return CONTACT.indexOf(a.state) - CONTACT.indexOf(b.state) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1);
}

/** Whether an agent works for the session, or waits to: here, in another window, or, as far as is known, on its own machine. */
export function isAlive(session: Pick<Session, 'owner' | 'state'>, system: SystemId): boolean {
  if (session.owner === 'this' || session.owner === 'window') return true;
  return system !== 'local' && session.owner === 'nobody' && session.state !== 'stopped' && session.state !== 'unknown';
}

/** Whether we can delete a session: not one that another program works with. */
export function isRemovable({ owner }: Pick<Session, 'owner'>, { remove }: Pick<Traits, 'remove'>): boolean {
  return remove && owner !== 'foreign';
}

/** What can be done to a session now, as its context value says it: `session:<state>:open:stop:…`. */
export function contextValue(session: Session, { traits, dormant, system }: Pick<Connection, 'traits' | 'dormant' | 'system'>): string {
  const verbs = system === 'local' ? ['open', 'folder'] : ['open'];
  const marks = [...(session.pinned === true ? ['unpin'] : session.archived ? [] : ['pin']), session.unread === true ? 'markread' : 'markunread'];
  if (dormant) return `session:${session.state}:${[...verbs, ...marks].join(':')}`;
  const alive = isAlive(session, system);
  const active = session.state === 'running' || session.state === 'waiting';
  if (traits.interrupt && active && alive) verbs.push('interrupt');
  if (traits.stop && alive) verbs.push('stop');
  if (traits.resume && !alive && session.owner !== 'foreign' && session.worktree?.finished === undefined && (system === 'local' || session.state !== 'unknown')) verbs.push('resume');
  if (traits.fork) verbs.push('fork');
  if (session.worktree !== undefined && session.worktree.finished === undefined) verbs.push('worktree');
  verbs.push('rename', session.archived ? 'unarchive' : 'archive');
  if (isRemovable(session, traits)) verbs.push('delete');
  return `session:${session.state}:${[...verbs, ...marks].join(':')}`;
}
