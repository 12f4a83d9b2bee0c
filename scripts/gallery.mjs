/**
 * Development only: builds the gallery of the chat page, opens it in Chromium and takes a screenshot of every scene in every theme, wide and narrow, into
 * test-results/gallery/. `--scene a,b`, `--theme dark,light`, `--width wide,narrow` choose some; `--perf` measures instead, `--check` tries how rows stay in place; PILOTHOUSE_CHROMIUM names the browser.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { runChecks } from './gallery/check.mjs';
import { buildGallery, serveGallery } from './gallery/site.mjs';
import { ensureChromium } from './setup/chromium.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const out = path.join(root, 'test-results/gallery');
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? '').split(',');
};

const SIZES = { wide: { width: 1000, height: 1500 }, narrow: { width: 300, height: 1500 } };
const SMALL = new Set(['turn', 'empty', 'loading', 'thinking', 'stalled', 'retrying', 'offline', 'foreign', 'window', 'untrusted', 'failed', 'queue', 'streaming']);

async function screenshots(browser, url) {
  const page = await browser.newPage();
  await page.goto(`${url}?scene=turn`);
  const all = await page.evaluate(() => window.gallery.scenes);
  await page.close();
  for (const theme of option('theme', ['dark', 'light', 'hc-dark', 'hc-light'])) {
    for (const width of option('width', ['wide', 'narrow'])) {
      const context = await browser.newContext({ viewport: SIZES[width], reducedMotion: 'reduce' });
      for (const scene of option('scene', all)) await shoot(context, url, theme, width, scene);
      await context.close();
    }
  }
}

async function shoot(context, url, theme, width, scene) {
  const page = await context.newPage();
  page.on('pageerror', (error) => process.stdout.write(`${scene}: ${error.message}\n`));
  page.on('console', (message) => message.type() === 'error' && process.stdout.write(`${scene}: ${message.text()}\n`));
  await page.setViewportSize({ width: SIZES[width].width, height: SMALL.has(scene) ? 760 : SIZES[width].height });
  await page.goto(`${url}?scene=${scene}&theme=${theme}`);
  await page.evaluate(() => window.gallery.ready);
  await page.waitForTimeout(scene === 'loading' ? 1_000 : 350);
  if (scene === 'turn') await page.locator('textarea.message').focus();
  await page.screenshot({ path: path.join(out, `${scene}-${theme}-${width}.png`) });
  await page.close();
}

async function check(browser, url) {
  const page = await browser.newPage({ viewport: { width: 900, height: 760 } });
  page.on('pageerror', (error) => process.stdout.write(`${error.stack}\n`));
  const failed = await runChecks(page, async (query) => {
    await page.goto(`${url}?${query}`);
    await page.evaluate(() => window.gallery.ready);
    await page.waitForTimeout(300);
  }, option('check', [''])[0]?.replace(/^--.*/, '') ?? '');
  await page.close();
  process.exitCode = failed === 0 ? 0 : 1;
}

async function perf(browser, url) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
  for (const rows of [1_000, 10_000, 100_000]) {
    await page.goto(`${url}?scene=long-session&rows=${rows}`);
    await page.evaluate(() => window.gallery.ready);
    await page.waitForTimeout(300);
    const opened = [];
    for (let each = 0; each < 5; each += 1) opened.push(await page.evaluate(() => window.gallery.measureOpen(window.gallery.host)));
    print(`open ${rows} rows`, opened.sort((a, b) => a.painted - b.painted)[2]);
  }
  const client = await page.context().newCDPSession(page);
  // Time of the page's own thread, so that what else the machine does is not counted.
  await client.send('Performance.enable', { timeDomain: 'threadTicks' });
  for (const [size, kind] of [[10_000, 'markdown'], [200_000, 'markdown'], [200_000, 'fence'], [60_000, 'list']]) {
    await page.goto(`${url}?scene=long-session&rows=1000`);
    await page.evaluate(() => window.gallery.ready);
    await page.waitForTimeout(300);
    await page.evaluate(([characters, what]) => Object.assign(window, { run: new window.gallery.StreamRun(window.gallery.host, characters, 333, 400, what) }), [size, kind]);
    await page.waitForTimeout(300);
    const costs = [];
    let before = await busy(client);
    for (let each = 0; each < 200; each += 1) {
      await page.evaluate(() => window.run.step());
      const after = await busy(client);
      costs.push({ work: after.work - before.work, task: after.task - before.task });
      before = after;
    }
    const own = await page.evaluate(() => window.run.run(200));
    const part = (name, at) => costs.map((cost) => cost[name]).sort((a, b) => a - b)[Math.floor(costs.length * at)];
    print(`stream into ${size} of ${kind}: ms of the page's thread a frame`, { scriptAndLayoutP50: part('work', 0.5), scriptAndLayoutP95: part('work', 0.95), worst: part('work', 0.999), allP50: part('task', 0.5), allP95: part('task', 0.95), ...own });
  }
  await page.close();
}

async function busy(client) {
  const { metrics } = await client.send('Performance.getMetrics');
  const of = (name) => (metrics.find((metric) => metric.name === name)?.value ?? 0) * 1000;
  return { work: of('ScriptDuration') + of('LayoutDuration') + of('RecalcStyleDuration'), task: of('TaskDuration') };
}

function print(what, values) {
  process.stdout.write(`${what}: ${Object.entries(values).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`).join(', ')}\n`);
}

mkdirSync(out, { recursive: true });
const site = path.join(out, 'site');
await buildGallery(site, { minify: !process.argv.includes('--plain') });
const { url, close } = await serveGallery(site);
if (process.argv.includes('--serve')) process.stdout.write(`${url}?scene=turn&theme=dark\n`);
else {
  const installed = await ensureChromium();
  const browser = await chromium.launch({ executablePath: installed.executable, env: { ...process.env, ...installed.env }, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    if (process.argv.includes('--perf')) await perf(browser, url);
    else if (process.argv.includes('--check')) await check(browser, url);
    else await screenshots(browser, url);
  } finally {
    await browser.close();
    await close();
  }
}
