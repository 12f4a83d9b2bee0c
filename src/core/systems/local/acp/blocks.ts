import type { Entry } from '../../../model/entry.ts';
import type { Base, Places } from './place.ts';

interface OpenBlock {
  readonly row: string;
  readonly channel: 'text' | 'thinking';
  readonly messageId: string | null;
  readonly base: Base;
  readonly pieces: string[];
}

/**
 * Text and thinking that still stream: one open block at the top and one in each subagent. A block ends where the channel or the message changes,
 * or where something else stands between; then its whole text takes the place of its pieces.
 */
export class Blocks {
  private readonly places: Places;
  private readonly open = new Map<string, OpenBlock>();

  constructor(places: Places) {
    this.places = places;
  }

  get size(): number {
    return this.open.size;
  }

  add(channel: OpenBlock['channel'], text: string, messageId: string | null, parent: string | null, now: number): Entry[] {
    const entries: Entry[] = [];
    let block = this.open.get(parent ?? '');
    if (block !== undefined && (block.channel !== channel || (block.messageId !== null && messageId !== null && block.messageId !== messageId))) {
      entries.push(...this.close(parent));
      block = undefined;
    }
    if (block === undefined) {
      // codex-acp sends line breaks alone before a thought: they would open a row with nothing in it.
      if (text.trim() === '') return entries;
      block = { row: this.places.name(channel), channel, messageId, base: this.places.next(now, parent), pieces: [] };
      this.open.set(parent ?? '', block);
    }
    const part = block.pieces.length;
    block.pieces.push(text);
    entries.push({ kind: 'delta', id: `${block.row}/${part}`, row: block.row, rev: 0, ...block.base, channel, part, text });
    return entries;
  }

  /** What the open blocks would be if they ended now, as versions that every real end replaces. */
  provisional(): Entry[] {
    return [...this.open.values()].map((block) => ({ kind: block.channel, id: block.row, row: block.row, rev: 0, ...block.base, text: block.pieces.join('') }));
  }

  /** Ends the block of `parent` (null: the one at the top), or all. */
  close(parent?: string | null): Entry[] {
    const entries: Entry[] = [];
    for (const [key, block] of this.open) {
      if (parent !== undefined && key !== (parent ?? '')) continue;
      this.open.delete(key);
      entries.push({ kind: block.channel, id: block.row, row: block.row, rev: 1, ...block.base, text: block.pieces.join('') });
    }
    return entries;
  }
}
