import { signal } from '@preact/signals';
import { render } from 'preact';
import type { JSX } from 'preact';
import { MAC } from '../model/keys.ts';
import { el } from '../transcript/dom.ts';
import type { RowContext, RowView } from '../transcript/view.ts';
import type { PermissionRow } from '../types.ts';
import { AnsweredLine } from './answered.tsx';
import { PermissionCard } from './permission.tsx';
import { PlanCard } from './plan.tsx';
import { QuestionCard } from './question.tsx';

/** What the agent asks: a card while it waits, one line when it is answered. */
export function permissionRow(context: RowContext): RowView {
  const element = el('div', MAC ? 'row permission mac' : 'row permission');
  const shown = signal<PermissionRow | null>(null);
  const Content = (): JSX.Element | null => {
    const row = shown.value;
    if (row === null) return null;
    // Where nothing can be answered, a card would only offer to.
    if (row.outcome !== null || context.page.state.value?.canRun === false) return <AnsweredLine context={context} row={row} />;
    if (row.ask === 'question') return <QuestionCard context={context} row={row} />;
    if (row.ask === 'plan') return <PlanCard context={context} row={row} />;
    return <PermissionCard context={context} row={row} />;
  };
  return {
    element,
    update: (row) => {
      if (row.kind !== 'permission') return;
      const first = shown.value === null;
      element.classList.toggle('waiting', row.outcome === null);
      shown.value = row;
      if (first) render(<Content />, element);
      if (row.outcome !== null) context.page.setCard(row.requestId, null);
    },
    dispose: () => render(null, element),
  };
}
