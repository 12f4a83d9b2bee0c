import type { AttentionItem } from '../../core/fleet/attention.ts';
import type { Connection } from '../../core/fleet/connection.ts';
import type { Machine, Session, SessionKey } from '../../core/model/session.ts';
import type { SessionFilter } from './filter.ts';
import type { GroupBy, GroupNode } from './model.ts';

/** What a tree is made of. */
export interface TreeInput {
  readonly connections: readonly Connection[];
  readonly machines: readonly Machine[];
  /** Newest first. */
  readonly sessions: readonly Session[];
  /** What needs the person, in its order. Absent: what sessions tell of it by themselves. */
  readonly needs?: readonly AttentionItem[];
  readonly groupBy: GroupBy;
  /** Archived sessions stand in a group of their own, at the end. */
  readonly showArchived: boolean;
  readonly filter?: SessionFilter | null;
  /** How many rows each group shows beyond the first ones, by its id. */
  readonly older?: ReadonlyMap<string, number>;
  /** Where rows and folders stand: by when they changed last as they were first shown, so that nothing that is in sight moves. Written here; empty it to sort anew. */
  readonly ranks?: Map<string, number>;
}

/** Sessions that stand together, or groups of them, while the tree is made and kept. */
export interface Group {
  node: GroupNode;
  readonly parent: Group | null;
  readonly groups: Group[];
  readonly sessions: Session[];
  /** When the newest session in it changed, milliseconds since the epoch; 0 in an empty one. */
  newest: number;
  /** Sessions changed since they were sorted. */
  stirred: boolean;
  /** Keys of the sessions that are shown; null before anybody asked. */
  shown: Set<SessionKey> | null;
}
