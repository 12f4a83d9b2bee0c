import type { Session, SessionKey } from '../model/session.ts';

/**
 * Agent sessions of this computer that a system hosts as well: they are listed once, as that system's (design: "Sessions that others run"). The agent's own session is known by
 * its id, which its files here have. What a window of ours runs itself is never left out.
 */
export class Twins {
  private readonly host: string;
  /** Keys by agent and id: of the agents' own sessions, and of those that host one. */
  private readonly own = new Map<string, Set<SessionKey>>();
  private readonly hosting = new Map<string, Set<SessionKey>>();
  private readonly names = new Map<SessionKey, { readonly own: string; readonly hosted: string | null; readonly ours: boolean }>();

  /** `host`: this computer's name on its network. */
  constructor(host: string) {
    this.host = host;
  }

  /** True for a session that is listed as another's. */
  hides(key: SessionKey): boolean {
    const names = this.names.get(key);
    return names !== undefined && !names.ours && names.hosted === null && (this.hosting.get(names.own)?.size ?? 0) > 0;
  }

  /** Notes a session; gives the others that are listed otherwise now. */
  put(key: SessionKey, session: Session): readonly SessionKey[] {
    const { agentSession } = session;
    const hosted = agentSession !== undefined && agentSession.host === this.host ? nameOf(agentSession.agent, agentSession.id) : null;
    const names = { own: nameOf(session.agent, session.id), hosted, ours: session.owner === 'this' || session.owner === 'window' };
    const before = this.names.get(key);
    if (before !== undefined && before.own === names.own && before.hosted === names.hosted) {
      this.names.set(key, names);
      return [];
    }
    const changed = new Set(this.remove(key));
    this.names.set(key, names);
    add(this.own, names.own, key);
    if (hosted !== null && add(this.hosting, hosted, key)) for (const each of this.own.get(hosted) ?? []) changed.add(each);
    changed.delete(key);
    return [...changed];
  }

  /** Forgets a session; gives the others that are listed otherwise now. */
  remove(key: SessionKey): readonly SessionKey[] {
    const names = this.names.get(key);
    if (names === undefined) return [];
    this.names.delete(key);
    drop(this.own, names.own, key);
    return names.hosted !== null && drop(this.hosting, names.hosted, key) ? [...(this.own.get(names.hosted) ?? [])] : [];
  }
}

function nameOf(agent: string, id: string): string {
  return `${agent}\u0000${id}`;
}

/** True when it is the first. */
function add(map: Map<string, Set<SessionKey>>, name: string, key: SessionKey): boolean {
  const keys = map.get(name);
  if (keys === undefined) map.set(name, new Set([key]));
  else keys.add(key);
  return keys === undefined;
}

/** True when it was the last. */
function drop(map: Map<string, Set<SessionKey>>, name: string, key: SessionKey): boolean {
  const keys = map.get(name);
  if (keys?.delete(key) !== true || keys.size > 0) return false;
  return map.delete(name);
}
