/** What stands beside the words of a row: signs, figures, times, and what only a screen reader is told. */
const BESIDE = '.sr-only, [aria-hidden="true"], .line-end, .turn-line, .more, .time, .cwd, .verb, .code-tools, .row-actions, .card-buttons, .diff-line > .mark, .row.thinking > .line, button:not(.attachment):not(.line-head)';
/** Elements that do not part the words in them from those about them. */
const INLINE: ReadonlySet<string> = new Set(['A', 'B', 'BDI', 'CODE', 'DEL', 'EM', 'I', 'S', 'SPAN', 'STRONG', 'SUB', 'SUP']);

interface Piece {
  readonly node: Text;
  /** Where its text begins in the whole. */
  readonly at: number;
}

/** A match in the page; or an element that holds it and is not drawn, since it is far from the view. */
export type Hit = Range | HTMLElement;

/**
 * Matches in what an element shows, in order. `except`: elements that are passed over. `away` gives the text that stands for an element whose contents are not drawn;
 * each match in it is the element itself.
 */
export function hitsIn(root: Element, pattern: RegExp, except: (element: HTMLElement) => boolean, away: (element: HTMLElement) => string | null): Hit[] {
  const hits: Hit[] = [];
  let text = '';
  let pieces: Piece[] = [];
  const flush = (): void => {
    for (const [start, end] of matches(text, pattern)) hits.push(rangeOf(pieces, start, end));
    text = '';
    pieces = [];
  };
  const walk = (element: Element): void => {
    for (let node = element.firstChild; node !== null; node = node.nextSibling) {
      if (node instanceof Text) {
        pieces.push({ node, at: text.length });
        text += node.data;
        continue;
      }
      if (!(node instanceof HTMLElement) || except(node) || node.matches(BESIDE)) continue;
      const unseen = away(node);
      if (unseen !== null) {
        flush();
        for (let count = matches(unseen, pattern).length; count > 0; count -= 1) hits.push(node);
      } else {
        const apart = !INLINE.has(node.tagName) || node.classList.contains('subject');
        if (apart) text += '\n';
        walk(node);
        if (apart) text += '\n';
      }
    }
  };
  walk(root);
  flush();
  return hits;
}

function matches(text: string, pattern: RegExp): [number, number][] {
  const found: [number, number][] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) found.push([match.index, match.index + match[0].length]);
  return found;
}

function rangeOf(pieces: readonly Piece[], start: number, end: number): Range {
  const range = document.createRange();
  const first = pieceAt(pieces, start);
  const last = pieceAt(pieces, end - 1);
  if (first !== null) range.setStart(first.node, Math.min(Math.max(0, start - first.at), first.node.length));
  if (last !== null) range.setEnd(last.node, Math.min(end - last.at, last.node.length));
  return range;
}

/** The last piece that begins at or before `at`. */
function pieceAt(pieces: readonly Piece[], at: number): Piece | null {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pieces[middle]?.at ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return pieces[low - 1] ?? null;
}
