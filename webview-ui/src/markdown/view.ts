import { CodeBlock } from '../code/block.ts';
import { el, morph } from '../transcript/dom.ts';
import type { RowContext } from '../transcript/view.ts';
import { fenceLanguage, findReferences, renderMarkdown } from './parser.ts';
import type { References } from './parser.ts';
import { cutDocument, MarkdownStream } from './stream.ts';
import type { Settled } from './stream.ts';

/** A part of a document that is shown or put away as one: whole blocks of about this many characters. */
const CHUNK = 6_000;
/** How much is read in one go; and how much may wait, several views of it, before parts are put away without being drawn first. */
const SLICE = 8_192;
/** While frames are slow each reads a share of what waits, so that a frame that came late is not followed by one with more to do; and this much at least, and what goes beyond the most that waits. */
const SLOW_SHARE = 1 / 8;
const SLOW_LEAST = 160;
const SLOW_MOST = 4_000;
/** While frames are slow the open tail is drawn this often: what is finished is drawn once, the tail each time anew. */
const SLOW_TAIL_MS = 60;
const BACKLOG = 8_000;

interface Chunk {
  readonly element: HTMLElement;
  source: string;
  /** Number of its first item, where it goes on with an ordered list. */
  start: number | null;
  /** False while only its height stands in the page. */
  shown: boolean;
  code: CodeBlock[];
}

/**
 * A markdown document in the page, whole or still growing. Finished blocks are drawn once; of a growing one only the open tail is drawn again. A long
 * document is cut into chunks, and those far from the view keep their height only.
 */
export class MarkdownView {
  readonly element: HTMLElement;
  private readonly context: RowContext;
  private stream: MarkdownStream | null = null;
  private readonly chunks: Chunk[] = [];
  private readonly tail: HTMLElement;
  private openCode: CodeBlock | null = null;
  private tailCode: CodeBlock[] = [];
  private backlog = '';
  private backlogAt = 0;
  private length = 0;
  private whole = '';
  private references: References | undefined;
  private nextTail = 0;
  private stale = false;
  private ended = true;

  constructor(context: RowContext) {
    this.context = context;
    this.tail = el('div', 'md-tail');
    this.element = el('div', 'md', this.tail);
  }

  /** Characters that it was given. */
  get given(): number {
    return this.length;
  }

  get text(): string {
    return this.whole;
  }

  /** Shows a text from its beginning; `streaming`: more of it will come. */
  set(text: string, streaming: boolean): void {
    this.clear();
    this.whole = text;
    this.length = text.length;
    if (!streaming) {
      this.references = findReferences(text) ?? undefined;
      const parts = cutDocument(text, CHUNK);
      for (const part of parts) this.addChunk(part.source, part.start, parts.length <= 2 || part === parts.at(-1));
      return;
    }
    this.ended = false;
    this.stream = new MarkdownStream();
    this.backlog = text;
    this.stale = true;
    this.work(Number.POSITIVE_INFINITY);
  }

  append(text: string): void {
    this.whole += text;
    this.length += text.length;
    this.backlog += text;
    this.stale = true;
  }

  /** Nothing more comes. Links by reference need the whole document: where it has any, what is shown is drawn again. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.work(Number.POSITIVE_INFINITY);
    for (const part of this.stream?.end() ?? []) this.settle(part, true);
    this.stream = null;
    this.tail.replaceChildren();
    this.references = findReferences(this.whole) ?? undefined;
    if (this.references !== undefined) for (const chunk of this.chunks) if (chunk.shown) this.draw(chunk);
  }

  /** Reads what waits, until `deadline`; true while some is left. */
  work(deadline: number): boolean {
    const { stream } = this;
    if (stream === null) return false;
    const whole = deadline === Number.POSITIVE_INFINITY;
    while (this.backlogAt < this.backlog.length) {
      const behind = this.backlog.length - this.backlogAt;
      const share = !whole && behind <= BACKLOG && this.context.slow();
      const size = share ? shareOf(behind) : behind > BACKLOG ? Math.min(SLICE, behind - BACKLOG) : SLICE;
      for (const part of stream.push(this.backlog.slice(this.backlogAt, this.backlogAt + size))) this.settle(part, behind <= BACKLOG);
      this.backlogAt += size;
      this.stale = true;
      if (share || performance.now() >= deadline) break;
    }
    const more = this.backlogAt < this.backlog.length;
    if (!more) {
      this.backlog = '';
      this.backlogAt = 0;
    }
    return this.drawTail(stream, whole) || more;
  }

  dispose(): void {
    this.clear();
  }

  private clear(): void {
    for (const chunk of this.chunks) this.context.lazy.unwatch(chunk.element);
    for (const chunk of this.chunks) this.letGo(chunk);
    for (const code of this.tailCode) code.dispose();
    this.openCode?.dispose();
    this.openCode = null;
    this.tailCode = [];
    this.chunks.length = 0;
    this.stream = null;
    this.backlog = '';
    this.backlogAt = 0;
    this.ended = true;
    this.references = undefined;
    this.tail.replaceChildren();
    this.element.replaceChildren(this.tail);
  }

  /** Draws the open tail again, or adds to the open fence. A long tail is drawn less often; true while it is not up to date. */
  private drawTail(stream: MarkdownStream, now: boolean): boolean {
    if (!this.stale) return false;
    const info = stream.fence;
    if (info !== null) {
      if (this.openCode === null) {
        this.clearTail();
        this.openCode = new CodeBlock(this.context, fenceLanguage(info));
        this.tail.append(this.openCode.element);
      }
      const text = stream.takeFenceText();
      if (text !== '') this.openCode.append(text);
      this.stale = false;
      return false;
    }
    const started = performance.now();
    if (!now && started < this.nextTail) return true;
    const template = fragmentOf(renderMarkdown(stream.tail), stream.tailStart);
    this.morphTail(template);
    this.stale = false;
    const cost = performance.now() - started;
    this.nextTail = cost > 2 ? started + cost * 20 : this.context.slow() ? started + SLOW_TAIL_MS : 0;
    return false;
  }

  /** Code blocks stay where they are and grow: an open list that holds some is not made anew with each piece. */
  private morphTail(template: DocumentFragment): void {
    const blocks = new Map<Node, CodeBlock>(this.tailCode.map((code) => [code.element, code]));
    morph(this.tail, template, (old, wanted) => {
      const block = blocks.get(old);
      if (block === undefined) return null;
      if (!(wanted instanceof HTMLPreElement) || (wanted.dataset['lang'] ?? '') !== block.language) return false;
      block.show(openText(wanted));
      return true;
    });
    this.tailCode = this.tailCode.filter((code) => {
      if (this.tail.contains(code.element)) return true;
      code.dispose();
      return false;
    });
    this.tailCode.push(...this.buildCode(this.tail, false));
  }

  private clearTail(): void {
    for (const code of this.tailCode) code.dispose();
    this.tailCode = [];
    this.tail.replaceChildren();
  }

  private settle(part: Settled, draw: boolean): void {
    let chunk = this.chunks.at(-1);
    if (chunk === undefined || chunk.source.length >= CHUNK || (!chunk.shown && draw)) chunk = this.addChunk('', part.start, draw);
    chunk.source += part.source;
    if (!chunk.shown) this.estimate(chunk);
    else if (part.fence !== null && this.openCode !== null) {
      this.openCode.finish(part.fence.code);
      chunk.element.append(this.openCode.element);
      chunk.code.push(this.openCode);
      this.openCode = null;
      return;
    } else {
      const holder = el('div', '');
      holder.append(fragmentOf(renderMarkdown(part.source), part.start));
      chunk.code.push(...this.buildCode(holder, true));
      chunk.element.append(...holder.childNodes);
    }
    this.openCode?.dispose();
    this.openCode?.element.remove();
    this.openCode = null;
  }

  private addChunk(source: string, start: number | null, shown: boolean): Chunk {
    const chunk: Chunk = { element: el('div', 'md-chunk'), source, start, shown, code: [] };
    if (shown && source !== '') this.draw(chunk);
    else if (!shown) this.estimate(chunk);
    this.chunks.push(chunk);
    this.element.insertBefore(chunk.element, this.tail);
    if (this.chunks.length === 3) for (const each of this.chunks) this.watch(each);
    else if (this.chunks.length > 3) this.watch(chunk);
    return chunk;
  }

  private watch(chunk: Chunk): void {
    this.context.lazy.watch(chunk.element, (near) => {
      if (near && !chunk.shown) {
        chunk.shown = true;
        this.draw(chunk);
      } else if (!near && chunk.shown && chunk.source !== '' && !inUse(chunk.element)) {
        const height = chunk.element.getBoundingClientRect().height;
        chunk.shown = false;
        this.letGo(chunk);
        chunk.element.replaceChildren();
        this.putAway(chunk, height);
      }
    });
  }

  private draw(chunk: Chunk): void {
    this.letGo(chunk);
    chunk.element.replaceChildren(fragmentOf(renderMarkdown(chunk.source, this.references), chunk.start));
    chunk.element.classList.remove('away');
    chunk.element.style.height = '';
    chunk.code = this.buildCode(chunk.element, true);
  }

  private putAway(chunk: Chunk, height: number): void {
    sources.set(chunk.element, chunk.source);
    chunk.element.classList.add('away');
    chunk.element.style.height = `${height}px`;
  }

  private estimate(chunk: Chunk): void {
    this.putAway(chunk, Math.max(24, Math.round(chunk.source.length / 4)));
  }

  private letGo(chunk: Chunk): void {
    for (const code of chunk.code) code.dispose();
    chunk.code = [];
  }

  /** Puts our code blocks in the place of the parser's. */
  private buildCode(root: HTMLElement, whole: boolean): CodeBlock[] {
    return [...root.querySelectorAll<HTMLElement>('pre.code:not(.code-block > *)')].map((pre) => {
      const block = new CodeBlock(this.context, pre.dataset['lang'] ?? '');
      if (whole) block.finish(pre.textContent);
      else block.append(openText(pre));
      pre.replaceWith(block.element);
      return block;
    });
  }
}

/** Code that may grow: the parser ends it with a line feed, wherever it was cut. */
function openText(pre: HTMLElement): string {
  return pre.textContent.replace(/\n$/, '');
}

/** Characters that a slow frame reads of those that wait. */
function shareOf(waiting: number): number {
  return Math.max(SLOW_LEAST, Math.ceil(waiting * SLOW_SHARE), waiting - SLOW_MOST);
}

/** Sources of chunks that are put away. */
const sources = new WeakMap<Element, string>();

/** The markdown of a part of a document that only its height stands for now; null for every other element. */
export function awayText(element: Element): string | null {
  return element.classList.contains('away') ? (sources.get(element) ?? null) : null;
}

/** True while the person has the focus or a selection in it. */
function inUse(element: HTMLElement): boolean {
  const selection = document.getSelection();
  return element.contains(document.activeElement) || (selection !== null && !selection.isCollapsed && selection.containsNode(element, true));
}

/** Nodes of our parser's own, escaped HTML: the one place where text becomes markup. */
function fragmentOf(html: string, start: number | null): DocumentFragment {
  const template = document.createElement('template');
  template.innerHTML = html;
  const first = template.content.firstElementChild;
  if (start !== null && first instanceof HTMLOListElement) first.start = start;
  return template.content;
}
