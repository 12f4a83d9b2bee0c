import { hitsIn } from './ranges.ts';
import type { Hit } from './ranges.ts';
import { awayText } from '../markdown/view.ts';

const ALL = 'find-match';
const CURRENT = 'find-current';
/** How soon after a change the marks follow, and how many there are at most in one row. */
const AGAIN_MS = 120;
const MOST = 2_000;

/**
 * Marks matches in the rows that are in the page, without touching their nodes: highlights are painted by the browser. What changes is marked anew, a moment later and
 * row by row.
 */
export class FindMarks {
  private readonly log: HTMLElement;
  private readonly watching: MutationObserver;
  private readonly byRow = new Map<Element, AbstractRange[]>();
  private readonly dirty = new Set<Element>();
  private pattern: RegExp | null = null;
  private timer = 0;
  private row: Element | null = null;
  private range: Range | null = null;
  private again: () => Range | Element | null = () => null;

  constructor(log: HTMLElement) {
    this.log = log;
    this.watching = new MutationObserver((records) => {
      for (const { target } of records) this.touch(target);
      this.soon();
    });
  }

  /** What is marked from now on; null: nothing. */
  show(pattern: RegExp | null): void {
    this.watching.disconnect();
    this.pattern = pattern;
    this.byRow.clear();
    this.dirty.clear();
    this.current(null);
    if (pattern !== null) {
      for (const row of this.log.children) this.dirty.add(row);
      this.watching.observe(this.log, { childList: true, characterData: true, subtree: true });
    }
    this.draw();
  }

  /** Marks the current match; a row alone where the match in it can't be shown. `again` finds it when its nodes have been drawn anew. */
  current(at: Range | Element | null, again: () => Range | Element | null = () => null): void {
    this.again = again;
    this.mark(at);
  }

  private mark(at: Range | Element | null): void {
    this.range = at instanceof Range ? at : null;
    if (this.row !== null) this.row.classList.remove('find-row');
    this.row = at instanceof Element ? at : null;
    if (this.row !== null) this.row.classList.add('find-row');
    if (at instanceof Range) CSS.highlights.set(CURRENT, prior(new Highlight(at)));
    else CSS.highlights.delete(CURRENT);
  }

  private touch(target: Node): void {
    if (target === this.log) {
      for (const row of this.log.children) if (!this.byRow.has(row)) this.dirty.add(row);
      return;
    }
    let row: Node | null = target;
    while (row !== null && row.parentNode !== this.log) row = row.parentNode;
    if (row instanceof Element) this.dirty.add(row);
  }

  private soon(): void {
    if (this.timer === 0) {
      this.timer = window.setTimeout(() => {
        this.timer = 0;
        this.draw();
      }, AGAIN_MS);
    }
  }

  private draw(): void {
    const { pattern } = this;
    for (const row of this.byRow.keys()) if (row.parentElement !== this.log) this.byRow.delete(row);
    if (pattern !== null) for (const row of this.dirty) if (row.parentElement === this.log) this.byRow.set(row, rangesOf(hitsIn(row, pattern, () => false, awayText)));
    this.dirty.clear();
    const lost = this.range !== null ? this.range.collapsed || !this.range.startContainer.isConnected : this.row?.isConnected === false;
    if (lost) this.mark(this.again() ?? this.range ?? this.row);
    const all = [...this.byRow.values()].flat();
    if (all.length === 0) CSS.highlights.delete(ALL);
    else {
      // One by one: as arguments of a call so many are more than a stack takes.
      const marks = new Highlight();
      for (const each of all) marks.add(each);
      CSS.highlights.set(ALL, marks);
    }
  }
}

function prior(highlight: Highlight): Highlight {
  highlight.priority = 1;
  return highlight;
}

/** Ranges that the browser need not keep up to date: they are made anew with their row. */
function rangesOf(hits: readonly Hit[]): StaticRange[] {
  const ranges: StaticRange[] = [];
  for (const hit of hits.slice(0, MOST)) if (hit instanceof Range) ranges.push(new StaticRange(hit));
  return ranges;
}
