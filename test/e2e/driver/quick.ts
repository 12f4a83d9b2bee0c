import { setTimeout as sleep } from 'node:timers/promises';
import type { Locator, Page } from 'playwright-core';
import { matches, until } from './wait.ts';

/** What a quick pick or an input box shows. */
export interface QuickState {
  readonly title: string;
  readonly placeholder: string;
  readonly value: string;
  /** The prompt of an input box, or what is wrong with its value. */
  readonly message: string;
  readonly items: readonly QuickItem[];
}

export interface QuickItem {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
}

/** VS Code's quick input: the palette, quick picks and input boxes. */
export class QuickInput {
  readonly #page: Page;
  readonly widget: Locator;
  readonly #input: Locator;

  constructor(page: Page) {
    this.#page = page;
    this.widget = page.locator('.quick-input-widget').filter({ visible: true });
    this.#input = this.widget.locator('input.input');
  }

  /** What is shown now; undefined when no quick input is open. */
  async state(): Promise<QuickState | undefined> {
    return this.#page.evaluate(() => {
      const widget = [...document.querySelectorAll<HTMLElement>('.quick-input-widget')].find((one) => one.checkVisibility() && one.querySelector('input.input')?.checkVisibility() === true);
      if (widget === undefined) return undefined;
      const text = (root: Element, selector: string): string => (root.querySelector(selector)?.textContent ?? '').replaceAll('\u00a0', ' ').trim();
      const input = widget.querySelector<HTMLInputElement>('input.input');
      const items = [...widget.querySelectorAll('.quick-input-list .monaco-list-row')].map((row) => ({ label: text(row, '.label-name'), description: text(row, '.label-description'), detail: text(row, '.quick-input-list-label-meta') }));
      return { title: text(widget, '.quick-input-title'), placeholder: input?.placeholder ?? '', value: input?.value ?? '', message: text(widget, '.quick-input-message'), items };
    });
  }

  /**
   * Waits for a quick input.
   * @param wanted what its title or placeholder (or, for an input box, its prompt) must be; any one without it
   */
  async wait(wanted?: string | RegExp): Promise<QuickState> {
    return until(`a quick input ${wanted ?? ''}`, async () => {
      const state = await this.state();
      if (state === undefined) return undefined;
      return wanted === undefined || [state.title, state.placeholder, state.message].some((text) => matches(text, wanted)) ? state : undefined;
    }, { detail: async () => JSON.stringify(await this.state()) });
  }

  /** Chooses an item by its label; what is not among the first ones is filtered for. */
  async pick(label: string | RegExp): Promise<void> {
    await (await this.#find(label)).click();
  }

  /** Sets the tick of an item in a pick of many. */
  async check(label: string | RegExp, checked = true): Promise<void> {
    const box = (await this.#find(label)).locator('input[type=checkbox], [role=checkbox]').first();
    if ((await box.isChecked()) !== checked) await box.click();
  }

  /** Puts a text into the input, without accepting it. */
  async type(text: string): Promise<void> {
    await this.wait();
    await this.#input.fill(text);
  }

  async accept(): Promise<void> {
    await this.#input.press('Enter');
  }

  /** Puts a text into an input box and accepts it. */
  async answer(text: string): Promise<void> {
    await this.type(text);
    await this.accept();
  }

  /**
   * Gives a path to the file dialog of a VS Code in a browser. It looks at its folder first, puts a name of its own then, and until it has looked at another one Enter is for the name that stood there.
   * @param listed something that is in the path's folder
   */
  async saveAs(path: string, listed: string): Promise<void> {
    await this.wait();
    await until(`the dialog to take ${path}`, async () => {
      if (await this.#isReady(path, listed)) {
        await this.accept();
        return until('it to close', async () => (await this.state()) === undefined, { timeoutMs: 1_500 });
      }
      const state = await this.state();
      if (state !== undefined && state.value !== path) await this.#input.fill(path);
      return state === undefined;
    }, { detail: async () => JSON.stringify(await this.state()) });
  }

  /** Whether the dialog has the path, shows its folder, and changes neither any more. */
  async #isReady(path: string, listed: string): Promise<boolean> {
    const ready = async (): Promise<boolean> => {
      const state = await this.state();
      return state?.value === path && state.items.some(({ label }) => label === listed);
    };
    if (!(await ready())) return false;
    await sleep(400);
    return ready();
  }

  /** Waits for a quick input and closes it with Escape. */
  async cancel(): Promise<void> {
    await this.wait();
    await until('the quick input to close', async () => {
      await this.#input.press('Escape', { timeout: 1000 }).catch(() => undefined);
      return (await this.state()) === undefined;
    });
  }

  /** Presses a button in the title bar, such as "Back". */
  async button(name: string | RegExp): Promise<void> {
    await this.widget.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) }).first().click();
  }

  async waitClosed(): Promise<void> {
    await until('the quick input to close', async () => (await this.state()) === undefined);
  }

  async #find(label: string | RegExp): Promise<Locator> {
    await until(`the item ${label}`, async () => {
      const state = await this.state();
      if (state === undefined) return undefined;
      if (state.items.some((item) => matches(item.label, label))) return true;
      if (typeof label === 'string' && state.value === '' && state.items.length > 0) await this.#input.fill(label);
      return undefined;
    }, { detail: async () => JSON.stringify(await this.state()) });
    const rows = this.widget.locator('.quick-input-list .monaco-list-row');
    // Details have a name of their own in their row.
    const labels = await rows.evaluateAll((all) => all.map((row) => row.querySelector('.label-name')?.textContent ?? ''));
    return rows.nth(labels.findIndex((text) => matches(text.replaceAll('\u00a0', ' ').trim(), label)));
  }
}
