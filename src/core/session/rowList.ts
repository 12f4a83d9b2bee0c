import type { Position } from './order.ts';
import { comparePositions, lowerBound } from './order.ts';
import type { RowNode } from './node.ts';

/** A change of a sorted list of nodes, in the order in which the changes apply. */
export interface ListStep {
  readonly at: number;
  readonly remove: number;
  readonly insert: readonly RowNode[];
}

/** Changes above which a list is put together anew instead of step by step. */
const STEPWISE = 32;

/** Index of a node in its list. */
export function indexIn(list: readonly RowNode[], position: Position): number {
  return lowerBound(list, position, (node) => node.placed);
}

/** Takes nodes (under the position that they stand at) out of a sorted list and others (with the position that they come to) in. */
export function changeList(list: RowNode[], out: readonly RowNode[], into: readonly (readonly [RowNode, Position])[]): ListStep[] {
  return out.length + into.length > STEPWISE ? rebuild(list, out, into) : stepByStep(list, out, into);
}

function stepByStep(list: RowNode[], out: readonly RowNode[], into: readonly (readonly [RowNode, Position])[]): ListStep[] {
  const steps: ListStep[] = [];
  for (const node of out) {
    const at = indexIn(list, node.placed);
    if (list[at] !== node) continue;
    list.splice(at, 1);
    steps.push({ at, remove: 1, insert: [] });
  }
  for (const [node, position] of [...into].sort((a, b) => comparePositions(a[1], b[1]))) {
    node.placed = position;
    const at = indexIn(list, position);
    list.splice(at, 0, node);
    const last = steps.at(-1);
    if (last !== undefined && last.remove === 0 && last.at + last.insert.length === at) steps[steps.length - 1] = { ...last, insert: [...last.insert, node] };
    else steps.push({ at, remove: 0, insert: [node] });
  }
  return steps;
}

/** One step over everything between the first and the last change. */
function rebuild(list: RowNode[], out: readonly RowNode[], into: readonly (readonly [RowNode, Position])[]): ListStep[] {
  const before = [...list];
  const gone = new Set(out);
  for (const [node, position] of into) node.placed = position;
  const added = into.map(([node]) => node).sort((a, b) => comparePositions(a.placed, b.placed));
  const after = mergeSorted(before.filter((node) => !gone.has(node)), added);
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  list.length = 0;
  for (const node of after) list.push(node);
  return [{ at: start, remove: before.length - start - end, insert: after.slice(start, after.length - end) }];
}

function mergeSorted(a: readonly RowNode[], b: readonly RowNode[]): RowNode[] {
  const merged: RowNode[] = [];
  let left = 0;
  let right = 0;
  while (left < a.length || right < b.length) {
    const first = a[left];
    const second = b[right];
    if (second === undefined || (first !== undefined && comparePositions(first.placed, second.placed) <= 0)) {
      if (first !== undefined) merged.push(first);
      left += 1;
    } else {
      merged.push(second);
      right += 1;
    }
  }
  return merged;
}
