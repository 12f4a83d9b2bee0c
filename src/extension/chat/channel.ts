import type { Disposable } from '../../core/model/backend.ts';
import type { Row } from '../../core/model/row.ts';
import type { RowOp, TranscriptView } from '../../core/session/transcript-api.ts';
import type { ChatConfig, ChatState, HostMessage, PatchOp } from '../../protocol/chat.ts';

interface ChannelSource {
  readonly session: string;
  readonly transcript: TranscriptView;
  state(): ChatState;
  config(): ChatConfig;
  draft(): string;
}

/** Rows of a snapshot, and the most changes that are sent as a patch: beyond them a snapshot is smaller. */
const SNAPSHOT_ROWS = 200;
const MAX_PENDING = 2_000;
const FRAME_MS = 16;

/**
 * One page's end of the chat channel: a snapshot, then patches `{generation, seq}`, at most one message a frame. A hidden page gets nothing and a
 * snapshot when it is shown. State goes at once, before waiting rows.
 */
export class ChatChannel implements Disposable {
  private readonly source: ChannelSource;
  private readonly post: (message: HostMessage) => void;
  private readonly watching: Disposable;
  private generation = 0;
  private seq = 0;
  private visible = false;
  private ready = false;
  private pending: PatchOp[] = [];
  private overflow = false;
  private timer: NodeJS.Timeout | null = null;
  private lastFlush = 0;
  private sentState: ChatState | null = null;

  constructor(source: ChannelSource, post: (message: HostMessage) => void) {
    this.source = source;
    this.post = post;
    this.watching = source.transcript.onChange((ops) => this.onOps(ops));
  }

  get currentGeneration(): number {
    return this.generation;
  }

  /** The page has loaded (or loaded again) and knows nothing. */
  pageReady(): void {
    this.ready = true;
    this.snapshot();
  }

  /** A hidden page is thrown away by VS Code: what is shown again is a page that has yet to say that it is ready. */
  setVisible(visible: boolean): void {
    if (this.visible === visible) return;
    this.visible = visible;
    if (visible && this.ready) this.snapshot();
    if (visible) return;
    this.ready = false;
    this.dropPending();
  }

  /** The page saw a gap. One snapshot for each generation that it complains of. */
  resync(generation: number): void {
    if (generation === this.generation) this.snapshot();
  }

  /** Tells the page what differs in the state since it was last told. */
  stateChanged(): void {
    if (!this.active() || this.sentState === null) return;
    const state = this.source.state();
    const before = new Map<string, unknown>(Object.entries(this.sentState));
    const changed = Object.fromEntries(Object.entries(state).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(before.get(key))));
    this.sentState = state;
    if (Object.keys(changed).length > 0) this.post({ type: 'state', generation: this.generation, state: changed });
  }

  configChanged(): void {
    if (this.active()) this.post({ type: 'config', config: this.source.config() });
  }

  dispose(): void {
    this.dropPending();
    this.watching.dispose();
    this.ready = false;
  }

  private active(): boolean {
    return this.visible && this.ready;
  }

  private snapshot(): void {
    this.dropPending();
    if (!this.active()) return;
    this.generation += 1;
    this.seq = 0;
    const { transcript } = this.source;
    const rows: readonly Row[] = transcript.tail.slice(-SNAPSHOT_ROWS);
    this.sentState = this.source.state();
    this.post({
      type: 'snapshot', session: this.source.session, generation: this.generation, total: transcript.total, start: transcript.total - rows.length,
      rows, state: this.sentState, config: this.source.config(), draft: this.source.draft(),
    });
  }

  private onOps(ops: readonly RowOp[]): void {
    if (!this.active()) return;
    for (const op of ops) this.enqueue(op);
    if (this.pending.length > MAX_PENDING) {
      this.overflow = true;
      this.pending = [];
    }
    if (this.timer !== null) return;
    const wait = Math.max(0, FRAME_MS - (performance.now() - this.lastFlush));
    this.timer = setTimeout(() => this.flush(), wait);
  }

  /** Text that grows in one row within one frame travels as one addition; a row that changes twice travels once. */
  private enqueue(op: RowOp): void {
    const last = this.pending.at(-1);
    if (op.op === 'append' && last?.op === 'append' && last.key === op.key && last.field === op.field && last.at === op.at) {
      this.pending[this.pending.length - 1] = { ...last, text: last.text + op.text };
      return;
    }
    if (op.op === 'update' && last?.op === 'update' && last.at === op.at) {
      this.pending[this.pending.length - 1] = op;
      return;
    }
    this.pending.push(op);
  }

  private flush(): void {
    this.timer = null;
    this.lastFlush = performance.now();
    if (!this.active()) return;
    if (this.overflow) {
      this.snapshot();
      return;
    }
    const ops = this.pending;
    this.pending = [];
    if (ops.length === 0) return;
    this.seq += 1;
    this.post({ type: 'patch', generation: this.generation, seq: this.seq, total: this.source.transcript.total, ops });
  }

  private dropPending(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.pending = [];
    this.overflow = false;
  }
}
