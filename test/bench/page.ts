/**
 * The chat page in Chromium, on its built bundle and under its own CSP: first paint of a snapshot, and streaming 5,000 deltas a second into one and into
 * four chats. Baseline, in the same browser: a page that renders the obvious way (every row in the DOM, the whole answer parsed again for each patch).
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import * as esbuild from 'esbuild';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { ensureChromium, repoRoot } from '../../scripts/setup/index.mjs';
import type { Row } from '../../src/core/model/row.ts';
import { viewOf } from '../../src/core/session/view.ts';
import type { ChatState, HostMessage } from '../../src/protocol/chat.ts';
import { longMarkdown } from '../loopback/markdown.ts';
import { ratio, summarise } from './measure.ts';
import { sessionEntries } from './session.ts';

const CSP = "default-src 'none'; script-src 'nonce-bench'; style-src 'self'; font-src 'self'; img-src 'self' data:; worker-src blob:; frame-src 'self'; base-uri 'none'";
const DELTAS_PER_SECOND = 5_000;
const ANSWER_CHARS = 200_000;
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--js-flags=--expose-gc'];

const STATE: ChatState = {
  title: 'Bench', agent: 'claude', agentName: 'Claude Code', machine: 'This computer', folder: '~/bench', branch: 'main', state: 'running', activity: null, turnStartedAt: null,
  owner: 'this', ownerName: null, connection: 'online', connectionDetail: null, problem: null,
  controls: { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] },
  traits: { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true },
  usage: null, outbox: [], canRun: true, loading: false,
};

function snapshot(total: number, rows: readonly Row[]): HostMessage {
  return { type: 'snapshot', session: 'bench', generation: 1, total, start: total - rows.length, rows, state: STATE, config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' };
}

/** The page of the obvious way: a message renders everything again. */
const BASELINE = `
import markdownIt from 'markdown-it';
const parser = markdownIt({ html: false });
const root = document.getElementById('root');
let rows = [];
const draw = (node, row) => { node.innerHTML = row.kind === 'text' || row.kind === 'prompt' ? parser.render(row.text) : '<pre>' + parser.utils.escapeHtml(JSON.stringify(row)) + '</pre>'; };
addEventListener('message', ({ data }) => {
  if (data.type === 'snapshot') { rows = data.rows.map((row) => ({ row, node: document.createElement('div') })); root.replaceChildren(...rows.map(({ row, node }) => (draw(node, row), node.setAttribute('role', 'article'), node))); }
  if (data.type === 'patch') for (const op of data.ops) if (op.op === 'append') { const last = rows.at(-1); last.row = { ...last.row, text: last.row.text + op.text }; draw(last.node, last.row); root.scrollIntoView({ block: 'end' }); }
});
`;

async function serve(): Promise<{ url: string; close(): Promise<void> }> {
  const baseline = await esbuild.build({ stdin: { contents: BASELINE, resolveDir: repoRoot }, bundle: true, write: false, format: 'iife', minify: true });
  const files = new Map<string, { type: string; body: string | Buffer }>([['/baseline.js', { type: 'text/javascript', body: baseline.outputFiles[0]?.text ?? '' }]]);
  for (const name of ['chat.js', 'chat.css', 'codicon.ttf']) {
    files.set(`/${name}`, { type: name.endsWith('.js') ? 'text/javascript' : name.endsWith('.css') ? 'text/css' : 'font/ttf', body: readFileSync(path.join(repoRoot, 'dist/webview', name)) });
  }
  const page = (script: string): string => `<!DOCTYPE html><html><head><meta charset="utf-8"><link rel="stylesheet" href="/chat.css"></head><body class="vscode-dark"><div id="root"></div><script nonce="bench">
let kept; globalThis.acquireVsCodeApi = () => ({ postMessage: (m) => { (globalThis.posted ??= []).push(m); }, getState: () => kept, setState: (s) => { kept = s; } });</script><script nonce="bench" src="/${script}"></script></body></html>`;
  files.set('/chat', { type: 'text/html', body: page('chat.js') });
  files.set('/baseline', { type: 'text/html', body: page('baseline.js') });
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '');
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain', 'content-security-policy': CSP });
    response.end(file?.body ?? 'no such file');
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the bench server has no port');
  return { url: `http://127.0.0.1:${address.port}`, close: () => new Promise((resolve) => void server.close(() => resolve())) };
}

/** Milliseconds from the snapshot's arrival to the frame in which its rows stand. */
async function firstPaint(browser: Browser, url: string, message: HostMessage): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
  try {
    await page.goto(url);
    await page.waitForTimeout(150);
    return await page.evaluate((text) => new Promise<number>((resolve) => {
      const from = performance.now();
      globalThis.dispatchEvent(new MessageEvent('message', { data: JSON.parse(text) as unknown }));
      const look = (): void => {
        if (document.querySelector('[role="article"]') === null) requestAnimationFrame(look);
        else requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - from)));
      };
      look();
    }), JSON.stringify(message));
  } finally {
    await page.close();
  }
}

interface Streamed {
  readonly gaps: readonly number[];
  readonly work: readonly number[];
  readonly longTasks: number;
  readonly heapMb: number;
}

/** Streams one answer of 200 KB at 5,000 deltas a second, joined to one patch a frame as the host does; `work` is script and layout a frame. */
async function stream(page: Page, answer: string): Promise<Streamed> {
  return page.evaluate(async ({ answer, perSecond }) => {
    const gaps: number[] = [];
    const work: number[] = [];
    let longTasks = 0;
    const observer = new PerformanceObserver((list) => { longTasks += list.getEntries().length; });
    observer.observe({ type: 'longtask' });
    const charsPerSecond = perSecond * 4;
    const started = performance.now();
    let sent = 0;
    let seq = 0;
    let before = started;
    while (sent < answer.length) {
      const now = await new Promise<number>((resolve) => requestAnimationFrame(() => resolve(performance.now())));
      gaps.push(now - before);
      before = now;
      const due = Math.min(answer.length, Math.floor(((now - started) / 1000) * charsPerSecond));
      if (due <= sent) continue;
      const from = performance.now();
      seq += 1;
      const data = { type: 'patch', generation: 1, seq, total: 201, ops: [{ op: 'append', at: 200, key: 'streamed', field: 'text', from: sent, text: answer.slice(sent, due) }] };
      globalThis.dispatchEvent(new MessageEvent('message', { data }));
      sent = due;
      await new Promise((resolve) => setTimeout(resolve));
      document.body.getBoundingClientRect();
      work.push(performance.now() - from);
    }
    observer.disconnect();
    (globalThis as unknown as { gc?: () => void }).gc?.();
    const memory = (performance as unknown as { memory?: { usedJSHeapSize: number } }).memory;
    return { gaps: gaps.slice(1), work, longTasks, heapMb: Math.round(((memory?.usedJSHeapSize ?? 0) / 1_048_576) * 10) / 10 };
  }, { answer, perSecond: DELTAS_PER_SECOND });
}

async function streaming(browser: Browser, url: string, chats: number, answer: string, throttle = 1): Promise<Record<string, unknown>> {
  const rows: Row[] = [...viewOf(sessionEntries(2_500)).slice(0, 200), { kind: 'text', key: 'streamed', at: null, turn: null, text: '', streaming: true }];
  const pages = await Promise.all(Array.from({ length: chats }, () => browser.newPage({ viewport: { width: 900, height: 900 } })));
  try {
    for (const page of pages) {
      await page.goto(url);
      await page.waitForTimeout(150);
      await page.evaluate((text) => void globalThis.dispatchEvent(new MessageEvent('message', { data: JSON.parse(text) as unknown })), JSON.stringify(snapshot(201, rows)));
      if (throttle > 1) await (await page.context().newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: throttle });
    }
    const results = await Promise.all(pages.map((page) => stream(page, answer)));
    const work = summarise(results.flatMap((result) => result.work));
    return {
      chats, cpuThrottle: throttle, scriptAndLayoutMs: work, frameGapMs: summarise(results.flatMap((result) => result.gaps)),
      longTasks: results.reduce((sum, result) => sum + result.longTasks, 0), heapMb: results.map((result) => result.heapMb),
    };
  } finally {
    await Promise.all(pages.map((page) => page.close()));
  }
}

export async function benchPage(sizes: readonly number[]): Promise<Record<string, unknown>> {
  const { executable, env } = await ensureChromium();
  const server = await serve();
  const browser = await chromium.launch({ executablePath: executable, env: { ...process.env, ...env }, args: FLAGS });
  try {
    const paint: Record<string, unknown> = {};
    let baseline = 0;
    for (const size of sizes) {
      const rows = viewOf(sessionEntries(Math.min(size, 4_000))).slice(-200);
      const runs: number[] = [];
      for (let run = 0; run < 7; run += 1) runs.push(await firstPaint(browser, `${server.url}/chat`, snapshot(size, rows)));
      const sample = summarise(runs);
      if (baseline === 0) baseline = sample.median;
      paint[String(size)] = { ...sample, ratioToSmallest: ratio(sample.median, baseline) };
    }
    const obvious = await firstPaint(browser, `${server.url}/baseline`, snapshot(10_000, viewOf(sessionEntries(13_000)).slice(0, 10_000)));
    const answer = longMarkdown(ANSWER_CHARS);
    const streams = [await streaming(browser, `${server.url}/chat`, 1, answer), await streaming(browser, `${server.url}/chat`, 4, answer), await streaming(browser, `${server.url}/chat`, 1, answer, 4)];
    const slow = await streaming(browser, `${server.url}/baseline`, 1, answer.slice(0, 50_000));
    return { firstPaintMs: paint, baselineFirstPaintOf10000RowsMs: Math.round(obvious), streaming: streams, baselineStreamingOf50KB: slow };
  } finally {
    await browser.close();
    await server.close();
  }
}
