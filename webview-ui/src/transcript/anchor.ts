import type { Anchor } from '../host.ts';
import type { Item } from '../model/items.ts';

/** What stands at the top of the view, of the items in the page in their order. */
export function topOf(log: HTMLElement, shown: Iterable<{ readonly item: Item; readonly view: { readonly element: HTMLElement } }>): Anchor | null {
  const { top } = log.getBoundingClientRect();
  for (const { item, view: { element } } of shown) {
    const rect = element.getBoundingClientRect();
    if (rect.bottom <= top + 1) continue;
    const offset = top - rect.top;
    if (item.type !== 'gap') return { key: item.key, index: item.index, offset };
    const into = Math.max(0, Math.floor((offset / Math.max(1, rect.height)) * item.count));
    return { key: item.key, index: item.index + into, offset: 0 };
  }
  return null;
}
