import { signal } from '@preact/signals';
import type { ChatPage } from '../page.ts';
import type { Attachment } from '../types.ts';

const DRAFT_MS = 250;
const NO_FILES: readonly Attachment[] = [];

/** The message that is being written: its text and its files, kept by the host, and the messages before it that ArrowUp brings back. */
export class Draft {
  readonly text = signal('');
  readonly files = signal(NO_FILES);
  private readonly page: ChatPage;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private saved = '';
  private savedFiles = NO_FILES;
  private readonly sent: string[] = [];
  /** Place in the history, counted from the newest; -1: the person's own text. */
  private place = -1;
  private own = '';

  constructor(page: ChatPage) {
    this.page = page;
    page.onDraft = (text) => {
      this.saved = text;
      // What was typed before the snapshot came is newer than what was kept.
      if (this.text.peek() === '') this.text.value = text;
    };
    page.onDraftFiles = (files) => {
      if (this.files.peek().length > 0) return;
      this.savedFiles = files;
      this.files.value = files;
    };
  }

  set(text: string): void {
    this.text.value = text;
    this.place = -1;
    this.flushSoon();
  }

  private flushSoon(): void {
    this.timer ??= setTimeout(() => this.flush(), DRAFT_MS);
  }

  /** Hands the host what it does not have yet. */
  flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const text = this.text.peek();
    const files = this.files.peek();
    if ((text === this.saved && files === this.savedFiles) || this.page.session === '') return;
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
    this.set('');
    this.files.value = [];
    this.flush();
    this.page.feedback.value = null;
    // What is said now is seen where it stands; what waits stands over the box anyway.
    if (how === 'send') this.page.onSent();
    if (await this.page.ask({ ask: 'send', text, attachments: files, how })) {
      if (text !== '') this.sent.push(text);
      return;
    }
    const since = this.text.peek();
    this.files.value = [...files, ...this.files.peek()];
    this.set(since.trim() === '' ? before : `${before}\n\n${since}`);
  }

  /** One message back (1) or forward (-1) in the history; false when there is none. */
  recall(step: 1 | -1): boolean {
    const history = this.history();
    const next = this.place + step;
    if (next < -1 || next >= history.length) return false;
    if (this.place === -1) this.own = this.text.peek();
    this.text.value = next === -1 ? this.own : (history[next] ?? '');
    this.place = next;
    this.flushSoon();
    return true;
  }

  get recalling(): boolean {
    return this.place >= 0;
  }

  /** Newest first, each once. */
  private history(): string[] {
    const texts: string[] = [];
    for (const span of this.page.rows.spans) for (const row of span.rows) if (row.kind === 'prompt' && row.text.trim() !== '') texts.push(row.text);
    return [...new Set([...texts, ...this.sent].reverse())];
  }
}
