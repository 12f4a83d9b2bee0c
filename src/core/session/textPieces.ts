import { stripVTControlCharacters } from 'node:util';
import type { JsonValue } from '../model/json.ts';
import { PIECE, pieceOf, plainPieces } from './plain.ts';

/** The longest control sequence of a terminal that is kept whole at the end of a piece, in characters. */
const SEQUENCE = 200;

/** A text in pieces of at most PIECE characters, whole lines where they fit. */
export function* textPieces(text: string): Generator<string, void> {
  for (let at = 0; at < text.length; ) {
    const end = text.length - at > PIECE ? at + pieceOf(text.slice(at, at + PIECE)) : text.length;
    yield text.slice(at, end);
    at = end;
  }
}

/** A markdown text as it is read, in pieces. */
export function* markdownPieces(source: string): Generator<string, void> {
  for (const piece of plainPieces(source)) yield piece.text;
}

/** An output without a terminal's control sequences, in pieces. */
export function* outputPieces(output: string): Generator<string, void> {
  let before = '';
  for (const piece of textPieces(output)) {
    const text = before + piece;
    // Its end may be the beginning of a sequence.
    const begun = text.endsWith('\n') ? -1 : text.indexOf('\u001B', Math.max(0, text.length - SEQUENCE));
    before = begun < 0 ? '' : text.slice(begun);
    yield stripVTControlCharacters(begun < 0 ? text : text.slice(0, begun));
  }
  if (before !== '') yield stripVTControlCharacters(before);
}

/** Lines of unified hunks without their signs and headers, in pieces. */
export function* patchPieces(patch: string): Generator<string, void> {
  let within = false;
  for (const piece of textPieces(patch)) {
    const first = within ? piece.indexOf('\n') + 1 || piece.length : 0;
    yield piece.slice(0, first) + piece.slice(first).replaceAll(/^(?:@@.*|[-+ \\])/gm, '');
    within = !piece.endsWith('\n');
  }
}

/** The first `most` characters of a value's JSON, indented by two; what lies behind them is not looked at. */
export function jsonHead(value: JsonValue, most: number): string {
  let text = '';
  const write = (inner: JsonValue, indent: string): void => {
    if (inner === null || typeof inner !== 'object') {
      text += JSON.stringify(typeof inner === 'string' ? inner.slice(0, most) : inner);
      return;
    }
    const list = Array.isArray(inner);
    const names = list ? inner.keys() : Object.keys(inner);
    let count = 0;
    text += list ? '[' : '{';
    for (const name of names) {
      if (text.length >= most) return;
      text += `${count === 0 ? '' : ','}\n${indent}  ${list ? '' : `${JSON.stringify(name)}: `}`;
      write((inner as Readonly<Record<string | number, JsonValue>>)[name] ?? null, `${indent}  `);
      count += 1;
    }
    text += `${count === 0 ? '' : `\n${indent}`}${list ? ']' : '}'}`;
  };
  write(value, '');
  return text.slice(0, most);
}
