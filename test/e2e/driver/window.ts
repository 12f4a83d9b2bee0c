import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BrowserContext, Frame, Locator, Page } from 'playwright-core';
import { askHelper, type HelperRequest } from './helper.ts';
import { Dialogs, Menus, Notifications } from './parts.ts';
import { QuickInput } from './quick.ts';
import { resultsFolder } from './rig.ts';
import { TreeView } from './tree.ts';
import { until } from './wait.ts';

/** How long a workbench may take to start on a busy machine. */
const START_MS = 90_000;
/** Longer than the time after which VS Code in a browser has stored its layout. */
const LAYOUT_STORED_MS = 6000;
const CONTAINER = 'Pilothouse';
const EXTENSION = 'pilothouse.pilothouse';

export type Theme = 'Dark Modern' | 'Light Modern' | 'Default High Contrast' | 'Default High Contrast Light';

const THEME_CLASS: Readonly<Record<Theme, string>> = { 'Dark Modern': 'vs-dark', 'Light Modern': 'vs', 'Default High Contrast': 'hc-black', 'Default High Contrast Light': 'hc-light' };

/** One VS Code window: a browser page on the code-server. */
export class VSCodeWindow {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly quickInput: QuickInput;
  readonly dialogs: Dialogs;
  readonly notifications: Notifications;
  readonly menus: Menus;
  /** Errors that scripts of the workbench and of webviews did not catch, and what they wrote to the console as an error. */
  readonly errors: string[] = [];
  readonly #claimHost: () => Promise<number>;
  readonly #helperFolder: string;
  #hostPid = 0;

  /**
   * @param claimHost waits for an extension host that no other window has, and gives its process id
   * @param helperFolder where the helper extension listens
   */
  constructor(page: Page, claimHost: () => Promise<number>, helperFolder: string) {
    this.page = page;
    this.context = page.context();
    this.quickInput = new QuickInput(page);
    this.dialogs = new Dialogs(page);
    this.notifications = new Notifications(page);
    this.menus = new Menus(page);
    this.#claimHost = claimHost;
    this.#helperFolder = helperFolder;
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => this.errors.push(`uncaught: ${error.stack ?? error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(`console: ${message.text()}`);
    });
    page.on('dialog', (dialog) => void dialog.accept().catch(() => undefined));
  }

  /** The process id of this window's extension host. */
  get extensionHostPid(): number {
    return this.#hostPid;
  }

  /** Opens the workbench, and waits until it and the extension's views are there. */
  async open(url: string): Promise<void> {
    await this.page.goto(url, { timeout: START_MS });
    await this.#ready();
  }

  /**
   * Reloads the window, as the person would in the browser. VS Code in a browser stores its layout and the state of webviews every five
   * seconds only, and forgets what is younger: that is waited for.
   */
  async reload(): Promise<void> {
    await this.page.waitForTimeout(LAYOUT_STORED_MS);
    await this.page.reload({ timeout: START_MS });
    await this.#ready();
  }

  async #ready(): Promise<void> {
    await this.page.locator('.monaco-workbench').waitFor({ timeout: START_MS });
    await this.page.locator(`.activitybar a[aria-label^="${CONTAINER}"]`).first().waitFor({ state: 'attached', timeout: START_MS });
    this.#hostPid = await this.#claimHost();
    await until('the extension to be active', async () => (await this.#ask({ action: 'isActive', extension: EXTENSION })) === true, { timeoutMs: START_MS });
  }

  #ask(request: HelperRequest, timeoutMs?: number): Promise<unknown> {
    return askHelper(this.#helperFolder, this.#hostPid, request, timeoutMs);
  }

  /**
   * Runs a command by its id with arguments, as another extension would; for what the person does, use `runCommand`.
   * @returns what the command gave, as far as it goes through JSON; null for nothing
   */
  async executeCommand(id: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.#ask({ action: 'execute', command: id, args });
  }

  /** Changes user settings, as the settings editor would; null removes one. */
  async updateSettings(changes: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#ask({ action: 'settings', changes });
  }

  /** The value of a setting in this window. */
  async setting(name: string): Promise<unknown> {
    return this.#ask({ action: 'setting', name });
  }

  /** Changes the colour theme, and waits until it shows. */
  async setTheme(theme: Theme): Promise<void> {
    await this.updateSettings({ 'workbench.colorTheme': theme });
    await this.page.locator(`.monaco-workbench.${THEME_CLASS[theme]}`).waitFor();
  }

  /** Runs a command through the palette, by its title with or without its category ("New Session…", "View: Toggle Terminal"). */
  async runCommand(title: string): Promise<void> {
    await until('the palette', async () => {
      await this.page.keyboard.press('F1');
      return until('the palette to show', async () => (await this.quickInput.state())?.value.startsWith('>'), { timeoutMs: 2000 });
    }, { detail: async () => JSON.stringify(await this.quickInput.state()) });
    await this.quickInput.type(`>${title}`);
    const wanted = [title, `${CONTAINER}: ${title}`];
    await until(`the command ${title}`, async () => (await this.quickInput.state())?.items.some((item) => wanted.includes(item.label)), {
      detail: async () => (await this.quickInput.state())?.items.map((item) => item.label).join(', ') ?? '',
    });
    const labels = (await this.quickInput.state())?.items.map((item) => item.label) ?? [];
    await this.quickInput.pick(labels.includes(title) ? title : `${CONTAINER}: ${title}`);
  }

  /** Shows a view of the extension ("Sessions", "Connections", "Jobs") and unfolds it. */
  async openView(title: string): Promise<TreeView> {
    const view = new TreeView(this.page, this.menus, title);
    const header = view.pane.locator('.pane-header').first();
    await until(`the view ${title}`, async () => {
      if (await header.isVisible()) return true;
      // Its badge lies over the whole of it, and passes clicks on.
      await this.page.locator(`.activitybar a[aria-label^="${CONTAINER}"]`).first().click({ force: true });
      await header.waitFor({ timeout: 3000 });
      return true;
    });
    if ((await header.getAttribute('aria-expanded')) === 'false') await header.click();
    await view.pane.locator('.pane-body').first().waitFor();
    return view;
  }

  /** The number on the extension's icon; '' without one. */
  async badge(): Promise<string> {
    const badge = this.page.locator('.activitybar .action-item').filter({ has: this.page.locator(`a[aria-label^="${CONTAINER}"]`) }).locator('.badge-content');
    return (await badge.count()) === 0 ? '' : ((await badge.first().textContent()) ?? '').trim();
  }

  /** The titles of the open editors, group by group. */
  async tabs(): Promise<readonly string[]> {
    return this.page.locator('.editor-group-container .tab .label-name').evaluateAll((labels) => labels.map((label) => (label.textContent ?? '').trim()));
  }

  /** An editor's tab. */
  tab(title: string): Locator {
    return this.page.locator('.editor-group-container .tab').filter({ has: this.page.locator('.label-name').getByText(title, { exact: true }) }).first();
  }

  async closeTab(title: string): Promise<void> {
    await this.tab(title).hover();
    await this.tab(title).getByRole('button', { name: /^Close/ }).click();
    await this.tab(title).waitFor({ state: 'detached' });
  }

  /**
   * The page inside a chat's tab, which is brought to the front. A webview's page is a different one after a reload, and after its tab was
   * hidden: ask again then.
   * @param title the tab's title; without it, the chat of the active editor group
   */
  async chat(title?: string): Promise<Frame> {
    if (title !== undefined) {
      const tab = this.tab(title);
      await tab.waitFor();
      if ((await tab.getAttribute('aria-selected')) !== 'true') await tab.click();
    }
    return until(`the chat ${title ?? ''}`, async () => {
      const id = await this.#webviewId(title);
      const outer = id === null ? undefined : this.page.frames().find((frame) => frame.name() === id);
      for (const frame of outer?.childFrames() ?? []) {
        const element = await frame.frameElement();
        if ((await element.getAttribute('id')) !== 'active-frame') continue;
        if (await frame.evaluate(() => document.readyState !== 'loading' && document.body.childElementCount > 0)) return frame;
      }
      return undefined;
    });
  }

  /** The id of the webview that stands in the group whose active tab has that title (the active group's without one). */
  async #webviewId(title: string | undefined): Promise<string | null> {
    return this.page.evaluate((wanted) => {
      for (const group of document.querySelectorAll('.editor-group-container')) {
        const shown = (group.querySelector('.tab.active .label-name')?.textContent ?? '').trim();
        if (wanted === undefined ? group.classList.contains('active') : shown === wanted) {
          const element = [...group.querySelectorAll<HTMLElement>('[id^="webview-editor-element-"]')].find((one) => one.getClientRects().length > 0);
          const id = element?.getAttribute('aria-flowto');
          if (id !== null && id !== undefined) return id;
        }
      }
      return null;
    }, title);
  }

  async resize(width: number, height: number): Promise<void> {
    await this.page.setViewportSize({ width, height });
    await this.#painted();
  }

  /** Takes a picture of the window into `test-results/screenshots/<name>.png`. */
  async screenshot(name: string): Promise<string> {
    const path = join(resultsFolder, 'screenshots', `${name.replaceAll(/[^\w.-]+/g, '-')}.png`);
    mkdirSync(dirname(path), { recursive: true });
    await this.#painted();
    await this.page.screenshot({ path, animations: 'disabled', caret: 'hide' });
    return path;
  }

  /** Waits until what was changed is on the screen. */
  async #painted(): Promise<void> {
    await this.page.evaluate(() => document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(undefined))))));
  }

  /** Closes the window, as if the person closed the browser's tab. */
  async close(): Promise<void> {
    await this.page.close();
  }
}
