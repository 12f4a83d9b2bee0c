import { awayText } from '../markdown/view.ts';
import { oneLine } from '../model/words.ts';
import type { ChatPage } from '../page.ts';
import type { TranscriptList } from '../transcript/list.ts';
import type { MatchPlace, Row } from '../types.ts';
import { openWay } from './folds.ts';
import type { FindMarks } from './marks.ts';
import { hitsIn } from './ranges.ts';
import type { Hit } from './ranges.ts';

/** Rows about one that is jumped to, which are asked for with it. */
const ABOUT = 40;
/** How often it is tried again while rows move, and while what is far from the view is drawn. */
const TRIES = 4;
const DRAWS = 30;
/** How far under the top of the view a match stands, as a part of the view. */
const DOWN = 0.3;

/** Brings rows and matches into the view, wherever in the session they are. A later jump ends the one before. */
export class Jumps {
  private readonly page: ChatPage;
  private readonly list: () => TranscriptList | null;
  private serial = 0;
  /** The prompt that was gone to last, and where the view stood then: near the end it can't come to the top. */
  private last: { readonly index: number; readonly top: number } | null = null;

  constructor(page: ChatPage, list: () => TranscriptList | null) {
    this.page = page;
    this.list = list;
  }

  /** Shows a top-level row at the top of the view. False when it is not in the session any more. */
  async toRow(index: number, key: string): Promise<boolean> {
    const serial = (this.serial += 1);
    const found = await this.load(index, key);
    const list = this.list();
    if (found === null || list === null || serial !== this.serial) return false;
    list.stand({ key, index: found.index, offset: 0 });
    this.last = { index: found.index, top: list.element.scrollTop };
    this.page.announcement.value = found.row.kind === 'prompt' ? `Prompt: ${oneLine(found.row.text, 200)}` : '';
    return true;
  }

  /** Shows a match: its row is fetched, what it is folded into is opened. */
  async toMatch(place: MatchPlace, pattern: RegExp, marks: FindMarks): Promise<void> {
    const serial = (this.serial += 1);
    const found = await this.load(place.index, place.key);
    const list = this.list();
    if (found === null || list === null || serial !== this.serial) return;
    openWay(this.page, found.row, place);
    const group = list.groupAt(found.index);
    if (group !== null) this.page.setOpen(group, true);
    list.stand({ key: place.key, index: found.index, offset: -list.element.clientHeight * DOWN });
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const at = serial === this.serial ? this.shownAt(place, pattern) : null;
      if (at === null) return;
      if (at instanceof Range || !at.matches('.md-chunk')) {
        marks.current(at, () => this.shownAt(place, pattern));
        if (at instanceof Range) reveal(at, list.element);
        return;
      }
      // Its part of a long text is drawn when it comes near.
      at.scrollIntoView({ block: 'center' });
      await frames();
    }
  }

  /** Goes to the next or previous prompt. */
  async toPrompt(step: 1 | -1): Promise<void> {
    const list = this.list();
    const top = list?.top() ?? null;
    if (list === null || top === null) return;
    const stood = this.last !== null && Math.abs(this.last.top - list.element.scrollTop) < 2 ? this.last.index : null;
    // From within a prompt, the one before is the prompt itself.
    const from = stood ?? (step === -1 && top.offset > 4 ? top.index + 1 : top.index);
    const near = this.promptHere(from, step);
    if (near !== null) {
      await this.toRow(near.index, near.key);
      return;
    }
    const value = await this.page.request({ ask: 'prompt', from, step }).catch(() => null);
    if (value?.kind === 'place' && value.row !== null) await this.toRow(value.index, value.row);
    else this.page.announcement.value = step === 1 ? 'No later prompt.' : 'No earlier prompt.';
  }

  /** A match in the page; what is not drawn of a long text, or the row, where it is not to be seen there; null while its row is not in the page. */
  private shownAt(place: MatchPlace, pattern: RegExp): Range | HTMLElement | null {
    const { rows } = this.page;
    const index = rows.at(place.index)?.key === place.key ? place.index : rows.indexOf(place.key);
    const item = index < 0 ? null : (this.list()?.elementAt(index) ?? null);
    if (item === null) return null;
    const row = rowElement(item, place.path);
    return (row === null ? undefined : pick(row, place, pattern)) ?? row ?? item;
  }

  /** The prompt nearest in a direction, as long as every row up to it is here. */
  private promptHere(from: number, step: 1 | -1): { readonly index: number; readonly key: string } | null {
    for (let index = from + step; ; index += step) {
      const row = this.page.rows.at(index);
      if (row === null) return null;
      if (row.kind === 'prompt') return { index, key: row.key };
    }
  }

  /** The row, fetched with those about it where it is not here; null when it is gone. */
  private async load(index: number, key: string): Promise<{ readonly index: number; readonly row: Row } | null> {
    const { rows } = this.page;
    let at = index;
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const here = rows.at(at)?.key === key ? at : rows.indexOf(key);
      const row = here < 0 ? null : rows.at(here);
      if (row !== null) return { index: here, row };
      const value = await this.page.request({ ask: 'rows', start: Math.max(0, at - ABOUT), end: at + ABOUT }).catch(() => null);
      if (value?.kind === 'rows' && rows.takePage(value) && rows.at(at)?.key === key) continue;
      // It moved meanwhile: the host knows where it is.
      const place = await this.page.request({ ask: 'place', row: key }).catch(() => null);
      if (place?.kind !== 'place' || place.row === null) return null;
      at = place.index;
    }
    return null;
  }
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
function pick(row: HTMLElement, { part, ordinal, of }: MatchPlace, pattern: RegExp): Hit | undefined {
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
