import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Baseline, type View } from './baseline.ts';
import { boxesOf } from './boxes.ts';
import { fit, Gallery, SCENES, setTheme, THEMES } from './rig.ts';

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
    await gallery.show(page, scene);
    await fit(page, width);
    for (const theme of THEMES) {
      await setTheme(page, theme);
      views.push({ name: `${theme}-${width}`, boxes: await boxesOf(page), picture: await page.screenshot({ animations: 'disabled', caret: 'hide' }) });
    }
  }
  expect(await baseline.check(scene, views)).toEqual([]);
});

test('nothing is kept of scenes that are gone', () => {
  expect(Baseline.gone(SCENES)).toEqual([]);
});
