import type { BackendEvent, Decision, Disposable, SessionBackend, SessionHandle } from '../../src/core/model/backend.ts';
import type { Entry, PermissionEntry, PromptEntry, TurnEntry } from '../../src/core/model/entry.ts';
import type { Row, RowKind } from '../../src/core/model/row.ts';
import type { Session } from '../../src/core/model/session.ts';
import { viewOf } from '../../src/core/session/view.ts';

const patience = 30_000;

/** Rows of one kind. */
export function rowsOf<K extends RowKind>(rows: readonly Row[], kind: K): Extract<Row, { kind: K }>[] {
  return rows.filter((row): row is Extract<Row, { kind: K }> => row.kind === kind);
}

/** What a chat sees of one session: its entries as they come, and what the backend's watch tells of it. */
export class Observer implements Disposable {
  readonly handle: SessionHandle;
  readonly entries: Entry[] = [];
  readonly sessions: Session[] = [];
  removed = false;
  private readonly subscriptions: readonly Disposable[];
  private readonly waiters = new Set<() => void>();
  private readonly turns: 'exact' | 'hints';
  private readonly answers: 'pieces' | 'whole';
  private lastAt = performance.now();

  /** `turns` and `answers`: as `HostedTraits`. */
  constructor(backend: SessionBackend, id: string, turns: 'exact' | 'hints' = 'exact', answers: 'pieces' | 'whole' = 'pieces') {
    this.turns = turns;
    this.answers = answers;
    this.handle = backend.session(id);
    this.subscriptions = [
      this.handle.live((event) => {
        if (event.type === 'entries') {
          this.entries.push(...event.entries);
          this.lastAt = performance.now();
        }
        this.wake();
      }),
      backend.watch((event: BackendEvent) => {
        if (event.type === 'session' && event.session.id === id) this.sessions.push(event.session);
        if (event.type === 'session-removed' && event.sessionId === id) this.removed = true;
        this.wake();
      }),
    ];
  }

  get rows(): Row[] {
    return viewOf(this.entries);
  }

  /** As the watch told last. */
  get session(): Session | null {
    return this.sessions.at(-1) ?? null;
  }

  ends(): TurnEntry[] {
    return this.entries.filter((entry): entry is TurnEntry => entry.kind === 'turn' && entry.phase === 'end');
  }

  asks(): PermissionEntry[] {
    const answered = new Set(this.entries.flatMap((entry) => (entry.kind === 'answer' ? [entry.requestId] : [])));
    return this.entries.filter((entry): entry is PermissionEntry => entry.kind === 'permission' && !answered.has(entry.requestId));
  }

  prompts(clientId: string): PromptEntry[] {
    return this.entries.filter((entry): entry is PromptEntry => entry.kind === 'prompt' && entry.clientId === clientId);
  }

  /** Text of everything that the agent said. */
  said(): string {
    return rowsOf(this.rows, 'text').map((row) => row.text).join('\n');
  }

  /** Waits until `look` gives something, and gives that. Rejects with what was seen instead. */
  async until<T>(what: string, look: () => T | null | undefined | false, ms = patience): Promise<T> {
    const end = performance.now() + ms;
    for (;;) {
      const found = look();
      if (found !== null && found !== undefined && found !== false) return found;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`Waited ${ms} ms for ${what}. Seen: ${this.summary()}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.waiters.delete(wake);
          resolve();
        };
        // States of handles are not events: look now and then.
        const timer = setTimeout(wake, Math.min(left, 100));
        this.waiters.add(wake);
      });
    }
  }

  /** Waits until the agent works on what was sent: where its answers come in pieces, until the first of them are there. */
  async working(): Promise<void> {
    await this.until('work', () => (this.turns === 'hints' || this.answers === 'whole' ? this.session?.state === 'running' : this.said().length > 20));
  }

  /** Waits until nothing has come for so long. */
  async quiet(ms: number): Promise<void> {
    await this.until('silence', () => performance.now() - this.lastAt > ms);
  }

  /** Waits for the end of the turn that comes after `before` ended ones. */
  turnEnd(before: number, ms = patience): Promise<TurnEntry> {
    return this.until(`the end of turn ${before + 1}`, () => this.rests() && new Map(this.ends().map((end) => [end.id, end])).size > before && this.ends().at(-1), ms);
  }

  /** The end that stands behind a prompt: ends of turns before it may be told again, and one that is told of late goes by the name of the turn before it. */
  private endAfter(clientId: string): TurnEntry | undefined {
    const { rows } = this;
    const prompt = rows.findIndex((row) => row.kind === 'prompt' && row.clientId === clientId);
    const key = prompt < 0 ? undefined : rows.slice(prompt).findLast((row) => row.kind === 'turn')?.key;
    return this.ends().filter((end) => end.row === key).toSorted((one, other) => one.rev - other.rev).at(-1);
  }

  /** Where the end of a turn is only a hint: the session is idle, and nothing came for a while. */
  private rests(): boolean {
    // The end of a turn that is not told is known soon after the session is idle.
    return this.turns === 'exact' || (this.session?.state !== 'running' && this.session?.state !== 'waiting' && performance.now() - this.lastAt > 250);
  }

  /** Sends a prompt and waits until its turn has ended, answering every permission with `decision`. */
  async turn(prompt: string, decision: Decision = { outcome: 'allow' }, clientId: string = crypto.randomUUID()): Promise<TurnEntry> {
    const before = new Set(this.ends().map((end) => end.id)).size;
    const tried = new Set<string>();
    await this.handle.send({ text: prompt, attachments: [] }, clientId);
    return this.until(`the end of the turn of "${prompt.slice(0, 60)}"`, () => {
      for (const ask of this.asks()) {
        if (tried.has(ask.requestId)) continue;
        tried.add(ask.requestId);
        void this.handle.answer(ask.requestId, decision).catch(() => undefined);
      }
      const ends = this.ends();
      if (this.turns === 'exact') return new Set(ends.map((end) => end.id)).size > before && ends.at(-1);
      return this.rests() && this.endAfter(clientId);
    });
  }

  dispose(): void {
    for (const one of this.subscriptions) one.dispose();
    this.wake();
  }

  private wake(): void {
    for (const wake of Array.from(this.waiters)) wake();
  }

  private summary(): string {
    const rows = this.rows.slice(-6).map((row) => `${row.kind}${'text' in row ? ` ${JSON.stringify(row.text.slice(0, 80))}` : ''}${'status' in row ? ` ${row.status}` : ''}${row.kind === 'turn' ? ` ${row.state} ${row.error ?? ''}` : ''}`);
    return `state ${this.session?.state ?? 'none'}, ${this.entries.length} entries; ${rows.join(' | ')}`;
  }
}
