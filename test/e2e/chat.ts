import { expect } from 'vitest';
import type { Frame, Locator } from 'playwright-core';
import { until, type VSCodeWindow } from './driver/index.ts';

/** A chat's page by the names that a person and a screen reader see. */
export class Chat {
  readonly frame: Frame;

  constructor(frame: Frame) {
    this.frame = frame;
  }

  /** The chat of the active editor, once its composer is there. */
  static async of(window: VSCodeWindow, title?: string): Promise<Chat> {
    const chat = new Chat(await window.chat(title));
    await chat.composer.waitFor();
    return chat;
  }

  get composer(): Locator {
    return this.frame.getByRole('textbox', { name: 'Message' });
  }

  button(name: string): Locator {
    return this.frame.getByRole('button', { name, exact: true });
  }

  /** Rows of one kind, oldest first. */
  rows(kind: string): Locator {
    return this.frame.locator(`[role="log"] [role="article"][data-kind="${kind}"]`);
  }

  permission(tool?: string): Locator {
    return this.frame.getByRole('group', { name: tool === undefined ? /^Permission: / : `Permission: ${tool}` }).filter({ has: this.frame.getByRole('button', { name: 'Deny', exact: true }) });
  }

  /** Types a prompt and sends it with Enter; resolves when it stands in the transcript. */
  async say(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press('Enter');
    await this.rows('prompt').filter({ hasText: text }).last().waitFor();
    // Its turn starts a moment later; one that is over before it is seen here has ended, which is as good.
    await this.button('Stop').waitFor({ timeout: 4_000 }).catch(() => undefined);
  }

  /** Waits until the transcript shows the text, in a row of that kind. */
  async saw(kind: string, text: string | RegExp): Promise<Locator> {
    const row = this.rows(kind).filter({ hasText: text }).last();
    await row.waitFor({ timeout: 30_000 });
    return row;
  }

  /** Waits until no turn runs. */
  async idle(): Promise<void> {
    await this.button('Stop').waitFor({ state: 'hidden', timeout: 30_000 });
  }

  /** Answers the permission that waits. */
  async answer(button: string): Promise<void> {
    const card = this.permission().last();
    await card.waitFor({ timeout: 30_000 });
    await card.getByRole('button', { name: button, exact: true }).click();
    await card.getByRole('button', { name: button, exact: true }).waitFor({ state: 'hidden', timeout: 30_000 });
  }

  /** Kinds and texts of all rows from the first to the last, without what changes with time. Only a window of them is in the page: it is scrolled through. */
  async content(): Promise<readonly string[]> {
    const log = this.frame.getByRole('log', { name: 'Transcript' });
    const all: string[] = [];
    await log.evaluate((element) => void (element.scrollTop = 0));
    for (let step = 0; step < 500; step += 1) {
      const seen = await log.evaluate(async (element) => {
        await new Promise((resolve) => setTimeout(resolve, 60));
        const rows = [...element.querySelectorAll<HTMLElement>('[role="article"]')].filter((row) => row.parentElement?.closest('[role="article"]') === null);
        const texts = rows.map((row) => `${row.getAttribute('data-kind') ?? ''}: ${row.innerText.replaceAll(/\s+/g, ' ').trim()}`);
        const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 2;
        element.scrollTop += element.clientHeight / 2;
        return { texts, atEnd };
      });
      const texts = seen.texts.map((row) => row.replaceAll(/\d+(\.\d+)? ?(ms|s|m|h)\b/g, '…').replaceAll(/\d\d:\d\d/g, '…'));
      let shared = Math.min(all.length, texts.length);
      while (shared > 0 && !texts.slice(0, shared).every((text, index) => text === all[all.length - shared + index])) shared -= 1;
      if (shared === 0 && all.length > 0) {
        const known = new Set(all);
        all.push(...texts.filter((text) => !known.has(text)));
      } else all.push(...texts.slice(shared));
      if (seen.atEnd) return all;
    }
    throw new Error('the transcript has no end');
  }

  async expectSameAs(before: readonly string[]): Promise<void> {
    let now: readonly string[] = [];
    await until('the same rows as before', async () => {
      now = await this.content();
      return JSON.stringify(now) === JSON.stringify(before);
    }, { timeoutMs: 30_000 }).catch(() => undefined);
    expect(now).toEqual(before);
  }
}
