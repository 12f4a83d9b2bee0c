import type { AttentionItem } from '../core/fleet/attention.ts';

/** Where the person is on their way through what waits: each session once, the most urgent first, then from the start again. */
export class AttentionWalk {
  private readonly visited = new Set<string>();

  /** The next one of these, which stand in their order; null where nothing waits. A session is at what waits first in it. */
  next(items: readonly AttentionItem[]): AttentionItem | null {
    const first = new Map<string, AttentionItem>();
    for (const item of items) {
      const place = item.key ?? item.connectionId;
      if (!first.has(place)) first.set(place, item);
    }
    const stops = [...first.values()];
    // What went and comes again is another thing.
    const ids = new Set(stops.map((item) => item.id));
    for (const id of this.visited) if (!ids.has(id)) this.visited.delete(id);
    if (this.visited.size === stops.length) this.visited.clear();
    const next = stops.find((item) => !this.visited.has(item.id)) ?? null;
    if (next !== null) this.visited.add(next.id);
    return next;
  }
}
