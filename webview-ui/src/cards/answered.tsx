import { below } from '../model/place.ts';
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { oneLine, outcomeLine } from '../model/words.ts';
import { visible } from '../rows/parts.ts';
import type { RowContext } from '../transcript/view.ts';
import type { PermissionRow } from '../types.ts';
import { Icon } from './parts.tsx';
import { PlanText } from './plan.tsx';
import { What } from './what.tsx';

/** One line of what was decided; opened, what it was about. */
export function AnsweredLine({ context, row }: { readonly context: RowContext; readonly row: PermissionRow }): JSX.Element {
  const open = useSignal(context.page.isOpen(row.key));
  const opens = context.page.opens.value;
  useEffect(() => {
    if (context.page.isOpen(row.key)) open.value = true;
  }, [opens]);
  const said = sayAnswer(row);
  const toggle = (): void => {
    context.hold();
    open.value = !open.value;
    context.page.setOpen(row.key, open.value);
  };
  return (
    <>
      <div class={`line can-open ${open.value ? 'open' : ''}`} onClick={toggle}>
        <button type="button" class="line-head" aria-expanded={open.value} aria-label={`${outcomeLine(row)}: ${said}`}>
          <span class="sign"><Icon name={row.outcome === null ? 'shield' : ICONS[row.outcome]} /><Icon name="chevron-right" /></span>
          <span class="verb">{outcomeLine(row)}</span>
        </button>
        <span class={row.command !== null ? 'subject mono' : 'subject'}>{said}</span>
      </div>
      {row.answerReason === null || row.ask === 'question' ? null : <div class="body dim" dir="auto">{row.answerReason}</div>}
      {open.value ? <div class="body">{row.ask === 'plan' ? <PlanText context={context} text={row.plan ?? ''} /> : row.ask === 'question' ? <Answers row={row} /> : <What context={context} row={row} />}</div> : null}
    </>
  );
}

const ICONS: Record<NonNullable<PermissionRow['outcome']>, string> = {
  allowed: 'pass', 'allowed-session': 'pass', 'allowed-always': 'pass', answered: 'comment', denied: 'circle-slash', withdrawn: 'debug-disconnect', lost: 'debug-disconnect',
};

function sayAnswer(row: PermissionRow): string {
  if (row.ask === 'question') return Object.values(row.answers).map((labels) => labels.join(', ')).filter((text) => text !== '').join(' · ') || oneLine(row.questions[0]?.text ?? row.title, 120);
  if (row.ask === 'plan') return '';
  return oneLine(visible(row.command ?? (row.diffs.length === 1 ? below(row.diffs[0]?.path ?? row.title) : row.title)), 160) || row.tool;
}

function Answers({ row }: { readonly row: PermissionRow }): JSX.Element {
  return (
    <dl class="answers">
      {row.questions.map((question) => <div key={question.id}><dt dir="auto">{question.text}</dt><dd dir="auto">{(row.answers[question.id] ?? []).join(', ') || '—'}</dd></div>)}
    </dl>
  );
}
