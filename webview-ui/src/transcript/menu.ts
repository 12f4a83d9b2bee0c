import type { ChatPage } from '../page.ts';
import { setAttribute } from './dom.ts';
import type { TranscriptList } from './list.ts';

/** The most rows that one line can be copied as. */
const MOST = 200;

/**
 * Tells VS Code's context menu which row it is on, when it is asked for: what it offers (copy, fork) is decided there by `data-vscode-context`. The listener comes
 * before VS Code's, which reads what the elements about the pointer say.
 */
export function rowMenus(page: ChatPage, list: TranscriptList): void {
  window.addEventListener('contextmenu', (event) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-row]') : null;
    const key = row?.dataset['row'];
    if (row === null || key === undefined || !list.element.contains(row)) return;
    const rows = list.rowsOf(key);
    const [only] = rows;
    const fork = page.state.peek()?.forksAt === true && row.parentElement === list.element && row.dataset['kind'] === 'prompt';
    const more = rows.length === 1 || only === undefined ? { row: only ?? key } : { rows: rows.slice(0, MOST) };
    setAttribute(row, 'data-vscode-context', JSON.stringify({ key: page.session, pilothouseRow: true, pilothouseFork: fork, ...more }));
  }, { capture: true });
}
