import type { MessageInput } from './input.ts';

/** What the agent's own log has as the person's words, in more than one line. */
export interface Echo {
  /** Of the entry that shows it, which is its row too. */
  readonly id: string;
  readonly message: MessageInput;
  readonly text: string;
  matched: boolean;
}

/** Lines of the longest text that is looked through: longer ones are taken as they are. */
const maxLines = 20_000;

/**
 * Prompts that waited while the agent was busy reach it as one text, joined by line ends, and come back so in the agent's own log (happy 1.2.5, remote mode). A
 * text of the log is such an echo when it is, line by line, two or more of the prompts that clients sent before it, in their order, others between them left
 * out. It depends on the set of messages alone, and more messages never undo it.
 */
export class Echoes {
  /** Texts that were sent by their first line, each with the numbers of its messages in order. */
  readonly #sent = new Map<string, Map<string, number[]>>();
  /** Echoes that are not matched yet, by each of their lines. */
  readonly #waiting = new Map<string, Set<Echo>>();
  readonly #echoes = new Map<string, Echo>();

  /** A prompt that a client sent. Gives the echoes that it completes. */
  sent(text: string, seq: number): readonly Echo[] {
    const first = lineAt(text, 0);
    const texts = this.#sent.get(first) ?? new Map<string, number[]>();
    this.#sent.set(first, texts);
    const numbers = texts.get(text) ?? [];
    texts.set(text, numbers);
    if (!insert(numbers, seq)) return [];
    return [...(this.#waiting.get(first) ?? [])].filter((echo) => echo.text.includes(text) && this.#match(echo));
  }

  /** A text of the agent's log with the message that carries it; the id is that of its row. */
  said(id: string, text: string, message: MessageInput): Echo | null {
    if (!text.includes('\n')) return null;
    const key = `${id}\u0000${text}`;
    const known = this.#echoes.get(key);
    // One text may come in two messages: the later one has more prompts before it.
    if (known !== undefined && known.message.seq >= message.seq) return known;
    if (known !== undefined) this.#forget(known);
    const echo: Echo = { id, message, text, matched: false };
    this.#echoes.set(key, echo);
    if (!this.#match(echo)) for (const line of linesOf(text)) addTo(this.#waiting, line, echo);
    return echo;
  }

  #match(echo: Echo): boolean {
    if (!this.#composed(echo.text, echo.message.seq)) return false;
    echo.matched = true;
    this.#forget(echo);
    return true;
  }

  #forget(echo: Echo): void {
    for (const line of linesOf(echo.text)) this.#waiting.get(line)?.delete(echo);
  }

  /** For every place in the text, the lowest number of a message with which the prompts up to there can end, if they can. */
  #composed(text: string, before: number): boolean {
    const reached = new Map<number, number>([[0, Number.NEGATIVE_INFINITY]]);
    for (let at = 0; at >= 0; at = next(text, at)) {
      const last = reached.get(at);
      if (last === undefined) continue;
      for (const [prompt, numbers] of this.#sent.get(lineAt(text, at)) ?? []) {
        const end = at + prompt.length;
        if (!text.startsWith(prompt, at) || (end < text.length && text[end] !== '\n') || (at === 0 && end === text.length)) continue;
        const number = firstAbove(numbers, last);
        if (number === null || number >= before) continue;
        if (end === text.length) return true;
        const known = reached.get(end + 1);
        if (known === undefined || number < known) reached.set(end + 1, number);
      }
    }
    return false;
  }
}

function lineAt(text: string, at: number): string {
  const end = text.indexOf('\n', at);
  return text.slice(at, end < 0 ? undefined : end);
}
/** Where the next line begins; negative at the end. */
function next(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? -1 : end + 1;
}
function linesOf(text: string): ReadonlySet<string> {
  return new Set(text.split('\n', maxLines));
}
function insert(numbers: number[], seq: number): boolean {
  let at = numbers.length;
  while (at > 0 && (numbers[at - 1] ?? 0) > seq) at -= 1;
  if (numbers[at - 1] === seq) return false;
  numbers.splice(at, 0, seq);
  return true;
}
function firstAbove(numbers: readonly number[], low: number): number | null {
  let [from, to] = [0, numbers.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((numbers[middle] ?? 0) > low) to = middle;
    else from = middle + 1;
  }
  return numbers[from] ?? null;
}
function addTo(lists: Map<string, Set<Echo>>, key: string, echo: Echo): void {
  const known = lists.get(key);
  if (known === undefined) lists.set(key, new Set([echo]));
  else known.add(echo);
}
