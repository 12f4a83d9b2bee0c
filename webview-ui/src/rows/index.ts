import { permissionRow } from '../cards/row.tsx';
import type { Item } from '../model/items.ts';
import { plural, rowLabel } from '../model/words.ts';
import { el, setAttribute } from '../transcript/dom.ts';
import { heightOf } from '../transcript/heights.ts';
import type { ItemView, RowContext, RowView } from '../transcript/view.ts';
import type { Row } from '../types.ts';
import { groupView } from './group.ts';
import { fileRow, noticeRow, promptRow, todoRow, turnRow, unknownRow } from './simple.ts';
import { textRow, thinkingRow } from './text.ts';
import { toolRow } from './tool.ts';

/** The view of an item: the one place that knows every kind. */
export function createItem(context: RowContext, item: Item): ItemView {
  if (item.type === 'gap') return gapView();
  if (item.type === 'group') return groupView(context);
  const view = createRow(context, item.row);
  const { element } = view;
  element.setAttribute('role', 'article');
  element.dataset['row'] = item.row.key;
  return {
    element,
    update: (next) => {
      if (next.type !== 'row') return;
      setAttribute(element, 'data-kind', kindOf(next.row));
      setAttribute(element, 'aria-label', rowLabel(next.row, context.page.state.peek()?.agentName ?? 'Agent'));
      view.update(next.row);
    },
    ...(view.append === undefined ? {} : { append: (from: number, text: string) => view.append?.(from, text) ?? false }),
    ...(view.work === undefined ? {} : { work: (deadline: number) => view.work?.(deadline) ?? false }),
    dispose: () => view.dispose?.(),
  };
}

function createRow(context: RowContext, row: Row): RowView {
  switch (row.kind) {
    case 'prompt':
      return promptRow(context);
    case 'text':
      return textRow(context);
    case 'thinking':
      return thinkingRow(context);
    case 'tool':
      return toolRow(context);
    case 'permission':
      return permissionRow(context);
    case 'todo':
      return todoRow();
    case 'file':
      return fileRow(context);
    case 'notice':
      return noticeRow(context);
    case 'turn':
      return turnRow(context);
    case 'unknown':
      return unknownRow(context);
  }
}

/** The fixed words of `data-kind`: to-do lists are plans, and questions and plan approvals are kinds of their own. */
function kindOf(row: Row): string {
  if (row.kind === 'todo') return 'plan';
  if (row.kind === 'permission') return row.ask === 'tool' ? 'permission' : row.ask;
  return row.kind;
}

/** Rows that are not here yet: a calm space of their likely height. */
function gapView(): ItemView {
  const element = el('div', 'gap');
  return {
    element,
    update: (item) => {
      if (item.type !== 'gap') return;
      element.setAttribute('aria-label', plural(item.count, 'earlier row'));
      element.style.height = `${heightOf(item)}px`;
    },
  };
}
