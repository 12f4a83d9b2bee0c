/** What the chat's page in real VS Code is seen to do, by the clock of the computer. */
import { readFileSync } from 'node:fs';
import type { Frame } from 'playwright-core';
import type { VSCodeWindow } from '../e2e/driver/index.ts';
import { until } from '../e2e/driver/index.ts';

/** Ticks of `/proc/<pid>/stat` in a second, on every Linux that Node runs on. */
const TICKS = 100;

/** Processor time of a process until now, in milliseconds; Linux only. */
export function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS;
}

/** Resolves with the time of the task after the frame in which the last rows held the words, in milliseconds since the epoch. */
export function whenSeen(frame: Frame, words: string, timeoutMs: number): Promise<number> {
  return frame.evaluate(({ words, timeoutMs }) => new Promise<number>((resolve, reject) => {
    const started = performance.now();
    const look = (): void => {
      const last = [...document.querySelectorAll('[role="log"] [data-kind="text"]')].at(-1);
      if (last?.textContent.includes(words) === true) requestAnimationFrame(() => setTimeout(() => resolve(performance.timeOrigin + performance.now())));
      else if (performance.now() - started > timeoutMs) reject(new Error(`the page did not show: ${words}`));
      else requestAnimationFrame(look);
    };
    look();
  }), { words, timeoutMs });
}

/** One opening of a chat, in milliseconds since the epoch. */
export interface PageTimes {
  /** The press on the tree's row. */
  readonly clicked: number;
  /** The page told that it is there. */
  readonly ready: number;
  /** The message with its rows arrived. */
  readonly snapshot: number;
  /** The task after the frame that showed rows, or the words that were looked for. */
  readonly painted: number;
}

interface Noted {
  ready?: number;
  snapshot?: number;
  painted?: number;
}

const watched = new WeakSet<VSCodeWindow>();

/** Watches the next chat that is opened in the window: from the click to its rows, or to the row with `words`. Gives what resolves when both were seen. */
export async function watchPages(vscode: VSCodeWindow, words: string | null): Promise<() => Promise<PageTimes>> {
  if (!watched.has(vscode)) {
    watched.add(vscode);
    await vscode.page.addInitScript(noteTimes);
  }
  const clicked = await vscode.page.evaluateHandle((words) => {
    const noted: { at?: number } = {};
    // Frames of this page read what they look for when they begin.
    localStorage.setItem('bench-words', words ?? '');
    window.addEventListener('mousedown', (event) => (noted.at ??= performance.timeOrigin + event.timeStamp), { capture: true, once: true });
    return noted;
  }, words);
  const known = new Set(vscode.page.frames());
  return async () => {
    const seen: string[] = [];
    const times = await until('the chat to show its rows', async () => {
      for (const frame of vscode.page.frames()) {
        if (known.has(frame)) continue;
        const noted = await frame.evaluate(() => (globalThis as unknown as { noted?: Noted }).noted).catch(() => undefined);
        if (noted !== undefined) seen.push(JSON.stringify(noted));
        if (noted?.painted !== undefined && noted.snapshot !== undefined && noted.ready !== undefined) return noted as Required<Noted>;
      }
      return undefined;
    }, { timeoutMs: 60_000, detail: async () => seen.at(-1) ?? 'nothing' });
    await vscode.page.evaluate(() => localStorage.removeItem('bench-words'));
    const { at } = await clicked.jsonValue();
    if (at === undefined) throw new Error('no click was seen');
    return { clicked: at, ...times };
  };
}

/** Runs in every frame before its scripts: notes when the chat's page is ready, has its rows and shows them. */
function noteTimes(): void {
  const noted: Noted = {};
  Object.assign(globalThis, { noted });
  const now = (): number => performance.timeOrigin + performance.now();
  let words: string | null = null;
  try {
    words = localStorage.getItem('bench-words');
  } catch {
    // A frame without storage has no chat in it that could be asked for words.
  }
  if (words === null) return;
  const wanted = words;
  const listen = (event: MessageEvent<{ type?: string } | null>): void => {
    if (event.data?.type === 'snapshot') noted.snapshot ??= now();
  };
  const look = (): void => {
    // VS Code writes the page's document anew, which takes every listener away.
    window.addEventListener('message', listen, { capture: true });
    const rows = document.querySelectorAll('[role="log"] [role="article"]');
    if (document.querySelector('#root') !== null) noted.ready ??= now();
    const shown = wanted === '' ? rows.length > 0 : [...rows].slice(-2).some((row) => row.textContent.includes(wanted));
    if (!shown) return;
    clearInterval(looking);
    requestAnimationFrame(() => setTimeout(() => (noted.painted ??= now())));
  };
  // Frames that were asked for do not outlive the writing of the document; timers do.
  const looking = setInterval(look, 4);
}
