import { foldRows } from '../model/items.ts';
import type { ChatPage } from '../page.ts';
import type { MatchPlace, Row } from '../types.ts';

/** Opens what the way to a match leads through, and what holds it: groups, subagents, tools, thoughts, what is cut short. */
export function openWay(page: ChatPage, top: Row, place: Pick<MatchPlace, 'path' | 'part'>): void {
  openDown(page, top, place);
  page.opens.value += 1;
}

function openDown(page: ChatPage, top: Row, place: Pick<MatchPlace, 'path' | 'part'>): void {
  const { thinking } = page.config.peek();
  let row: Row | undefined = top;
  let siblings: readonly Row[] | null = null;
  for (const key of place.path) {
    row = siblings === null ? top : siblings.find((each) => each.key === key);
    if (row === undefined) return;
    if (siblings !== null) {
      const group = foldRows(siblings, { thinking }).find((item) => item.type === 'group' && item.rows.some((each) => each.key === key));
      if (group !== undefined) page.setOpen(group.key, true);
    }
    if (key === place.path.at(-1)) break;
    if (row.kind !== 'tool') return;
    page.setOpen(key, true, row.diffs.length > 0);
    // A long thread shows its last rows only.
    page.setOpen(`${key}:earlier`, true);
    siblings = row.children;
  }
  if (row !== undefined) openPart(page, row, place.part);
}

function openPart(page: ChatPage, row: Row, part: string): void {
  switch (row.kind) {
    case 'prompt':
      page.setOpen(`${row.key}:all`, true);
      return;
    case 'thinking':
      page.setOpen(row.key, true, page.config.peek().thinking === 'expanded');
      return;
    case 'tool':
      if (part === 'line') return;
      page.setOpen(row.key, true, row.diffs.length > 0);
      if (part === 'output') page.setOpen(`${row.key}:output`, true);
      if (part.startsWith('diff:')) page.setOpen(`${row.key}:${part}`, true);
      return;
    case 'permission':
    case 'turn':
    case 'unknown':
      if (part !== 'line' && part !== 'text') page.setOpen(row.key, true);
      return;
    case 'text':
    case 'todo':
    case 'file':
    case 'notice':
  }
}
