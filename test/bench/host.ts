/**
 * The host alone, without VS Code: the fleet, the store in its worker, the bench's agent as a program of its own, and a chat channel whose messages are serialised as VS Code serialises them. How long after
 * the agent's last write the end of a flood of 50,000 pieces, and the last screen of a replay of 10,000 updates, leave for the page; what it costs; and the heap over a million tokens.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { repoRoot } from '../../scripts/setup/index.mjs';
import { Fleet } from '../../src/core/fleet/fleet.ts';
import type { Store } from '../../src/core/session/store-api.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import { localConnections } from '../../src/core/systems/local/index.ts';
import { sessionKey } from '../../src/core/model/session.ts';
import type { SessionRuntime } from '../../src/core/fleet/runtime.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { ChatChannel } from '../../src/extension/chat/channel.ts';
import { chatState } from '../../src/extension/chat/state.ts';
import { FLOOD, REPLAYED } from './agentFacts.ts';
import type { WriteTimes } from './agentFacts.ts';
import { HoldWatch } from './measure.ts';

const DEADLINE_MS = 120_000;
const FLOODS = 4;
const IDLE_MS = 10_000;

interface World {
  readonly fleet: Fleet;
  readonly store: Store;
  readonly root: string;
  readonly times: string;
}

/** A page's end of the channel: takes what the host posts, and waits for words. */
class FakePage {
  messages = 0;
  bytes = 0;
  private waiting: { readonly words: string; readonly seen: (at: number) => void } | null = null;

  readonly take = (message: unknown): void => {
    const text = JSON.stringify(message);
    this.messages += 1;
    this.bytes += text.length;
    if (this.waiting === null || !text.includes(this.waiting.words)) return;
    this.waiting.seen(performance.timeOrigin + performance.now());
    this.waiting = null;
  };

  saw(words: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the page was not sent: ${words}`)), DEADLINE_MS);
      this.waiting = {
        words,
        seen: (at) => {
          clearTimeout(timer);
          resolve(at);
        },
      };
    });
  }
}

function show(world: World, runtime: SessionRuntime, page: FakePage): ChatChannel {
  const channel = new ChatChannel({
    session: runtime.key, transcript: runtime.transcript, state: () => chatState(world.fleet, runtime), config: () => ({ enterKey: 'send', thinking: 'collapsed' }), draft: () => '',
  }, page.take);
  channel.setVisible(true);
  channel.pageReady();
  runtime.onState(() => channel.stateChanged());
  world.fleet.onChange((change) => change.sessions.has(runtime.key) && channel.stateChanged());
  return channel;
}

async function flood(world: World, runtime: SessionRuntime, page: FakePage): Promise<Record<string, unknown>> {
  const hold = new HoldWatch();
  const [messages, bytes] = [page.messages, page.bytes];
  const before = process.cpuUsage();
  const seen = page.saw(FLOOD.end.trim());
  await runtime.send({ text: 'flood', attachments: [] }, 'send');
  const at = await seen;
  const spent = process.cpuUsage(before);
  const times = written(world, 'flood');
  return {
    writingMs: Math.round(times.last - times.first), lastPieceSentAfterLastWriteMs: Math.round(at - times.last), cpuMs: Math.round((spent.user + spent.system) / 1_000),
    messages: page.messages - messages, bytes: page.bytes - bytes, ...hold.end(),
  };
}

function written(world: World, what: WriteTimes['what']): WriteTimes {
  const found = readFileSync(world.times, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as WriteTimes).findLast((times) => times.what === what);
  if (found === undefined) throw new Error(`the agent did not note its ${what}`);
  return found;
}

async function replay(world: World): Promise<Record<string, unknown>> {
  const key = sessionKey({ connectionId: 'local-acp-bench-agent', id: REPLAYED.id });
  const hold = new HoldWatch();
  const before = process.cpuUsage();
  const runtime = await world.fleet.open(key);
  const page = new FakePage();
  const seen = page.saw(REPLAYED.end);
  const channel = show(world, runtime, page);
  const at = await seen;
  const shown = process.cpuUsage(before);
  await runtime.historyRead();
  const all = process.cpuUsage(before);
  const times = written(world, 'replay');
  channel.dispose();
  runtime.release();
  return {
    writingMs: Math.round(times.last - times.first), lastScreenSentAfterLastWriteMs: Math.round(at - times.last), cpuUntilThenMs: Math.round((shown.user + shown.system) / 1_000),
    rows: runtime.transcript.total, allReadCpuMs: Math.round((all.user + all.system) / 1_000), messages: page.messages, bytes: page.bytes, ...hold.end(),
  };
}

/** What an open chat costs while nothing happens: processor time of all threads, the store's too, and timers that are asked for. */
async function idle(): Promise<Record<string, unknown>> {
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const asked: number[] = [];
  const original = globalThis.setTimeout;
  globalThis.setTimeout = Object.assign((...args: Parameters<typeof original>) => {
    asked.push(args[1] ?? 0);
    return original(...args);
  }, original);
  const before = process.cpuUsage();
  await new Promise((resolve) => original(resolve, IDLE_MS));
  const spent = process.cpuUsage(before);
  globalThis.setTimeout = original;
  const timers: Record<string, number> = {};
  for (const ms of asked) timers[`${ms} ms`] = (timers[`${ms} ms`] ?? 0) + 1;
  return { seconds: IDLE_MS / 1_000, cpuMs: Math.round((spent.user + spent.system) / 1_000), timersAsked: timers, timersHeld: process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length };
}

function heapMb(): number {
  globalThis.gc?.();
  return Math.round((process.memoryUsage().heapUsed / 1_048_576) * 10) / 10;
}

export async function benchHost(): Promise<Record<string, unknown>> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));
  const world: World = { root, times: path.join(root, 'times.jsonl'), ...(await makeFleet(root)) };
  const { fleet } = world;
  try {
    await fleet.settled();
    const replayed = await replay(world);
    const session = await fleet.backend('local-acp-bench-agent').spawn({ machineId: 'this-computer', folder: root, title: 'Flood' });
    const runtime = await fleet.open(sessionKey(session));
    const page = new FakePage();
    const channel = show(world, runtime, page);
    const floods: Record<string, unknown>[] = [];
    const heaps: number[] = [heapMb()];
    for (let run = 0; run < FLOODS; run += 1) {
      floods.push(await flood(world, runtime, page));
      await idleTurn(fleet, runtime);
      heaps.push(heapMb());
    }
    const still = await idle();
    channel.dispose();
    runtime.release();
    return { replay: replayed, floods, heapMbAfterEachQuarterMillion: heaps, idle: still };
  } finally {
    await fleet[Symbol.asyncDispose]();
    await world.store[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  }
}

async function makeFleet(root: string): Promise<Pick<World, 'fleet' | 'store'>> {
  const store = await openStore({ directory: path.join(root, 'store'), key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock });
  const fleet = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir: path.join(root, 'state') });
  const agents = [{ name: 'Bench Agent', command: process.execPath, args: [path.join(repoRoot, 'test', 'bench', 'agent.ts'), path.join(root, 'times.jsonl'), root], protocol: 'acp' as const }];
  await fleet.setConnections(localConnections({ agents, env: process.env }).filter((each) => each.connectionId === 'local-acp-bench-agent'));
  return { fleet, store };
}

/** Resolves when the turn is over and its rows are written. */
async function idleTurn(fleet: Fleet, runtime: SessionRuntime): Promise<void> {
  for (const until = Date.now() + DEADLINE_MS; fleet.session(runtime.key)?.state === 'running' && Date.now() < until;) await new Promise((resolve) => setTimeout(resolve, 20));
  await runtime.transcript.flush();
}
