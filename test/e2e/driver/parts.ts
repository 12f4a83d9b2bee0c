import type { Locator, Page } from 'playwright-core';
import { matches, until } from './wait.ts';

/** A modal dialog of VS Code. */
export interface DialogState {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly string[];
}

/** VS Code's modal dialogs: what a command asks before it destroys something. */
export class Dialogs {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** The dialog that is open; undefined when there is none. */
  async state(): Promise<DialogState | undefined> {
    return this.#page.evaluate(() => {
      const box = document.querySelector('.monaco-dialog-box');
      if (box === null) return undefined;
      const text = (selector: string): string => (box.querySelector(selector)?.textContent ?? '').trim();
      return { message: text('.dialog-message'), detail: text('.dialog-message-detail'), buttons: [...box.querySelectorAll('.dialog-buttons .monaco-button')].map((button) => (button.textContent ?? '').trim()) };
    });
  }

  /** Waits for a dialog whose message is as wanted. */
  async wait(message?: string | RegExp): Promise<DialogState> {
    return until(`a dialog ${message ?? ''}`, async () => {
      const state = await this.state();
      return state !== undefined && (message === undefined || matches(state.message, message)) ? state : undefined;
    }, { detail: async () => JSON.stringify(await this.state()) });
  }

  /** Presses a button of the open dialog, and waits until the dialog is gone. */
  async press(button: string): Promise<void> {
    const state = await this.wait();
    await this.#page.locator('.monaco-dialog-box .dialog-buttons').getByRole('button', { name: button, exact: true }).click();
    await until('the dialog to close', async () => (await this.state())?.message !== state.message);
  }
}

/** A notification of VS Code. */
export interface NotificationState {
  readonly message: string;
  readonly severity: 'info' | 'warning' | 'error';
  readonly source: string;
  readonly buttons: readonly string[];
}

/** VS Code's notifications, as long as their toasts are shown. */
export class Notifications {
  readonly #page: Page;
  readonly #toasts: Locator;

  constructor(page: Page) {
    this.#page = page;
    this.#toasts = page.locator('.notifications-toasts .notification-list-item');
  }

  /** Every toast that is shown, newest first. */
  async all(): Promise<readonly NotificationState[]> {
    return this.#page.evaluate(() => [...document.querySelectorAll('.notifications-toasts .notification-list-item')].map((toast) => {
      const text = (selector: string): string => (toast.querySelector(selector)?.textContent ?? '').trim();
      const icon = toast.querySelector('.notification-list-item-icon')?.className ?? '';
      const severity = icon.includes('error') ? 'error' : icon.includes('warning') ? 'warning' : 'info';
      return { message: text('.notification-list-item-message'), severity, source: text('.notification-list-item-source'), buttons: [...toast.querySelectorAll('.notification-list-item-buttons-container .monaco-button')].map((button) => (button.textContent ?? '').trim()).filter((label) => label !== '') };
    }));
  }

  async wait(message: string | RegExp): Promise<NotificationState> {
    // Toasts go by themselves: the error tells all that came.
    const seen = new Set<string>();
    return until(`a notification ${message}`, async () => {
      const all = await this.all();
      for (const one of all) seen.add(`${one.severity}: ${one.message}`);
      return all.find((one) => matches(one.message, message));
    }, { detail: () => Promise.resolve(JSON.stringify([...seen])) });
  }

  /** Presses a button of a notification. */
  async press(message: string | RegExp, button: string): Promise<void> {
    const toast = await this.#toast(message);
    await toast.hover();
    await toast.getByRole('button', { name: button, exact: true }).click();
  }

  /** Closes a notification. */
  async dismiss(message: string | RegExp): Promise<void> {
    const toast = await this.#toast(message);
    await toast.hover();
    await toast.locator('.notification-list-item-toolbar-container .codicon-notifications-clear, .notification-list-item-toolbar-container .codicon-close').first().click();
    await until('the notification to close', async () => !(await this.all()).some((one) => matches(one.message, message)));
  }

  async #toast(message: string | RegExp): Promise<Locator> {
    await this.wait(message);
    const index = (await this.all()).findIndex((one) => matches(one.message, message));
    return this.#toasts.nth(index);
  }
}

/** VS Code's context menus and drop-downs. */
export class Menus {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** The open menu: the innermost one. */
  get #menu(): Locator {
    return this.#page.locator('.monaco-menu').filter({ visible: true }).last();
  }

  async isOpen(): Promise<boolean> {
    return (await this.#count()) > 0;
  }

  async #count(): Promise<number> {
    return this.#page.locator('.monaco-menu').filter({ visible: true }).count();
  }

  /** The labels of the open menu that can be chosen. */
  async labels(): Promise<readonly string[]> {
    const items = this.#menu.locator('.action-item:not(.disabled) [role=menuitem], .action-item:not(.disabled) [role=menuitemcheckbox]').locator('.action-label');
    return (await items.allTextContents()).map((text) => text.replaceAll('\u00a0', ' ').trim()).filter((text) => text !== '');
  }

  /** Opens a menu by `open` (tried again while none shows) and chooses an item of it, a path of labels leading through submenus. */
  async choose(open: () => Promise<void>, ...path: readonly string[]): Promise<void> {
    await this.open(open);
    for (const label of path) {
      await until(`the menu item ${label}`, async () => (await this.labels()).includes(label), { timeoutMs: 5000, detail: async () => (await this.labels()).join(', ') });
      const before = await this.#count();
      // A menu takes no click in the moment after it opened.
      await until(`the menu to take ${label}`, async () => {
        if ((await this.#count()) !== before) return true;
        await this.#menu.locator('.action-label').getByText(label, { exact: true }).click({ timeout: 2000 });
        return until('the menu to change', async () => (await this.#count()) !== before, { timeoutMs: 500 });
      });
    }
  }

  /** Opens a menu by `open`, tried again while none shows (a view that is refreshing closes it). */
  async open(open: () => Promise<void>): Promise<void> {
    await until('a menu', async () => {
      if (await this.isOpen()) return true;
      await open();
      return until('the menu to show', () => this.isOpen(), { timeoutMs: 1500 });
    });
  }

  async close(): Promise<void> {
    if (await this.isOpen()) await this.#page.keyboard.press('Escape');
    await until('the menu to close', async () => !(await this.isOpen()));
  }
}
