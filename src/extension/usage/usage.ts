import type { Fleet } from '../../core/fleet/fleet.ts';
import type { UsageNames } from '../../core/fleet/usage.ts';
import { usageCsv, usageFrom, usageReport } from '../../core/fleet/usage.ts';
import type { PlanLimit, UsageRange, UsageReport } from '../../core/model/usage.ts';
import type { OwnedStore } from '../../core/session/store/open.ts';
import { titleOf } from '../tree/line.ts';
import { agentName, oneLine } from '../tree/text.ts';

/** What was used, from the store, with the names that the fleet has for it. */
export class Usage {
  private readonly fleet: Pick<Fleet, 'session' | 'sessions' | 'connections'>;
  private readonly store: Pick<OwnedStore, 'usage'>;

  constructor(fleet: Pick<Fleet, 'session' | 'sessions' | 'connections'>, store: Pick<OwnedStore, 'usage'>) {
    this.fleet = fleet;
    this.store = store;
  }

  /** `now` in milliseconds since the epoch. Rejects with `store_*`. */
  async report(range: UsageRange, now: number): Promise<UsageReport> {
    return usageReport(await this.store.usage(usageFrom(range, now), Number.MAX_SAFE_INTEGER), this.names(), this.limits(now), range, now);
  }

  /** All that is known, as comma-separated values. */
  async csv(): Promise<string> {
    return usageCsv(await this.store.usage(0, Number.MAX_SAFE_INTEGER), this.names());
  }

  private names(): UsageNames {
    const connections = new Map(this.fleet.connections().map((connection) => [connection.connectionId, connection]));
    return {
      session: (key) => this.fleet.session(key),
      title: (session) => titleOf(session),
      agent: (session) => oneLine(agentName(session, connections.get(session.connectionId)), 60),
      connection: (connectionId) => {
        const name = connections.get(connectionId)?.name;
        return name === undefined ? null : oneLine(name, 60);
      },
    };
  }

  /** The limits that agents tell of now, each once: those of one account are told in every session of it. */
  private limits(now: number): readonly PlanLimit[] {
    const connections = new Map(this.fleet.connections().map(({ connectionId, name }) => [connectionId, oneLine(name, 60)]));
    const limits = new Map<string, PlanLimit>();
    for (const { limit, connectionId } of this.fleet.sessions()) {
      if (limit === undefined || (limit.until !== null && limit.until <= now)) continue;
      const label = `${connections.get(connectionId) ?? ''}: ${oneLine(limit.text, 120)}`;
      limits.set(label, { label, usedPercent: 100, until: limit.until });
    }
    return [...limits.values()];
  }
}
