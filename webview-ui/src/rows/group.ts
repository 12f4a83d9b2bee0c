import { duration, groupLine } from '../model/words.ts';
import type { Item } from '../model/items.ts';
import { el } from '../transcript/dom.ts';
import type { ItemView, RowContext } from '../transcript/view.ts';
import { Line } from './parts.ts';
import { place } from './nested.ts';

type Group = Extract<Item, { type: 'group' }>;

/** Quiet tools that follow each other, in one line; opened, each is there with its own. */
export function groupView(context: RowContext): ItemView {
  const element = el('div', 'row group');
  const body = el('div', 'nested');
  let group: Group | null = null;
  let views = new Map<string, ItemView>();
  const draw = (): void => {
    if (group === null) return;
    const { key, rows } = group;
    const open = context.page.isOpen(key);
    const words = groupLine(rows);
    const running = rows.some((row) => row.kind === 'tool' && row.status === 'running');
    const took = rows.reduce((sum, row) => sum + (row.kind === 'tool' ? (row.durationMs ?? 0) : 0), 0);
    line.update(running ? 'loading codicon-modifier-spin' : '', words, null, running || took < 1_000 ? [] : [duration(took)], words);
    line.setOpen(open);
    const kept = new Map<string, ItemView>();
    if (open) {
      rows.forEach((row, index) => {
        const item: Item = { type: 'row', key: row.key, index, row };
        const view = views.get(row.key) ?? context.createItem(item);
        view.update(item);
        kept.set(row.key, view);
      });
    }
    for (const [each, view] of views) if (!kept.has(each)) view.dispose?.();
    views = kept;
    place(body, [...kept.values()].map((view) => view.element));
    if (open) element.append(body);
    else body.remove();
  };
  const line = new Line(() => {
    if (group === null) return;
    context.hold();
    context.page.setOpen(group.key, !context.page.isOpen(group.key));
    draw();
    context.schedule();
  });
  element.append(line.element);
  element.setAttribute('role', 'article');
  element.setAttribute('data-kind', 'tool');
  return {
    element,
    update: (item) => {
      if (item.type !== 'group') return;
      group = item;
      element.dataset['row'] = item.key;
      element.setAttribute('aria-label', groupLine(item.rows));
      draw();
    },
    dispose: () => {
      for (const view of views.values()) view.dispose?.();
    },
  };
}
