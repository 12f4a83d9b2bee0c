/** Keys typed into a chat's message, and how long each takes to be seen. */
import type { Frame, Page } from 'playwright-core';
import { summarise } from './measure.ts';

const KEY_EVERY_MS = 130;

interface KeyTime {
  readonly waiting: number;
  readonly toPaint: number;
  readonly frame: number;
}

export interface KeyTimes {
  /** Types until the stream has ended. */
  type(ended: Promise<unknown>): Promise<void>;
  summary(): Promise<Record<string, unknown>>;
}

/**
 * From the time that the browser gives the key event to the task after the frame that shows its letter. Of that, `waiting` is until a listener runs and `frameWork` the time of the frame's work; the rest is the
 * wait for the next frame, of which there are 60 a second: up to 16.7 ms, whatever the page does.
 */
export async function watchKeys(page: Page, frame: Frame): Promise<KeyTimes> {
  await frame.getByRole('textbox', { name: 'Message' }).focus();
  await frame.evaluate(() => {
    const keys: { waiting: number; toPaint: number; frame: number }[] = [];
    Object.assign(globalThis, { keys });
    window.addEventListener('keydown', (event) => {
      const waiting = performance.now() - event.timeStamp;
      requestAnimationFrame(() => {
        const began = performance.now();
        const channel = new MessageChannel();
        channel.port1.addEventListener('message', () => keys.push({ waiting, toPaint: performance.now() - event.timeStamp, frame: performance.now() - began }));
        channel.port1.start();
        channel.port2.postMessage(null);
      });
    }, { capture: true });
  });
  return {
    type: async (ended) => {
      const stream = ended.then(() => 'over' as const, () => 'over' as const);
      const pause = (): Promise<'on'> => new Promise((resolve) => setTimeout(() => resolve('on'), KEY_EVERY_MS));
      for (let typed = 0; (await Promise.race([stream, pause()])) === 'on'; typed += 1) await page.keyboard.press('abcdefgh '[typed % 9] ?? 'a');
    },
    summary: async () => {
      const keys: readonly KeyTime[] = await frame.evaluate(() => (globalThis as unknown as { keys: KeyTime[] }).keys);
      return { ...summarise(keys.map((key) => key.toPaint)), waiting: summarise(keys.map((key) => key.waiting)), frameWork: summarise(keys.map((key) => key.frame)) };
    },
  };
}
