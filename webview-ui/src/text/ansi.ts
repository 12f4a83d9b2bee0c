/** A stretch of output in one style. `style` holds class names such as `fg-red bold`; empty for plain text. */
interface Run {
  readonly text: string;
  readonly style: string;
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
/** VT100 colours near which 24-bit colours are shown: the theme has no others. */
const NEAR: readonly (readonly [number, number, number])[] = [
  [0, 0, 0], [205, 49, 49], [13, 188, 121], [229, 229, 16], [36, 114, 200], [188, 63, 188], [17, 168, 205], [229, 229, 229],
];

interface Style {
  fg: string | null;
  bg: string | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
}
const plain = (): Style => ({ fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, inverse: false, strike: false });

/**
 * What a terminal would show of `text`, line by line, in theme colours. Carriage returns overwrite, backspaces go back, `ESC[K` clears to the end of the line; every other
 * control sequence is left out, and so is every control character: nothing of the output can act.
 */
export function parseAnsi(text: string): Run[][] {
  const lines: Run[][] = [];
  let line: Cell[] = [];
  let column = 0;
  let style = plain();
  let name = '';
  let at = 0;
  const write = (run: string): void => {
    for (const char of run) {
      line[column] = { char, style: name };
      column += 1;
    }
  };
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code >= 32 && code !== 127 && (code < 128 || code > 159)) {
      let end = at + 1;
      while (end < text.length && isPlain(text.charCodeAt(end))) end += 1;
      write(text.slice(at, end));
      at = end;
    } else if (code === 10) {
      lines.push(join(line));
      line = [];
      column = 0;
      at += 1;
    } else if (code === 13) {
      column = 0;
      at += 1;
    } else if (code === 9) {
      write(' '.repeat(8 - (column % 8)));
      at += 1;
    } else if (code === 8) {
      column = Math.max(0, column - 1);
      at += 1;
    } else if (code === 27 || code === 0x9b) {
      const sequence = readSequence(text, at);
      at = sequence.end;
      if (sequence.final === 'm') {
        style = applySgr(style, sequence.parameters);
        name = className(style);
      } else if (sequence.final === 'K') {
        const mode = sequence.parameters[0] ?? 0;
        if (mode === 0) line.length = Math.min(line.length, column);
        else if (mode === 2) line = [];
      } else if (sequence.final === 'G') column = Math.min(500, Math.max(0, (sequence.parameters[0] ?? 1) - 1));
      else if (sequence.final === 'C') column = Math.min(500, column + (sequence.parameters[0] ?? 1));
      else if (sequence.final === 'D') column = Math.max(0, column - (sequence.parameters[0] ?? 1));
    } else at += 1;
  }
  lines.push(join(line));
  return lines;
}

/** The text without anything that is not text. */
export function stripAnsi(text: string): string {
  return parseAnsi(text).map((line) => line.map((run) => run.text).join('')).join('\n');
}

interface Cell {
  readonly char: string;
  readonly style: string;
}

function isPlain(code: number): boolean {
  return code >= 32 && code !== 127 && (code < 128 || code > 159);
}

function join(cells: readonly (Cell | undefined)[]): Run[] {
  const runs: { text: string; style: string }[] = [];
  for (let place = 0; place < cells.length; place += 1) {
    // A cursor moved to the right leaves cells that were never written.
    const cell = cells[place] ?? { char: ' ', style: '' };
    const last = runs.at(-1);
    if (last !== undefined && last.style === cell.style) last.text += cell.char;
    else runs.push({ text: cell.char, style: cell.style });
  }
  return runs;
}

function readSequence(text: string, at: number): { end: number; final: string; parameters: number[] } {
  let next = at + 1;
  const kind = text.charCodeAt(at) === 0x9b ? '[' : text.charAt(next);
  if (text.charCodeAt(at) === 27) next += 1;
  if (kind === '[') {
    const start = next;
    while (next < text.length && /[0-9;:<=>? -/]/.test(text.charAt(next))) next += 1;
    const body = text.slice(start, next);
    const parameters = body === '' ? [] : body.split(/[;:]/).map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : part === '' ? 0 : -1));
    return { end: Math.min(text.length, next + 1), final: /^[<=>?]/.test(body) ? '' : text.charAt(next), parameters };
  }
  if (kind === ']' || kind === 'P' || kind === 'X' || kind === '^' || kind === '_') {
    // A string for the terminal itself (titles, hyperlinks, images): up to BEL or ESC \.
    while (next < text.length) {
      const code = text.charCodeAt(next);
      if (code === 7 || code === 0x9c) return { end: next + 1, final: '', parameters: [] };
      if (code === 27) return { end: text.charAt(next + 1) === '\\' ? next + 2 : next, final: '', parameters: [] };
      if (code === 10) return { end: next, final: '', parameters: [] };
      next += 1;
    }
    return { end: next, final: '', parameters: [] };
  }
  // Two and three character sequences, such as ESC ( B.
  while (next < text.length && /[ -/]/.test(kind) && /[ -/]/.test(text.charAt(next))) next += 1;
  if (/[ -/]/.test(kind)) next += 1;
  return { end: Math.min(text.length, next), final: '', parameters: [] };
}

function applySgr(before: Style, given: readonly number[]): Style {
  const codes = given.length === 0 ? [0] : given;
  let style = { ...before };
  for (let place = 0; place < codes.length; place += 1) {
    const code = codes[place] ?? -1;
    if (code === 0) style = plain();
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underline = true;
    else if (code === 7) style.inverse = true;
    else if (code === 9) style.strike = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underline = false;
    else if (code === 27) style.inverse = false;
    else if (code === 29) style.strike = false;
    else if (code >= 30 && code <= 37) style.fg = NAMES[code - 30] ?? null;
    else if (code === 39) style.fg = null;
    else if (code >= 40 && code <= 47) style.bg = NAMES[code - 40] ?? null;
    else if (code === 49) style.bg = null;
    else if (code >= 90 && code <= 97) style.fg = `bright-${NAMES[code - 90] ?? 'white'}`;
    else if (code >= 100 && code <= 107) style.bg = `bright-${NAMES[code - 100] ?? 'white'}`;
    else if (code === 38 || code === 48) {
      const { colour, used } = extended(codes, place + 1);
      if (code === 38) style.fg = colour;
      else style.bg = colour;
      place += used;
    }
  }
  return style;
}

function extended(codes: readonly number[], at: number): { colour: string | null; used: number } {
  if (codes[at] === 5) return { colour: indexed(codes[at + 1] ?? 0), used: 2 };
  if (codes[at] === 2) return { colour: nearest(codes[at + 1] ?? 0, codes[at + 2] ?? 0, codes[at + 3] ?? 0), used: 4 };
  return { colour: null, used: 0 };
}

function indexed(value: number): string {
  if (value < 8) return NAMES[value] ?? 'white';
  if (value < 16) return `bright-${NAMES[value - 8] ?? 'white'}`;
  if (value >= 232) {
    const level = 8 + (value - 232) * 10;
    return nearest(level, level, level);
  }
  const cube = value - 16;
  const level = (part: number): number => (part === 0 ? 0 : 55 + part * 40);
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function nearest(red: number, green: number, blue: number): string {
  const spread = Math.max(red, green, blue) - Math.min(red, green, blue);
  if (spread < 24) return red > 170 ? 'white' : red > 60 ? 'bright-black' : 'black';
  let best = 0;
  let distance = Number.POSITIVE_INFINITY;
  NEAR.forEach(([r, g, b], place) => {
    const away = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
    if (away < distance) {
      distance = away;
      best = place;
    }
  });
  return NAMES[best] ?? 'white';
}

function className(style: Style): string {
  const fg = style.inverse ? (style.bg ?? 'inverse') : style.fg;
  const bg = style.inverse ? (style.fg ?? 'inverse') : style.bg;
  return [
    fg === null ? '' : `fg-${fg}`, bg === null ? '' : `bg-${bg}`, style.bold ? 'bold' : '', style.dim ? 'faint' : '',
    style.italic ? 'italic' : '', style.underline ? 'underline' : '', style.strike ? 'strike' : '',
  ].filter((part) => part !== '').join(' ');
}
