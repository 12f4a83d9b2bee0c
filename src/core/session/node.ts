import type { DeltaEntry } from '../model/entry.ts';
import type { Row } from '../model/row.ts';
import { foldOwn, withChildren } from './fold.ts';
import type { Grown, Growth } from './growth.ts';
import { grow, growthOf } from './growth.ts';
import type { Position } from './order.ts';
import { RowLog } from './rowLog.ts';
import { sameItems, sameValue } from './sameValue.ts';

/** Where a node stands: in the list of top-level rows, within another node, or nowhere while it has nothing to show. */
export type Home = RowNode | 'top' | null;

/** One row in memory: its entries, its place in the forest and its value. */
export class RowNode {
  readonly key: string;
  readonly log: RowLog;
  home: Home = null;
  /** Position under which it stands in its home's list. */
  placed: Position;
  readonly children: RowNode[] = [];
  /** Key of the parent that its facts name, as the forest has noted it. */
  linked: string | null = null;
  shows = false;
  /** The row with its children; null while it has nothing to show. */
  row: Row | null = null;
  private own: Row | null = null;
  /** undefined: not looked at since the row was folded. */
  private growth: Growth | null | undefined = undefined;

  constructor(key: string) {
    this.key = key;
    this.log = new RowLog(key);
    this.placed = { order: [], key };
  }

  /** Takes a piece that merely goes on with what streams; null where the node must go through `fold`. */
  grow(piece: DeltaEntry): Grown['field'] | undefined {
    if (this.own === null || this.home === null) return undefined;
    if (this.growth === undefined || (this.growth !== null && this.growth.channel !== piece.channel)) this.growth = growthOf(this.own, this.log, piece.channel);
    if (this.growth === null) return undefined;
    const grown = grow(this.own, this.log, this.growth, piece);
    if (grown === null) return undefined;
    this.log.append(piece);
    if (grown.row === this.own) return null;
    this.own = grown.row;
    this.dress();
    // Within a row made to hold children the text has no field of its own.
    return this.row?.kind === this.own.kind ? grown.field : null;
  }

  /** Makes the row anew from the entries. */
  fold(): void {
    this.growth = undefined;
    this.own = this.shows ? foldOwn(this.key, this.log.all()) : null;
    this.dress();
  }

  /** Keeps an earlier value of the row where the value now is equal to it. */
  keep(earlier: Row | null): void {
    if (earlier !== null && this.row !== null && isSameRow(earlier, this.row)) this.row = earlier;
  }

  /** Puts the children's rows into the row. An equal value stays the same object. */
  dress(): void {
    if (this.own === null) {
      this.row = null;
      return;
    }
    const rows = this.children.flatMap((child) => child.row ?? []);
    const before = this.row;
    const own = this.own;
    const held = before?.kind === 'tool' && own.kind === 'tool' && before.children.length > 0 ? before.children : null;
    const row = withChildren(own, held !== null && sameItems(held, rows) ? held : rows);
    if (before === null || !isSameRow(before, row)) this.row = row;
  }
}

/** Equal rows, where children are the same only as objects, since they keep their identity as well; but for a `#own` row, which is made anew. */
function isSameRow(a: Row, b: Row): boolean {
  if (a === b) return true;
  if (a.kind !== 'tool' || b.kind !== 'tool') return a.kind === b.kind && sameValue(a, b);
  if (a.children.length !== b.children.length || !sameValue({ ...a, children: null }, { ...b, children: null })) return false;
  return a.children.every((child, index) => {
    const other = b.children[index];
    return child === other || (index === 0 && child.kind !== 'tool' && sameValue(child, other));
  });
}
