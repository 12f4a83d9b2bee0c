import type { Item } from '../model/items.ts';
import { heightOf } from './heights.ts';

/** Likely height of what is kept above the view at least, in CSS pixels: more than is fetched ahead of the reader. */
const KEPT_ABOVE = 8_000;

/** Index of the first row that must stay while the end is followed; `first` is the place of the first item in the page. */
export function keptFrom(items: readonly Item[], first: number): number {
  let place = first;
  for (let above = 0; place > 0 && above < KEPT_ABOVE; place -= 1) above += heightOf(items[place - 1]);
  return items[place]?.index ?? 0;
}
