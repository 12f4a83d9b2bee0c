import { foldRows } from '../model/items.ts';
import type { ChatPage } from '../page.ts';
import type { MatchPlace, Row } from '../types.ts';

type Thinking = ReturnType<ChatPage['config']['peek']>['thinking'];
/** Opens what has this key; `byDefault`: it is open where nobody closed it. */
type Open = (key: string, byDefault?: boolean) => void;

/** Opens what the way to a match leads through, and what holds it: groups, subagents, tools, thoughts, what is cut short. Where all of it is open, nothing is drawn anew. */
export function openWay(page: ChatPage, top: Row, place: Pick<MatchPlace, 'path' | 'part'>): void {
  let opened = false;
  openDown(page.config.peek().thinking, top, place, (key, byDefault = false) => {
    opened ||= !page.isOpen(key, byDefault);
    page.setOpen(key, true, byDefault);
  });
  if (opened) page.opens.value += 1;
}

function openDown(thinking: Thinking, top: Row, place: Pick<MatchPlace, 'path' | 'part'>, open: Open): void {
  let row: Row | undefined = top;
  let siblings: readonly Row[] | null = null;
  for (const key of place.path) {
    row = siblings === null ? top : siblings.find((each) => each.key === key);
    if (row === undefined) return;
    if (siblings !== null) {
      const group = foldRows(siblings, { thinking }).find((item) => item.type === 'group' && item.rows.some((each) => each.key === key));
      if (group !== undefined) open(group.key);
    }
    if (key === place.path.at(-1)) break;
    if (row.kind !== 'tool') return;
    open(key, row.diffs.length > 0);
    // A long thread shows its last rows only.
    open(`${key}:earlier`);
    siblings = row.children;
  }
  if (row !== undefined) openPart(thinking, row, place.part, open);
}

function openPart(thinking: Thinking, row: Row, part: string, open: Open): void {
  switch (row.kind) {
    case 'prompt':
      open(`${row.key}:all`);
      return;
    case 'thinking':
      open(row.key, thinking === 'expanded');
      return;
    case 'tool':
      if (part === 'line') return;
      open(row.key, row.diffs.length > 0);
      if (part === 'output') open(`${row.key}:output`);
      if (part.startsWith('diff:')) open(`${row.key}:${part}`);
      return;
    case 'permission':
    case 'turn':
    case 'unknown':
      if (part !== 'line' && part !== 'text') open(row.key);
      return;
    case 'text':
    case 'todo':
    case 'file':
    case 'notice':
  }
}
