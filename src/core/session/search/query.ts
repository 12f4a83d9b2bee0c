/** What is searched for: every word must be in a row. */
export interface SearchQuery {
  /** Folded (see `folded`), each once. A phrase holds single spaces, each of which stands for any white space. */
  readonly words: readonly string[];
}

/** Longest text that is searched for, in characters, and most words of it. */
const MOST_CHARACTERS = 500;
const MOST_WORDS = 20;
/** White space that one space of a phrase stands for, in characters. */
const GAP = 100;

/**
 * The words of what a person typed: apart from each other by white space, or a phrase between double quotes; a quote that is still open reaches to the end. Null where there is nothing to look for.
 */
export function parseQuery(text: string): SearchQuery | null {
  const words = new Set<string>();
  for (const [, phrase, word] of text.slice(0, MOST_CHARACTERS).matchAll(/["“”]([^"“”]*)["“”]?|([^\s"“”]+)/gu)) {
    const wanted = folded(phrase ?? word ?? '').replaceAll(/\s+/gu, ' ').trim();
    if (wanted !== '' && words.size < MOST_WORDS) words.add(wanted);
  }
  return words.size === 0 ? null : { words: [...words] };
}

/** True when whatever holds all words of `next` holds those of `before` too: nothing need be looked at again that did not. */
export function refines(next: SearchQuery, before: SearchQuery): boolean {
  return before.words.every((word) => next.words.some((longer) => longer.includes(word)));
}

const ASCII = /^\p{ASCII}*$/u;

/** A text without its case and without its accents, as both are passed over. It need not be as long as the text. */
export function folded(text: string): string {
  return ASCII.test(text) ? text.toLowerCase() : text.toLowerCase().normalize('NFD').replaceAll(/\p{M}+/gu, '');
}

/** Where in a folded text a word begins and ends; null where it is not. */
export function findWord(text: string, word: string, from = 0): readonly [start: number, end: number] | null {
  if (!word.includes(' ')) {
    const at = text.indexOf(word, from);
    return at < 0 ? null : [at, at + word.length];
  }
  const pattern = phrasePattern(word);
  pattern.lastIndex = from;
  const found = pattern.exec(text);
  return found === null ? null : [found.index, found.index + found[0].length];
}

/** True when a folded text holds every word of the query. */
export function holdsAll(text: string, { words }: SearchQuery): boolean {
  return words.every((word) => findWord(text, word) !== null);
}

const patterns = new Map<string, RegExp>();

function phrasePattern(phrase: string): RegExp {
  const known = patterns.get(phrase);
  if (known !== undefined) return known;
  if (patterns.size >= MOST_WORDS) patterns.clear();
  const words = phrase.split(' ').map((word) => word.replaceAll(/[$()*+./?[\\\]^{|}-]/g, String.raw`\$&`));
  const pattern = new RegExp(words.join(String.raw`\s{1,${GAP}}`), 'g');
  patterns.set(phrase, pattern);
  return pattern;
}
