import { setTimeout as sleep } from 'node:timers/promises';
import { longMarkdown } from './markdown.ts';
import type { PlayedStep } from './script.ts';

const tokenChars = 4;

/** Text in pieces of `size` characters; a surrogate pair is never split. */
export function pieces(text: string, size: number): readonly string[] {
  const cut: string[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + size, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end += 1;
    cut.push(text.slice(start, end));
    start = end;
  }
  return cut;
}

/** Rough count of tokens, the same for both protocols. */
export function tokens(text: string): number {
  return Math.ceil(text.length / tokenChars);
}

/** The text that a step answers with, `big` included. */
export function stepText(step: PlayedStep): string {
  return `${step.text ?? ''}${step.big === undefined ? '' : longMarkdown(step.big.chars)}`;
}

/** Pieces of one block at the step's own pace. Rejects with the signal's reason when it aborts. */
export async function* paced(text: string, step: PlayedStep, signal: AbortSignal): AsyncGenerator<string> {
  const wait = step.chunkMs ?? 0;
  for (const piece of pieces(text, step.chunkChars ?? 8)) {
    signal.throwIfAborted();
    yield piece;
    if (wait > 0) await sleep(wait, undefined, { signal });
  }
}

/** Pieces of the step's text, then of its `big` part: `tokensPerSecond` of them a second, caught up with at every tick of a few milliseconds. */
export async function* pacedText(step: PlayedStep, signal: AbortSignal): AsyncGenerator<string> {
  yield* paced(step.text ?? '', step, signal);
  if (step.big === undefined) return;
  const rate = step.big.tokensPerSecond ?? Number.POSITIVE_INFINITY;
  const started = performance.now();
  let sent = 0;
  for (const piece of pieces(longMarkdown(step.big.chars), tokenChars)) {
    while (sent >= ((performance.now() - started) / 1000) * rate) await sleep(4, undefined, { signal });
    signal.throwIfAborted();
    yield piece;
    sent += 1;
  }
}
