import type { ChatPage } from '../page.ts';
import { readsRow } from './dom.ts';
import type { TranscriptList } from './list.ts';

/** How far an arrow scrolls in a row that is higher than the view, in CSS pixels. */
const STEP = 80;
/** The most rows that one line is copied as. */
const MOST_COPIED = 200;

/**
 * The transcript by keys alone. On the log or one of its rows: arrows go from row to row (and through one that is higher than the view), Home and End to the ends of the session,
 * Enter or ArrowRight open what is folded or lead into the row, ArrowLeft folds it. Ctrl+C copies the row as Markdown where nothing is selected. Ctrl+ArrowDown, and Escape wherever it means nothing else, lead to the message.
 */
export class TranscriptKeys {
  private readonly page: ChatPage;
  private readonly list: TranscriptList;

  constructor(page: ChatPage, list: TranscriptList) {
    this.page = page;
    this.list = list;
    list.element.addEventListener('keydown', (event) => this.onKey(event));
    // Who takes the wheel does not read by keys any more.
    list.element.addEventListener('wheel', () => readsRow(list.element) && list.element.focus({ preventScroll: true }), { passive: true });
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || event.isComposing || modified(event)) return;
      event.preventDefault();
      page.onFocus();
    });
  }

  /** Puts the focus on the last row that can be seen. */
  enter(): void {
    const last = this.rows().findLast((row) => row.getBoundingClientRect().top < this.bottom);
    if (last === undefined) this.list.element.focus();
    else this.focus(last);
  }

  private get top(): number {
    return this.list.element.getBoundingClientRect().top;
  }
  private get bottom(): number {
    return this.list.element.getBoundingClientRect().bottom;
  }

  private rows(): HTMLElement[] {
    return [...this.list.element.querySelectorAll<HTMLElement>(':scope > [role="article"]')];
  }

  private onKey(event: KeyboardEvent): void {
    const { target, key } = event;
    const log = this.list.element;
    if (!(target instanceof HTMLElement) || event.defaultPrevented || event.altKey || event.shiftKey) return;
    const down = key === 'ArrowDown';
    if (down && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.page.onFocus();
      return;
    }
    if (target !== log && target.parentElement !== log) return;
    const row = target === log ? null : target;
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === 'c' && row !== null && getSelection()?.isCollapsed !== false) {
      event.preventDefault();
      this.copy(row);
      return;
    }
    if (modified(event)) return;
    if (down || key === 'ArrowUp') this.step(row, down ? 1 : -1);
    else if (key === 'Home') this.first();
    else if (key === 'End') this.last();
    else if (row === null) return;
    else if (key === 'Enter' || key === 'ArrowRight') this.open(row);
    else if (key === 'ArrowLeft') this.fold(row);
    else return;
    event.preventDefault();
  }

  private step(from: HTMLElement | null, step: 1 | -1): void {
    const { list } = this;
    const rows = this.rows();
    if (from === null) {
      const { top, bottom } = this;
      const seen = step === 1 ? rows.find((row) => row.getBoundingClientRect().top >= top - 1) : rows.findLast((row) => row.getBoundingClientRect().bottom <= bottom + 1);
      const next = seen ?? (step === 1 ? rows.at(-1) : rows[0]);
      if (next !== undefined) this.focus(next);
      return;
    }
    const rect = from.getBoundingClientRect();
    const rest = step === 1 ? rect.bottom - this.bottom : this.top - rect.top;
    if (rest > 1) {
      list.element.scrollBy({ top: step * Math.min(STEP, rest) });
      return;
    }
    const next = rows[rows.indexOf(from) + step];
    if (next !== undefined) this.focus(next);
    // What follows is not here yet: it comes when it is near.
    else list.element.scrollBy({ top: step * STEP });
  }

  private first(): void {
    this.list.stand({ key: '', index: 0, offset: 0 });
    const [row] = this.rows();
    if (row === undefined) this.list.element.focus({ preventScroll: true });
    else this.focus(row);
  }

  private last(): void {
    this.list.jumpToLatest();
    const row = this.rows().at(-1);
    if (row === undefined) this.list.element.focus({ preventScroll: true });
    else take(row);
  }

  /** Its context menu's Copy as Markdown; VS Code says in its status bar that it is done. */
  private copy(row: HTMLElement): void {
    const key = row.dataset['row'];
    const rows = key === undefined ? [] : this.list.rowsOf(key).slice(0, MOST_COPIED);
    const [first] = rows;
    if (first === undefined) return;
    this.page.announce('Copy as Markdown');
    void this.page.ask({ ask: 'run-row', command: 'copyRow', row: first, ...(rows.length === 1 ? {} : { rows }) });
  }

  /** Puts the focus on a row, and it into the view. */
  read(row: HTMLElement): void {
    this.focus(row);
  }

  private open(row: HTMLElement): void {
    const fold = row.querySelector<HTMLElement>('[aria-expanded="false"]');
    if (fold !== null) fold.click();
    else row.querySelector<HTMLElement>('button:not(:disabled), [tabindex="0"], input:not(:disabled), textarea:not(:disabled)')?.focus();
  }

  private fold(row: HTMLElement): void {
    row.querySelector<HTMLElement>('[aria-expanded="true"]')?.click();
  }

  private focus(row: HTMLElement): void {
    const { list } = this;
    take(row);
    // Who reads a row is not carried away from it by what comes; at the last one the end is followed.
    const { element } = list;
    const top = list.anchor() === null && element.scrollHeight > element.clientHeight && row !== this.rows().at(-1) ? list.top() : null;
    if (top !== null) list.stand(top);
    const rect = row.getBoundingClientRect();
    if (rect.top < this.top) list.element.scrollTop += rect.height > this.bottom - this.top ? Math.min(0, rect.bottom - this.bottom) : rect.top - this.top;
    else if (rect.bottom > this.bottom) list.element.scrollTop += Math.min(rect.bottom - this.bottom, rect.top - this.top);
  }
}

/** Puts the focus on a row, which takes it from keys alone. */
function take(row: HTMLElement): void {
  row.setAttribute('tabindex', '-1');
  row.addEventListener('blur', () => row.removeAttribute('tabindex'), { once: true });
  row.focus({ preventScroll: true });
}

function modified(event: KeyboardEvent): boolean {
  return event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
}
