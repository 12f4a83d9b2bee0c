/** What a page does while nothing happens: the timers and frames that it asks for, and the processor time of its process. */
import type { Bench } from './pageRig.ts';
import { lastRows, openChats, post, snapshot } from './pageRig.ts';

const SETTLE_MS = 3_000;
const WATCH_MS = 10_000;

interface Asked {
  timers: number;
  intervals: number;
  frames: number;
  idle: number;
}

export async function idlePage(bench: Bench): Promise<Record<string, unknown>> {
  const browser = await bench.browser.newBrowserCDPSession();
  await using chats = await openChats(bench, 'chat', 1);
  await post(chats, snapshot(1_000, lastRows(4_000)));
  await chats.page.waitForTimeout(SETTLE_MS);
  const [frame] = chats.frames;
  if (frame === undefined) throw new Error('there is no chat');
  const asked = (): Promise<Asked> => frame.evaluate(() => ({ ...(globalThis as unknown as { asked: Asked }).asked }));
  const metrics = async (): Promise<Map<string, number>> => new Map((await chats.cdp.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]));
  const cpu = async (): Promise<number> => (await browser.send('SystemInfo.getProcessInfo')).processInfo.filter((each) => each.type === 'renderer').reduce((sum, each) => sum + each.cpuTime, 0) * 1_000;
  await chats.cdp.send('Performance.enable');
  const [askedBefore, metricsBefore, cpuBefore] = [await asked(), await metrics(), await cpu()];
  // Nothing of ours may ask the page anything meanwhile.
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  const cpuAfter = await cpu();
  const metricsAfter = await metrics();
  const askedAfter = await asked();
  const spent = (name: string): number => Math.round(((metricsAfter.get(name) ?? 0) - (metricsBefore.get(name) ?? 0)) * 1e5) / 100;
  return {
    seconds: WATCH_MS / 1_000,
    asked: { timers: askedAfter.timers - askedBefore.timers, intervals: askedAfter.intervals - askedBefore.intervals, frames: askedAfter.frames - askedBefore.frames, idleCallbacks: askedAfter.idle - askedBefore.idle },
    renderersCpuMs: Math.round((cpuAfter - cpuBefore) * 10) / 10, mainThreadTaskMs: spent('TaskDuration'), scriptMs: spent('ScriptDuration'), layoutMs: spent('LayoutDuration'),
  };
}
