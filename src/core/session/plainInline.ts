/** All that may be a mark within a line. */
const TOKEN = /\\[!-/:-@[-`{-~]|`+|\*+|_+|~~+|!?\[|\]/g;
/** What follows the text of a link. */
const TARGET = /\]\([^()\s]{0,2000}(?:\s{1,9}"[^"\n]{0,500}")?\)/y;

/** Characters that are left out: `length` of them from `at`. */
interface Cut {
  readonly at: number;
  length: number;
}

/** Marks of emphasis that stand together, of which the first `length` are left out. */
interface Marks extends Cut {
  readonly kind: string;
  left: number;
}

/** The inside of a line without the marks of emphasis, code and links, paired as CommonMark pairs them, in one pass: marks that have no partner are text. */
export function plainInline(line: string): string {
  if (!/[*_`~[\\]/.test(line)) return line;
  const cuts: Cut[] = [];
  const emphasis = new Emphasis();
  const brackets: Cut[] = [];
  let ticks: ReadonlyMap<number, number> | null = null;
  TOKEN.lastIndex = 0;
  for (let token = TOKEN.exec(line); token !== null; token = TOKEN.exec(line)) {
    const [mark] = token;
    const at = token.index;
    if (mark.startsWith('\\')) cuts.push({ at, length: 1 });
    else if (mark.startsWith('`')) {
      ticks ??= pairsOfTicks(line);
      const close = ticks.get(at);
      if (close === undefined) continue;
      cuts.push({ at, length: mark.length }, { at: close, length: mark.length });
      TOKEN.lastIndex = close + mark.length;
    } else if (mark.endsWith('[')) brackets.push({ at, length: mark.length });
    else if (mark === ']') {
      const open = brackets.pop();
      TARGET.lastIndex = at;
      const [target] = open === undefined ? [] : (TARGET.exec(line) ?? []);
      if (open === undefined || target === undefined) continue;
      cuts.push(open, { at, length: target.length });
      TOKEN.lastIndex = at + target.length;
    } else cuts.push(emphasis.add(line, at, mark));
  }
  return without(line, cuts);
}

/** Runs of backticks that begin code, by where they begin, with where the run of the same length is that ends it. */
function pairsOfTicks(line: string): ReadonlyMap<number, number> {
  const pairs = new Map<number, number>();
  const next = new Map<number, number>();
  for (const run of [...line.matchAll(/`+/g)].toReversed()) {
    const close = next.get(run[0].length);
    if (close !== undefined) pairs.set(run.index, close);
    next.set(run[0].length, run.index);
  }
  return pairs;
}

/** Pairs the marks of a line, in the order in which they stand: each is put down and taken up at most once. */
class Emphasis {
  private readonly open: Marks[] = [];
  private readonly waiting = new Map<string, number>();

  /** Marks at a place; how many of them are left out becomes known when their partners come. */
  add(line: string, at: number, mark: string): Cut {
    const kind = mark.charAt(0);
    const marks: Marks = { at, kind, length: 0, left: mark.length };
    const { opens, closes } = flanks(line, at, mark);
    if (closes) while (marks.left > 0 && (this.waiting.get(kind) ?? 0) > 0) this.pair(marks);
    if (opens && marks.left > 0) {
      this.open.push(marks);
      this.count(kind, 1);
    }
    return marks;
  }

  /** Takes what both have, or the last that was put down away: within a pair no other may begin and not end. */
  private pair(marks: Marks): void {
    const last = this.open.at(-1);
    if (last === undefined) return;
    const most = Math.min(2, last.left, marks.left);
    const taken = last.kind !== marks.kind || (marks.kind === '~' && most < 2) ? 0 : most;
    for (const each of [last, marks]) {
      each.left -= taken;
      each.length += taken;
    }
    if (taken > 0 && last.left > 0) return;
    this.open.pop();
    this.count(last.kind, -1);
  }

  private count(kind: string, by: number): void {
    this.waiting.set(kind, (this.waiting.get(kind) ?? 0) + by);
  }
}

/** Whether marks can begin and end emphasis where they stand: CommonMark's left- and right-flanking runs. */
function flanks(line: string, at: number, mark: string): { readonly opens: boolean; readonly closes: boolean } {
  const before = sortOf(line.charAt(at - 1));
  const behind = sortOf(String.fromCodePoint(line.codePointAt(at + mark.length) ?? 32));
  const left = behind !== 'space' && (behind === 'word' || before !== 'word');
  const right = before !== 'space' && (before === 'word' || behind !== 'word');
  if (!mark.startsWith('_')) return { opens: left, closes: right };
  return { opens: left && (!right || before === 'sign'), closes: right && (!left || behind === 'sign') };
}

function sortOf(letter: string): 'space' | 'sign' | 'word' {
  return letter.trim() === '' ? 'space' : /^[\p{P}\p{S}]/u.test(letter) ? 'sign' : 'word';
}

function without(line: string, cuts: readonly Cut[]): string {
  let text = '';
  let at = 0;
  for (const cut of cuts.toSorted((a, b) => a.at - b.at)) {
    text += line.slice(at, cut.at);
    at = cut.at + cut.length;
  }
  return text + line.slice(at);
}
