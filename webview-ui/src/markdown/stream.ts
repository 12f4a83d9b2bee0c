import { topLevelBlocks } from './parser.ts';

/** A part of the document whose end has come: markdown of one or more whole blocks, or the one fence that was open. */
export interface Settled {
  readonly source: string;
  /** The fence that was open until now, whose text is on the page already; null for other blocks. */
  readonly fence: { readonly code: string } | null;
  /** Number of its first item, where it goes on with an ordered list that began before it. */
  readonly start: number | null;
}

/** The fence that is open at the end of the document: everything that comes is its text, until its closing line. */
interface OpenFence {
  readonly info: string;
  readonly opening: string;
  readonly closing: RegExp;
  /** What the last line may be the beginning of. A line that is not that now never will be. */
  readonly maybeClosing: RegExp;
  /** Its finished lines, only ever added to: looked at when the fence ends. */
  code: string;
  /** The line that has no end yet, and how much of it was given out. */
  partial: string;
  given: number;
  /** Text to show that was not given out yet. */
  fresh: string;
}

/** A list longer than this is cut between its items: it is too long to be drawn again with every piece. What is cut off is a list of its own, which may be spaced by itself. */
const LONG_LIST = 4_096;
/** Below this the open tail is looked at with every finished line; above it, when it has grown by a sixteenth. */
const EAGER = 4_096;

/**
 * Cuts a growing markdown document into blocks that are finished and a tail that is not. A block is finished when another top-level block has begun after it; what is
 * finished never changes again (but for links by reference, whose definitions may come later). Rendering all settled parts and the tail one after the other
 * gives the same as rendering the whole, but for lists of more than four thousand characters.
 */
export class MarkdownStream {
  private open = '';
  private openFence: OpenFence | null = null;
  private heldReturn = false;
  private lookedAt = 0;
  private start: number | null = null;

  /** Number of the tail's first item, where it goes on with an ordered list. */
  get tailStart(): number | null {
    return this.start;
  }

  /** Text of the blocks that are not finished. */
  get tail(): string {
    const fence = this.openFence;
    return fence === null ? this.open : fence.opening + fence.code + fence.partial;
  }

  /** Info string of the fence that is open now; null when none is. */
  get fence(): string | null {
    return this.openFence?.info ?? null;
  }

  /** Adds text and gives what it finished, in order. */
  push(text: string): Settled[] {
    const settled: Settled[] = [];
    let rest = this.normalise(text);
    for (;;) {
      if (this.openFence === null) {
        this.open += rest;
        this.settleBlocks(settled);
        const begun = this.beginFence();
        if (begun === null) return settled;
        rest = begun;
      }
      const after = this.feedFence(this.openFence, rest, settled);
      if (after === null) return settled;
      rest = after;
    }
  }

  /** Text of the open fence that was not given out before, without a last line that may yet be the closing one. */
  takeFenceText(): string {
    const fence = this.openFence;
    if (fence === null) return '';
    let text = fence.fresh;
    fence.fresh = '';
    if (!fence.maybeClosing.test(fence.partial)) {
      text += fence.partial.slice(fence.given);
      fence.given = fence.partial.length;
    }
    return text;
  }

  /** The document has ended: what is left is finished. */
  end(): Settled[] {
    const settled = this.heldReturn ? this.endLine() : [];
    const fence = this.openFence;
    if (fence !== null) settled.push({ source: this.tail, fence: { code: fence.closing.test(fence.partial) ? fence.code : fence.code + fence.partial }, start: null });
    else if (this.open !== '') settled.push({ source: this.open, fence: null, start: this.start });
    this.open = '';
    this.start = null;
    this.openFence = null;
    this.lookedAt = 0;
    return settled;
  }

  private endLine(): Settled[] {
    this.heldReturn = false;
    return this.push('\n');
  }

  // As markdown-it does, but for pieces: a return at the end may belong to a line feed that is still to come.
  private normalise(text: string): string {
    let joined = this.heldReturn ? `\r${text}` : text;
    this.heldReturn = joined.endsWith('\r');
    if (this.heldReturn) joined = joined.slice(0, -1);
    return joined.includes('\r') || joined.includes('\0') ? joined.replace(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD') : joined;
  }

  private settleBlocks(settled: Settled[]): void {
    const complete = this.open.lastIndexOf('\n') + 1;
    if (complete <= this.lookedAt || (complete > EAGER && complete - this.lookedAt < complete / 16)) return;
    this.lookedAt = complete;
    const source = this.open.slice(0, complete);
    const cut = lastCut(source);
    if (cut === null) return;
    settled.push({ source: source.slice(0, cut.at), fence: null, start: this.start });
    this.open = this.open.slice(cut.at);
    this.lookedAt -= cut.at;
    this.start = cut.item === null || cut.number === null ? null : cut.first && this.start !== null ? this.start + cut.item : cut.number;
  }

  /** Takes the fast path when the tail begins with a fence at the line's first column; gives the text after its opening line. */
  private beginFence(): string | null {
    const lineEnd = this.open.indexOf('\n');
    if (lineEnd < 0) return null;
    const match = /^(?:(`{3,})([^`\n]*)|(~{3,})([^\n]*))\n$/.exec(this.open.slice(0, lineEnd + 1));
    const marker = match?.[1] ?? match?.[3];
    if (marker === undefined) return null;
    const char = marker.charAt(0);
    this.openFence = {
      info: (match?.[2] ?? match?.[4] ?? '').trim(),
      opening: this.open.slice(0, lineEnd + 1),
      closing: new RegExp(`^ {0,3}${char}{${marker.length},}[ \\t]*$`),
      maybeClosing: new RegExp(`^ {0,3}${char}*[ \\t]*$`),
      code: '', partial: '', given: 0, fresh: '',
    };
    const rest = this.open.slice(lineEnd + 1);
    this.open = '';
    this.lookedAt = 0;
    return rest;
  }

  /** Adds text to the open fence. Gives what follows its closing line, or null while it is open. */
  private feedFence(fence: OpenFence | null, text: string, settled: Settled[]): string | null {
    if (fence === null) return null;
    let from = 0;
    for (;;) {
      const lineEnd = text.indexOf('\n', from);
      if (lineEnd < 0) {
        fence.partial += text.slice(from);
        return null;
      }
      const line = fence.partial + text.slice(from, lineEnd);
      from = lineEnd + 1;
      if (fence.closing.test(line)) {
        settled.push({ source: `${fence.opening}${fence.code}${line}\n`, fence: { code: fence.code }, start: null });
        this.openFence = null;
        return text.slice(from);
      }
      fence.code += `${line}\n`;
      fence.fresh += `${line.slice(fence.given)}\n`;
      fence.partial = '';
      fence.given = 0;
    }
  }
}

interface Cut {
  readonly at: number;
  /** Where it cuts a list: how many items stand before it, the number of the item after it, and whether the list is the first block. */
  readonly item: number | null;
  readonly number: number | null;
  readonly first: boolean;
}

/** Where the blocks of complete lines are finished: the start of the last one, unless the one before it is tied to it; in a long list the start of its last item. */
function lastCut(source: string): Cut | null {
  const blocks = topLevelBlocks(source);
  let last = blocks.length - 1;
  const list = blocks[last];
  const item = list?.items.at(-1);
  if (list !== undefined && item !== undefined && list.items.length > 1) {
    const at = lineOffset(source, item.line);
    if (at - lineOffset(source, list.start) >= LONG_LIST) return { at, item: list.items.length - 1, number: item.number, first: last === 0 };
  }
  while (last > 0 && blocks[last - 1]?.tied === true) last -= 1;
  return last <= 0 ? null : { at: lineOffset(source, blocks[last]?.start ?? 0), item: null, number: null, first: false };
}

function lineOffset(source: string, line: number): number {
  let at = 0;
  for (let each = 0; each < line; each += 1) at = source.indexOf('\n', at) + 1;
  return at;
}

/** Cuts a whole document into parts of whole blocks, each of about `size` characters or one block. Joined they are the document. */
export function cutDocument(text: string, size: number): Settled[] {
  const source = text.replace(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD');
  if (source.length <= size * 1.5) return source === '' ? [] : [{ source, fence: null, start: null }];
  const parts: Settled[] = [];
  let from = 0;
  let start: number | null = null;
  let line = 0;
  let at = 0;
  const cutAt = (next: number, number: number | null, least: number): void => {
    while (line < next) {
      at = source.indexOf('\n', at) + 1;
      line += 1;
    }
    if (at - from < least) return;
    parts.push({ source: source.slice(from, at), fence: null, start });
    from = at;
    start = number;
  };
  topLevelBlocks(source).forEach((block, place, blocks) => {
    if (blocks[place - 1]?.tied !== true) cutAt(block.start, null, size);
    for (const item of block.items) cutAt(item.line, item.number, Math.max(size, LONG_LIST));
  });
  parts.push({ source: source.slice(from), fence: null, start });
  return parts;
}
