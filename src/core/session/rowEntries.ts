import type { DeltaEntry, Entry, EntryKind } from '../model/entry.ts';
import type { RowKind } from '../model/row.ts';
import { compareEntries } from './order.ts';
import { placeOf } from './pieces.ts';

/** Entries of one row by kind, each list in the order of the row. */
export class RowEntries {
  private readonly lists = new Map<EntryKind, Entry[]>();
  readonly at: number | null;
  readonly turn: string | null;

  constructor(entries: Iterable<Entry>) {
    const sorted = [...entries].sort(compareEntries);
    for (const entry of sorted) {
      const list = this.lists.get(entry.kind);
      if (list === undefined) this.lists.set(entry.kind, [entry]);
      else list.push(entry);
    }
    const place = placeOf(sorted);
    this.at = place.at;
    this.turn = place.turn;
  }

  of<K extends EntryKind>(kind: K): readonly Extract<Entry, { kind: K }>[] {
    return (this.lists.get(kind) ?? []) as Extract<Entry, { kind: K }>[];
  }

  /** The entry of a kind that stands last: of several where one is expected, the one that holds. */
  last<K extends EntryKind>(kind: K): Extract<Entry, { kind: K }> | undefined {
    return this.of(kind).at(-1);
  }

  pieces(channel: DeltaEntry['channel']): readonly DeltaEntry[] {
    return this.of('delta').filter((piece) => piece.channel === channel);
  }

  /**
   * The row's kind when entries of several kinds share it, whatever came first: what acts (tool, permission) before what was said (prompt, text,
   * thinking) before what informs; unknown content shows only where nothing known does. null: nothing to show.
   */
  kind(): RowKind | null {
    if (this.has('tool') || this.has('result') || this.pieces('input').length > 0 || this.pieces('output').length > 0) return 'tool';
    if (this.has('permission')) return 'permission';
    if (this.has('prompt')) return 'prompt';
    if (this.has('text') || this.pieces('text').length > 0) return 'text';
    if (this.has('thinking') || this.pieces('thinking').length > 0) return 'thinking';
    if (this.has('todo')) return 'todo';
    if (this.has('file')) return 'file';
    if (this.has('notice')) return 'notice';
    if (this.of('turn').some((entry) => entry.phase === 'end')) return 'turn';
    return this.has('unknown') ? 'unknown' : null;
  }

  private has(kind: EntryKind): boolean {
    return this.lists.has(kind);
  }
}
