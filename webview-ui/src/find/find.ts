import { signal } from '@preact/signals';
import type { ChatPage } from '../page.ts';
import type { TranscriptList } from '../transcript/list.ts';
import type { FindQuery, HostMessage, MatchPlace } from '../types.ts';
import { findPattern } from '../types.ts';
import type { Jumps } from './jump.ts';
import { FindMarks } from './marks.ts';
import { showMatch } from './show.ts';

/** How soon after a key what was typed is looked for. */
const TYPED_MS = 60;
/** The longest selection that is taken for what is to be found. */
const MOST_SELECTED = 200;

type Status = Pick<Extract<HostMessage, { type: 'find' }>, 'total' | 'searching' | 'position' | 'failed'>;

/** Find in chat, as the page has it: what is looked for, how that stands, and which match is shown. The host searches, also in rows that are not here. */
export class PageFind {
  readonly open = signal(false);
  readonly query = signal<FindQuery>({ text: '', matchCase: false, wholeWord: false });
  readonly status = signal<Status | null>(null);
  /** Where the current match is, of an output that its row shows in part only; null for a match that can be seen. */
  readonly hidden = signal<{ readonly row: string; readonly line: number } | null>(null);
  /** Raised each time that the box is to be focused and its text selected. */
  readonly asked = signal(0);
  private readonly page: ChatPage;
  private readonly list: () => TranscriptList | null;
  private readonly jumps: Jumps;
  private marks: FindMarks | null = null;
  private pattern: RegExp | null = null;
  private id = 0;
  private begun = false;
  /** The match that is found next is only remembered. */
  private still = false;
  private timer = 0;
  private place: MatchPlace | null = null;
  private before: HTMLElement | null = null;

  constructor(page: ChatPage, jumps: Jumps, list: () => TranscriptList | null) {
    this.page = page;
    this.jumps = jumps;
    this.list = list;
  }

  /** Opens the box; a short selection in the transcript is what is looked for. */
  start(): void {
    const log = this.list()?.element;
    const selection = document.getSelection();
    const chosen = selection !== null && !selection.isCollapsed && log?.contains(selection.anchorNode) === true ? selection.toString().trim() : '';
    if (!this.open.peek()) this.before = document.activeElement instanceof HTMLElement && document.activeElement !== document.body ? document.activeElement : null;
    this.open.value = true;
    this.asked.value += 1;
    this.page.keepFind(this.query.peek());
    this.stayAtEnd();
    if (chosen !== '' && chosen.length <= MOST_SELECTED && !chosen.includes('\n')) this.set({ text: chosen });
    else this.begin();
  }

  close(): void {
    if (!this.open.peek()) return;
    this.open.value = false;
    this.page.keepFind(null);
    this.status.value = null;
    this.end();
    this.stayAtEnd();
    const back = this.before?.isConnected === true ? this.before : this.list()?.element;
    back?.focus({ preventScroll: true });
  }

  set(change: Partial<FindQuery>): void {
    this.query.value = { ...this.query.peek(), ...change };
    this.page.keepFind(this.query.peek());
    this.begun = false;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.begin(), TYPED_MS);
  }

  /** The next or previous match; opens the box where it is closed. */
  step(step: 1 | -1): void {
    if (!this.open.peek()) {
      this.start();
      return;
    }
    this.still = false;
    if (!this.begun) this.begin();
    else if (this.pattern !== null) void this.page.request({ ask: 'find-step', id: this.id, step }).catch(() => undefined);
  }

  receive(message: Extract<HostMessage, { type: 'find' | 'found' }>): void {
    if (message.id !== this.id || !this.open.peek()) return;
    if (message.type === 'find') {
      this.status.value = message;
      return;
    }
    const { place } = message;
    this.place = place;
    const { still } = this;
    this.still = false;
    if (still) return;
    this.hidden.value = place.hiddenLine === null ? null : { row: place.path.at(-1) ?? place.key, line: place.hiddenLine };
    const list = this.list();
    if (list === null || this.pattern === null || this.marks === null) return;
    void showMatch({ page: this.page, list, jumps: this.jumps, marks: this.marks, pattern: this.pattern }, place);
  }

  /** Opens the output that holds the current match, where the chat does not show it. */
  openHidden(): void {
    const hidden = this.hidden.peek();
    if (hidden !== null) void this.page.ask({ ask: 'open-output', ...hidden });
  }

  /** A page that is there again has its box open where it was, without taking the focus, and stays where it is read. */
  restore(): void {
    const query = this.page.keptFind;
    if (query === null || this.open.peek()) return;
    this.query.value = query;
    this.open.value = true;
    this.begin();
    this.still = true;
  }

  /** After a snapshot: the host may have ended the search with the page that it knew. Who reads elsewhere meanwhile is not taken to a match. */
  again(): void {
    if (!this.open.peek() || this.pattern === null) return;
    this.begin();
    this.still = true;
  }

  /** The box takes room above the first row: who stands at the end still does, once it is there. */
  private stayAtEnd(): void {
    const log = this.list()?.element;
    if (log?.matches('.follows') === true) requestAnimationFrame(() => (log.scrollTop = log.scrollHeight));
  }

  private begin(): void {
    window.clearTimeout(this.timer);
    this.still = false;
    const list = this.list();
    const query = this.query.peek();
    this.begun = true;
    this.pattern = findPattern(query);
    if (list === null) return;
    this.marks ??= new FindMarks(list.element);
    this.marks.show(this.pattern);
    this.status.value = null;
    this.hidden.value = null;
    if (this.pattern === null) {
      this.end();
      return;
    }
    this.id += 1;
    const from = this.place?.index ?? list.top()?.index ?? 0;
    void this.page.request({ ask: 'find', id: this.id, query, from: Math.max(0, from) }).catch(() => undefined);
  }

  private end(): void {
    window.clearTimeout(this.timer);
    this.marks?.show(null);
    this.pattern = null;
    this.hidden.value = null;
    this.place = null;
    this.begun = false;
    void this.page.request({ ask: 'find-end' }).catch(() => undefined);
  }
}
