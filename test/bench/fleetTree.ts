import type { AttentionItem } from '../../src/core/fleet/attention.ts';
import { AttentionQueue } from '../../src/core/fleet/attentionQueue.ts';
import type { FleetChange } from '../../src/core/fleet/change.ts';
import type { Fleet } from '../../src/core/fleet/fleet.ts';
import type { SessionKey } from '../../src/core/model/session.ts';
import { buildTree } from '../../src/extension/tree/build.ts';
import { changesBetween } from '../../src/extension/tree/changes.ts';
import type { TreeModel, TreeNode } from '../../src/extension/tree/model.ts';

const PAINT_MS = 100;

/** The Sessions view (src/extension/tree/sessions.ts) without VS Code: it shows the roots and what is open at first, and paints as that does, at most ten times a second. */
export class SimulatedTree {
  /** Rows that were painted anew, and how often the whole tree was built. */
  painted = 0;
  built = 0;
  private readonly fleet: Fleet;
  private readonly attention: AttentionQueue;
  private readonly watching: readonly { dispose(): void }[];
  private readonly fetched = new Set<string>();
  private readonly ranks = new Map<string, number>();
  private model: TreeModel;
  private pending: { shape: boolean; needs: boolean; readonly keys: Set<SessionKey> } | null = null;
  private timer: NodeJS.Timeout | null = null;
  private paintedAt = 0;
  private needed: readonly AttentionItem[] = [];

  constructor(fleet: Fleet) {
    this.fleet = fleet;
    this.attention = new AttentionQueue(fleet, Date.now(), () => undefined);
    this.model = this.build();
    this.show(this.model.roots);
    this.watching = [fleet.onChange((change) => this.onChange(change)), this.attention.onChange(() => this.onAttention()), this.attention];
  }

  get rows(): number {
    return this.fetched.size;
  }

  dispose(): void {
    for (const each of this.watching) each.dispose();
    clearTimeout(this.timer ?? undefined);
  }

  private show(nodes: readonly TreeNode[]): void {
    for (const node of nodes) {
      if (node.kind === 'needs' || (node.kind === 'group' && node.open)) {
        this.fetched.add(node.id);
        this.show(this.model.children(node.id));
      }
    }
  }

  private onAttention(): void {
    const needs = this.attention.needs();
    if (needs === this.needed) return;
    this.needed = needs;
    this.soon().needs = true;
    this.paintSoon();
  }

  private onChange(change: FleetChange): void {
    const pending = this.soon();
    pending.shape ||= change.structure || change.machines || change.connections;
    for (const key of change.sessions) pending.keys.add(key);
    this.paintSoon();
  }

  private soon(): NonNullable<SimulatedTree['pending']> {
    this.pending ??= { shape: false, needs: false, keys: new Set() };
    return this.pending;
  }

  private paintSoon(): void {
    if (this.timer !== null) return;
    const wait = this.paintedAt + PAINT_MS - performance.now();
    if (wait <= 0) this.paint();
    else this.timer = setTimeout(() => this.paint(), wait);
  }

  private paint(): void {
    this.timer = null;
    this.paintedAt = performance.now();
    const { pending } = this;
    this.pending = null;
    if (pending === null) return;
    if (pending.shape) return this.repaint();
    for (const key of pending.keys) {
      const session = this.fleet.session(key);
      const changed = session === null ? null : this.model.replace(session);
      if (changed === null) return this.repaint();
      this.painted += changed.length;
    }
    if (pending.needs || this.needed.some(({ key }) => key !== null && pending.keys.has(key))) this.painted += this.model.renewNeeds(this.needed, (key) => this.fleet.session(key))?.length ?? 1;
  }

  private repaint(): void {
    const before = this.model;
    this.model = this.build();
    this.painted += changesBetween(before, this.model, this.fetched)?.length ?? 1;
    this.show(this.model.roots);
  }

  private build(): TreeModel {
    this.built += 1;
    return buildTree({ connections: this.fleet.connections(), machines: this.fleet.machines(), sessions: this.fleet.sessions(), needs: this.attention.needs(), groupBy: 'machine', showArchived: false, ranks: this.ranks });
  }
}
