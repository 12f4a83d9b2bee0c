import { clock, oneLine, plural, turnLine } from '../model/words.ts';
import { button, el, icon, setAttribute } from '../transcript/dom.ts';
import type { RowContext, RowView } from '../transcript/view.ts';
import type { RowOf } from '../types.ts';
import { attachmentsView, jsonView, Line, pathLink } from './parts.ts';

const LONG_PROMPT = 900;
const LONG_PROMPT_LINES = 14;

/** What the person wrote. Its heading is the turn's, for those who move by headings. */
export function promptRow(context: RowContext): RowView {
  const element = el('div', 'row prompt');
  const draw = (row: RowOf<'prompt'>): void => {
    const key = `${row.key}:all`;
    const long = row.text.length > LONG_PROMPT || row.text.split('\n').length > LONG_PROMPT_LINES;
    const open = !long || context.page.isOpen(key);
    const text = el('div', open ? 'prompt-text' : 'prompt-text cut', row.text);
    text.dir = 'auto';
    const bubble = el('div', 'bubble', el('h2', 'sr-only', `You: ${oneLine(row.text, 80)}`), text);
    if (row.at !== null) {
      const time = el('time', 'time', clock(row.at));
      time.dateTime = new Date(row.at).toISOString();
      bubble.classList.add('timed');
      bubble.append(time);
    }
    if (long) {
      bubble.append(button({ label: open ? 'Show less' : 'Show all', text: open ? 'Show less' : 'Show all', className: 'text-button' }, () => {
        context.hold();
        context.page.setOpen(key, !open);
        draw(row);
      }));
    }
    if (row.attachments.length > 0) bubble.append(attachmentsView(context, row.key, row.attachments));
    if (context.page.state.peek()?.forksAt === true) {
      bubble.append(el('div', 'row-actions', button({ label: 'Fork from Here', icon: 'repo-forked', className: 'tool-button' }, () => void context.page.ask({ ask: 'run-row', command: 'forkFromHere', row: row.key }))));
    }
    element.replaceChildren(bubble);
    setAttribute(element, 'data-delivery', 'delivered');
  };
  return { element, update: (row) => row.kind === 'prompt' && draw(row) };
}

const TODO_ICONS = { pending: 'circle-outline', running: 'record', done: 'pass', cancelled: 'circle-slash' } as const;
const TODO_WORDS = { pending: 'open', running: 'in progress', done: 'done', cancelled: 'dropped' } as const;

export function todoRow(): RowView {
  const element = el('div', 'row todo');
  return {
    element,
    update: (row) => {
      if (row.kind !== 'todo') return;
      const done = row.items.filter((item) => item.status === 'done').length;
      const list = el('ul', 'todo-items', ...row.items.map((item) => {
        const line = el('li', item.status, icon(TODO_ICONS[item.status]), el('span', 'todo-text', item.text), el('span', 'sr-only', `, ${TODO_WORDS[item.status]}`));
        line.dir = 'auto';
        return line;
      }));
      element.replaceChildren(el('div', 'line', el('span', 'line-head', el('span', 'sign', icon('checklist')), el('span', 'verb', 'To-do')), el('span', 'line-end', el('span', '', `${done} of ${row.items.length}`))), list);
    },
  };
}

export function fileRow(context: RowContext): RowView {
  const element = el('div', 'row file');
  return { element, update: (row) => row.kind === 'file' && element.replaceChildren(attachmentsView(context, row.key, [row.file])) };
}

export function noticeRow(context: RowContext): RowView {
  const element = el('div', 'row notice');
  return {
    element,
    update: (row) => {
      if (row.kind !== 'notice') return;
      element.className = `row notice ${row.level}`;
      const text = el('span', 'notice-text', row.text);
      text.dir = 'auto';
      const lines: HTMLElement[] = [el('div', 'notice-line', icon(row.level === 'info' ? 'info' : row.level), el('span', 'sr-only', `${row.level}: `), text)];
      const { remedy } = row;
      if (remedy !== null) {
        lines.push(el('div', 'remedy', el('span', 'remedy-text', remedy), button({ label: 'Copy', icon: 'copy', className: 'tool-button' }, () => void context.page.ask({ ask: 'copy', text: remedy }))));
      }
      // Nobody can say whether such a turn was done: only the person sends it again.
      if (row.code === 'turn_lost') lines.push(el('div', 'remedy', button({ label: 'Send Again', text: 'Send Again', className: 'button secondary' }, () => void context.page.ask({ ask: 'run-row', command: 'sendAgain', row: row.key }))));
      element.replaceChildren(...lines);
    },
  };
}

/** Foot of a turn: time, files, tokens, cost, in one quiet line; the files on demand. */
export function turnRow(context: RowContext): RowView {
  const element = el('div', 'row turn');
  const draw = (row: RowOf<'turn'>): void => {
    element.classList.toggle('failed', row.state === 'failed');
    const open = context.page.isOpen(row.key);
    const line = el('div', 'turn-line');
    for (const part of turnLine(row)) {
      if (!part.endsWith(' changed')) {
        line.append(el('span', '', part));
        continue;
      }
      const toggle = button({ label: part, text: part, className: 'text-button' }, () => {
        context.hold();
        context.page.setOpen(row.key, !open);
        draw(row);
      });
      toggle.setAttribute('aria-expanded', String(open));
      line.append(toggle);
    }
    const parts: HTMLElement[] = [];
    if (row.error !== null) parts.push(el('div', 'turn-error', icon('error'), el('span', '', row.error)));
    if (line.childElementCount > 0) {
      line.append(el('span', 'row-actions', button({ label: 'Copy Turn as Markdown', icon: 'copy', className: 'tool-button' }, () => void context.page.ask({ ask: 'run-row', command: 'copyTurn', row: row.key }))));
      parts.push(line);
    }
    if (open && row.filesChanged.length > 0) parts.push(el('ul', 'turn-files', ...row.filesChanged.slice(0, 100).map((path) => el('li', '', pathLink(path, null, ''))), ...(row.filesChanged.length > 100 ? [el('li', 'dim', `and ${plural(row.filesChanged.length - 100, 'more file')}`)] : [])));
    element.replaceChildren(...parts);
  };
  return { element, update: (row) => row.kind === 'turn' && draw(row) };
}

/** What this version does not know: said quietly, inert, and whole on demand. */
export function unknownRow(context: RowContext): RowView {
  const element = el('div', 'row unknown');
  let shown: RowOf<'unknown'> | null = null;
  const draw = (): void => {
    const row = shown;
    if (row === null) return;
    const open = context.page.isOpen(row.key);
    line.update('question', 'Unknown event', el('span', 'subject mono', oneLine(row.source, 80)), [], `Unknown event ${oneLine(row.source, 80)}`);
    line.setOpen(open);
    element.replaceChildren(line.element, ...(open ? [el('div', 'body', jsonView(row.raw, 'Its JSON'))] : []));
  };
  const line = new Line(() => {
    if (shown === null) return;
    context.hold();
    context.page.setOpen(shown.key, !context.page.isOpen(shown.key));
    draw();
  });
  return {
    element,
    update: (row) => {
      if (row.kind !== 'unknown') return;
      shown = row;
      draw();
    },
  };
}
