import { plainInline } from './plainInline.ts';

/** Where in a markdown text one stands: the text before it was read. */
export interface PlainPlace {
  /** Characters of the source before it. */
  readonly at: number;
  /** The mark that the open fence began with; null outside of one. */
  readonly fence: string | null;
  /** True within a line. */
  readonly within: boolean;
}

interface PlainPiece {
  readonly text: string;
  readonly next: PlainPlace;
  /** True where text that comes at the source's end changes nothing of this piece. */
  readonly settled: boolean;
}

/** The beginning of a text. */
export const START: PlainPlace = { at: 0, fence: null, within: false };

/** Characters of a source that are read in one step. */
export const PIECE = 32_768;
/** Marks of markdown at the beginning of a line: headings, quotes, list items, task boxes. */
const LINE_MARKS = /^[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|(?:[-+*]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?/;
const ANY_MARK = /[#*_`~[\]>|\\+-]|\d[.)]/;

/**
 * A markdown text about as a person reads it, for searching: without the marks of emphasis, code, links, lists, headings and tables. Lines of fences stay as they are. It comes in pieces of whole
 * lines, a longer line in parts, each from at most PIECE characters of the source, in time that grows with the text; it knows less than a parser: what it takes for text is found, never hidden.
 */
export function* plainPieces(source: string, from: PlainPlace = START): Generator<PlainPiece, void> {
  let { at, fence, within } = from;
  while (at < source.length) {
    const settled = source.length - at > PIECE;
    const end = settled ? at + pieceOf(source.slice(at, at + PIECE)) : source.length;
    const lines = source.slice(at, end).split('\n');
    let text = '';
    for (const [place, line] of lines.entries()) {
      const last = place === lines.length - 1;
      if (last && line === '') break;
      const begins = place > 0 || !within;
      const mark = begins ? fenceOf(line, fence) : null;
      if (mark === null) text += `${fence === null ? plainLine(line, begins, !last || !settled) : line}${last ? '' : '\n'}`;
      else fence = fence === null ? mark : null;
    }
    at = end;
    within = lines.at(-1) !== '';
    yield { text, next: { at, fence, within }, settled };
  }
}

/** How much of the first characters of a longer text makes a piece: whole lines; of a longer line as many whole words. */
export function pieceOf(head: string): number {
  const lines = head.lastIndexOf('\n') + 1;
  if (lines > 0) return lines;
  const words = head.lastIndexOf(' ') + 1;
  if (words > head.length / 2) return words;
  const code = head.charCodeAt(head.length - 1);
  return code >= 0xd800 && code <= 0xdbff ? head.length - 1 : head.length;
}

/** The mark of a line that opens a fence, or that closes the open one; null for all others. */
function fenceOf(line: string, open: string | null): string | null {
  const [, mark = null, info = ''] = /^[ \t>]*(`{3,}|~{3,})([^\n]*)$/.exec(line) ?? [];
  if (mark === null) return null;
  if (open !== null) return mark.startsWith(open) && info.trim() === '' ? mark : null;
  return mark.startsWith('`') && info.includes('`') ? null : mark;
}

function plainLine(line: string, begins: boolean, ends: boolean): string {
  if (!ANY_MARK.test(line)) return line;
  const text = begins ? line.replace(LINE_MARKS, '') : line;
  const bare = text.trim();
  if (begins && ends && (/^\|?[ \t]*:?--[-:| \t]*$/.test(bare) || /^(?:[-*_][ \t]*){3,}$/.test(bare))) return '';
  const plain = plainInline(text);
  return begins && text.startsWith('|') ? cells(plain) : plain;
}

/** Cell by cell: a pattern that begins with white space takes the square of a long run of it. */
function cells(row: string): string {
  return row.split('|').map((cell) => cell.trim()).join(' ');
}
