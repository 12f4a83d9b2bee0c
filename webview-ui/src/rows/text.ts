import { MarkdownView } from '../markdown/view.ts';
import { el } from '../transcript/dom.ts';
import type { RowContext, RowView } from '../transcript/view.ts';
import type { RowOf } from '../types.ts';
import { Line } from './parts.ts';

/** The agent's answer: markdown, drawn once and added to while it streams. */
export function textRow(context: RowContext): RowView {
  const element = el('div', 'row text');
  const view = new MarkdownView(context);
  element.append(view.element);
  let streaming = false;
  let begun = false;
  return {
    element,
    update: (row) => {
      if (row.kind !== 'text') return;
      if (!begun || !streaming || !grow(view, row.text)) {
        if (!begun || view.text !== row.text) view.set(row.text, row.streaming);
        begun = true;
      }
      if (!row.streaming) view.end();
      streaming = row.streaming;
      context.schedule();
    },
    append: (from, text) => {
      if (!streaming || view.given !== from) return false;
      view.append(text);
      return true;
    },
    work: (deadline) => view.work(deadline),
    dispose: () => view.dispose(),
  };
}

/** Adds what a longer text has more. False when it is not the same text with more at its end. */
function grow(view: MarkdownView, text: string): boolean {
  if (text.length < view.given || !text.startsWith(view.text)) return false;
  if (text.length > view.given) view.append(text.slice(view.given));
  return true;
}

/** The agent's thinking: one quiet line, its text on demand. */
export function thinkingRow(context: RowContext): RowView {
  const element = el('div', 'row thinking');
  const body = el('div', 'body dim');
  let row: RowOf<'thinking'> | null = null;
  let view: MarkdownView | null = null;
  let streaming = false;
  const byDefault = (): boolean => context.page.config.value.thinking === 'expanded';
  const draw = (): void => {
    if (row === null) return;
    const open = context.page.isOpen(row.key, byDefault());
    const title = headline(row.text);
    line.update('lightbulb', row.streaming ? 'Thinking' : 'Thought', title === '' ? null : el('span', 'subject', title), [], row.streaming ? 'Thinking' : 'Thought');
    line.setOpen(open);
    if (!open) {
      view?.dispose();
      view = null;
      body.remove();
      return;
    }
    if (view === null) {
      view = new MarkdownView(context);
      view.set(row.text, row.streaming);
      body.replaceChildren(view.element);
    } else if (!streaming || !grow(view, row.text)) {
      if (view.text !== row.text) view.set(row.text, row.streaming);
    }
    if (!row.streaming) view.end();
    if (body.parentElement === null) element.append(body);
    context.schedule();
  };
  const line = new Line(() => {
    if (row === null) return;
    context.hold();
    context.page.setOpen(row.key, !context.page.isOpen(row.key, byDefault()), byDefault());
    draw();
  });
  element.append(line.element);
  return {
    element,
    update: (next) => {
      if (next.kind !== 'thinking') return;
      row = next;
      draw();
      streaming = next.streaming;
    },
    append: (from, text) => {
      // The title stands in the first line: once that is over there is nothing to draw again.
      if (row === null || row.text.length !== from || from < 160) return false;
      row = { ...row, text: row.text + text };
      if (view === null) return true;
      if (view.given !== from) return false;
      view.append(text);
      return true;
    },
    work: (deadline) => view?.work(deadline) ?? false,
    dispose: () => view?.dispose(),
  };
}

/** First line of a thought, where it is a title of its own as some agents write it. */
function headline(text: string): string {
  const first = /^\s*\*\*([^*\n]{1,120})\*\*/.exec(text)?.[1];
  return first ?? '';
}
