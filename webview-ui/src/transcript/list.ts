import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { Anchor } from '../host.ts';
import { buildItems } from '../model/items.ts';
import type { Item } from '../model/items.ts';
import type { RowChanges } from '../model/rows.ts';
import type { ChatPage } from '../page.ts';
import { topOf } from './anchor.ts';
import { el, readsRow, setHeight } from './dom.ts';
import { GapFiller } from './gaps.ts';
import { heightOf } from './heights.ts';
import type { Stand } from './leaving.ts';
import { isLeaving } from './leaving.ts';
import { Meaning } from './meaning.ts';
import { rangeOf } from './range.ts';
import { keptFrom } from './trim.ts';
import type { ItemView, RowContext } from './view.ts';
import { FrameWork } from './work.ts';

/** This near to the end is at the end, in CSS pixels. */
const AT_BOTTOM = 24;
/** Characters that rows may hold while the end is followed, and what is kept of them. */
const HELD = { most: 600_000, kept: 400_000 } as const;
/** How soon after a scroll the place is kept. */
const ANCHOR_MS = 120;

interface Shown {
  readonly view: ItemView;
  item: Item;
}

/**
 * The rows in the page: those near the view, in normal flow between two spaces that stand for all others. What the person looks at never moves when something
 * changes elsewhere: the browser's own scroll anchoring sees to that, and the spaces are left out of it. At the bottom, and only there, the view follows.
 */
export class TranscriptList {
  readonly element: HTMLElement;
  private readonly page: ChatPage;
  private readonly context: RowContext;
  private readonly above = el('div', 'space');
  private readonly below = el('div', 'space');
  private readonly virtual: Virtualizer<HTMLElement, HTMLElement>;
  private readonly resizes: ResizeObserver;
  private readonly shown = new Map<string, Shown>();
  private readonly keys = new WeakMap<Element, string>();
  private items: Item[] = [];
  private places = new Map<string, number>();
  private order: string[] = [];
  private following = true;
  private held = false;
  private last = { top: 0, height: 0 };
  private readonly meaning: Meaning;
  private frameAsked = false;
  private dirty = true;
  private readonly updated = new Set<string>();
  private readonly appended = new Map<string, { from: number; text: string }[]>();
  private readonly gaps: GapFiller;
  private readonly work = new FrameWork();
  private placing: Anchor | null = null;
  private anchorTimer = 0;
  private readonly onFollow: (following: boolean) => void;

  constructor(page: ChatPage, log: HTMLElement, makeContext: (list: TranscriptList) => RowContext, onFollow: (following: boolean) => void) {
    this.page = page;
    this.element = log;
    this.onFollow = onFollow;
    this.meaning = new Meaning(log);
    log.append(this.above, this.below);
    log.classList.add('follows');
    this.virtual = new Virtualizer<HTMLElement, HTMLElement>(this.options());
    // Corrections of the scroll position are the browser's (see above), never the measuring's.
    this.virtual.shouldAdjustScrollPositionOnItemSizeChange = () => false;
    this.resizes = new ResizeObserver((entries) => this.onResize(entries));
    this.resizes.observe(log);
    log.addEventListener('scroll', () => this.onScroll(), { passive: true });
    log.addEventListener('wheel', (event) => {
      if (event.deltaY < 0 && log.scrollHeight > log.clientHeight + AT_BOTTOM) this.setFollowing(false);
    }, { passive: true });
    this.gaps = new GapFiller(page, () => {
      this.dirty = true;
      this.schedule();
    });
    this.context = makeContext(this);
  }

  /** Everything is another: after a snapshot. `anchor`: where to stand; null to follow the bottom. */
  reset(anchor: Anchor | null): void {
    this.refold();
    this.appended.clear();
    this.gaps.forget();
    this.setFollowing(anchor === null);
    this.frame();
    if (anchor === null) this.settle();
    else this.standAt(anchor);
  }

  changed(changes: RowChanges): void {
    if (changes.structural) this.dirty = true;
    for (const key of changes.updated) this.updated.add(key);
    for (const [key, pieces] of changes.appended) {
      const waiting = this.appended.get(key);
      if (waiting === undefined) this.appended.set(key, [...pieces]);
      else waiting.push(...pieces);
    }
    this.schedule();
  }

  /** Folding rules changed: the same rows, other items. */
  refold(): void {
    this.dirty = true;
    for (const key of this.shown.keys()) this.updated.add(key);
    this.schedule();
  }

  schedule(): void {
    if (this.frameAsked) return;
    this.frameAsked = true;
    requestAnimationFrame(() => {
      this.frameAsked = false;
      this.frame();
    });
  }

  /** Before the person's own action changes a height: no jump to the bottom for it. */
  hold(): void {
    if (!this.following || this.held) return;
    this.held = true;
    requestAnimationFrame(() => requestAnimationFrame(() => {
      this.held = false;
      this.setFollowing(this.atBottom());
    }));
  }

  jumpToLatest(): void {
    this.setFollowing(true);
    this.frame();
    this.settle();
  }

  /** Brings a row to the view at once, with the folds that were opened for it. */
  stand(anchor: Anchor): void {
    this.setFollowing(false);
    this.refold();
    this.frame();
    this.standAt(anchor);
  }

  /** Key of the line that the row at an index is folded into; null where it stands by itself. */
  groupAt(index: number): string | null {
    if (this.dirty) this.rebuild();
    const key = this.items.findLast((item) => item.index <= index)?.key ?? '';
    return key.startsWith('group:') ? key : null;
  }

  /** The element of the item that shows the row at an index; null while it is not in the page. */
  elementAt(index: number): HTMLElement | null {
    const key = this.items.findLast((item) => item.index <= index)?.key;
    return key === undefined ? null : (this.shown.get(key)?.view.element ?? null);
  }

  /** Keys of the rows that an item shows. */
  rowsOf(key: string): readonly string[] {
    const item = this.shown.get(key)?.item;
    return item?.type === 'group' ? item.rows.map((row) => row.key) : [key.replace(/^group:/, '')];
  }

  /** Where the reader is; null at the bottom. */
  anchor(): Anchor | null {
    return this.following ? null : this.top();
  }

  /** What stands at the top of the view. */
  top(): Anchor | null {
    return topOf(this.element, this.order.flatMap((key) => this.shown.get(key) ?? []));
  }

  private options(): ConstructorParameters<typeof Virtualizer<HTMLElement, HTMLElement>>[0] {
    const { items } = this;
    return {
      count: items.length,
      getScrollElement: () => this.element,
      getItemKey: (index) => items[index]?.key ?? index,
      estimateSize: (index) => heightOf(items[index]),
      observeElementRect,
      observeElementOffset,
      scrollToFn: elementScroll,
    };
  }

  private frame(): void {
    this.work.begin(performance.now());
    const rebuilt = this.dirty;
    if (rebuilt) this.rebuild();
    this.draw();
    if (rebuilt && this.following && this.page.rows.trim(HELD.most, HELD.kept, keptFrom(this.items, this.places.get(this.order[0] ?? '') ?? 0))) this.dirty = true;
    const more = this.work.run(this.order.flatMap((key) => this.shown.get(key)?.view ?? []), (deadline) => this.context.highlighter.work(deadline));
    if (this.following && !this.held) this.toBottom();
    this.work.end(performance.now());
    if (more || this.dirty) this.schedule();
  }

  /** The last frame took long: less is to be drawn in each. */
  get slow(): boolean {
    return this.work.slow;
  }

  private rebuild(): void {
    this.dirty = false;
    const stand = this.standingInGap();
    this.items = buildItems(this.page.rows.spans, this.page.rows.total, { thinking: this.page.config.peek().thinking });
    this.places = new Map(this.items.map((item, place) => [item.key, place]));
    this.virtual.setOptions(this.options());
    if (stand !== null) this.placing = stand;
  }

  /** The row at the top of the view when all that stands there is a gap: then there is no row for the browser to hold on to. */
  private standingInGap(): Anchor | null {
    if (this.following || this.placing !== null) return this.placing;
    const anchor = this.anchor();
    return anchor !== null && anchor.key.startsWith('gap:') ? anchor : null;
  }

  private draw(): void {
    const [first, last] = rangeOf(this.virtual, this.items.length, this.element, this.following);
    const wanted: string[] = [];
    for (let place = first; place <= last; place += 1) {
      const item = this.items[place];
      if (item !== undefined) wanted.push(item.key);
    }
    const keep = new Set(wanted);
    for (const [key, shown] of this.shown) if (!keep.has(key)) this.remove(key, shown);
    let next: ChildNode | null = this.above.nextSibling;
    for (let place = first; place <= last; place += 1) {
      const item = this.items[place];
      if (item === undefined) continue;
      const element = this.show(item).view.element;
      if (next === element) next = element.nextSibling;
      else this.element.insertBefore(element, next);
    }
    this.order = wanted;
    this.updated.clear();
    this.appended.clear();
    setHeight(this.above, this.startOf(first));
    setHeight(this.below, this.virtual.getTotalSize() - this.endOf(last));
    this.gaps.look(this.items, first, last);
    if (this.placing !== null) {
      const anchor = this.placing;
      this.placing = null;
      this.standAt(anchor);
    }
  }

  private show(item: Item): Shown {
    const { key } = item;
    const known = this.shown.get(key);
    if (known === undefined) {
      const view = this.context.createItem(item);
      view.update(item);
      const shown: Shown = { view, item };
      this.shown.set(key, shown);
      this.keys.set(view.element, key);
      this.resizes.observe(view.element, { box: 'border-box' });
      return shown;
    }
    const before = known.item;
    known.item = item;
    if (item.type === 'group') {
      if (this.updated.has(key) || before.type !== 'group' || item.rows.length !== before.rows.length || item.rows.some((row, place) => row !== before.rows[place])) known.view.update(item);
    } else if (item.type === 'row') {
      const pieces = this.appended.get(key);
      const fits = pieces !== undefined && !this.updated.has(key) && item.row.kind !== 'tool' && pieces.every((piece) => known.view.append?.(piece.from, piece.text) === true);
      if (!fits && (this.updated.has(key) || before.type !== 'row' || item.row !== before.row)) known.view.update(item);
    } else known.view.update(item);
    return known;
  }

  private remove(key: string, shown: Shown): void {
    const { element } = shown.view;
    if (element.contains(document.activeElement)) this.element.focus({ preventScroll: true });
    this.resizes.unobserve(element);
    shown.view.dispose?.();
    element.remove();
    this.shown.delete(key);
  }

  private startOf(place: number): number {
    const item = this.items[place];
    return item === undefined ? 0 : (this.virtual.measurementsCache[place]?.start ?? 0);
  }

  private endOf(place: number): number {
    return this.items[place] === undefined ? 0 : (this.virtual.measurementsCache[place]?.end ?? 0);
  }

  private onResize(entries: readonly ResizeObserverEntry[]): void {
    let changed = false;
    for (const entry of entries) {
      if (entry.target === this.element) {
        document.documentElement.style.setProperty('--scrollbar', `${this.element.offsetWidth - this.element.clientWidth}px`);
        changed = true;
        continue;
      }
      const size = entry.borderBoxSize[0]?.blockSize ?? 0;
      changed = this.measured(entry.target, size) || changed;
    }
    if (!changed) return;
    if (this.following && !this.held) this.toBottom();
    this.schedule();
  }

  private measured(element: Element, size: number): boolean {
    const key = this.keys.get(element) ?? '';
    const place = this.places.get(key);
    const shown = this.shown.get(key);
    if (place === undefined || shown === undefined || shown.item.type === 'gap' || this.virtual.itemSizeCache.get(key) === size) return false;
    this.virtual.resizeItem(place, size);
    return true;
  }

  /** Measures at once what is in the page, until what is in the page is what should be: for a first paint that is right. */
  private settle(): void {
    for (let round = 0; round < 4; round += 1) {
      let changed = false;
      for (const key of this.order) {
        const element = this.shown.get(key)?.view.element;
        if (element !== undefined) changed = this.measured(element, element.getBoundingClientRect().height) || changed;
      }
      if (!changed) return;
      this.draw();
      if (this.following) this.toBottom();
    }
  }

  /** Brings a row to where it stood. Whether that is the bottom, which is followed, is known when it has been laid out. */
  private standAt(anchor: Anchor): void {
    this.following = false;
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (this.atBottom() && !readsRow(this.element)) this.setFollowing(true);
      this.onFollow(this.following);
    }));
    for (let round = 0; round < 6; round += 1) {
      const place = this.places.get(anchor.key) ?? this.items.findLastIndex((item) => item.index <= anchor.index);
      const item = this.items[place];
      if (item === undefined) return;
      const into = item.type === 'gap' ? ((anchor.index - item.index) / item.count) * heightOf(item) : anchor.offset;
      const element = this.shown.get(item.key)?.view.element;
      const off = element === undefined ? null : element.getBoundingClientRect().top - this.element.getBoundingClientRect().top + into;
      if (off !== null && Math.abs(off) < 1) break;
      this.element.scrollTop = off === null ? this.startOf(place) + into : this.element.scrollTop + off;
      this.last = this.stood();
      this.draw();
      this.settle();
    }
    this.page.setAnchor(this.anchor());
  }

  private toBottom(): void {
    this.element.scrollTop = this.element.scrollHeight;
    this.last = this.stood();
  }

  private stood(): Stand {
    return { top: this.element.scrollTop, height: this.element.scrollHeight };
  }

  private atBottom(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight <= AT_BOTTOM;
  }

  private onScroll(): void {
    // The echo of our own step to the bottom.
    if (this.following && Math.abs(this.element.scrollTop - this.last.top) < 1) return;
    const [before, now] = [this.last, this.stood()];
    this.last = now;
    if (this.atBottom()) this.setFollowing(this.following || !readsRow(this.element));
    else if (isLeaving(before, { ...now, view: this.element.clientHeight }, this.meaning.meant)) this.setFollowing(false);
    this.schedule();
    if (this.anchorTimer !== 0) return;
    this.anchorTimer = window.setTimeout(() => {
      this.anchorTimer = 0;
      this.page.setAnchor(this.anchor());
    }, ANCHOR_MS);
  }

  private setFollowing(following: boolean): void {
    if (this.following === following) return;
    this.following = following;
    // Who follows stands at the end, whatever row was there: the browser holds on to none.
    this.element.classList.toggle('follows', following);
    this.onFollow(following);
    if (following) this.page.setAnchor(null);
  }
}
