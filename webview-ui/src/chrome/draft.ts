import { signal } from '@preact/signals';
import type { ChatPage } from '../page.ts';
import type { Attachment } from '../types.ts';
import { PromptHistory } from './history.ts';

/** Soon enough that a tab which is closed right after the last key takes nothing with it. */
const DRAFT_MS = 60;
const NO_FILES: readonly Attachment[] = [];

/** The message that is being written: its text and its files, kept by the host, and the messages before it that ArrowUp brings back. */
export class Draft {
  readonly text = signal('');
  readonly files = signal(NO_FILES);
  private readonly page: ChatPage;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private saved = '';
  private savedFiles = NO_FILES;
  /** What was sent from here, and drafts that something of the history took the place of. */
  private readonly others: string[] = [];
  private history: PromptHistory | null = null;
  /** Place in the history, counted from the newest; -1: the person's own text. */
  private place = -1;
  private own = '';

  constructor(page: ChatPage) {
    this.page = page;
    page.onDraft = (text) => {
      this.saved = text;
      // What was typed before the snapshot came is newer than what was kept.
      if (this.text.peek() === '') this.text.value = text;
      else if (this.text.peek() !== text) this.flushSoon();
    };
    page.onDraftFiles = (files) => {
      if (this.files.peek().length > 0) return;
      this.savedFiles = files;
      this.files.value = files;
    };
  }

  set(text: string): void {
    // A draft that an earlier message stood in for can be had again when that is changed.
    if (this.recalling && this.own.trim() !== '') this.others.push(this.own);
    this.put(text);
  }

  private put(text: string): void {
    this.text.value = text;
    this.place = -1;
    this.history = null;
    this.flushSoon();
  }

  private flushSoon(): void {
    this.timer ??= setTimeout(() => this.flush(), DRAFT_MS);
  }

  /** Hands the host what it does not have yet. */
  flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    // An earlier message that is only looked at is no draft.
    const text = this.recalling ? this.own : this.text.peek();
    const files = this.files.peek();
    if ((text === this.saved && files === this.savedFiles)) return;
    this.page.sendDraft(text, files === this.savedFiles ? null : files);
    this.saved = text;
    this.savedFiles = files;
  }

  addFile(file: Attachment): void {
    this.files.value = [...this.files.peek(), file];
    this.flushSoon();
  }

  removeFile(place: number): void {
    this.files.value = this.files.peek().filter((_, each) => each !== place);
    this.flushSoon();
  }

  /** Sends what is written. It leaves the box at once and comes back if the host refuses it, before what was written since. */
  async send(how: 'send' | 'queue' | 'steer'): Promise<void> {
    const text = this.text.peek().trim();
    const files = this.files.peek();
    if (text === '' && files.length === 0) return;
    const before = this.text.peek();
    this.put(this.recalling ? this.own : '');
    this.files.value = [];
    this.flush();
    this.page.feedback.value = null;
    // What is said now is seen where it stands; what waits stands over the box anyway.
    if (how === 'send') this.page.onSent();
    if (await this.page.ask({ ask: 'send', text, attachments: files, how })) {
      if (text !== '') this.others.push(text);
      return;
    }
    const since = this.text.peek();
    this.files.value = [...files, ...this.files.peek()];
    this.set(since.trim() === '' ? before : `${before}\n\n${since}`);
  }

  /**
   * Shows the message before (1) or after (-1) in the history; the draft stands behind the newest. `shown` is called with the text right before it is, which takes a moment where the host has to
   * be asked; nothing is shown where there is none, or when something was written meanwhile.
   */
  async recall(step: 1 | -1, shown: (text: string) => void): Promise<void> {
    const { place } = this;
    const next = place + step;
    if (next < -1) return;
    const history = (this.history ??= new PromptHistory(this.page, this.others));
    const text = next === -1 ? this.own : (history.at(next) ?? (await history.reach(next)));
    if (text === null || this.history !== history || this.place !== place) return;
    if (place === -1) this.own = this.text.peek();
    shown(text);
    this.text.value = text;
    this.place = next;
    // What came meanwhile is there the next time.
    if (next === -1) this.history = null;
  }

  get recalling(): boolean {
    return this.place >= 0;
  }
}
