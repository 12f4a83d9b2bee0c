/**
 * The chat page in Chromium, on its built bundle and under its own CSP: first paint of a snapshot, streaming, keystrokes meanwhile, nodes, the heap over a million tokens, and what it does
 * while nothing happens. Baseline, in the same browser: a page that renders the obvious way (every row in the page, the whole answer parsed again for each message).
 */
import { viewOf } from '../../src/core/session/view.ts';
import type { HostMessage } from '../../src/protocol/chat.ts';
import { idlePage } from './idle.ts';
import { ratio, summarise } from './measure.ts';
import type { Bench, Chats, Which } from './pageRig.ts';
import { countNodes, lastRows, openChats, snapshot, startBench } from './pageRig.ts';
import { sessionEntries } from './session.ts';
import { millionTokens, streaming } from './streams.ts';

const PAINT_RUNS = 11;

interface Painted {
  /** Milliseconds from the message's arrival to the task after the frame that shows its rows. */
  readonly ms: number;
  readonly nodes: number;
}

async function firstPaint(bench: Bench, which: Which, message: HostMessage): Promise<Painted> {
  await using chats: Chats = await openChats(bench, which, 1);
  const ms = await chats.frames[0]?.evaluate((text) => new Promise<number>((resolve) => {
    const data: unknown = JSON.parse(text);
    const from = performance.now();
    globalThis.dispatchEvent(new MessageEvent('message', { data }));
    const look = (): void => {
      if (document.querySelector('[role="article"]') === null) requestAnimationFrame(look);
      else requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - from)));
    };
    look();
  }), JSON.stringify(message));
  return { ms: ms ?? Number.NaN, nodes: (await countNodes(chats)).nodes };
}

async function paints(bench: Bench, sizes: readonly number[]): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  const runs = new Map<number, Painted[]>(sizes.map((size) => [size, []]));
  const messages = new Map(sizes.map((size) => [size, snapshot(size, lastRows(Math.min(size, 4_000)))]));
  // One run each, in turns, so that what else the computer does meanwhile falls on all of them; the very first one warms the browser up.
  await firstPaint(bench, 'chat', snapshot(1_000, lastRows(1_000)));
  for (let run = 0; run < PAINT_RUNS; run += 1) for (const [size, list] of runs) list.push(await firstPaint(bench, 'chat', messages.get(size) ?? snapshot(0, [])));
  let baseline = 0;
  for (const [size, list] of runs) {
    const sample = summarise(list.map((each) => each.ms));
    if (baseline === 0) baseline = sample.median;
    results[String(size)] = { ...sample, ratioToSmallest: ratio(sample.median, baseline), nodes: Math.max(...list.map((each) => each.nodes)) };
  }
  return results;
}

export async function benchPage(sizes: readonly number[]): Promise<Record<string, unknown>> {
  const bench = await startBench();
  try {
    const firstPaintMs = await paints(bench, sizes);
    const obvious = await firstPaint(bench, 'baseline', snapshot(10_000, viewOf(sessionEntries(13_000)).slice(0, 10_000)));
    const streams = [await streaming(bench), await streaming(bench, { throttle: 4 }), await streaming(bench, { chats: 4 })];
    const slow = await streaming(bench, { which: 'baseline', chars: 50_000 });
    return { firstPaintMs, baselineFirstPaintOf10000Rows: obvious, streaming: streams, baselineStreamingOf50KB: slow, million: await millionTokens(bench), idle: await idlePage(bench) };
  } finally {
    await bench.close();
  }
}
