import source from 'inline-worker:./highlight.worker.ts';
import { FrameQueue } from './frameQueue.ts';
import { MAX_HIGHLIGHT } from './tokens.ts';
import type { HighlightReply, HighlightRequest, TokenLine } from './tokens.ts';

const KEPT = 60;

/**
 * Colours of code, off the page's thread. The worker starts with the first request, from a blob of its inlined source (all that a webview may start). Where it
 * cannot start, or dies, code stays plain.
 */
export class Highlighter {
  private worker: Worker | null = null;
  private failed = false;
  private lastId = 0;
  private readonly waiting = new Map<number, (lines: readonly TokenLine[] | null) => void>();
  private readonly known = new Map<string, readonly TokenLine[]>();
  private readonly replies: FrameQueue;

  /** `onWork`: asks for a frame, in which `work` is called. */
  constructor(onWork: () => void) {
    this.replies = new FrameQueue(onWork);
  }

  /** Gives out the colours that have come, until `deadline`; true while some wait. */
  work(deadline: number): boolean {
    return this.replies.run(deadline);
  }

  /** Calls back, at once or in a frame (`work`), with the coloured lines; never for code that stays plain. */
  request(code: string, language: string, done: (lines: readonly TokenLine[]) => void): void {
    if (language === '' || code.length > MAX_HIGHLIGHT || this.failed) return;
    const key = `${language}\n${code}`;
    const known = this.known.get(key);
    if (known !== undefined) {
      done(known);
      return;
    }
    const worker = this.start();
    if (worker === null) return;
    this.lastId += 1;
    this.waiting.set(this.lastId, (lines) => {
      if (lines === null) return;
      this.known.set(key, lines);
      for (const oldest of this.known.keys()) {
        if (this.known.size <= KEPT) break;
        this.known.delete(oldest);
      }
      done(lines);
    });
    const request: HighlightRequest = { id: this.lastId, code, language };
    worker.postMessage(request);
  }

  private start(): Worker | null {
    if (this.worker !== null || this.failed) return this.worker;
    try {
      const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
      worker.addEventListener('message', (event: MessageEvent<HighlightReply>) => {
        const { id, lines } = event.data;
        const take = this.waiting.get(id);
        this.waiting.delete(id);
        if (take !== undefined) this.replies.add(() => take(lines));
      });
      worker.addEventListener('error', () => this.giveUp());
      this.worker = worker;
    } catch {
      this.giveUp();
    }
    return this.worker;
  }

  private giveUp(): void {
    this.failed = true;
    this.worker?.terminate();
    this.worker = null;
    this.waiting.clear();
  }
}
