import type { DeltaEntry, Entry } from '../model/entry.ts';
import { compareOrder } from '../model/entry.ts';
import type { Row } from '../model/row.ts';
import type { FactsLookup } from './arrange.ts';
import { firstOf, ringOf, shownParent } from './arrange.ts';
import type { Home } from './node.ts';
import { RowNode } from './node.ts';
import type { Position } from './order.ts';
import type { ListStep } from './rowList.ts';
import { changeList } from './rowList.ts';
import type { Appended } from './rowOps.ts';
import { opsOf } from './rowOps.ts';
import type { RowOp } from './transcript-api.ts';

/** What a batch has done so far to the rows that it met. */
interface Batch {
  /** Value of every top-level or nested row before the batch. */
  readonly before: Map<RowNode, Row | null>;
  /** Rows that must be folded anew. */
  readonly touched: Set<RowNode>;
  /** Rows to which text was merely added. */
  readonly appended: Map<RowNode, Appended>;
  /** Rows whose list of children, or a child in it, changed. */
  readonly parents: Set<RowNode>;
}

/**
 * Rows in memory, kept as viewOf would give them for the entries that were added. Indexes in its changes count from its own first top-level row.
 * Everything in it is synchronous and knows nothing of a store.
 */
export class Forest {
  readonly tops: RowNode[] = [];
  private readonly nodes = new Map<string, RowNode>();
  /** Nodes by the parent that their facts name, whether it is here or not. */
  private readonly byParent = new Map<string, Set<RowNode>>();
  /** Nodes whose parents lead back to themselves. */
  private ringed = new Set<RowNode>();
  private readonly dirty = new Set<RowNode>();

  readonly facts: FactsLookup = (key) => this.nodes.get(key)?.log.facts();

  get size(): number {
    return this.nodes.size;
  }
  get isDirty(): boolean {
    return this.dirty.size > 0;
  }
  get(key: string): RowNode | undefined {
    return this.nodes.get(key);
  }
  has(key: string): boolean {
    return this.nodes.has(key);
  }
  /** Rows that name this parent, within it or waiting for it. */
  childrenOf(parent: string): readonly RowNode[] {
    return [...(this.byParent.get(parent) ?? [])];
  }

  /** Merges sound entries in, those without a row left out, and tells what that changed. `stored`: the store has these versions already. */
  apply(entries: Iterable<Entry>, stored = false): RowOp[] {
    const batch = newBatch();
    for (const entry of entries) {
      if (entry.row === null) continue;
      const node = this.node(entry.row);
      if (entry.kind === 'delta' && !stored && this.grew(node, entry, batch)) continue;
      note(batch, node);
      if (node.log.add(entry, stored)) batch.touched.add(node);
      if (node.log.isDirty) this.dirty.add(node);
    }
    return this.finish(batch, this.place(batch));
  }

  /** Takes a top-level row out with all rows within it; gives their nodes. */
  remove(top: RowNode, ops: RowOp[]): RowNode[] {
    if (top.home !== 'top') return [];
    const steps = changeList(this.tops, [top], []);
    const gone = this.forget(top);
    ops.push(...opsOf(steps, this.tops, new Map(), new Map()));
    return gone;
  }

  /** Takes the first `count` top-level rows out without telling: they are still rows of the session, only not in memory any more. */
  release(count: number): void {
    for (const top of this.tops.splice(0, count)) this.forget(top);
  }

  /** Entries to be written, of all rows but those that `hold` keeps back. */
  takeDirty(hold: (node: RowNode) => boolean): Entry[] {
    const entries: Entry[] = [];
    for (const node of this.dirty) {
      if (hold(node)) continue;
      this.dirty.delete(node);
      for (const entry of node.log.takeDirty()) entries.push(entry);
    }
    return entries;
  }

  /** True when the row or one within it has yet to be written. */
  isTreeDirty(top: RowNode): boolean {
    return this.dirty.size > 0 && within(top).some((node) => this.dirty.has(node));
  }

  private node(key: string): RowNode {
    const known = this.nodes.get(key);
    if (known !== undefined) return known;
    const made = new RowNode(key);
    this.nodes.set(key, made);
    return made;
  }

  private grew(node: RowNode, piece: DeltaEntry, batch: Batch): boolean {
    if (batch.touched.has(node)) return false;
    const before = node.row;
    const field = node.grow(piece);
    if (field === undefined) return false;
    this.dirty.add(node);
    if (node.row === before) return true;
    if (!batch.before.has(node)) batch.before.set(node, before);
    const so = batch.appended.get(node);
    if (field === null) batch.appended.delete(node);
    else if (so !== undefined) batch.appended.set(node, { field, text: so.text + piece.text });
    else if (batch.before.get(node) === before) batch.appended.set(node, { field, text: piece.text });
    if (typeof node.home === 'object' && node.home !== null) batch.parents.add(node.home);
    return true;
  }

  /** Brings every row that the batch met to its place; gives the steps of the top-level list. */
  private place(batch: Batch): ListStep[] {
    const moving = new Set<RowNode>();
    for (const node of batch.touched) this.relink(node, moving);
    if (moving.size === 0) return [];
    for (const node of this.ringed) moving.add(node);
    const ringless = new Set<string>();
    for (const node of moving) for (const key of ringOf(node.key, this.facts, ringless) ?? []) addTo(moving, this.nodes.get(key));
    const out = new Map<Home, RowNode[]>();
    const into = new Map<Home, [RowNode, Position][]>();
    this.ringed = new Set();
    for (const node of moving) {
      const home = this.homeOf(node, ringless);
      const order = node.log.facts()?.order ?? [];
      if (home === node.home && (home === null || compareOrder(order, node.placed.order) === 0)) continue;
      note(batch, node);
      if (node.home !== null) listIn(out, node.home).push(node);
      if (home !== null) listIn(into, home).push([node, { order, key: node.key }]);
      node.home = home;
    }
    // All leave before any comes: a node is found in its list by the place that it was given there.
    const steps: ListStep[] = [];
    for (const [home, nodes] of out) this.changeHome(home, nodes, [], steps, batch);
    for (const [home, nodes] of into) this.changeHome(home, [], nodes, steps, batch);
    return steps;
  }

  private changeHome(home: Home, out: readonly RowNode[], into: readonly (readonly [RowNode, Position])[], steps: ListStep[], batch: Batch): void {
    if (home === 'top') {
      steps.push(...changeList(this.tops, out, into));
    } else if (home !== null) {
      changeList(home.children, out, into);
      batch.parents.add(home);
    }
  }

  /** Notes what changed about a row's facts and which rows have to look for their place because of it. */
  private relink(node: RowNode, moving: Set<RowNode>): void {
    const facts = node.log.facts();
    const shows = facts?.shows ?? false;
    const parent = facts?.parent ?? null;
    if (parent !== node.linked) {
      this.unlink(node);
      node.linked = parent;
      if (parent !== null) listOf(this.byParent, parent).add(node);
      moving.add(node);
    }
    if (shows !== node.shows) {
      node.shows = shows;
      moving.add(node);
      for (const child of this.byParent.get(node.key) ?? []) moving.add(child);
    }
    if (facts !== null && compareOrder(facts.order, node.placed.order) !== 0) moving.add(node);
  }

  private homeOf(node: RowNode, ringless: Set<string>): Home {
    if (!node.shows) return null;
    const parent = shownParent(node.key, this.facts);
    if (parent === null) return 'top';
    const ring = ringless.has(node.key) ? null : ringOf(node.key, this.facts, ringless);
    if (ring !== null) this.ringed.add(node);
    return ring !== null && firstOf(ring, this.facts) === node.key ? 'top' : (this.nodes.get(parent) ?? 'top');
  }

  /** Makes the values of all rows that changed, children before their parents, and tells of the top-level ones. */
  private finish(batch: Batch, steps: readonly ListStep[]): RowOp[] {
    if (batch.touched.size === 0 && batch.parents.size === 0 && steps.length === 0) return this.tell(batch, steps);
    const levels: Set<RowNode>[] = [];
    const due = (node: RowNode): void => void (levels[depthOf(node)] ??= new Set()).add(node);
    for (const node of batch.touched) due(node);
    for (const node of batch.parents) due(node);
    for (let depth = levels.length - 1; depth >= 0; depth -= 1) {
      for (const node of levels[depth] ?? []) {
        note(batch, node);
        const before = node.row;
        if (batch.touched.has(node)) node.fold();
        else node.dress();
        node.keep(batch.before.get(node) ?? null);
        if (node.row !== before || batch.parents.has(node)) batch.appended.delete(node);
        if (node.row !== before && typeof node.home === 'object' && node.home !== null) (levels[depth - 1] ??= new Set()).add(node.home);
      }
    }
    return this.tell(batch, steps);
  }

  private tell(batch: Batch, steps: readonly ListStep[]): RowOp[] {
    return opsOf(steps, this.tops, batch.before, batch.appended);
  }

  private unlink(node: RowNode): void {
    if (node.linked === null) return;
    const siblings = this.byParent.get(node.linked);
    siblings?.delete(node);
    if (siblings?.size === 0) this.byParent.delete(node.linked);
  }

  private forget(top: RowNode): RowNode[] {
    const gone = within(top);
    for (const node of gone) {
      this.nodes.delete(node.key);
      this.unlink(node);
      this.dirty.delete(node);
      this.ringed.delete(node);
      node.home = null;
    }
    return gone;
  }
}

function newBatch(): Batch {
  return { before: new Map(), touched: new Set(), appended: new Map(), parents: new Set() };
}

function note(batch: Batch, node: RowNode): void {
  if (!batch.before.has(node)) batch.before.set(node, node.row);
}

/** A node and all nodes within it. */
export function within(top: RowNode): RowNode[] {
  const found = [top];
  for (let index = 0; index < found.length; index += 1) for (const child of found[index]?.children ?? []) found.push(child);
  return found;
}

function depthOf(node: RowNode): number {
  let depth = 0;
  for (let home = node.home; typeof home === 'object' && home !== null; home = home.home) depth += 1;
  return depth;
}

function addTo(set: Set<RowNode>, node: RowNode | undefined): void {
  if (node !== undefined) set.add(node);
}
function listIn<V>(lists: Map<Home, V[]>, key: Home): V[] {
  const known = lists.get(key);
  if (known !== undefined) return known;
  const made: V[] = [];
  lists.set(key, made);
  return made;
}
function listOf(lists: Map<string, Set<RowNode>>, key: string): Set<RowNode> {
  const known = lists.get(key);
  if (known !== undefined) return known;
  const made = new Set<RowNode>();
  lists.set(key, made);
  return made;
}
