import { foldRows } from '../model/items.ts';
import type { Item } from '../model/items.ts';
import { button, el } from '../transcript/dom.ts';
import type { ItemView, RowContext } from '../transcript/view.ts';
import type { Row } from '../types.ts';

const MOST = 200;

/** Rows within a row, such as a subagent's: drawn by the same views, kept by key. The last two hundred, the others on demand. */
export class NestedRows {
  readonly element = el('div', 'nested');
  private readonly context: RowContext;
  private readonly key: string;
  private views = new Map<string, ItemView>();

  constructor(context: RowContext, key: string) {
    this.context = context;
    this.key = `${key}:earlier`;
  }

  update(rows: readonly Row[]): void {
    const items = foldRows(rows, { thinking: this.context.page.config.value.thinking });
    const hidden = this.context.page.isOpen(this.key) ? 0 : Math.max(0, items.length - MOST);
    const kept = new Map<string, ItemView>();
    const elements: HTMLElement[] = [];
    if (hidden > 0) {
      elements.push(button({ label: `Show ${hidden} earlier steps`, text: `Show ${hidden} earlier steps`, className: 'text-button' }, () => {
        this.context.hold();
        this.context.page.setOpen(this.key, true);
        this.update(rows);
      }));
    }
    for (const item of items.slice(hidden)) elements.push(this.view(item, kept).element);
    for (const [key, view] of this.views) if (!kept.has(key)) view.dispose?.();
    this.views = kept;
    place(this.element, elements);
  }

  work(deadline: number): boolean {
    let more = false;
    for (const view of this.views.values()) more = (view.work?.(deadline) ?? false) || more;
    return more;
  }

  dispose(): void {
    for (const view of this.views.values()) view.dispose?.();
    this.views.clear();
    this.element.replaceChildren();
  }

  private view(item: Item, kept: Map<string, ItemView>): ItemView {
    const view = this.views.get(item.key) ?? this.context.createItem(item);
    view.update(item);
    kept.set(item.key, view);
    return view;
  }
}

/** Makes the children of `parent` these, in this order, moving as few as it can. */
export function place(parent: HTMLElement, elements: readonly HTMLElement[]): void {
  const wanted = new Set<Node>(elements);
  for (const child of Array.from(parent.childNodes)) if (!wanted.has(child)) child.remove();
  let next = parent.firstChild;
  for (const element of elements) {
    if (next === element) next = element.nextSibling;
    else parent.insertBefore(element, next);
  }
}
