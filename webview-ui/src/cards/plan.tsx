import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { MarkdownView } from '../markdown/view.ts';
import type { RowContext } from '../transcript/view.ts';
import type { PermissionRow } from '../types.ts';
import { useAnswering } from './answer.ts';
import { decisionButtons, isGiven } from './decide.ts';
import { Button, TextArea } from './parts.tsx';
import { CardError, CardHead } from './permission.tsx';

/** A plan that waits for its approval: the plan itself, and a box for what should be different. */
export function PlanCard({ context, row }: { readonly context: RowContext; readonly row: PermissionRow }): JSX.Element {
  const answering = useAnswering(context, row);
  const { buttons, deny } = decisionButtons(row);
  const given = answering.given.value;
  const { reason } = answering.draft.value;
  const named = row.options.length > 0;
  // What Enter does: with a comment it sends back.
  const commented = reason.trim() !== '';
  const sendBack = (): void => answering.give(reason.trim() === '' ? deny : { ...deny, reason: reason.trim() });
  return (
    <div class="card" role="group" aria-label={`Permission: ${row.tool}`}>
      <CardHead row={row} icon="list-ordered" title="Go ahead with this plan?" />
      <PlanText context={context} text={row.plan ?? ''} />
      <TextArea label="Comment" placeholder="What should be different" value={reason} disabled={given !== null} onInput={(text) => answering.edit({ reason: text })} onEnter={() => reason.trim() !== '' && sendBack()} />
      <div class="buttons">
        {buttons.filter((each) => each.decision.outcome !== 'deny').slice(0, named ? undefined : 1).map((each) => (
          <Button key={each.label} label={each.hint ?? (each.label === 'Allow' ? 'Approve' : each.label)} look={commented ? 'secondary' : each.look} className={each.look === 'primary' && !commented ? 'default' : ''} disabled={given !== null} busy={isGiven(given, each.decision)} onPress={() => answering.give(each.decision)} />
        ))}
        <Button label={commented ? 'Send Back with Comment' : 'Keep Planning'} look={commented ? 'primary' : 'secondary'} className={commented ? 'default' : ''} disabled={given !== null} busy={given?.outcome === 'deny'} onPress={sendBack} />
      </div>
      <CardError text={answering.error.value} />
    </div>
  );
}

export function PlanText({ context, text }: { readonly context: RowContext; readonly text: string }): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const view = new MarkdownView(context);
    view.set(text, false);
    holder.current?.replaceChildren(view.element);
    return () => view.dispose();
  }, [text]);
  return <div class="plan-text" ref={holder} />;
}
