import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Baseline, type View } from './baseline.ts';
import { boxDiffs, boxesOf } from './boxes.ts';
import { fit, Gallery, SCENES, setTheme, settled, THEMES } from './rig.ts';

/** Each scene in each theme, narrow and wide, is as it was looked at and found good. */
let gallery: Gallery;
let baseline: Baseline;
const pages: { readonly width: number; readonly page: Page }[] = [];

beforeAll(async () => {
  gallery = await Gallery.open();
  baseline = await Baseline.open(gallery);
  for (const width of [300, 800]) pages.push({ width, page: await gallery.page({ width }) });
});
afterAll(async () => {
  await gallery?.close();
});

test.each(SCENES)('%s', async (scene) => {
  const views: View[] = [];
  for (const { width, page } of pages) {
    // What a scene scrolls must not depend on the height that the one before it took.
    await page.setViewportSize({ width, height: 700 });
    await gallery.show(page, scene);
    await fit(page, width);
    for (const theme of THEMES) {
      await setTheme(page, theme);
      views.push({ name: `${theme}-${width}`, boxes: await boxesOf(page), picture: await page.screenshot({ animations: 'disabled', caret: 'hide' }) });
    }
  }
  expect(await baseline.check(scene, views)).toEqual([]);
});

test('what changes is seen: a place, a word, a colour, a sign, and what lies above', async () => {
  const [first] = pages;
  if (first === undefined) throw new Error('no page');
  const { page } = first;
  const changes: Record<string, { readonly boxes: boolean; readonly cells: boolean; readonly make: () => void }> = {
    'nothing': { boxes: false, cells: false, make: () => undefined },
    'a place': { boxes: true, cells: true, make: () => document.querySelector<HTMLElement>('.card')?.style.setProperty('margin-left', '3px') },
    'a word': { boxes: true, cells: true, make: () => document.querySelector('.card .button.secondary')?.replaceChildren('Refuse it now') },
    'a colour': { boxes: true, cells: false, make: () => document.querySelector<HTMLElement>('.verb')?.style.setProperty('color', 'red') },
    'a sign': { boxes: true, cells: false, make: () => document.querySelector('.card .codicon')?.classList.replace('codicon-shield', 'codicon-error') },
    'what lies above': { boxes: false, cells: true, make: () => document.querySelector<HTMLElement>('.card')?.style.setProperty('filter', 'invert(1)') },
  };
  for (const [name, { boxes, cells, make }] of Object.entries(changes)) {
    await gallery.show(page, 'turn');
    await fit(page, first.width);
    const before = { boxes: await boxesOf(page), picture: await page.screenshot({ animations: 'disabled', caret: 'hide' }) };
    await page.evaluate(make);
    await settled(page);
    expect(boxDiffs(before.boxes, await boxesOf(page)).length > 0, `boxes: ${name}`).toBe(boxes);
    const differing = await baseline.cells(before.picture, await page.screenshot({ animations: 'disabled', caret: 'hide' }));
    if (cells || name === 'nothing') expect(differing === null || differing > 0, `cells: ${name}`).toBe(cells);
  }
});

test('nothing is kept of scenes that are gone', () => {
  expect(Baseline.gone(SCENES)).toEqual([]);
});
