import { findWord, folded } from './query.ts';
import type { SearchQuery } from './query.ts';

/** A piece of a text around what was found, in one line. */
export interface Snippet {
  readonly text: string;
  /** Where the words of the query are in it, `[start, end)` in characters, in their order and apart from each other. */
  readonly ranges: readonly (readonly [start: number, end: number])[];
}

/** Characters before the first word that was found, and of the whole. */
const BEFORE = 40;
const MOST = 220;
/** A longer text is looked through in parts of this size: its places are counted character by character. */
const PART = 64 * 1024;

/** What stands around the first place of the longest word that a text holds, with all words that are shown there; null where it holds none. */
export function snippetOf(text: string, query: SearchQuery): Snippet | null {
  const words = [...query.words].sort((a, b) => b.length - a.length);
  for (const word of words) {
    const at = placeOf(text, word);
    if (at === null) continue;
    const from = startNear(text, at);
    const line = oneLine(text.slice(from, from + MOST * 2));
    const cut = line.slice(0, MOST);
    const shown = endsWithin(cut) ? cut.slice(0, -1) : cut;
    const goesOn = line.length > MOST || from + MOST * 2 < text.length;
    return withRanges(`${from > 0 ? '…' : ''}${shown}${goesOn ? '…' : ''}`, words);
  }
  return null;
}

/** Where the words are in a short text. */
function withRanges(text: string, words: readonly string[]): Snippet {
  const { fold, places } = withPlaces(text);
  const found: [number, number][] = [];
  for (const word of words) {
    for (let match = findWord(fold, word); match !== null; match = findWord(fold, word, match[1])) {
      found.push([places[match[0]] ?? 0, places[match[1]] ?? text.length]);
    }
  }
  const ranges: [number, number][] = [];
  for (const [start, end] of found.sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    const last = ranges.at(-1);
    if (last !== undefined && start < last[1]) last[1] = Math.max(last[1], end);
    else ranges.push([start, end]);
  }
  return { text, ranges };
}

/** Where a word begins in a text, in the text's own characters; null where it is not. */
function placeOf(text: string, word: string): number | null {
  for (let from = 0; from < text.length; from += PART) {
    // A word over the end of a part is found in both.
    const part = text.slice(from, from + PART + word.length * 4 + 200);
    const found = findWord(folded(part), word);
    if (found !== null) return from + (withPlaces(part).places[found[0]] ?? 0);
  }
  return null;
}

/** A folded text, and for each of its characters (and its end) where in the text it comes from. */
function withPlaces(text: string): { readonly fold: string; readonly places: readonly number[] } {
  let fold = '';
  const places: number[] = [];
  let at = 0;
  for (const character of text) {
    const piece = folded(character);
    fold += piece;
    for (let index = 0; index < piece.length; index += 1) places.push(at);
    at += character.length;
  }
  places.push(text.length);
  return { fold, places };
}

/** A little before a place, at the beginning of a word where there is one near. */
function startNear(text: string, at: number): number {
  const from = Math.max(0, at - BEFORE);
  if (from === 0) return 0;
  const space = text.slice(from, at).search(/\s/u);
  return space < 0 ? from + (isLow(text, from) ? 1 : 0) : from + space + 1;
}

/** Without control characters and marks that turn the direction of what follows. */
function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').replaceAll(/[\u202A-\u202E\u2066-\u2069]/gu, '').trimStart();
}

function isLow(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}

function endsWithin(text: string): boolean {
  const code = text.charCodeAt(text.length - 1);
  return code >= 0xd800 && code <= 0xdbff;
}
