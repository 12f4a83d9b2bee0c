import type { DeltaEntry, Entry } from '../model/entry.ts';
import type { Channel } from './channels.ts';
import { endsChannel } from './channels.ts';
import { compareVersions } from './merge.ts';
import type { RowFacts } from './order.ts';
import { factsOf } from './order.ts';
import { emptied, isTrace, partCount, pieceRev, placeOf, samePlace, segmentsOf, traceOf } from './pieces.ts';

/**
 * The entries of one row, merged, and which of them the store has yet to be given.
 *
 * Pieces of a block that streams are kept one by one only until `takeDirty` joins them to segments (JoinedPieces in entry.ts), which is what the store
 * holds of them: a host that dies loses the pieces since the last write, and no more. When the whole entry of their channel is here, their text is let go:
 * stored segments are emptied in the same write that brings the whole entry, and what the pieces said about the row's place stays as its trace.
 */
export class RowLog {
  readonly key: string;
  private readonly entries = new Map<string, Entry>();
  /** Single pieces, as they came. */
  private readonly raw = new Map<string, DeltaEntry>();
  private readonly dirty = new Map<string, Entry>();
  private trace: DeltaEntry | null = null;
  private storedTrace: DeltaEntry | null = null;
  private traceMoved = false;
  private cached: RowFacts | null | undefined = undefined;

  constructor(key: string) {
    this.key = key;
  }

  get size(): number {
    return this.entries.size + this.raw.size + (this.trace === null ? 0 : 1);
  }

  get isDirty(): boolean {
    return this.dirty.size > 0 || this.raw.size > 0 || this.traceMoved;
  }

  /** All entries that hold, in no order. */
  *all(): Iterable<Entry> {
    yield* this.entries.values();
    yield* this.raw.values();
    if (this.trace !== null) yield this.trace;
  }

  has(id: string): boolean {
    return this.entries.has(id) || this.raw.has(id);
  }

  facts(): RowFacts | null {
    if (this.cached === undefined) this.cached = factsOf(this.all());
    return this.cached;
  }

  /** Merges an entry in; true when something is different after it. `stored`: the store has this version already. */
  add(entry: Entry, stored: boolean): boolean {
    if (entry.kind === 'delta') return this.addPiece(entry, stored);
    if (!this.put(entry, stored)) return false;
    const channel = endsChannel(entry);
    if (channel !== null) this.letGo(channel, stored);
    return true;
  }

  /** Adds a piece of which the caller knows that it comes last in its channel and is not here yet; nothing else of the row changes. */
  append(piece: DeltaEntry): void {
    this.raw.set(piece.id, piece);
  }

  /** What the store has yet to be given, which then counts as given. Pieces leave joined. */
  takeDirty(): Entry[] {
    this.join();
    const entries = [...this.dirty.values()];
    this.dirty.clear();
    this.traceMoved = false;
    const held = [...this.entries.values()];
    const known = this.storedTrace === null ? held : [...held, this.storedTrace];
    // A trace that tells nothing beyond what the store has costs it nothing.
    if (this.trace !== null && !samePlace(placeOf([...held, this.trace]), placeOf(known))) {
      entries.push(this.trace);
      this.storedTrace = this.trace;
    }
    return entries;
  }

  /**
   * For a row that leaves memory: its entries, pieces joined, and `emptied`, the segments that are not among them any more and that the store has yet to
   * be told to empty.
   */
  leave(): { readonly entries: readonly Entry[]; readonly emptied: readonly Entry[] } {
    const dirty = this.takeDirty();
    return { entries: [...this.all()], emptied: dirty.filter((entry) => entry !== this.trace && !this.entries.has(entry.id)) };
  }

  private put(entry: Entry, stored: boolean): boolean {
    const known = this.entries.get(entry.id);
    const newer = known === undefined ? 1 : compareVersions(entry, known);
    if (newer === 0 && stored) this.dirty.delete(entry.id);
    if (newer <= 0) return false;
    this.entries.set(entry.id, entry);
    if (stored) this.dirty.delete(entry.id);
    else this.dirty.set(entry.id, entry);
    this.cached = undefined;
    return true;
  }

  private addPiece(piece: DeltaEntry, stored: boolean): boolean {
    if (isTrace(piece)) return this.absorb([piece], stored);
    const joined = piece.joined !== undefined;
    if (this.isEnded(piece.channel)) {
      if (joined && partCount(piece) > 0) this.dropSegment(piece, stored);
      return this.absorb([piece], joined);
    }
    if (joined) {
      if (!this.put(piece, stored)) return false;
      for (const raw of this.raw.values()) if (isHeld(raw, piece)) this.raw.delete(raw.id);
      return true;
    }
    const known = this.raw.get(piece.id);
    if (known !== undefined && compareVersions(piece, known) <= 0) return false;
    for (const entry of this.entries.values()) if (entry.kind === 'delta' && isHeld(piece, entry)) return false;
    this.raw.set(piece.id, piece);
    this.cached = undefined;
    return true;
  }

  private isEnded(channel: Channel): boolean {
    for (const entry of this.entries.values()) if (endsChannel(entry) === channel) return true;
    return false;
  }

  /** The whole entry of a channel is here: its pieces give way. */
  private letGo(channel: Channel, stored: boolean): void {
    const single = [...this.raw.values()].filter((piece) => piece.channel === channel);
    for (const piece of single) this.raw.delete(piece.id);
    const segments = [...this.entries.values()].filter((entry) => entry.kind === 'delta' && entry.channel === channel) as DeltaEntry[];
    for (const segment of segments) {
      this.entries.delete(segment.id);
      if (partCount(segment) > 0) this.dropSegment(segment, stored);
    }
    // A segment keeps its place in the store when it is emptied.
    this.absorb(segments, true);
    this.absorb(single, false);
  }

  private dropSegment(segment: DeltaEntry, stored: boolean): void {
    if (stored) this.dirty.delete(segment.id);
    else this.dirty.set(segment.id, emptied(segment));
  }

  private absorb(pieces: readonly DeltaEntry[], stored: boolean): boolean {
    if (stored) this.storedTrace = traceOf([...(this.storedTrace === null ? [] : [this.storedTrace]), ...pieces]);
    const trace = traceOf([...(this.trace === null ? [] : [this.trace]), ...pieces]);
    if (trace === null || (this.trace !== null && samePlace(trace, this.trace))) return false;
    this.trace = trace;
    if (!stored) this.traceMoved = true;
    this.cached = undefined;
    return true;
  }

  private join(): void {
    if (this.raw.size === 0) return;
    const channels = new Set([...this.raw.values()].map((piece) => piece.channel));
    for (const channel of channels) {
      const pieces: DeltaEntry[] = [];
      for (const entry of this.all()) if (entry.kind === 'delta' && entry.channel === channel && entry !== this.trace) pieces.push(entry);
      const segments = segmentsOf(pieces);
      const kept = new Set(segments.map((segment) => segment.id));
      for (const segment of segments) {
        if (this.entries.get(segment.id) === segment) continue;
        this.entries.set(segment.id, segment);
        this.dirty.set(segment.id, segment);
      }
      for (const piece of pieces) {
        if (this.raw.delete(piece.id) || kept.has(piece.id) || partCount(piece) === 0) continue;
        const rest = emptied(piece);
        this.entries.set(rest.id, rest);
        this.dirty.set(rest.id, rest);
      }
    }
  }
}

/** True when a segment holds this piece's part in this version or a later one. */
function isHeld(piece: DeltaEntry, segment: DeltaEntry): boolean {
  return segment.channel === piece.channel && segment.joined !== undefined && pieceRev(segment) >= piece.rev
    && piece.part >= segment.part && piece.part < segment.part + partCount(segment);
}
