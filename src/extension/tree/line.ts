import type { Session } from '../../core/model/session.ts';
import { UNTITLED } from '../../core/model/session.ts';
import { age, oneLine, ownerWord, stateWord } from './text.ts';

/** What stands beside the label of a row, and which part of it has to be seen. */
interface Line {
  readonly label: string;
  readonly description: string;
}

/** The side bar is 300 px wide at first. Rows of the first level begin their label here, deeper ones an indent further, and all end before the scroll bar. */
const FIRST_LABEL = 57;
const INDENT = 8;
const END = 282;
/** A description is set smaller, a little away from its label. Pixels, and its part of the label's size. */
const GAP = 6;
const SMALLER = 0.9;
/** Of what is asked, so much is seen beside a title. */
const ASKED = 74;

const WIDTHS: readonly (readonly [RegExp, number])[] = [[/[iljIJ.,:;'|!]/, 4], [/[tfr ()[\]/·-]/, 5], [/[ckosvxyzLFT]/, 7.8], [/[mwMW@%…]/, 12.6], [/[A-Z&]/, 9.4], [/[\u2e80-\uffff]/, 13]];
const USUAL = 8.3;

/** Pixels of a text at 13 px in a wide sans-serif: where VS Code's font is narrower, more is seen. */
function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += letter.length > 1 ? 13 : (WIDTHS.find(([letters]) => letters.test(letter))?.[1] ?? USUAL);
  return width;
}

/** The text, cut where it is wider than that many pixels, but never to nothing. */
function fitted(text: string, pixels: number): string {
  if (widthOf(text) <= pixels) return text;
  const letters = Array.from(text);
  let length = letters.length - 1;
  while (length > 8 && widthOf(`${letters.slice(0, length).join('')}…`) > pixels) length -= 1;
  return `${letters.slice(0, length).join('').trimEnd()}…`;
}

const roomAt = (level: number): number => END - FIRST_LABEL - INDENT * (level - 1) - GAP;

/** Title of a session, as one line. */
export function titleOf(session: Pick<Session, 'title'>, max = 120): string {
  return oneLine(session.title, max) || UNTITLED;
}

/** `asks · 2 m`: at the side bar's first width the title is cut, and state and age are not; the agent is in what is read out and in the tooltip. `level` is 1 for the roots of the tree. */
export function sessionLine(session: Session, { now, dormant, level }: { readonly now: number; readonly dormant: boolean; readonly level: number }): Line {
  const first = `${stateInShort(session, dormant)} · ${age(session.updatedAt, now)}`;
  const owner = ownerWord(session);
  // VS Code's own mark for what is cut needs room too.
  return { label: fitted(titleOf(session), roomAt(level) - widthOf(owner === '' ? first : `${first} …`) * SMALLER), description: owner === '' ? first : `${first} · ${owner}` };
}

/** A request under Needs You: whose it is, and the beginning of what is asked. */
export function askLine(session: Session, asked: string, level: number): Line {
  return { label: fitted(titleOf(session), roomAt(level) - Math.min(ASKED, widthOf(asked) * SMALLER)), description: asked };
}

function stateInShort(session: Session, dormant: boolean): string {
  if (dormant && session.state === 'unknown') return 'stored';
  if (session.state === 'waiting') return 'asks';
  return session.state === 'running' && session.activity?.phase === 'stalled' ? 'stalled' : stateWord(session);
}
