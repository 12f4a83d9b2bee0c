import type { Fleet } from '../../core/fleet/fleet.ts';
import { compareOrder } from '../../core/model/entry.ts';
import type { Session, SessionKey } from '../../core/model/session.ts';
import type { SearchHit, SearchUpdate } from '../../core/session/search/wire.ts';
import { agentName } from '../tree/text.ts';

/** What was found in one session. */
export interface Group {
  readonly session: Session;
  readonly agent: string;
  readonly machine: string;
  /** The title or the folder; null where it was not found in them. */
  title: SearchHit | null;
  /** Rows, the last one first. */
  readonly rows: SearchHit[];
  /** How many rows there are besides, which were not wanted. */
  more: number;
}

/** What a search found, by session: in the order in which the sessions came. */
export class Groups {
  readonly groups = new Map<SessionKey, Group>();
  rows = 0;
  private readonly fleet: Fleet;
  private readonly most: number;

  /** `most`: rows of one session. */
  constructor(fleet: Fleet, most: number) {
    this.fleet = fleet;
    this.most = most;
  }

  /** True when there is something to show that was not there before. */
  take({ hits, more }: SearchUpdate): boolean {
    for (const hit of hits) {
      const group = this.group(hit.session);
      if (group === null) continue;
      if (hit.row === null) group.title = hit;
      else this.addRow(group, hit);
    }
    for (const { session, rows } of more) {
      const group = this.groups.get(session);
      if (group !== undefined) group.more = rows - group.rows.length;
    }
    return hits.length > 0 || more.length > 0;
  }

  private addRow(group: Group, hit: SearchHit): void {
    const at = group.rows.findIndex((row) => compareOrder(row.order, hit.order) < 0);
    group.rows.splice(at < 0 ? group.rows.length : at, 0, hit);
    if (group.rows.length > this.most) group.rows.pop();
    else this.rows += 1;
  }

  /** Null for a session that is not known any more: nothing of it could be opened. */
  private group(key: SessionKey): Group | null {
    const known = this.groups.get(key);
    if (known !== undefined) return known;
    const session = this.fleet.session(key);
    if (session === null) return null;
    const connection = this.fleet.connections().find((each) => each.connectionId === session.connectionId);
    const machine = this.fleet.machines().find((each) => each.id === session.machineId);
    const group: Group = { session, agent: agentName(session, connection), machine: machine?.name ?? '', title: null, rows: [], more: 0 };
    this.groups.set(key, group);
    return group;
  }
}
