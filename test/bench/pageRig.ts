/** The chat page in Chromium as a webview has it: its built bundle under its own CSP, in a frame of a page that posts it messages, one frame a chat. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import * as esbuild from 'esbuild';
import { chromium } from 'playwright-core';
import type { Browser, CDPSession, Frame, Page } from 'playwright-core';
import { ensureChromium, repoRoot } from '../../scripts/setup/index.mjs';
import type { Row } from '../../src/core/model/row.ts';
import { viewOf } from '../../src/core/session/view.ts';
import type { ChatState, HostMessage } from '../../src/protocol/chat.ts';
import { sessionEntries } from './session.ts';

const CSP = "default-src 'none'; script-src 'nonce-bench'; style-src 'self'; font-src 'self'; img-src 'self' data:; worker-src blob:; frame-src 'self'; base-uri 'none'";
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--js-flags=--expose-gc'];

const STATE: ChatState = {
  title: 'Bench', agent: 'claude', agentName: 'Claude Code', machine: 'This computer', folder: '~/bench', branch: 'main', state: 'idle', activity: null, turnStartedAt: null,
  owner: 'this', ownerName: null, connection: 'online', connectionDetail: null, problem: null,
  controls: { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] },
  traits: { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true },
  usage: null, outbox: [], canRun: true, loading: false,
};

/** Which page: ours, or one that renders the obvious way. */
export type Which = 'chat' | 'baseline';

/** The last rows of a session of `total` rows, as the host sends them. */
export function snapshot(total: number, rows: readonly Row[], running = false): HostMessage {
  const state: ChatState = running ? { ...STATE, state: 'running', turnStartedAt: Date.now(), activity: { phase: 'answering', since: Date.now(), detail: null, until: null } } : STATE;
  return { type: 'snapshot', session: 'bench', generation: 1, total, start: total - rows.length, rows, state, config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' };
}

/** The last 200 rows of a believable session. */
export function lastRows(entries: number): readonly Row[] {
  return viewOf(sessionEntries(entries)).slice(-200);
}

/** The page of the obvious way: every row in the page, and the whole answer parsed again with each message. */
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

/** Counts timers and frames that scripts of the page ask for, from before its first line. */
const COUNTING = `const counts = globalThis.asked = { timers: 0, intervals: 0, frames: 0, idle: 0 };
for (const [name, what] of [['setTimeout', 'timers'], ['setInterval', 'intervals'], ['requestAnimationFrame', 'frames'], ['requestIdleCallback', 'idle']]) {
  const original = globalThis[name].bind(globalThis); globalThis[name] = (...args) => { counts[what] += 1; return original(...args); };
}
let kept; globalThis.acquireVsCodeApi = () => ({ postMessage: (m) => { (globalThis.posted ??= []).push(m); }, getState: () => kept, setState: (s) => { kept = s; } });`;

const HOLDER = '<!DOCTYPE html><html><head><meta charset="utf-8"><link rel="stylesheet" href="/holder.css"></head><body></body></html>';

/** What a frame's script can ask of the browser started with `--js-flags=--expose-gc`. */
export interface Bench {
  readonly browser: Browser;
  readonly url: string;
  close(): Promise<void>;
}

export async function startBench(): Promise<Bench> {
  const { executable, env } = await ensureChromium();
  const files = await pageFiles();
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '');
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain', 'content-security-policy': CSP });
    response.end(file?.body ?? 'no such file');
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the bench server has no port');
  const browser = await chromium.launch({ executablePath: executable, env: { ...process.env, ...env }, args: FLAGS });
  return {
    browser, url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      await browser.close();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

async function pageFiles(): Promise<ReadonlyMap<string, { readonly type: string; readonly body: string | Buffer }>> {
  const baseline = await esbuild.build({ stdin: { contents: BASELINE, resolveDir: repoRoot }, bundle: true, write: false, format: 'iife', minify: true });
  const files = new Map<string, { type: string; body: string | Buffer }>([
    ['/baseline.js', { type: 'text/javascript', body: baseline.outputFiles[0]?.text ?? '' }],
    ['/holder', { type: 'text/html', body: HOLDER }],
    ['/holder.css', { type: 'text/css', body: 'html, body { margin: 0; height: 100%; overflow: hidden; } body { display: flex; } iframe { flex: 1; border: 0; height: 100%; min-width: 0; }' }],
  ]);
  for (const name of ['chat.js', 'chat.css', 'codicon.ttf']) {
    files.set(`/${name}`, { type: name.endsWith('.js') ? 'text/javascript' : name.endsWith('.css') ? 'text/css' : 'font/ttf', body: readFileSync(path.join(repoRoot, 'dist/webview', name)) });
  }
  for (const which of ['chat', 'baseline']) {
    files.set(`/${which}`, {
      type: 'text/html',
      body: `<!DOCTYPE html><html><head><meta charset="utf-8"><link rel="stylesheet" href="/chat.css"></head><body class="vscode-dark"><div id="root"></div><script nonce="bench">${COUNTING}</script><script nonce="bench" src="/${which}.js"></script></body></html>`,
    });
  }
  return files;
}

/** A page with one frame a chat, side by side; all of them run on one thread, as webviews and the workbench do in VS Code for the web. */
export interface Chats extends AsyncDisposable {
  readonly page: Page;
  readonly frames: readonly Frame[];
  readonly cdp: CDPSession;
}

export async function openChats(bench: Bench, which: Which, count: number): Promise<Chats> {
  const page = await bench.browser.newPage({ viewport: { width: count > 1 ? 1_600 : 900, height: 900 } });
  await page.goto(`${bench.url}/holder`);
  await page.evaluate(async ({ which, count }) => {
    const loads = Array.from({ length: count }, () => {
      const frame = document.createElement('iframe');
      frame.src = `/${which}`;
      return new Promise((resolve) => {
        frame.addEventListener('load', resolve);
        document.body.append(frame);
      });
    });
    await Promise.all(loads);
  }, { which, count });
  await page.waitForTimeout(200);
  const frames = page.frames().filter((frame) => frame !== page.mainFrame());
  return { page, frames, cdp: await page.context().newCDPSession(page), [Symbol.asyncDispose]: () => page.close() };
}

/** Posts a message to every frame. */
export function post(chats: Chats, message: HostMessage): Promise<void> {
  return chats.page.evaluate((text) => {
    const data: unknown = JSON.parse(text);
    for (const frame of document.querySelectorAll('iframe')) frame.contentWindow?.postMessage(data, '*');
  }, JSON.stringify(message));
}

/** Nodes of the document that has most of them: elements alone, and with texts and comments. */
export async function countNodes(chats: Chats): Promise<{ readonly elements: number; readonly nodes: number }> {
  const counts = await Promise.all(chats.frames.map((frame) => frame.evaluate(() => {
    const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
    let nodes = 1;
    while (walker.nextNode() !== null) nodes += 1;
    return { elements: document.querySelectorAll('*').length, nodes };
  })));
  return { elements: Math.max(...counts.map((each) => each.elements)), nodes: Math.max(...counts.map((each) => each.nodes)) };
}
