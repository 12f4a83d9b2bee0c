import { effect } from '@preact/signals';
import { waitingAbove } from '../model/waiting.ts';
import type { ChatPage } from '../page.ts';
import type { TranscriptList } from './list.ts';

/** The state of a session comes before its rows: what waits is looked for when both are here. */
const SETTLE_MS = 300;

/** Tells how many requests wait above the view, when that changes; `fresh` is true where one of them was not there before. */
export function watchAbove(page: ChatPage, list: TranscriptList, tell: (count: number, fresh: boolean) => void): () => void {
  const { element } = list;
  const said = new Set<string>();
  let told = 0;
  let timer = 0;
  let frame = 0;
  const look = (): void => {
    const here = page.rows.waiting();
    const top = here.length === 0 ? null : list.top();
    const above = waitingAbove(here, page.elsewhere.peek(), top?.index ?? 0, list.anchor() === null);
    if (above.length !== told) tell(above.length, above.some((id) => !said.has(id)));
    told = above.length;
    for (const id of above) said.add(id);
  };
  const onScroll = (): void => {
    if (frame !== 0 || (page.asking.peek().length + page.elsewhere.peek().length === 0 && told === 0)) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      look();
    });
  };
  element.addEventListener('scroll', onScroll, { passive: true });
  const stop = effect(() => {
    if (page.asking.value.length + page.elsewhere.value.length === 0 && told === 0) return;
    window.clearTimeout(timer);
    timer = window.setTimeout(look, SETTLE_MS);
  });
  return () => {
    stop();
    window.clearTimeout(timer);
    cancelAnimationFrame(frame);
    element.removeEventListener('scroll', onScroll);
  };
}
