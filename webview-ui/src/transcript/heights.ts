import type { Item } from '../model/items.ts';
import type { Row } from '../types.ts';

/** Height of a row that is not here, in CSS pixels. */
const GAP_ROW_HEIGHT = 48;

/** Likely height of an item that was never laid out, in CSS pixels. */
export function heightOf(item: Item | undefined): number {
  if (item === undefined) return 0;
  if (item.type === 'gap') return item.count * GAP_ROW_HEIGHT;
  if (item.type === 'group') return 32;
  return rowHeight(item.row);
}

function rowHeight(row: Row): number {
  switch (row.kind) {
    case 'prompt':
      return 56 + Math.min(14, Math.ceil(row.text.length / 110)) * 20;
    case 'text':
      return 20 + Math.ceil(row.text.length / 90) * 20;
    case 'tool':
      return 32 + Math.min(8, row.diffs.reduce((lines, diff) => lines + diff.added + diff.removed, 0)) * 18;
    case 'permission':
      return row.outcome === null ? 140 : 32;
    case 'todo':
      return 32 + row.items.length * 24;
    case 'file':
      return 100;
    case 'turn':
      return 48;
    case 'thinking':
    case 'notice':
    case 'unknown':
      return 32;
  }
}
