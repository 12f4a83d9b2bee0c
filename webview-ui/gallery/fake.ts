import type { Host, KeptState } from '../src/host.ts';
import type { ChatConfig, ChatState, HostMessage, MatchPlace, PageMessage, PageRequest, PatchOp, ReplyValue, Row } from '../src/types.ts';

const CONFIG: ChatConfig = { enterKey: 'send', thinking: 'collapsed' };

export interface FakeSession {
  /** Rows by index, made when they are asked for. */
  readonly row: (index: number) => Row;
  readonly total: number;
  readonly state: ChatState;
  readonly config?: ChatConfig;
  readonly draft?: string;
  /** In place of a snapshot. */
  readonly unavailable?: { readonly message: string; readonly remedy: string | null };
  /** True where the host has not answered yet. */
  readonly silent?: boolean;
  /** Answers requests that are not for rows; without one they are done. Throws to refuse; `later`: `progress` and `finish` say how it goes. */
  readonly answer?: (body: PageRequest) => ReplyValue | null | 'later';
  /** What a person did, or what came, after the page was first shown. */
  readonly after?: (host: FakeHost) => Promise<void>;
}

const SNAPSHOT_ROWS = 200;
const DONE: ReplyValue = { kind: 'done', message: null };

/** An extension host that the gallery plays: it answers as the real one does, from rows in memory. */
export class FakeHost implements Host {
  readonly asked: PageRequest[] = [];
  readonly posted: PageMessage[] = [];
  kept: KeptState | null = null;
  private readonly session: FakeSession;
  private listener: (message: HostMessage) => void = () => undefined;
  private generation = 0;
  private seq = 0;
  private open = 0;
  private total: number;
  private readonly changed = new Map<number, Row>();

  constructor(session: FakeSession) {
    this.session = session;
    this.total = session.total;
  }

  post(message: PageMessage): void {
    this.posted.push(message);
    if (message.type === 'ready' || message.type === 'resync') queueMicrotask(() => this.snapshot());
    if (message.type !== 'request') return;
    this.asked.push(message.body);
    setTimeout(() => this.reply(message.request, message.body), 5);
  }

  onMessage(listener: (message: HostMessage) => void): void {
    this.listener = listener;
  }

  load(): KeptState | null {
    return this.kept;
  }

  keep(state: KeptState): void {
    this.kept = state;
  }

  row(index: number): Row {
    return this.changed.get(index) ?? this.session.row(index);
  }

  get count(): number {
    return this.total;
  }

  snapshot(): void {
    if (this.session.silent === true) return;
    if (this.session.unavailable !== undefined) {
      this.listener({ type: 'unavailable', session: 'gallery', ...this.session.unavailable });
      return;
    }
    this.generation += 1;
    this.seq = 0;
    const start = Math.max(0, this.total - SNAPSHOT_ROWS);
    this.listener({
      type: 'snapshot', session: 'gallery', generation: this.generation, total: this.total, start, rows: this.slice(start, this.total), state: this.session.state, config: this.session.config ?? CONFIG, draft: this.session.draft ?? '',
    });
  }

  setState(state: Partial<ChatState>): void {
    this.listener({ type: 'state', generation: this.generation, state });
  }

  /** Says how far the request is that is answered later. */
  progress(message: string): void {
    this.listener({ type: 'progress', request: this.open, message });
  }

  /** Answers the request that was to be answered later. */
  finish(message: string): void {
    this.listener({ type: 'reply', request: this.open, ok: true, value: { kind: 'done', message } });
  }

  /** Opens the box of find in chat, as its command does. */
  find(): void {
    this.listener({ type: 'do', what: 'find' });
  }

  /** The newest search found a match in this row: the first one of its text unless told. */
  found(index: number, at: Partial<MatchPlace> = {}): void {
    const search = this.asked.findLast((body) => body.ask === 'find');
    const { key } = this.row(index);
    if (search !== undefined) this.listener({ type: 'found', id: search.id, place: { index, key, path: [key], part: 'text', ordinal: 0, of: 1, hiddenLine: null, ...at } });
  }

  /** How the newest search stands. */
  counted(total: number, position: number | null, searching = false): void {
    const search = this.asked.findLast((body) => body.ask === 'find');
    if (search !== undefined) this.listener({ type: 'find', id: search.id, total, position, searching, failed: false });
  }

  /** The person chose a request in the tree. */
  review(requestId: string): void {
    this.listener({ type: 'review', requestId });
  }

  insert(text: string): void {
    this.listener({ type: 'insert', text });
  }

  /** Sends operations as one patch. Rows that come at the end, and rows that change, are kept for later pages. */
  patch(...ops: PatchOp[]): void {
    for (const op of ops) {
      if (op.op === 'splice') {
        if (op.at !== this.total || op.remove !== 0) throw new Error('the gallery adds rows at the end only');
        op.rows.forEach((row, place) => this.changed.set(op.at + place, row));
        this.total += op.rows.length;
      } else if (op.op === 'update') this.changed.set(op.at, op.row);
      else {
        const row = this.row(op.at);
        this.changed.set(op.at, row.kind === 'tool' ? { ...row, output: row.output + op.text } : { ...row, text: 'text' in row ? row.text + op.text : op.text } as Row);
      }
    }
    this.seq += 1;
    this.listener({ type: 'patch', generation: this.generation, seq: this.seq, total: this.total, ops });
  }

  /** Shows these rows and this title in the place of all others. */
  replace(rows: readonly Row[], title: string): void {
    this.changed.clear();
    rows.forEach((row, place) => this.changed.set(place, row));
    this.total = rows.length;
    this.snapshot();
    this.setState({ title });
  }

  private slice(start: number, end: number): Row[] {
    return Array.from({ length: Math.max(0, Math.min(end, this.total) - start) }, (_, place) => this.row(start + place));
  }

  private reply(request: number, body: PageRequest): void {
    try {
      const given = body.ask === 'rows' ? null : (this.session.answer?.(body) ?? null);
      if (given === 'later') {
        this.open = request;
        return;
      }
      const value: ReplyValue = body.ask === 'rows'
        ? { kind: 'rows', start: body.start, total: this.total, generation: this.generation, rows: this.slice(body.start, body.end) }
        : (given ?? (body.ask === 'mentions' ? { kind: 'mentions', mentions: [] } : body.ask === 'prompts' ? this.prompts(body.before) : DONE));
      this.listener({ type: 'reply', request, ok: true, value });
    } catch (error) {
      this.listener({ type: 'reply', request, ok: false, code: 'refused', message: error instanceof Error ? error.message : 'no' });
    }
  }

  /** Twenty prompts from before a row. */
  private prompts(before: string | null): ReplyValue {
    const prompts: string[] = [];
    let below = before === null;
    for (let index = this.total - 1; index >= 0; index -= 1) {
      const row = this.row(index);
      if (below && row.kind === 'prompt') prompts.push(row.text);
      if (prompts.length === 20) return { kind: 'prompts', prompts, next: row.key };
      below ||= row.key === before;
    }
    return { kind: 'prompts', prompts, next: null };
  }
}
