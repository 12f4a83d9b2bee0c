import type { Session, SessionKey } from '../model/session.ts';

/** From this share of changed sessions on, sorting anew is as cheap. */
const MANY = 8;

/** Newest first; those that changed at the same moment by their ids. A total order: no two sessions are equal in it. */
function compare(a: Session, b: Session): number {
  if (a.updatedAt !== b.updatedAt) return b.updatedAt - a.updatedAt;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return a.connectionId < b.connectionId ? -1 : a.connectionId > b.connectionId ? 1 : 0;
}

/** Sessions in order, the newest first. Those that changed are moved to their places; the others are not sorted again. */
export class SessionOrder {
  private listed: readonly Session[] | null = null;
  /** Each as it stands in the list. */
  private readonly standing = new Map<SessionKey, Session>();
  private readonly changed = new Set<SessionKey>();

  /** The session is another, is listed otherwise, or is gone. */
  touch(key: SessionKey): void {
    this.changed.add(key);
  }

  /** All that are listed now; the same array while nothing changed. `look` gives a session as it is listed, null for one that is not. */
  list(keys: ReadonlyMap<SessionKey, unknown>, look: (key: SessionKey) => Session | null): readonly Session[] {
    if (this.listed !== null && this.changed.size === 0) return this.listed;
    const { listed } = this;
    this.listed = listed === null || this.changed.size * MANY > listed.length ? this.sortedAnew(keys, look) : this.moved(listed, look);
    this.changed.clear();
    return this.listed;
  }

  private sortedAnew(keys: ReadonlyMap<SessionKey, unknown>, look: (key: SessionKey) => Session | null): readonly Session[] {
    this.standing.clear();
    for (const key of keys.keys()) {
      const session = look(key);
      if (session !== null) this.standing.set(key, session);
    }
    return [...this.standing.values()].sort(compare);
  }

  private moved(before: readonly Session[], look: (key: SessionKey) => Session | null): readonly Session[] {
    // Where something is taken out, or put in before: one walk over the list.
    const steps: { readonly at: number; readonly put: Session | null }[] = [];
    for (const key of this.changed) {
      const [was, now] = [this.standing.get(key), look(key)];
      if (was === now) continue;
      if (was !== undefined) steps.push({ at: placeOf(before, was), put: null });
      if (now === null) this.standing.delete(key);
      else {
        this.standing.set(key, now);
        steps.push({ at: placeOf(before, now), put: now });
      }
    }
    steps.sort((a, b) => a.at - b.at || (a.put === null ? 1 : b.put === null ? -1 : compare(a.put, b.put)));
    const parts: (readonly Session[])[] = [];
    let from = 0;
    for (const { at, put } of steps) {
      if (at > from) parts.push(before.slice(from, at));
      from = put === null ? at + 1 : Math.max(from, at);
      if (put !== null) parts.push([put]);
    }
    parts.push(before.slice(from));
    return parts.flat();
  }
}

/** The first place whose session does not stand before this one. */
function placeOf(list: readonly Session[], session: Session): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const there = list[middle];
    if (there !== undefined && compare(there, session) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
