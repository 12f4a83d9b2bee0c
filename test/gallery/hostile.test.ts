import { readFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chatDocument } from '../../src/extension/chat/document.ts';
import type { Row } from '../../webview-ui/src/types.ts';
import { hostileTexts } from './payloads.ts';
import { Gallery, type GalleryWindow } from './rig.ts';

/** Text of agents stays text: thousands of texts in each of the places where it reaches the page, under the policy that VS Code shows the page with. */
const SLOTS = 6;
/** Rows of one snapshot are 200. */
const BATCH = 33;
/** Snapshots that one load of the page is given. */
const PER_LOAD = 40;

/** What the page knows of what happened in it; set up before anything of it runs. */
interface WatchedWindow extends GalleryWindow {
  owned?: unknown;
  readonly watched: { readonly ran: string[]; readonly refused: string[] };
  readonly gallery: GalleryWindow['gallery'] & { slotRows(words: string, key: string): Row[]; slotFolds(key: string): string[] };
}

let gallery: Gallery;
let page: Page;
const requests: string[] = [];
const happened: string[] = [];

beforeAll(async () => {
  gallery = await Gallery.open();
  // High enough for all rows of a batch to be drawn at once.
  page = await gallery.page({ width: 800, height: 16_000 });
  await page.addInitScript(() => {
    const ran: string[] = [];
    const refused: string[] = [];
    Object.assign(window, { watched: { ran, refused } });
    document.addEventListener('securitypolicyviolation', (event) => refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    for (const name of ['alert', 'confirm', 'prompt', 'print', 'open'] as const) Object.defineProperty(window, name, { value: () => ran.push(name) });
  });
  page.on('dialog', (dialog) => {
    happened.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('popup', () => happened.push('a window'));
  page.on('download', () => happened.push('a download'));
  page.on('pageerror', (error) => happened.push(`error ${error.message}`));
  page.on('framenavigated', (frame) => {
    if (!frame.url().startsWith(`${gallery.rig.url}?scene=`)) happened.push(`navigated to ${frame.url()}`);
  });
  await page.route('**/*', async (route) => {
    const url = route.request().url();
    const own = url.startsWith(gallery.rig.url);
    if (!own || !/\/(?:\?scene=[\w&=-]+|gallery\.(?:js|css)|[\w-]+\.(?:ttf|woff2)(?:\?\w*)?)$/.test(url)) requests.push(url);
    await (own ? route.continue() : route.abort());
  });
});
afterAll(async () => {
  await gallery?.close();
});

/** The gallery's page, with the folds of `count` batches open. */
async function begin(count: number): Promise<void> {
  await page.goto(`${gallery.rig.url}?scene=empty&wait=1`);
  await page.evaluate(async ([batches, size]) => {
    const { gallery } = window as unknown as WatchedWindow;
    await gallery.ready;
    const folds = Array.from({ length: batches * size }, (_, place) => gallery.slotFolds(`p${place}`)).flat();
    gallery.host.kept = { session: 'gallery', anchor: null, folds, cards: {}, find: null };
    gallery.show();
  }, [count, BATCH] as const);
}

/** Shows texts in every slot, waits until each is drawn, and says what is wrong with the page then. */
async function render(texts: readonly string[], from: number): Promise<string[]> {
  return page.evaluate(async ([words, first]) => {
    const { gallery, watched } = window as unknown as WatchedWindow;
    const rows = words.flatMap((each, place) => gallery.slotRows(each, `p${first + place}`));
    gallery.host.replace(rows, words.join(' '));
    const drawn = (): boolean => rows.every((row) => document.querySelector(`[data-row="${row.key}"]`) !== null);
    for (let tries = 0; tries < 300 && !drawn(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    if (!drawn()) return [`not drawn: ${rows.filter((row) => document.querySelector(`[data-row="${row.key}"]`) === null).length} of ${rows.length} rows`];
    const wrong: string[] = [];
    // What a tool was called with and what it gave are to be seen, not folded away.
    for (const row of rows) if (/-(?:input|output)$/.test(row.key) && row.kind === 'tool' && (row.key.endsWith('-input') || row.output.trim() !== '') && document.querySelector(`[data-row="${row.key}"] pre`) === null) wrong.push(`${row.key} is folded`);
    const allowed = new Set(['A', 'B', 'BDI', 'BLOCKQUOTE', 'BR', 'BUTTON', 'CODE', 'DIV', 'EM', 'H2', 'H3', 'HR', 'LI', 'OL', 'P', 'PRE', 'S', 'SPAN', 'STRONG', 'TABLE', 'TBODY', 'TD', 'TH', 'THEAD', 'TIME', 'TR', 'UL']);
    const attributes = new Set(['class', 'role', 'title', 'dir', 'tabindex', 'type', 'datetime', 'start', 'style', 'hidden', 'disabled', 'data-row', 'data-kind', 'data-delivery', 'data-href', 'data-path', 'data-line', 'data-lang', 'data-index', 'data-item']);
    for (const element of document.querySelectorAll<HTMLElement>('.log *')) {
      const place = element.closest<HTMLElement>('[data-row]')?.dataset['row'] ?? '';
      // A picture that came with the row, of a kind that cannot act.
      if (element instanceof HTMLImageElement && /^data:image\/(?:png|jpeg|gif|webp|bmp);base64,/.test(element.getAttribute('src') ?? '') && element.getAttributeNames().every((name) => ['alt', 'decoding', 'src'].includes(name))) continue;
      if (!allowed.has(element.tagName)) wrong.push(`${place}: an element ${element.tagName}`);
      for (const { name, value } of element.attributes) {
        if (!attributes.has(name) && !name.startsWith('aria-')) wrong.push(`${place}: an attribute ${name}`);
        else if (name === 'data-href' && !/^(?:https?:\/\/|mailto:)/i.test(value)) wrong.push(`${place}: a link to ${value}`);
        else if (name === 'data-path' && /^[a-z][a-z0-9+.-]+:/i.test(value)) wrong.push(`${place}: a file ${value}`);
        else if (name === 'style' && /url|expression|image|import/i.test(value)) wrong.push(`${place}: a style ${value}`);
      }
    }
    if (document.querySelectorAll('script, iframe, object, embed, form, base, frame, meta[http-equiv="refresh"], link:not([rel="stylesheet"])').length > 1) wrong.push('an element beside the log');
    if ((window as unknown as WatchedWindow).owned !== undefined) wrong.push('window.owned');
    wrong.push(...watched.ran.splice(0).map((name) => `it called ${name}`), ...watched.refused.splice(0).map((line) => `the policy had to refuse ${line}`));
    return wrong.slice(0, 20);
  }, [texts, from] as const);
}

/** Texts in as many as a page shows at once: so many rows, and so much to read. */
function batches(texts: readonly string[]): string[][] {
  const all: string[][] = [];
  let room = 0;
  for (const text of texts) {
    const size = text.length + text.split('\n').length * 80;
    const last = all.at(-1);
    if (last === undefined || last.length === BATCH || room < size) {
      all.push([text]);
      room = 9_000;
    } else last.push(text);
    room -= size;
  }
  return all;
}

/** Renders all of them, and says what went wrong, with how many were rendered. */
async function renderAll(texts: readonly string[]): Promise<{ rendered: number; wrong: string[] }> {
  const wrong: string[] = [];
  let rendered = 0;
  for (const [place, batch] of batches(texts).entries()) {
    const turn = place % PER_LOAD;
    if (turn === 0) await begin(PER_LOAD);
    const found = await render(batch, turn * BATCH);
    rendered += batch.length * SLOTS;
    wrong.push(...found.map((line) => line.replace(/^p(\d+)/, (_, key: string) => JSON.stringify(batch[Number(key) - turn * BATCH]))));
    if (wrong.length > 20) break;
  }
  // What was begun at the end has a moment to come.
  await page.waitForTimeout(300);
  wrong.push(...(await render(['plain'], 0)), ...happened.splice(0), ...requests.splice(0).map((url) => `a request for ${url}`));
  return { rendered, wrong };
}

test('texts of our own making, in every slot', { timeout: 600_000 }, async () => {
  const texts = hostileTexts();
  const { rendered, wrong } = await renderAll(texts);
  expect(wrong).toEqual([]);
  expect(rendered).toBeGreaterThanOrEqual(41_000);
});

/** More texts: files named by `PILOTHOUSE_XSS_LISTS`, a text a line, or an array of texts in JSON. */
const lists = (process.env['PILOTHOUSE_XSS_LISTS'] ?? '').split(delimiter).filter((file) => file !== '');
if (lists.length > 0) {
  test.each(lists)('texts of %s, in every slot', { timeout: 600_000 }, async (file) => {
    const source = readFileSync(file, 'utf8');
    const texts = file.endsWith('.json') ? (JSON.parse(source) as string[]) : source.split('\n').filter((line) => line !== '');
    const { rendered, wrong } = await renderAll(texts);
    expect(wrong).toEqual([]);
    expect(rendered).toBe(texts.length * SLOTS);
    console.log(`${texts.length} texts of ${file}: ${rendered} renders, nothing ran`);
  });
}

test('a title of a document stays a title', async () => {
  await page.goto(`${gallery.rig.url}?scene=empty`);
  const documents = hostileTexts().map((title) => chatDocument({ nonce: 'n', source: 's', script: 'chat.js', style: 'chat.css', title }));
  const usual = ['HTML', 'HEAD', 'META', 'META', 'META', 'LINK', 'TITLE', 'BODY', 'DIV', 'SCRIPT'];
  const wrong = await page.evaluate((all) => {
    const parser = new DOMParser();
    return all.documents.filter((html) => JSON.stringify(Array.from(parser.parseFromString(html, 'text/html').querySelectorAll('*'), (element) => element.tagName)) !== all.usual);
  }, { documents, usual: JSON.stringify(usual) });
  expect(wrong).toEqual([]);
});

test('what should not happen is seen when it does', async () => {
  await begin(1);
  expect(await render(['plain'], 0)).toEqual([]);
  await page.evaluate(() => {
    const log = document.querySelector('.log');
    const holder = document.createElement('div');
    holder.innerHTML = '<img src="https://elsewhere.invalid/a.png" onerror="window.owned=1"><a data-href="javascript:1">x</a><iframe srcdoc="<script>parent.owned=1</script>"></iframe><svg></svg>';
    log?.append(holder);
    window.alert('x');
  });
  await expect.poll(() => page.evaluate(() => (window as unknown as WatchedWindow).watched.refused.length)).toBeGreaterThan(0);
  const seen = (await page.evaluate(() => {
    const { watched } = window as unknown as WatchedWindow;
    return [...watched.ran, ...watched.refused];
  })).join('\n');
  expect(seen).toContain('alert');
  expect(seen).toContain('img-src https://elsewhere.invalid/a.png');
  const wrong = (await render(['plain'], 0)).join('\n');
  for (const part of ['an element IMG', 'an attribute onerror', 'a link to javascript:1', 'an element IFRAME', 'an element svg']) expect(wrong).toContain(part);
  happened.length = 0;
  requests.length = 0;
});
