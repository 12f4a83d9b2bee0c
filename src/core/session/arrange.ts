import type { RowFacts } from './order.ts';
import { comparePositions } from './order.ts';

/** The forest of a set of rows: keys of the top-level rows and of every row's children, each list in view order. */
export interface Arrangement {
  readonly tops: readonly string[];
  readonly children: ReadonlyMap<string, readonly string[]>;
}

/** Facts of a row by key; null or a row that shows nothing counts as absent. */
export type FactsLookup = (key: string) => RowFacts | null | undefined;

/** The parent within which a row is shown as far as its own facts and its parent's tell: null when that parent is no row. */
export function shownParent(key: string, lookup: FactsLookup): string | null {
  const parent = lookup(key)?.parent ?? null;
  return parent !== null && parent !== key && lookup(parent)?.shows === true ? parent : null;
}

/**
 * The top-level row within which a row is shown. Parents that lead back to themselves are cut at the row of the ring that stands first: it is shown at
 * the top, with the others within it.
 */
export function topOf(key: string, lookup: FactsLookup): string {
  const path = [key];
  const seen = new Set(path);
  let current = key;
  for (;;) {
    const parent = shownParent(current, lookup);
    if (parent === null) return current;
    if (seen.has(parent)) return firstOf(path.slice(path.indexOf(parent)), lookup);
    seen.add(parent);
    path.push(parent);
    current = parent;
  }
}

/**
 * The members of the ring of parents that a row is part of; null when it is in none. `ringless` holds rows from which the walk upwards ends, as far as
 * they were walked from: with it, asking for every row of a deep forest costs one step a row.
 */
export function ringOf(key: string, lookup: FactsLookup, ringless: Set<string> = new Set()): readonly string[] | null {
  const path = [key];
  const seen = new Set(path);
  for (let parent = shownParent(key, lookup); parent !== null && !ringless.has(parent); parent = shownParent(parent, lookup)) {
    if (parent === key) return path;
    if (seen.has(parent)) return null;
    seen.add(parent);
    path.push(parent);
  }
  for (const walked of path) ringless.add(walked);
  return null;
}

/** The one of these rows that stands first. */
export function firstOf(keys: readonly string[], lookup: FactsLookup): string {
  return keys.reduce((first, key) => (compareKeys(key, first, lookup) < 0 ? key : first));
}

function compareKeys(a: string, b: string, lookup: FactsLookup): number {
  return comparePositions({ order: lookup(a)?.order ?? [], key: a }, { order: lookup(b)?.order ?? [], key: b });
}

/** Arranges a whole set of rows. A row whose parent is not in the set stands at the top; no row is lost. */
export function arrange(rows: ReadonlyMap<string, RowFacts>): Arrangement {
  const lookup: FactsLookup = (key) => rows.get(key);
  const cut = cutRows(rows, lookup);
  const tops: string[] = [];
  const children = new Map<string, string[]>();
  for (const [key, facts] of rows) {
    if (!facts.shows) continue;
    const parent = cut.has(key) ? null : shownParent(key, lookup);
    if (parent === null) tops.push(key);
    else pushTo(children, parent, key);
  }
  const byPosition = (a: string, b: string): number => compareKeys(a, b, lookup);
  tops.sort(byPosition);
  for (const list of children.values()) list.sort(byPosition);
  return { tops, children };
}

/** The rows at which rings of parents are cut. */
function cutRows(rows: ReadonlyMap<string, RowFacts>, lookup: FactsLookup): ReadonlySet<string> {
  const cut = new Set<string>();
  /** Walk in which a row was first met. */
  const met = new Map<string, number>();
  let walk = 0;
  for (const start of rows.keys()) {
    walk += 1;
    for (let key: string | null = start; key !== null; key = shownParent(key, lookup)) {
      const before = met.get(key);
      if (before === undefined) {
        met.set(key, walk);
        continue;
      }
      if (before === walk) cut.add(firstOf(ringOf(key, lookup) ?? [key], lookup));
      break;
    }
  }
  return cut;
}

function pushTo(lists: Map<string, string[]>, key: string, item: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
