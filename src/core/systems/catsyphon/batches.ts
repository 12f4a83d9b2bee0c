import type { WireEvent } from './events.ts';

/** What one request carries: the server takes 50 events, and the proxies before it bound its bytes (1 MB in the project's own). */
const MOST = { events: 50, bytes: 256 * 1024 } as const;

/** Events in their order, in batches of at most 50 events and 256 KiB; one that is larger goes alone. */
export function batchesOf(events: readonly WireEvent[]): readonly (readonly WireEvent[])[] {
  const batches: WireEvent[][] = [];
  let bytes = Infinity;
  for (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event)) + 1;
    const last = batches.at(-1);
    if (last === undefined || last.length >= MOST.events || bytes + size > MOST.bytes) {
      batches.push([event]);
      bytes = size;
    } else {
      last.push(event);
      bytes += size;
    }
  }
  return batches;
}

/** Each event once: of two with one hash in one batch the server stores both (observed). */
export function withoutTwins(events: readonly WireEvent[]): { readonly events: readonly WireEvent[]; readonly twins: readonly WireEvent[] } {
  const seen = new Set<string>();
  const kept: WireEvent[] = [];
  const twins: WireEvent[] = [];
  for (const event of events) {
    (seen.has(event.event_hash) ? twins : kept).push(event);
    seen.add(event.event_hash);
  }
  return { events: kept, twins };
}
