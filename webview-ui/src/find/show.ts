import { awayText } from '../markdown/view.ts';
import type { ChatPage } from '../page.ts';
import type { TranscriptList } from '../transcript/list.ts';
import type { MatchPlace } from '../types.ts';
import { openWay } from './folds.ts';
import type { Jumps } from './jump.ts';
import type { FindMarks } from './marks.ts';
import { hitsIn } from './ranges.ts';
import type { Hit } from './ranges.ts';

/** How often what is far from the view is waited for to be drawn. */
const DRAWS = 30;
/** How far under the top of the view a match stands, as a part of the view. */
const DOWN = 0.3;

interface Shown {
  readonly page: ChatPage;
  readonly list: TranscriptList;
  readonly jumps: Jumps;
  readonly marks: FindMarks;
  readonly pattern: RegExp;
}

/** Shows a match: its row is fetched, what it is folded into is opened, and it is marked as the current one. */
export async function showMatch(shown: Shown, place: MatchPlace): Promise<void> {
  const { page, list, jumps, marks } = shown;
  const found = await jumps.bring(place.index, place.key);
  if (found === null) return;
  openWay(page, found.row, place);
  const group = list.groupAt(found.index);
  if (group !== null) page.setOpen(group, true);
  list.stand({ key: place.key, index: found.index, offset: -list.element.clientHeight * DOWN });
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const at = found.isLatest() ? shownAt(shown, place) : null;
    if (at === null) return;
    if (at instanceof Range || !at.matches('.md-chunk')) {
      marks.current(at, () => shownAt(shown, place));
      if (at instanceof Range) reveal(at, list.element);
      return;
    }
    // Its part of a long text is drawn when it comes near.
    at.scrollIntoView({ block: 'center' });
    await frames();
  }
}

/** A match in the page; what is not drawn of a long text, or the row, where it is not to be seen there; null while its row is not in the page. */
function shownAt({ page: { rows }, list, pattern }: Shown, place: MatchPlace): Range | HTMLElement | null {
  const index = rows.at(place.index)?.key === place.key ? place.index : rows.indexOf(place.key);
  const item = index < 0 ? null : list.elementAt(index);
  if (item === null) return null;
  const row = rowElement(item, place.path);
  return (row === null ? undefined : pick(row, place, pattern)) ?? row ?? item;
}

/** The element of the row that a match is in. */
function rowElement(item: HTMLElement, path: readonly string[]): HTMLElement | null {
  let element: HTMLElement | null = item;
  for (const key of path) {
    if (element?.dataset['row'] === key) continue;
    element = element?.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`) ?? null;
  }
  return element;
}

/** Where a part of a row is shown; the whole row where it has no place of its own. */
function regionOf(row: HTMLElement, part: string): HTMLElement {
  const own = (selector: string): HTMLElement[] => [...row.querySelectorAll<HTMLElement>(selector)].filter((element) => element.closest('[data-row]') === row);
  const places: Readonly<Record<string, string>> = { line: '.subject', command: '.command', output: '.output', input: '.json', raw: '.json', files: '.attachments, .turn-files' };
  const [kind = '', number] = part.split(':');
  if (kind === 'diff') return own('.diff')[Number(number)] ?? row;
  const selector = places[kind];
  return (selector === undefined ? undefined : own(selector)[0]) ?? row;
}

/** The match that is meant, of those that the page shows of its part: counted from the end where the page shows only that. */
function pick(row: HTMLElement, { part, ordinal, of, hiddenLine }: MatchPlace, pattern: RegExp): Hit | undefined {
  if (hiddenLine !== null) return undefined;
  const hits = hitsIn(regionOf(row, part), pattern, (element) => element.dataset['row'] !== undefined, awayText);
  const place = part === 'output' && hits.length < of ? hits.length - (of - ordinal) : Math.min(ordinal, hits.length - 1);
  return hits[place];
}

/** Scrolls what holds a range, from within outwards, so that it can be seen. */
function reveal(range: Range, log: HTMLElement): void {
  for (let box = range.startContainer.parentElement; box !== null && log.contains(box); box = box.parentElement) {
    const inner = box !== log;
    if (inner && box.scrollHeight <= box.clientHeight && box.scrollWidth <= box.clientWidth) continue;
    const [at, view] = [range.getBoundingClientRect(), box.getBoundingClientRect()];
    const room = view.height * (inner ? 0.1 : 0.15);
    if (at.top < view.top + room || at.bottom > view.bottom - room) box.scrollTop += at.top - view.top - view.height * (inner ? 0.4 : DOWN);
    if (inner && (at.left < view.left || at.right > view.right)) box.scrollLeft += at.left - view.left - view.width * 0.4;
    if (!inner) return;
  }
}

function frames(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
}
