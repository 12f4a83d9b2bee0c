import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fit, Gallery, SCENES, setTheme, THEMES } from './rig.ts';

/** axe finds nothing in any scene and theme. No rule is switched off; that of the sizes of targets is switched on. */
interface AxeWindow extends Window {
  readonly axe: { run(context: object, options: RunOptions): Promise<AxeResults> };
}

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let gallery: Gallery;
let page: Page;

beforeAll(async () => {
  gallery = await Gallery.open();
  page = await gallery.page();
});
afterAll(async () => {
  await gallery?.close();
});

/** What axe finds in the page, a line an element; `only` names rules. */
async function violations(only?: readonly string[]): Promise<string[]> {
  await page.evaluate(source);
  return page.evaluate(async (rules) => {
    const found = await (window as unknown as AxeWindow).axe.run(document, { resultTypes: ['violations'], ...(rules === null ? { rules: { 'target-size': { enabled: true } } } : { runOnly: { type: 'rule', values: [...rules] } }) });
    return found.violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.html.slice(0, 160)} ${[...node.any, ...node.all, ...node.none].map((check) => check.message).join('; ').slice(0, 200)}`));
  }, only ?? null);
}

test.each(SCENES)('%s', async (scene) => {
  const wrong: string[] = [];
  for (const width of [800, 300]) {
    await page.setViewportSize({ width, height: 700 });
    await gallery.show(page, scene);
    await fit(page, width);
    for (const theme of THEMES) {
      await setTheme(page, theme);
      // Another theme changes colours only; a narrow page has the same ones.
      if (theme === 'dark') wrong.push(...(await violations()).map((line) => `${theme} ${width}: ${line}`));
      else if (width === 800) wrong.push(...(await violations(['color-contrast', 'link-in-text-block', 'target-size'])).map((line) => `${theme} ${width}: ${line}`));
    }
  }
  expect(wrong).toEqual([]);
});

test('axe is asked: it finds what is planted', async () => {
  await page.setViewportSize({ width: 800, height: 900 });
  await gallery.show(page, 'turn');
  await page.evaluate(() => {
    const image = document.createElement('img');
    image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
    document.querySelector('main')?.append(image);
    document.querySelector<HTMLElement>('.prompt-text')?.style.setProperty('color', '#333');
  });
  const found = (await violations()).map((line) => line.split(':')[0]);
  expect(found).toContain('image-alt');
  expect(found).toContain('color-contrast');
});
