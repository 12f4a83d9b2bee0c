/**
 * The whole product in real VS Code: an agent that writes as fast as its pipe takes it, one that streams 5,000 tokens a second, a `session/load` of 10,000 updates, and stored sessions opened from the tree.
 * The page stands in the webview two frames deep; its times and the agent's are milliseconds since the epoch of one computer.
 */
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Frame } from 'playwright-core';
import { keyFromFile } from '../../src/core/session/store/key.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import { sessionKey } from '../../src/core/model/session.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { copySampleWorkspace, currentRig, launchVSCode, projectRoot, until } from '../e2e/driver/index.ts';
import type { VSCode, VSCodeWindow } from '../e2e/driver/index.ts';
import { FLOOD, REPLAYED, STEADY, STORED } from './agentFacts.ts';
import type { WriteTimes } from './agentFacts.ts';
import { startTrace } from './frames.ts';
import { watchKeys } from './keys.ts';
import { summarise } from './measure.ts';
import { cpuOf, watchPages, whenSeen, type PageTimes } from './realPage.ts';
import { sessionEntries } from './session.ts';

const CONNECTION = 'local-acp-bench-agent';
const OPENINGS = 5;
const IDLE_MS = 10_000;
const SETTLE_MS = 15_000;
const LONGEST_MS = 180_000;

interface Place {
  readonly root: string;
  readonly userDataDir: string;
  readonly folder: string;
  readonly times: string;
}

/** Sessions of the sizes of `STORED`, written by the product's own store where VS Code will look for it. */
async function writeStored(place: Place): Promise<void> {
  const storage = path.join(place.userDataDir, 'User', 'globalStorage', 'pilothouse.pilothouse');
  const key = await keyFromFile(path.join(storage, 'store.key'));
  const store = await openStore({ directory: path.join(storage, 'store'), key, log: silentLogger, clock: systemClock });
  try {
    for (const { id, entries } of STORED) {
      const all = [...sessionEntries(entries, id)];
      for (let at = 0; at < all.length; at += 2_000) await store.put(sessionKey({ connectionId: CONNECTION, id }), all.slice(at, at + 2_000));
    }
  } finally {
    await store[Symbol.asyncDispose]();
  }
}

async function start(place: Place): Promise<VSCode> {
  const rig = await currentRig();
  const agent = { name: 'Bench Agent', command: rig.node, args: [path.join(projectRoot, 'test', 'bench', 'agent.ts'), place.times, place.folder], protocol: 'acp' };
  return launchVSCode({ folder: place.folder, userDataDir: place.userDataDir, settings: { 'pilothouse.local.agents': [agent] } });
}

function written(place: Place, what: WriteTimes['what']): WriteTimes | undefined {
  const lines = readFileSync(place.times, { encoding: 'utf8', flag: 'a+' }).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as WriteTimes).findLast((times) => times.what === what);
}

/** Asks the agent for text that ends in `end`; the page's time when that was seen, and the agent's times. */
async function prompt(place: Place, frame: Frame, words: 'flood' | 'steady', end: string): Promise<{ readonly seen: number; readonly times: WriteTimes }> {
  const seen = whenSeen(frame, end.trim(), LONGEST_MS);
  await frame.getByRole('textbox', { name: 'Message' }).fill(words);
  await frame.getByRole('textbox', { name: 'Message' }).press('Enter');
  const at = await seen;
  return { seen: at, times: await until(`the times of ${words}`, async () => written(place, words)) };
}

async function newChat(window: VSCodeWindow): Promise<Frame> {
  await window.executeCommand('workbench.action.closeAllEditors');
  await until('no editor', async () => (await window.tabs()).length === 0);
  await (await window.openView('Sessions')).titleAction('New Session…');
  const frame = await window.chat();
  await frame.getByRole('textbox', { name: 'Message' }).waitFor();
  return frame;
}

async function flood(place: Place, window: VSCodeWindow): Promise<Record<string, unknown>> {
  const frame = await newChat(window);
  const hostBefore = cpuOf(window.extensionHostPid);
  const { seen, times } = await prompt(place, frame, 'flood', FLOOD.end);
  const hostCpuMs = cpuOf(window.extensionHostPid) - hostBefore;
  await frame.getByRole('button', { name: 'Stop', exact: true }).waitFor({ state: 'hidden' });
  // The beginning is there too: the page holds all of it, not only its end.
  await frame.getByRole('log', { name: 'Transcript' }).evaluate((log) => void (log.scrollTop = 0));
  const begins = await frame.getByRole('heading', { name: 'Part 1', exact: true }).first().waitFor({ timeout: 10_000 }).then(() => true, () => false);
  return {
    pieces: FLOOD.chars / FLOOD.piece, chars: FLOOD.chars, writingMs: Math.round(times.last - times.first), wholeOnPageAfterLastWriteMs: Math.round(seen - times.last),
    wholeOnPageAfterFirstWriteMs: Math.round(seen - times.first), hostCpuMs: Math.round(hostCpuMs), beginsOnPage: begins,
  };
}

/** The times between frames of a page, from `begin` to `end`. */
function watchGaps(frame: Frame) {
  return frame.evaluateHandle(() => {
    let between: number[] = [];
    let running = true;
    let before = performance.now();
    const watch = (): void => {
      const at = performance.now();
      between.push(at - before);
      before = at;
      if (running) requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
    return {
      begin: () => void (between = []),
      end: () => {
        running = false;
        return between;
      },
    };
  });
}

async function steady(place: Place, window: VSCodeWindow): Promise<Record<string, unknown>> {
  const frame = await newChat(window);
  const cdp = await window.page.context().newCDPSession(window.page);
  const keys = await watchKeys(window.page, frame);
  const gaps = await watchGaps(frame);
  const hostBefore = cpuOf(window.extensionHostPid);
  const asked = prompt(place, frame, 'steady', STEADY.end);
  await until('the answer to begin', async () => (await frame.locator('[data-kind="text"]').count()) > 0);
  const stop = await startTrace(cdp);
  await gaps.evaluate((watch) => watch.begin());
  await frame.getByRole('textbox', { name: 'Message' }).focus();
  await keys.type(asked);
  const { seen, times } = await asked;
  const frames = await stop();
  const between = await gaps.evaluate((watch) => watch.end());
  await cdp.detach();
  return {
    chars: STEADY.chars, tokensPerSecond: STEADY.piecesPerSecond, writingMs: Math.round(times.last - times.first), lagMs: Math.round(seen - times.last), hostCpuMs: Math.round(cpuOf(window.extensionHostPid) - hostBefore),
    windowsFrames: frames, frameGapMs: summarise(between), keystrokeToPaintMs: await keys.summary(),
  };
}

async function open(window: VSCodeWindow, title: string, end?: string): Promise<PageTimes> {
  const item = (await window.openView('Sessions')).item(title, { under: 'This computer' });
  await item.row();
  const times = await watchPages(window, end ?? null);
  await item.click();
  const found = await times();
  await window.closeTab(title);
  return found;
}

async function openings(window: VSCodeWindow): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  for (const { title, entries } of STORED) {
    const runs: PageTimes[] = [];
    for (let run = 0; run < OPENINGS; run += 1) runs.push(await open(window, title));
    const of = (span: (times: PageTimes) => number) => summarise(runs.map(span));
    results[String(entries)] = {
      paintAfterMessageMs: of((times) => times.painted - times.snapshot), messageAfterPageReadyMs: of((times) => times.snapshot - times.ready), pageReadyAfterClickMs: of((times) => times.ready - times.clicked),
      paintAfterClickMs: of((times) => times.painted - times.clicked),
    };
  }
  return results;
}

async function replayed(place: Place, window: VSCodeWindow): Promise<Record<string, unknown>> {
  const page = await open(window, REPLAYED.title, REPLAYED.end);
  const times = await until('the times of the replay', async () => written(place, 'replay'));
  return {
    writingMs: Math.round(times.last - times.first), lastScreenAfterLastWriteMs: Math.round(page.painted - times.last), lastScreenAfterLoadAskedMs: Math.round(page.painted - times.asked),
    lastScreenAfterClickMs: Math.round(page.painted - page.clicked),
  };
}

/** Processor time of the extension host and of the browser's pages over ten seconds in which nothing happens. */
async function idle(window: VSCodeWindow): Promise<Record<string, unknown>> {
  // What came before is not to be collected meanwhile.
  const cdp = await window.page.context().newCDPSession(window.page);
  for (let round = 0; round < 3; round += 1) await cdp.send('HeapProfiler.collectGarbage');
  await cdp.detach();
  await window.page.waitForTimeout(SETTLE_MS);
  const browser = await window.page.context().browser()?.newBrowserCDPSession();
  const renderers = async (): Promise<number> => ((await browser?.send('SystemInfo.getProcessInfo'))?.processInfo ?? []).filter((each) => each.type === 'renderer').reduce((sum, each) => sum + each.cpuTime * 1_000, 0);
  const before = [cpuOf(window.extensionHostPid), await renderers()] as const;
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  return { seconds: IDLE_MS / 1_000, hostCpuMs: Math.round(cpuOf(window.extensionHostPid) - before[0]), renderersCpuMs: Math.round((await renderers()) - before[1]) };
}

export async function benchChat(): Promise<Record<string, unknown>> {
  const root = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-')));
  const place: Place = { root, userDataDir: path.join(root, 'data'), folder: copySampleWorkspace(path.join(root, 'berths')), times: path.join(root, 'times.jsonl') };
  try {
    await writeStored(place);
    await using code = await start(place);
    const { window } = code;
    await window.openView('Sessions');
    const opening = await openings(window);
    const replay = await replayed(place, window);
    const flooded = await flood(place, window);
    const streamed = await steady(place, window);
    const withChat = await idle(window);
    await window.executeCommand('workbench.action.closeAllEditors');
    return { opening, replay, flood: flooded, steady: streamed, idle: { withChat, withoutChat: await idle(window) } };
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
