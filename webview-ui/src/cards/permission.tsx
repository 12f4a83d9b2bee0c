import { amid, below } from '../model/place.ts';
import type { JSX } from 'preact';
import { callWords } from '../model/calls.ts';
import { oneLine, plural, toolName } from '../model/words.ts';
import { visible } from '../rows/parts.ts';
import type { RowContext } from '../transcript/view.ts';
import type { PermissionRow } from '../types.ts';
import { useAnswering } from './answer.ts';
import { decisionButtons, isGiven } from './decide.ts';
import { Ago, Button, Icon, TextArea } from './parts.tsx';
import { What } from './what.tsx';

/** A tool that waits for the person: what it would do, and the answers. Nothing is answered twice, and nothing but a press answers. */
export function PermissionCard({ context, row }: { readonly context: RowContext; readonly row: PermissionRow }): JSX.Element {
  const answering = useAnswering(context, row);
  const { buttons, deny } = decisionButtons(row);
  const given = answering.given.value;
  const draft = answering.draft.value;
  const busy = given !== null;
  const denyWithReason = (): void => {
    if (draft.reason.trim() !== '') answering.give({ ...deny, reason: draft.reason.trim() });
  };
  return (
    <div class="card" role="group" aria-label={`Permission: ${row.tool}`}>
      <CardHead row={row} icon="shield" title={question(row, context.page.state.value?.machine ?? '')} />
      {row.reason === null ? null : <div class="card-reason" dir="auto">{row.reason}</div>}
      <What context={context} row={row} />
      {draft.reasonOpen ? (
        <div class="reason">
          <TextArea label="Reason" placeholder="Why not, or what to do instead" value={draft.reason} disabled={busy} focus onInput={(reason) => answering.edit({ reason })} onEnter={denyWithReason} onEscape={() => answering.edit({ reasonOpen: false })} />
          <div class="buttons">
            <Button label="Deny with This Reason" look="primary" disabled={busy || draft.reason.trim() === ''} busy={given?.reason !== undefined} onPress={denyWithReason} />
            <Button label="Cancel" look="text" disabled={busy} onPress={() => answering.edit({ reasonOpen: false })} />
          </div>
        </div>
      ) : (
        <div class="buttons">
          {buttons.filter((each) => each.look !== 'text').map((each) => (
            <Button key={each.label} label={each.label} look={each.look} title={each.hint ?? undefined} disabled={busy} busy={isGiven(given, each.decision)} className={each.look === 'primary' ? 'default' : ''} onPress={() => answering.give(each.decision)} />
          ))}
          <Button label="Deny with a reason…" look="text" disabled={busy} title={row.takesReason ? 'The agent reads the reason at once' : 'The reason is sent as your next message'} onPress={() => {
            context.hold();
            answering.edit({ reasonOpen: true });
          }} />
          {buttons.filter((each) => each.look === 'text').map((each) => <Button key={each.label} label={each.label} look="text" title={each.hint ?? undefined} disabled={busy} busy={isGiven(given, each.decision)} onPress={() => answering.give(each.decision)} />)}
        </div>
      )}
      <CardError text={answering.error.value} />
    </div>
  );
}

export function CardHead({ row, icon, title }: { readonly row: PermissionRow; readonly icon: string; readonly title: string }): JSX.Element {
  return (
    <div class="card-head">
      <Icon name={icon} />
      <div class="card-words"><span class="card-title" dir="auto">{title}</span>{row.at === null ? null : <> <span class="dim card-when">asked <Ago at={row.at} /></span></>}</div>
    </div>
  );
}

export function CardError({ text }: { readonly text: string | null }): JSX.Element {
  return <div class="card-error" role="alert">{text === null ? null : <><Icon name="error" /> {text}</>}</div>;
}

function question(row: PermissionRow, machine: string): string {
  if (row.command !== null) return machine === '' ? 'Run this command?' : `Run this command on ${amid(machine)}?`;
  const only = row.diffs[0];
  if (only !== undefined && row.diffs.length === 1) {
    const verbs = { create: 'Create', modify: 'Edit', delete: 'Delete', rename: 'Move' } as const;
    return `${verbs[only.change]} ${visible(below(only.path))}?`;
  }
  if (row.diffs.length > 1) return `Change ${plural(row.diffs.length, 'file')}?`;
  const title = oneLine(visible(row.title), 160);
  const plain = callWords(row.tool, 'other', title);
  if (plain !== null) return `${plain.words[2]}${plain.subject === '' ? '' : ` ${plain.subject}`}?`;
  const name = toolName(row.tool);
  return title === '' || title === row.tool ? `Use ${name}?` : `Use ${name}: ${title}?`;
}
