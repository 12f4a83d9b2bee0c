/** What the main thread of a page did frame by frame, as Chromium's own trace tells it: processor time of the thread, so that other programs on the computer do not count. */
import type { CDPSession } from 'playwright-core';
import type { Sample } from './measure.ts';
import { summarise } from './measure.ts';

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds: wall, and of the thread's own processor time. */
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
}

/** Script, style, layout and collecting garbage; events of it that stand within others are part of those. */
const SCRIPT_AND_LAYOUT = new Set([
  'FunctionCall', 'EvaluateScript', 'FireAnimationFrame', 'TimerFire', 'EventDispatch', 'HandlePostMessage', 'RunMicrotasks', 'UpdateLayoutTree', 'Layout', 'ParseHTML', 'MinorGC', 'MajorGC',
  'IntersectionObserverController::computeIntersections',
]);
const CATEGORIES = ['devtools.timeline', 'devtools.timeline.frame', 'disabled-by-default-devtools.timeline'];
/** Where the main thread is done with a frame. */
const FRAME = 'BeginCommitCompositorFrame';

export interface FrameTimes {
  /** Of each frame, in milliseconds of the main thread's processor time. */
  readonly scriptAndLayoutCpuMs: Sample;
  /** All that the main thread did, painting and what Chromium itself does too, in milliseconds by the clock. */
  readonly mainThreadWallMs: Sample;
}

export async function startTrace(cdp: CDPSession): Promise<() => Promise<FrameTimes>> {
  const events: TraceEvent[] = [];
  const collect = ({ value }: { value: unknown[] }): void => void events.push(...(value as TraceEvent[]));
  cdp.on('Tracing.dataCollected', collect as never);
  await cdp.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: CATEGORIES, excludedCategories: ['*'] } });
  return async () => {
    const done = new Promise<void>((resolve) => void cdp.once('Tracing.tracingComplete', () => resolve()));
    await cdp.send('Tracing.end');
    await done;
    cdp.off('Tracing.dataCollected', collect as never);
    return framesOf(events);
  };
}

function framesOf(events: readonly TraceEvent[]): FrameTimes {
  const thread = busiest(events);
  const own = events.filter((event) => `${event.pid}:${event.tid}` === thread).sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
  const ends = own.filter((event) => event.name === FRAME).map((event) => event.ts);
  const spans = outermost(own.filter((event) => event.ph === 'X' && SCRIPT_AND_LAYOUT.has(event.name)));
  const tasks = outermost(own.filter((event) => event.ph === 'X' && event.name === 'RunTask'));
  return { scriptAndLayoutCpuMs: summarise(perFrame(ends, spans)), mainThreadWallMs: summarise(perFrame(ends, tasks)) };
}

/** The thread on which most frames ended: the main thread of the page's process. */
function busiest(events: readonly TraceEvent[]): string {
  const counts = new Map<string, number>();
  for (const event of events) if (event.name === FRAME) counts.set(`${event.pid}:${event.tid}`, (counts.get(`${event.pid}:${event.tid}`) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
}

/** Of sorted events those that stand in no other. */
function outermost(events: readonly TraceEvent[]): TraceEvent[] {
  const found: TraceEvent[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const event of events) {
    if (event.ts < end) continue;
    found.push(event);
    end = event.ts + (event.dur ?? 0);
  }
  return found;
}

/** Milliseconds from the end of one frame to that of the next: all that ran in between. */
function perFrame(ends: readonly number[], spans: readonly TraceEvent[]): number[] {
  const sums: number[] = Array.from({ length: Math.max(0, ends.length - 1) }, () => 0);
  let frame = 0;
  for (const span of spans) {
    while (frame < sums.length && (ends[frame + 1] ?? 0) <= span.ts) frame += 1;
    if (frame >= sums.length) break;
    if (span.ts >= (ends[frame] ?? 0)) sums[frame] = (sums[frame] ?? 0) + (span.tdur ?? span.dur ?? 0) / 1_000;
  }
  return sums;
}
