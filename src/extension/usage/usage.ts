import type { Fleet } from '../../core/fleet/fleet.ts';
import type { UsageNames } from '../../core/fleet/usage.ts';
import { usageCsv, usageFrom, usageReport } from '../../core/fleet/usage.ts';
import type { PlanLimit, UsageRange, UsageReport } from '../../core/model/usage.ts';
import type { OwnedStore } from '../../core/session/store/open.ts';
import { titleOf } from '../tree/line.ts';
import { agentName, oneLine } from '../tree/text.ts';

/** What was used, from the store, with the names that the fleet has for it. */
export class Usage {
  private readonly fleet: Pick<Fleet, 'session' | 'sessions' | 'connections' | 'backend'>;
  private readonly store: Pick<OwnedStore, 'usage'>;

  constructor(fleet: Pick<Fleet, 'session' | 'sessions' | 'connections' | 'backend'>, store: Pick<OwnedStore, 'usage'>) {
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

  /** The limits of the plans that agents tell of; where one tells only that it is reached, that. */
  private limits(now: number): readonly PlanLimit[] {
    const limits = new Map<string, PlanLimit>();
    const names = new Map<string, string>();
    const put = (connectionId: string, limit: PlanLimit): void => {
      // What has started anew since is not known to be used.
      if (limit.until !== null && limit.until <= now) return;
      const label = `${names.get(connectionId) ?? ''}: ${oneLine(limit.label, 120)}`;
      limits.set(label, { ...limit, label });
    };
    const telling = new Set<string>();
    for (const { connectionId, name } of this.fleet.connections()) {
      names.set(connectionId, oneLine(name, 60));
      const told = this.fleet.backend(connectionId).planLimits?.() ?? [];
      if (told.length > 0) telling.add(connectionId);
      for (const limit of told) put(connectionId, limit);
    }
    // Those of one account are told in every session of it.
    for (const { limit, connectionId } of this.fleet.sessions()) if (limit !== undefined && !telling.has(connectionId)) put(connectionId, { label: limit.text, usedPercent: 100, until: limit.until });
    return [...limits.values()];
  }
}
