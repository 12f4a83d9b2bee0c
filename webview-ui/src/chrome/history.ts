import type { ChatPage } from '../page.ts';

/** So many messages before the end of what is here, others are asked for. */
const AHEAD = 10;

/**
 * What was asked in a session, as ArrowUp goes through it: newest first, what is the same as the one before it only once. It begins with what waits and with the rows that are here, up to the
 * first that is not; what was asked before that is the host's to tell, a page at a time. What comes while somebody goes through it does not move it.
 */
export class PromptHistory {
  private readonly page: ChatPage;
  private readonly texts: string[] = [];
  /** The row before which others are to be asked for; null: from the session's end. */
  private next: string | null = null;
  private whole = false;
  private asking: Promise<void> | null = null;

  /** `others`: what is to be had beside what the host knows, oldest first. */
  constructor(page: ChatPage, others: readonly string[]) {
    this.page = page;
    const prompts = this.promptsHere();
    const clients = new Set(prompts.map((prompt) => prompt.clientId));
    const waiting = (page.state.peek()?.outbox ?? []).filter((each) => !clients.has(each.clientId)).map((each) => each.text);
    const known = new Set([...prompts.map((prompt) => prompt.text), ...waiting]);
    this.add(others.filter((text) => !known.has(text)).reverse());
    this.add(waiting.reverse());
    this.add(prompts.map((prompt) => prompt.text).reverse());
  }

  /** The message at a place, counted from the newest; null where there is none (yet). */
  at(place: number): string | null {
    if (place >= this.texts.length - AHEAD) void this.more();
    return this.texts[place] ?? null;
  }

  /** The message at a place, also where it has to be asked for; null where there is none. */
  async reach(place: number): Promise<string | null> {
    while (!this.whole && place >= this.texts.length) await this.more();
    return this.texts[place] ?? null;
  }

  /** The prompts of the last rows, as far as there is no gap between them. */
  private promptsHere(): readonly { readonly text: string; readonly clientId: string | null }[] {
    const { rows } = this.page;
    const last = rows.spans.at(-1);
    this.whole = rows.total === 0;
    if (last === undefined || last.start + last.rows.length !== rows.total) return [];
    this.whole = last.start === 0;
    this.next = last.rows[0]?.key ?? null;
    return last.rows.filter((row) => row.kind === 'prompt');
  }

  private add(texts: readonly string[]): void {
    for (const text of texts) if (text.trim() !== '' && text !== this.texts.at(-1)) this.texts.push(text);
  }

  /** Asks for a page. Without an answer there is no more to be had. */
  private more(): Promise<void> {
    if (this.whole) return Promise.resolve();
    this.asking ??= this.ask().finally(() => (this.asking = null));
    return this.asking;
  }

  private async ask(): Promise<void> {
    const value = await this.page.request({ ask: 'prompts', before: this.next }).catch(() => null);
    this.whole = value?.kind !== 'prompts' || value.next === null;
    if (value?.kind !== 'prompts') return;
    this.next = value.next;
    this.add(value.prompts);
  }
}
