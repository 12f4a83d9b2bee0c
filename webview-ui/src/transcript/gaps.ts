import type { Item } from '../model/items.ts';
import type { ChatPage } from '../page.ts';
import { heightOf } from './heights.ts';

/** How far beyond what is in the page gaps are filled, in CSS pixels. */
const PREFETCH = 2_400;
const AT_ONCE = 3;
/** Rows that are held at most before those far away are let go, and how many are kept about the view and at the end. */
const HELD_MOST = 4_000;
const HELD_ABOUT = 1_000;
const HELD_TAIL = 200;

type Gap = Extract<Item, { type: 'gap' }>;

/** Asks the host for the rows that the person comes near to, and lets go of those far away. */
export class GapFiller {
  private readonly page: ChatPage;
  private readonly onChange: () => void;
  private readonly asked = new Set<string>();

  /** `onChange`: rows came, or may be asked for again. */
  constructor(page: ChatPage, onChange: () => void) {
    this.page = page;
    this.onChange = onChange;
  }

  forget(): void {
    this.asked.clear();
  }

  /** Asks for the gaps near the items from `first` to `last`, nearest to the end first. */
  look(items: readonly Item[], first: number, last: number): void {
    let low = first;
    let high = last;
    for (let span = 0; low > 0 && span < PREFETCH; low -= 1) span += heightOf(items[low - 1]);
    for (let span = 0; high < items.length - 1 && span < PREFETCH; high += 1) span += heightOf(items[high + 1]);
    const middle = items[Math.floor((first + last) / 2)]?.index ?? 0;
    for (let place = high; place >= low; place -= 1) {
      const item = items[place];
      if (item?.type === 'gap' && this.asked.size < AT_ONCE && !this.asked.has(item.key)) void this.fill(item, middle);
    }
  }

  private async fill(gap: Gap, middle: number): Promise<void> {
    const { rows } = this.page;
    const { generation } = rows;
    this.asked.add(gap.key);
    try {
      const value = await this.page.request({ ask: 'rows', start: gap.index, end: gap.index + gap.count });
      if (value.kind === 'rows' && rows.takePage(value)) {
        if (rows.held > HELD_MOST) rows.keepOnly(Math.max(0, middle - HELD_ABOUT), middle + HELD_ABOUT, HELD_TAIL);
      } else await pause(200);
    } catch {
      // The host said no, or nothing: asked again while it is still near.
      await pause(2_000);
    }
    if (rows.generation === generation) this.asked.delete(gap.key);
    this.onChange();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
