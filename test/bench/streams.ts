/** Streaming into one chat and into four side by side, as the host sends it: frames, keystrokes, nodes, and the heap over a million tokens. */
import type { CDPSession } from 'playwright-core';
import type { Row } from '../../src/core/model/row.ts';
import { longMarkdown } from '../loopback/markdown.ts';
import { startTrace } from './frames.ts';
import { watchKeys } from './keys.ts';
import { summarise } from './measure.ts';
import type { Bench, Chats, Which } from './pageRig.ts';
import { countNodes, lastRows, openChats, post, snapshot } from './pageRig.ts';

const TOKENS_PER_SECOND = 5_000;
const CHARS_PER_TOKEN = 4;
const FRAME_MS = 16;
/** Tokens of one answer, and answers, of the long session. */
const ANSWER_TOKENS = 10_000;
const ANSWERS = 100;

interface StreamingOptions {
  readonly which?: Which;
  readonly chats?: number;
  /** How many times slower Chromium makes the page's processor. */
  readonly throttle?: number;
  readonly chars?: number;
}

/** One answer of 200 KB at 5,000 tokens a second into each chat, one message a frame as the host sends it, while somebody types into the first. */
export async function streaming(bench: Bench, options: StreamingOptions = {}): Promise<Record<string, unknown>> {
  const { which = 'chat', chats: count = 1, throttle = 1, chars = 200_000 } = options;
  await using chats = await openChats(bench, which, count);
  const rows: Row[] = [...lastRows(4_000).slice(1), { kind: 'text', key: 'streamed', at: null, turn: null, text: '', streaming: true }];
  await post(chats, snapshot(1_000, rows, true));
  await chats.page.waitForTimeout(600);
  if (throttle > 1) await chats.cdp.send('Emulation.setCPUThrottlingRate', { rate: throttle });
  const [first] = chats.frames;
  const keys = which === 'chat' && first !== undefined ? await watchKeys(chats.page, first) : null;
  const stop = await startTrace(chats.cdp);
  const streamed = feed(chats, longMarkdown(chars));
  const typed = keys === null ? null : keys.type(streamed);
  const { gaps, longTasks, tookMs } = await streamed;
  await typed;
  const frames = await stop();
  return {
    which, chats: count, cpuThrottle: throttle, chars, tookMs, ...frames, frameGapMs: summarise(gaps), longTasks,
    ...(keys === null ? {} : { keystrokeToPaintMs: await keys.summary() }), nodesAtEnd: await countNodes(chats),
  };
}

/** Streams in the holder's page, which the chats' frames share their thread with: its own share is one timer a frame. */
function feed(chats: Chats, answer: string): Promise<{ readonly gaps: number[]; readonly longTasks: number; readonly tookMs: number }> {
  return chats.page.evaluate(async ({ answer, charsPerSecond, frameMs }) => {
    const targets = [...document.querySelectorAll('iframe')].map((frame) => frame.contentWindow);
    const gaps: number[] = [];
    let longTasks = 0;
    const observer = new PerformanceObserver((list) => { longTasks += list.getEntries().length; });
    observer.observe({ type: 'longtask' });
    let running = true;
    let before = performance.now();
    const watch = (): void => {
      const now = performance.now();
      gaps.push(now - before);
      before = now;
      if (running) requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
    const started = performance.now();
    let sent = 0;
    for (let seq = 1; sent < answer.length; seq += 1) {
      await new Promise((resolve) => setTimeout(resolve, frameMs));
      const due = Math.min(answer.length, Math.floor(((performance.now() - started) / 1000) * charsPerSecond));
      const data = { type: 'patch', generation: 1, seq, total: 1_000, ops: [{ op: 'append', at: 999, key: 'streamed', field: 'text', from: sent, text: answer.slice(sent, due) }] };
      for (const target of targets) target?.postMessage(data, '*');
      sent = due;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    running = false;
    observer.disconnect();
    return { gaps: gaps.slice(1), longTasks, tookMs: Math.round(performance.now() - started) };
  }, { answer, charsPerSecond: TOKENS_PER_SECOND * CHARS_PER_TOKEN, frameMs: FRAME_MS });
}

/** A million tokens in a hundred turns, as fast as frames go: the heap after each tenth, garbage collected, and the most nodes that there were. */
export async function millionTokens(bench: Bench): Promise<Record<string, unknown>> {
  await using chats = await openChats(bench, 'chat', 1);
  await post(chats, snapshot(1_000, lastRows(4_000), true));
  await chats.page.waitForTimeout(600);
  const answer = longMarkdown(ANSWER_TOKENS * CHARS_PER_TOKEN);
  const heaps: number[] = [];
  let most = { elements: 0, nodes: 0 };
  for (let turn = 0; turn < ANSWERS; turn += 1) {
    await streamTurn(chats, answer, turn);
    const nodes = await countNodes(chats);
    if (nodes.nodes > most.nodes) most = nodes;
    if ((turn + 1) % (ANSWERS / 10) === 0) heaps.push(await heapMb(chats.cdp));
  }
  const [first = 1, ...rest] = heaps;
  return { tokens: ANSWER_TOKENS * ANSWERS, answers: ANSWERS, heapMbAfterEachTenth: heaps, largestToFirst: Math.round((Math.max(...rest) / first) * 100) / 100, lastToFirst: Math.round(((heaps.at(-1) ?? 0) / first) * 100) / 100, mostNodes: most };
}

/** A prompt, an answer in pieces of a frame each, and the end of its turn. */
function streamTurn(chats: Chats, answer: string, turn: number): Promise<void> {
  return chats.page.evaluate(async ({ answer, turn, pieces }) => {
    const target = document.querySelector('iframe')?.contentWindow;
    let total = 1_000 + turn * 3;
    let seq = turn * (pieces + 3);
    const send = (added: number, op: unknown): Promise<unknown> => {
      seq += 1;
      total += added;
      target?.postMessage({ type: 'patch', generation: 1, seq, total, ops: [op] }, '*');
      return new Promise((resolve) => requestAnimationFrame(resolve));
    };
    const base = { at: 1_700_000_000_000 + turn, turn: `t${turn}` };
    const key = `a${turn}`;
    await send(1, { op: 'splice', at: total, remove: 0, rows: [{ kind: 'prompt', key: `p${turn}`, ...base, text: `Go on with step ${turn}.`, attachments: [], clientId: null }] });
    await send(1, { op: 'splice', at: total, remove: 0, rows: [{ kind: 'text', key, ...base, text: '', streaming: true }] });
    const size = Math.ceil(answer.length / pieces);
    for (let piece = 0; piece < pieces; piece += 1) {
      await send(0, { op: 'append', at: total - 1, key, field: 'text', from: piece * size, text: answer.slice(piece * size, (piece + 1) * size) });
    }
    const figures = { inputTokens: 12_000, outputTokens: 10_000, cachedTokens: 0, costUsd: 0.04, contextTokens: 40_000, contextWindow: 200_000 };
    await send(1, { op: 'splice', at: total - 1, remove: 1, rows: [{ kind: 'text', key, ...base, text: answer, streaming: false }, { kind: 'turn', key: `e${turn}`, ...base, state: 'completed', durationMs: 2_000, figures, filesChanged: [], error: null }] });
  }, { answer, turn, pieces: 40 });
}

async function heapMb(cdp: CDPSession): Promise<number> {
  for (let round = 0; round < 3; round += 1) await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  return Math.round((usedSize / 1_048_576) * 100) / 100;
}
