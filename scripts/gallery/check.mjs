/** What the page must do with its rows, seen in Chromium: each check prints a line, and gives false when it failed. */

import { findChecks } from './find.mjs';
import { keyChecks } from './keys.mjs';
import { pageChecks } from './page.mjs';

/** @typedef {import('playwright-core').Page} Page */

const near = (a, b, by = 1.5) => Math.abs(a - b) <= by;

/** Place of the first whole row in view, and its distance from the top. */
const anchor = (page) => page.evaluate(() => {
  const log = document.querySelector('.log');
  const top = log.getBoundingClientRect().top;
  for (const row of log.querySelectorAll(':scope > .row')) {
    const rect = row.getBoundingClientRect();
    if (rect.top >= top) return { key: row.dataset.row, at: rect.top - top };
  }
  return null;
});
const placeOf = (page, wanted) => page.evaluate((key) => {
  const log = document.querySelector('.log');
  const row = [...log.querySelectorAll(':scope > .row')].find((each) => each.dataset.row === key);
  return row === undefined ? null : row.getBoundingClientRect().top - log.getBoundingClientRect().top;
}, wanted);
const frames = (page, count = 3) => page.evaluate((n) => new Promise((resolve) => {
  const next = (left) => (left === 0 ? resolve() : requestAnimationFrame(() => next(left - 1)));
  next(n);
}), count);
const bottom = (page) => page.evaluate(() => {
  const log = document.querySelector('.log');
  return log.scrollHeight - log.scrollTop - log.clientHeight;
});

const checks = {
  'opens at the bottom, with few nodes, whatever the length': async (page, open) => {
    for (const rows of [50, 1_000, 100_000]) {
      await open(`scene=long-session&rows=${rows}`);
      if (!near(await bottom(page), 0)) return `not at the bottom of ${rows}`;
      const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
      if (nodes > 1_500) return `${nodes} nodes for ${rows} rows`;
    }
    return null;
  },
  'offers no way to the latest where a row is opened that stands there': async (page, open) => {
    for (const [rows, index, away] of [[1_000, 999, 0], [1_000, 500, 1], [6, 2, 0]]) {
      await open(`scene=long-session&rows=${rows}`);
      await page.evaluate((at) => window.gallery.host.listener({ type: 'go', index: at, row: window.gallery.host.row(at).key }), index);
      await page.waitForTimeout(400);
      const offered = await page.locator('.jump').count();
      if (offered !== away) return `row ${index} of ${rows}: offered ${offered} times, ${await bottom(page)} px from the bottom`;
    }
    return null;
  },
  'follows what is added at the bottom': async (page, open) => {
    await open('scene=long-session&rows=1000');
    await page.evaluate(() => Object.assign(window, { run: new window.gallery.StreamRun(window.gallery.host, 500, 200, 100, 'markdown') }));
    for (let each = 0; each < 30; each += 1) {
      await page.evaluate(() => window.run.step());
      if (!near(await bottom(page), 0)) return `${await bottom(page)} px from the bottom`;
    }
    return null;
  },
  'follows a flood, of which most is never drawn, to its end': async (page, open) => {
    await open('scene=long-session&rows=1000');
    await page.evaluate(() => Object.assign(window, { run: new window.gallery.StreamRun(window.gallery.host, 500, 33_000, 20, 'markdown') }));
    await page.evaluate(() => window.run.run(20));
    await page.waitForTimeout(800);
    if (!near(await bottom(page), 0)) return `${await bottom(page)} px from the bottom`;
    if ((await page.getByRole('button', { name: 'Jump to Latest' }).count()) > 0) return 'follows no more';
    const [sent, shown] = await page.evaluate(() => [window.run.source.slice(0, window.run.sent), [...document.querySelectorAll('.row.text .md')].at(-1)?.textContent ?? '']);
    const letters = (text) => text.replaceAll(/[^a-z]/gi, '').slice(-12);
    return letters(shown) === letters(sent) ? null : `ends with ${shown.slice(-40)} in place of ${sent.slice(-40)}`;
  },
  'stops to follow for a scroll bar that is drawn up while much comes': async (page, open) => {
    await open('scene=long-session&rows=1000');
    await page.evaluate(() => Object.assign(window, { run: new window.gallery.StreamRun(window.gallery.host, 500, 2_000, 60, 'markdown') }));
    await page.evaluate(() => window.run.run(10));
    await page.evaluate(async () => {
      const log = document.querySelector('.log');
      const more = window.run.run(10);
      log.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true, buttons: 1 }));
      log.scrollTop -= 120;
      await more;
      window.dispatchEvent(new PointerEvent('pointerup', { bubbles: true }));
    });
    return (await page.getByRole('button', { name: 'Jump to Latest' }).count()) === 1 ? null : 'it was carried back to the end';
  },
  'does not move what is read while the end grows': async (page, open) => {
    await open('scene=long-session&rows=1000');
    await page.evaluate(() => Object.assign(window, { run: new window.gallery.StreamRun(window.gallery.host, 500, 400, 100, 'markdown') }));
    await page.mouse.move(500, 400);
    await page.mouse.wheel(0, -300);
    await page.waitForTimeout(300);
    const before = await anchor(page);
    for (let each = 0; each < 20; each += 1) await page.evaluate(() => window.run.step());
    const after = await placeOf(page, before.key);
    if (after === null || !near(before.at, after)) return `${before.key} moved from ${before.at} to ${after}`;
    return (await page.getByRole('button', { name: 'Jump to Latest' }).count()) === 1 ? null : 'there is no way back to the end';
  },
  'does not move what is read when rows above it change': async (page, open) => {
    await open('scene=long-session&rows=1000');
    await page.mouse.move(500, 400);
    await page.mouse.wheel(0, -900);
    await page.waitForTimeout(300);
    const before = await anchor(page);
    await page.evaluate(() => {
      const { host } = window.gallery;
      for (let index = host.count - 60; index < host.count - 30; index += 1) {
        const row = host.row(index);
        if (row.kind === 'text') host.patch({ op: 'update', at: index, row: { ...row, text: `${row.text}\n\nlonger by a paragraph\n\nand another` } });
      }
    });
    await page.waitForTimeout(200);
    const after = await placeOf(page, before.key);
    return after !== null && near(before.at, after) ? null : `${before.key} moved from ${before.at} to ${after}`;
  },
  'reads back through what was not here without a jump': async (page, open) => {
    await open('scene=long-session&rows=3000');
    await page.mouse.move(500, 400);
    let moved = 0;
    for (let each = 0; each < 25; each += 1) {
      const before = await anchor(page);
      await page.mouse.wheel(0, -400);
      await page.waitForTimeout(200);
      const after = before === null ? null : await placeOf(page, before.key);
      if (after !== null && before !== null) moved = Math.max(moved, Math.abs(after - before.at - 400));
    }
    if (moved > 3) return `a row jumped by ${moved} px`;
    const gaps = await page.evaluate(() => [...document.querySelectorAll('.gap')].filter((gap) => gap.getBoundingClientRect().bottom > 40 && gap.getBoundingClientRect().top < innerHeight).length);
    return gaps === 0 ? null : 'rows that were scrolled to are not there';
  },
  'goes to any place of a long session, and back to the end': async (page, open) => {
    await open('scene=long-session&rows=100000');
    for (const part of [0.5, 0, 0.25, 0.9]) {
      await page.evaluate((at) => {
        const log = document.querySelector('.log');
        log.scrollTop = at * log.scrollHeight;
      }, part);
      await page.waitForTimeout(500);
      const shown = await page.evaluate(() => ({ rows: [...document.querySelectorAll('.log > .row')].filter((row) => row.getBoundingClientRect().bottom > 30 && row.getBoundingClientRect().top < innerHeight).length, nodes: document.querySelectorAll('*').length }));
      if (shown.rows < 3) return `only ${shown.rows} rows at ${part}`;
      if (shown.nodes > 3_000) return `${shown.nodes} nodes at ${part}`;
    }
    await page.getByRole('button', { name: 'Jump to Latest' }).click();
    await frames(page);
    return near(await bottom(page), 0) ? null : 'not back at the end';
  },
  'keeps the place across a reload': async (page, open) => {
    await open('scene=long-session&rows=2000');
    await page.mouse.move(500, 400);
    await page.mouse.wheel(0, -5_000);
    await page.waitForTimeout(600);
    const before = await anchor(page);
    const kept = await page.evaluate(() => window.gallery.host.kept);
    await open('scene=long-session&rows=2000&wait=1');
    await page.evaluate((state) => {
      window.gallery.host.kept = state;
      window.gallery.show();
    }, kept);
    await page.waitForTimeout(500);
    const after = await placeOf(page, before.key);
    return after !== null && near(before.at, after, 3) ? null : `${before.key} was at ${before.at}, is at ${after}`;
  },
  'stays where it is after a new snapshot': async (page, open) => {
    await open('scene=long-session&rows=1000');
    await page.mouse.move(500, 400);
    await page.mouse.wheel(0, -1_500);
    await page.waitForTimeout(300);
    const before = await anchor(page);
    await page.evaluate(() => window.gallery.host.snapshot());
    await page.waitForTimeout(300);
    const after = await placeOf(page, before.key);
    return after !== null && near(before.at, after) ? null : `${before.key} moved from ${before.at} to ${after}`;
  },
  'opens a tool where it stands, at the bottom too': async (page, open) => {
    await open('scene=tools');
    const line = page.getByRole('button', { name: /^Ran npm test, exit 1/ });
    await line.scrollIntoViewIfNeeded();
    await page.waitForTimeout(200);
    const before = (await line.boundingBox()).y;
    await line.click();
    await page.waitForTimeout(200);
    const after = (await line.boundingBox()).y;
    return near(before, after) ? null : `it moved from ${before} to ${after}`;
  },
  'runs nothing and asks for nothing when nothing happens': async (page, open) => {
    await open('scene=finished');
    await page.waitForTimeout(500);
    const client = await page.context().newCDPSession(page);
    await client.send('Performance.enable');
    const count = async () => (await client.send('Performance.getMetrics')).metrics.find((metric) => metric.name === 'LayoutCount').value;
    const before = await count();
    await page.waitForTimeout(1_500);
    return (await count()) - before <= 1 ? null : 'it lays out with nothing to show';
  },
};

/** Every check by its name. */
export const everyCheck = { ...checks, ...pageChecks, ...keyChecks, ...findChecks };

/** Runs the checks, or those whose name holds `only`. `open` goes to a page of the gallery. */
export async function runChecks(/** @type {Page} */ page, /** @type {(query: string) => Promise<void>} */ open, /** @type {string} */ only) {
  let failed = 0;
  for (const [name, check] of Object.entries(everyCheck)) {
    if (!name.includes(only)) continue;
    const problem = await check(page, open).catch((error) => String(error));
    process.stdout.write(problem === null ? `ok ${name}\n` : `FAILED ${name}: ${problem}\n`);
    if (problem !== null) failed += 1;
  }
  return failed;
}
