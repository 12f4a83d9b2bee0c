import { besideCommand } from '../model/input.ts';
import { isRoot } from '../model/place.ts';
import type { JSX } from 'preact';
import { diffView, jsonView, visible } from '../rows/parts.ts';
import type { RowContext } from '../transcript/view.ts';
import type { PermissionRow } from '../types.ts';
import { Made } from './parts.tsx';

/** Exactly what would run or change. */
export function What({ context, row }: { readonly context: RowContext; readonly row: PermissionRow }): JSX.Element {
  const beside = besideCommand(row);
  return (
    <div class="what">
      {row.command === null ? null : <pre class="command" dir="ltr" tabIndex={0} role="group" aria-label="Command">{visible(row.command)}</pre>}
      {row.cwd === null || isRoot(row.cwd) ? null : <div class="cwd dim">in <span class="mono">{visible(row.cwd)}</span></div>}
      {beside === null ? null : <Made version={`${row.key}:beside`} make={() => jsonView(beside, 'What is asked along with it')} />}
      {row.diffs.map((diff, index) => <Made key={`${index}:${diff.path}`} version={diff.patch} make={() => diffView(context, row.key, diff, index, true)} />)}
      {row.command === null && row.diffs.length === 0 && !isEmpty(row.input) ? <Made version={row.key} make={() => jsonView(row.input, 'What it would be called with')} /> : null}
    </div>
  );
}

function isEmpty(value: PermissionRow['input']): boolean {
  return value === null || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);
}
