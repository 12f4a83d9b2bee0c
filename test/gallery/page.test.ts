import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { everyCheck } from '../../scripts/gallery/check.mjs';
import { Gallery, type GalleryWindow } from './rig.ts';

/** Rows stay where they are read, and what a person does reaches the host. */
type Check = (page: Page, open: (query: string) => Promise<void>) => Promise<string | null>;

let gallery: Gallery;

beforeAll(async () => {
  gallery = await Gallery.open();
});
afterAll(async () => {
  await gallery?.close();
});

test.each(Object.entries(everyCheck) as [string, Check][])('%s', async (_, check) => {
  const page = await gallery.browser.newPage({ viewport: { width: 900, height: 760 } });
  const problem = await check(page, async (query) => {
    await page.goto(`${gallery.rig.url}?${query}`);
    await page.evaluate(() => (window as unknown as GalleryWindow).gallery.ready);
    await page.waitForTimeout(300);
  });
  expect(problem).toBeNull();
  await page.close();
});
