import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { inject } from 'vitest';
import type { FakeHost } from '../../webview-ui/gallery/fake.ts';
import { scenes } from '../../webview-ui/gallery/scenes.ts';

/** What the gallery's tests run on. */
export interface Rig {
  /** Ends with a slash. */
  readonly url: string;
  /** The folder for what a run leaves behind to be looked at. */
  readonly results: string;
  readonly chromium: { readonly executable: string; readonly env: Record<string, string> };
}

export type Theme = 'dark' | 'light' | 'hc-dark' | 'hc-light';
export const THEMES: readonly Theme[] = ['dark', 'light', 'hc-dark', 'hc-light'];
export const SCENES: readonly string[] = Object.keys(scenes);

/** What the gallery's page gives to its tests. */
export interface GalleryWindow extends Window {
  readonly gallery: {
    readonly host: FakeHost;
    readonly ready: Promise<void>;
    readonly setTheme: (theme: string) => void;
    readonly show: () => void;
  };
}

/** Letters and colours come out alike whatever the machine: no hinting, no colours at the edges of letters, one colour profile. */
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--font-render-hinting=none', '--disable-lcd-text', '--force-color-profile=srgb'];
/** Names beyond this computer do not resolve: whatever asks for one has failed. */
const LOOPBACK_ONLY = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1';

/** When the gallery's pictures are taken. */
const NOW = Date.UTC(2026, 10, 20, 14, 2, 30);

export interface ContextOptions {
  readonly width?: number;
  readonly height?: number;
  readonly motion?: 'reduce' | 'no-preference';
}

/** A browser with the gallery. Close it. */
export class Gallery implements AsyncDisposable {
  readonly rig: Rig;
  readonly browser: Browser;

  constructor(rig: Rig, browser: Browser) {
    this.rig = rig;
    this.browser = browser;
  }

  static async open(): Promise<Gallery> {
    const rig = inject('gallery');
    const browser = await chromium.launch({ executablePath: rig.chromium.executable, env: { ...process.env, ...rig.chromium.env }, args: [...FLAGS, LOOPBACK_ONLY] });
    return new Gallery(rig, browser);
  }

  /** A page of a fixed time, place and language. */
  async page(options: ContextOptions = {}): Promise<Page> {
    const context: BrowserContext = await this.browser.newContext({ viewport: { width: options.width ?? 800, height: options.height ?? 700 }, deviceScaleFactor: 1, reducedMotion: options.motion ?? 'reduce', locale: 'en-US', timezoneId: 'UTC' });
    const page = await context.newPage();
    await page.clock.setFixedTime(NOW);
    return page;
  }

  /** Goes to a scene and waits until nothing of it changes any more. */
  async show(page: Page, scene: string, theme: Theme = 'dark'): Promise<void> {
    await page.goto(`${this.rig.url}?scene=${scene}&theme=${theme}`);
    await page.evaluate(() => (window as unknown as GalleryWindow).gallery.ready);
    await settled(page);
  }

  async close(): Promise<void> {
    await this.browser.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Shows the page in a theme, as VS Code does when the person chooses another. */
export async function setTheme(page: Page, theme: Theme): Promise<void> {
  await page.evaluate((name) => new Promise<void>((resolve) => {
    (window as unknown as GalleryWindow).gallery.setTheme(name);
    requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
  }), theme);
}

/** Resolves when the document has not changed for a moment and some frames, its code is coloured, and what fades in has; after five seconds in any case. */
export async function settled(page: Page, quietMs = 120): Promise<void> {
  await page.evaluate(async (quiet) => {
    let changed = true;
    const observer = new MutationObserver(() => {
      changed = true;
    });
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    const end = performance.now() + 5_000;
    // Colours come from a worker, in its own time; an open fence waits for its end.
    const coloured = (): boolean => Array.from(document.querySelectorAll('.md-chunk pre[aria-label^="Code, "]')).every((code) => code.querySelector('[class^="tok-"]') !== null);
    while (performance.now() < end && (changed || !coloured())) {
      changed = false;
      await new Promise((resolve) => setTimeout(resolve, quiet));
      for (let frame = 0; frame < 3; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    observer.disconnect();
    for (const animation of document.getAnimations()) if (animation.effect?.getComputedTiming().iterations !== Infinity) animation.finish();
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  }, quietMs);
}

/** Makes the page as high as its transcript, so that every row is drawn and none is cut; at most `most` pixels. */
export async function fit(page: Page, width: number, most = 2_600): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    const { height, wanted } = await page.evaluate((tallest) => {
      const log = document.querySelector('.log');
      // A page without rows keeps a height of its own, and so does one that is read further up or leads there over more than a picture takes.
      const further = document.querySelector(log !== null && log.scrollHeight > tallest ? '.jump' : '.jump:not(.above)') !== null;
      const rows = further ? 0 : document.querySelectorAll('.log > .row').length;
      const over = log === null || rows === 0 ? 0 : Array.from(log.children).reduce((sum, each) => sum + each.getBoundingClientRect().height, 8) - log.clientHeight;
      return { height: innerHeight, wanted: rows === 0 ? (further ? 700 : 480) : Math.ceil(innerHeight + over) };
    }, most);
    const next = Math.min(most, Math.max(420, wanted));
    if (next === height && (page.viewportSize()?.width ?? 0) === width) return;
    await page.setViewportSize({ width, height: next });
    await settled(page, 80);
  }
}
