import type { Fleet } from '../../core/fleet/fleet.ts';
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
  /** Rows, the newest first. */
  readonly rows: SearchHit[];
  /** There are more rows than were wanted. */
  more: boolean;
}

/** What a search found, by session: in the order in which the sessions came. */
export class Groups {
  readonly groups = new Map<SessionKey, Group>();
  rows = 0;
  private readonly fleet: Fleet;

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  /** True when there is something to show that was not there before. */
  take({ hits, cut }: SearchUpdate): boolean {
    for (const hit of hits) {
      const group = this.group(hit.session);
      if (group === null) continue;
      if (hit.row === null) group.title = hit;
      else {
        // As they were written is mostly as they were said; where a session's past was read backwards it is not.
        const at = group.rows.findIndex((row) => (row.at ?? 0) < (hit.at ?? 0));
        group.rows.splice(at < 0 ? group.rows.length : at, 0, hit);
        this.rows += 1;
      }
    }
    for (const key of cut) {
      const group = this.groups.get(key);
      if (group !== undefined) group.more = true;
    }
    return hits.length > 0 || cut.length > 0;
  }

  /** Null for a session that is not known any more: nothing of it could be opened. */
  private group(key: SessionKey): Group | null {
    const known = this.groups.get(key);
    if (known !== undefined) return known;
    const session = this.fleet.session(key);
    if (session === null) return null;
    const connection = this.fleet.connections().find((each) => each.connectionId === session.connectionId);
    const machine = this.fleet.machines().find((each) => each.id === session.machineId);
    const group: Group = { session, agent: agentName(session, connection), machine: machine?.name ?? '', title: null, rows: [], more: false };
    this.groups.set(key, group);
    return group;
  }
}
