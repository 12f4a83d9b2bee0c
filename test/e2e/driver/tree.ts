import type { Locator, Page } from 'playwright-core';
import type { Menus } from './parts.ts';
import { matches, until } from './wait.ts';

/** One visible row of a tree view. */
export interface TreeRow {
  readonly index: number;
  /** 1 for the roots. */
  readonly level: number;
  readonly label: string;
  readonly description: string;
  /** What a screen reader reads. */
  readonly name: string;
  /** undefined for a row without children. */
  readonly expanded: boolean | undefined;
  readonly selected: boolean;
}

/** The list's own rows: those that stick to its top while it is scrolled are copies. */
const ROWS = '.monaco-list-rows > .monaco-list-row';

/** How an item is looked up: by its label (a string: exactly; what does not fit is cut, and read out whole), or by what a screen reader reads (a pattern); below a parent, if one is given. */
export type ItemName = string | RegExp;

/** A tree view of the side bar, by the title of its section. */
export class TreeView {
  readonly #page: Page;
  readonly menus: Menus;
  readonly title: string;
  readonly pane: Locator;
  readonly list: Locator;

  constructor(page: Page, menus: Menus, title: string) {
    this.#page = page;
    this.menus = menus;
    this.title = title;
    this.pane = page.locator('.pane').filter({ has: page.locator(`.pane-header[aria-label="${title} Section"]`) });
    this.list = this.pane.locator('.monaco-list').first();
  }

  /** Every visible row, from the first to the last; a list that is longer than its view is scrolled through and back to where it was. */
  async rows(): Promise<readonly TreeRow[]> {
    const rows = await this.list.evaluate(readRows, ROWS);
    return rows.map((row) => ({ ...row, expanded: row.expanded ?? undefined }));
  }

  /** An item, looked up anew for each thing that is done with it. */
  item(name: ItemName, options: { under?: ItemName } = {}): TreeItem {
    return new TreeItem(this, this.#page, name, options.under);
  }

  /** Waits until there is such a row. */
  async find(name: ItemName, under?: ItemName, timeoutMs?: number): Promise<TreeRow> {
    return until(`the item ${name}${under === undefined ? '' : ` under ${under}`} in ${this.title}`, async () => (await this.lookUp(name, under)), {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      detail: async () => (await this.rows()).map((row) => `${'  '.repeat(row.level - 1)}${row.name}`).join(' | '),
    });
  }

  /** Such a row, if there is one now. */
  async lookUp(name: ItemName, under?: ItemName): Promise<TreeRow | undefined> {
    return find(await this.rows(), name, under);
  }

  /** The element of a row, scrolled into view. */
  async reveal(row: TreeRow): Promise<Locator> {
    await this.list.evaluate(scrollToRow, { rows: ROWS, index: row.index });
    return this.list.locator(`${ROWS}[data-index="${row.index}"]`);
  }

  /** Presses a button of the section's title bar. */
  async titleAction(name: string): Promise<void> {
    await this.pane.locator('.pane-header').hover();
    await this.pane.locator('.pane-header').getByRole('button', { name, exact: true }).click();
  }

  /** What the view says while it is empty. */
  async message(): Promise<string> {
    return (await this.pane.locator('.welcome-view-content, .message').allInnerTexts()).join('\n').trim();
  }
}

interface ReadRow extends Omit<TreeRow, 'expanded'> {
  readonly expanded: boolean | null;
}

/** Runs in the page: reads a list's rows, turning its wheel as often as it takes to see them all. */
async function readRows(list: Element, selector: string): Promise<readonly ReadRow[]> {
  const found = new Map<number, ReadRow>();
  const hidden = (): { above: number; below: number } => {
    const rows = list.querySelector('.monaco-list-rows')?.getBoundingClientRect();
    const view = list.getBoundingClientRect();
    return rows === undefined ? { above: 0, below: 0 } : { above: Math.round(view.top - rows.top), below: Math.round(rows.bottom - view.bottom) };
  };
  const scroll = async (pixels: number): Promise<void> => {
    // VS Code reads Chromium's wheelDeltaY (upwards is positive), and scrolls by 50 pixels for 120 of it.
    const init = { deltaY: pixels, wheelDeltaY: -pixels * 2.4, bubbles: true, cancelable: true };
    list.querySelector('.monaco-scrollable-element')?.dispatchEvent(new WheelEvent('wheel', init));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(undefined))));
  };
  const read = (): void => {
    for (const row of list.querySelectorAll(selector)) {
      const text = (part: string): string => (row.querySelector(part)?.textContent ?? '').replaceAll('\u00a0', ' ').trim();
      const index = Number(row.getAttribute('data-index'));
      const expanded = row.getAttribute('aria-expanded');
      found.set(index, {
        index,
        level: Number(row.getAttribute('aria-level')),
        label: text('.label-name'),
        description: text('.label-description'),
        name: (row.getAttribute('aria-label') ?? '').trim(),
        expanded: expanded === null ? null : expanded === 'true',
        selected: row.getAttribute('aria-selected') === 'true',
      });
    }
  };
  const { above, below } = hidden();
  if (above > 0) await scroll(-1_000_000);
  read();
  for (let before = -1; hidden().below > 0 && hidden().above !== before;) {
    before = hidden().above;
    await scroll(list.clientHeight * 0.8);
    read();
  }
  if (above > 0 || below > 0) {
    await scroll(-1_000_000);
    if (above > 0) await scroll(above);
  }
  return [...found.values()].sort((a, b) => a.index - b.index);
}

/** Runs in the page: scrolls a list until a row stands inside its view. */
async function scrollToRow(list: Element, wanted: { readonly rows: string; readonly index: number }): Promise<void> {
  const scroll = async (pixels: number): Promise<void> => {
    // VS Code reads Chromium's wheelDeltaY (upwards is positive), and scrolls by 50 pixels for 120 of it.
    const init = { deltaY: pixels, wheelDeltaY: -pixels * 2.4, bubbles: true, cancelable: true };
    list.querySelector('.monaco-scrollable-element')?.dispatchEvent(new WheelEvent('wheel', init));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(undefined))));
  };
  const view = list.getBoundingClientRect();
  const first = list.querySelector(wanted.rows);
  const rows = list.querySelector('.monaco-list-rows');
  if (first === null || rows === null) return;
  const height = first.getBoundingClientRect().height;
  const top = rows.getBoundingClientRect().top + wanted.index * height;
  // One row's height is left free at the top, where a parent may stick.
  if (top < view.top + height || top + height > view.bottom) await scroll(top - view.top - view.height / 2);
}

function find(rows: readonly TreeRow[], name: ItemName, under: ItemName | undefined): TreeRow | undefined {
  const wanted = (row: TreeRow, by: ItemName): boolean => (typeof by === 'string' ? row.label === by || (row.label.endsWith('…') && row.name.startsWith(`${by}, `)) : matches(row.name, by));
  if (under === undefined) return rows.find((row) => wanted(row, name));
  let parentLevel = 0;
  for (const row of rows) {
    if (parentLevel > 0 && row.level <= parentLevel) parentLevel = 0;
    if (parentLevel > 0 && wanted(row, name)) return row;
    if (parentLevel === 0 && wanted(row, under)) parentLevel = row.level;
  }
  return undefined;
}

/** An item of a tree view. */
export class TreeItem {
  readonly #view: TreeView;
  readonly #page: Page;
  readonly #name: ItemName;
  readonly #under: ItemName | undefined;

  constructor(view: TreeView, page: Page, name: ItemName, under: ItemName | undefined) {
    this.#view = view;
    this.#page = page;
    this.#name = name;
    this.#under = under;
  }

  /** Waits for the item. */
  async row(timeoutMs?: number): Promise<TreeRow> {
    return this.#view.find(this.#name, this.#under, timeoutMs);
  }

  async exists(): Promise<boolean> {
    return (await this.#view.lookUp(this.#name, this.#under)) !== undefined;
  }

  /** Waits until the item's row is as wanted, such as `(row) => row.description.startsWith('running')`. */
  async waitUntil(wanted: (row: TreeRow) => boolean, timeoutMs?: number): Promise<TreeRow> {
    return until(`the item ${this.#name} to change`, async () => {
      const row = await this.#view.lookUp(this.#name, this.#under);
      return row !== undefined && wanted(row) ? row : undefined;
    }, { ...(timeoutMs === undefined ? {} : { timeoutMs }), detail: async () => JSON.stringify(await this.#view.lookUp(this.#name, this.#under)) });
  }

  async waitGone(timeoutMs?: number): Promise<void> {
    await until(`the item ${this.#name} to go`, async () => !(await this.exists()), timeoutMs === undefined ? {} : { timeoutMs });
  }

  async click(): Promise<void> {
    await (await this.#element()).click();
  }

  async expand(): Promise<void> {
    await this.#toggle(true);
  }

  async collapse(): Promise<void> {
    await this.#toggle(false);
  }

  /** Holds the mouse over the item until its hover shows the text. A view that changes takes a hover back that was about to come: the mouse comes again. */
  async hover(text: string | RegExp): Promise<Locator> {
    const hover = this.#page.locator('.monaco-hover').filter({ hasText: text, visible: true });
    await until(`the hover of ${this.#name}`, async () => {
      await this.#page.mouse.move(0, 0);
      await (await this.#element()).hover({ timeout: 2_000 });
      return hover.first().waitFor({ timeout: 2_500 }).then(() => true, () => false);
    }, { detail: async () => (await this.#page.locator('.monaco-hover').filter({ visible: true }).allInnerTexts()).join('\n') });
    return hover.first();
  }

  /** Chooses an item of the context menu; a path of labels leads through submenus. */
  async contextMenu(...path: readonly string[]): Promise<void> {
    await this.#view.menus.choose(async () => (await this.#element()).click({ button: 'right', position: { x: 40, y: 11 } }), ...path);
  }

  /** The labels of the context menu. */
  async contextMenuLabels(): Promise<readonly string[]> {
    await this.#view.menus.open(async () => (await this.#element()).click({ button: 'right', position: { x: 40, y: 11 } }));
    const labels = await this.#view.menus.labels();
    await this.#view.menus.close();
    return labels;
  }

  /** Presses an inline action. */
  async inlineAction(name: string): Promise<void> {
    const element = await this.#element();
    await element.hover();
    await element.getByRole('button', { name, exact: true }).click();
  }

  /** The names of the inline actions. */
  async inlineActions(): Promise<readonly string[]> {
    const element = await this.#element();
    await element.hover();
    return element.locator('.actions [role=button]').evaluateAll((buttons) => buttons.map((button) => button.getAttribute('aria-label') ?? ''));
  }

  async #element(): Promise<Locator> {
    return this.#view.reveal(await this.row());
  }

  async #toggle(expanded: boolean): Promise<void> {
    await until(`the item ${this.#name} to ${expanded ? 'open' : 'close'}`, async () => {
      const row = await this.row();
      if (row.expanded === expanded) return true;
      await (await this.#view.reveal(row)).locator('.monaco-tl-twistie').click();
      await this.#page.waitForTimeout(200);
      return undefined;
    });
  }
}
