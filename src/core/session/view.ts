import type { Entry } from '../model/entry.ts';
import type { Row } from '../model/row.ts';
import { arrange } from './arrange.ts';
import { foldOwn, withChildren } from './fold.ts';
import { mergeEntries } from './merge.ts';
import { soundEntry } from './normalise.ts';
import type { RowFacts } from './order.ts';
import { factsOf } from './order.ts';

/**
 * The view of a set of entries: the top-level rows in order, with the rows of subagents within them. It depends on the set alone, not on order, pages
 * or repetition. This is the reference; a live transcript gives the same without going through everything again.
 */
export function viewOf(entries: Iterable<Entry>): Row[] {
  return [...viewWithin(entries).values()];
}

/** viewOf by key of the top-level row. */
export function viewWithin(entries: Iterable<Entry>): Map<string, Row> {
  const byRow = groupByRow(mergeEntries([...entries].map(soundEntry)).values());
  const facts = new Map<string, RowFacts>();
  for (const [key, own] of byRow) {
    const of = factsOf(own);
    if (of !== null) facts.set(key, of);
  }
  const { tops, children } = arrange(facts);
  const rows = new Map<string, Row>();
  // Deepest first and without recursion: agents may nest as deep as they like.
  for (const key of outwards(tops, children)) {
    const own = foldOwn(key, byRow.get(key) ?? []);
    if (own !== null) rows.set(key, withChildren(own, (children.get(key) ?? []).flatMap((child) => rows.get(child) ?? [])));
  }
  return new Map(tops.flatMap((key) => {
    const row = rows.get(key);
    return row === undefined ? [] : [[key, row] as const];
  }));
}

/** Entries by their row; those without one are left out. */
export function groupByRow(entries: Iterable<Entry>): Map<string, Entry[]> {
  const rows = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.row === null) continue;
    const list = rows.get(entry.row);
    if (list === undefined) rows.set(entry.row, [entry]);
    else list.push(entry);
  }
  return rows;
}

/** All rows of a forest, children before their parents. */
function outwards(tops: readonly string[], children: ReadonlyMap<string, readonly string[]>): string[] {
  const order: string[] = [];
  const rest = [...tops];
  for (let key = rest.pop(); key !== undefined; key = rest.pop()) {
    order.push(key);
    for (const child of children.get(key) ?? []) rest.push(child);
  }
  return order.reverse();
}
