import type { Row } from '../model/row.ts';
import type { RowNode } from './node.ts';
import type { ListStep } from './rowList.ts';
import { indexIn } from './rowList.ts';
import { sameValue } from './sameValue.ts';
import type { RowOp } from './transcript-api.ts';

/** Text that was added at the end of a row's field. */
export interface Appended {
  readonly field: 'text' | 'output';
  readonly text: string;
}

/**
 * The changes that lead from the rows before a batch to the rows now: the steps of the list, then the rows that stayed with another value. `before` holds
 * the rows that the batch met; `appended` those of them that only got text at their end.
 */
export function opsOf(
  steps: readonly ListStep[], tops: readonly RowNode[], before: ReadonlyMap<RowNode, Row | null>, appended: ReadonlyMap<RowNode, Appended>,
): RowOp[] {
  const ops: RowOp[] = [];
  const placed = new Set<RowNode>();
  for (const step of steps) {
    for (const node of step.insert) placed.add(node);
    ops.push({ op: 'splice', at: step.at, remove: step.remove, rows: step.insert.map(rowOf) });
  }
  for (const [node, old] of before) {
    if (node.home !== 'top' || placed.has(node) || node.row === old || node.row === null || old === null) continue;
    const at = indexIn(tops, node.placed);
    ops.push(changeOp(at, old, node.row, appended.get(node)));
  }
  return ops;
}

/** Rows in a list always have a value; one without would show as unknown rather than move all others. */
export function rowOf(node: RowNode): Row {
  return node.row ?? { kind: 'unknown', key: node.key, at: null, turn: null, source: 'row', raw: null };
}

/**
 * What leads from one value of a row to another: text at its end where that is all. `appended` when that is known: taking the end of a long text that
 * streams would copy all of it.
 */
function changeOp(at: number, old: Row, row: Row, appended: Appended | undefined): RowOp {
  if (appended !== undefined) {
    return { op: 'append', at, key: row.key, field: appended.field, from: textOf(old, appended.field)?.length ?? 0, text: appended.text };
  }
  for (const field of ['text', 'output'] as const) {
    const from = textOf(old, field);
    const to = textOf(row, field);
    if (from === null || to === null || old.kind !== row.kind || to.length <= from.length || !to.startsWith(from)) continue;
    if (!sameValue({ ...old, [field]: '' }, { ...row, [field]: '' })) continue;
    return { op: 'append', at, key: row.key, field, from: from.length, text: to.slice(from.length) };
  }
  return { op: 'update', at, row };
}

function textOf(row: Row, field: 'text' | 'output'): string | null {
  if (field === 'text') return row.kind === 'text' || row.kind === 'thinking' ? row.text : null;
  return row.kind === 'tool' ? row.output : null;
}
