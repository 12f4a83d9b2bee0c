/** One member of an object in a JSON text: offsets of its name's first quote, of its value, and behind that. */
interface Member {
  readonly name: string;
  readonly at: number;
  readonly value: number;
  readonly end: number;
}
/** An object in a JSON text: the offset of its `{`, its members in order, the offset of its `}`. */
interface Braces {
  readonly open: number;
  readonly members: readonly Member[];
  readonly close: number;
}

/**
 * A JSON text whose object at `path` (names from the root on) has `value` under `name`, or has no such member where `value` is undefined. What is not that member stays byte for byte; objects
 * on the way that are missing are made. Indentation, line ends and compactness are those of the text around. Of names that stand twice the last counts, as for JSON.parse. The text must
 * be valid JSON, and every value on the way an object: the caller has looked.
 */
export function spliced(text: string, path: readonly string[], name: string, value: unknown): string {
  let braces = bracesAt(text, skipSpace(text, 0));
  let depth = 0;
  for (const step of path) {
    const member = braces.members.findLast((one) => one.name === step);
    if (member === undefined) {
      const missing = path.slice(depth + 1).reduceRight<unknown>((inner, outer) => ({ [outer]: inner }), { [name]: value });
      return value === undefined ? text : added(text, braces, step, missing, depth);
    }
    braces = bracesAt(text, member.value);
    depth += 1;
  }
  if (value === undefined) return removed(text, braces, name);
  const member = braces.members.findLast((one) => one.name === name);
  if (member === undefined) return added(text, braces, name, value, depth);
  return `${text.slice(0, member.value)}${written(value, text, spaceBefore(text, member.at))}${text.slice(member.end)}`;
}

function added(text: string, { open, members, close }: Braces, name: string, value: unknown, depth: number): string {
  const last = members.at(-1);
  if (last !== undefined) {
    const space = spaceBefore(text, last.at);
    return `${text.slice(0, last.end)},${space}${JSON.stringify(name)}${colonOf(text, last)}${written(value, text, space)}${text.slice(last.end)}`;
  }
  const eol = eolOf(text);
  if (eol === '' && depth > 0) return `${text.slice(0, open + 1)}${JSON.stringify(name)}:${JSON.stringify(value)}${text.slice(close)}`;
  const outer = depth === 0 ? '' : (/^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', open) + 1, open))?.[0] ?? '');
  const space = `${eol === '' ? '\n' : eol}${outer}${unitOf(text)}`;
  return `${text.slice(0, open + 1)}${space}${JSON.stringify(name)}: ${written(value, text, space)}${eol === '' ? '\n' : eol}${outer}${text.slice(close)}`;
}

/** Takes every member of that name out, each with the comma that was there for it. */
function removed(text: string, braces: Braces, name: string): string {
  const at = braces.members.findLastIndex((one) => one.name === name);
  const member = braces.members[at];
  if (member === undefined) return text;
  const [before, after] = [braces.members[at - 1], braces.members[at + 1]];
  const [from, to] = after !== undefined ? [member.at, after.at] : before !== undefined ? [before.end, member.end] : [braces.open + 1, braces.close];
  const rest = `${text.slice(0, from)}${text.slice(to)}`;
  return removed(rest, bracesAt(rest, braces.open), name);
}

/** A value as it is written after a member's name: on lines of its own where the members have lines of their own. `space` stands before the name. */
function written(value: unknown, text: string, space: string): string {
  const lines = /(\r?\n)([^\n]*)$/.exec(space);
  if (lines === null) return JSON.stringify(value);
  const [, eol = '\n', indent = ''] = lines;
  return JSON.stringify(value, null, unitOf(text)).replaceAll('\n', `${eol}${indent}`);
}

/** One step of indentation: what stands before the first member of the root; two spaces where it has no line of its own. */
function unitOf(text: string): string {
  return /\n([ \t]+)$/.exec(spaceBefore(text, bracesAt(text, skipSpace(text, 0)).members[0]?.at ?? 0))?.[1] ?? '  ';
}

/** How lines end; '' where the text is one line. */
function eolOf(text: string): string {
  return /\r?\n/.exec(text.trim())?.[0] ?? '';
}

/** What stands between the name and the value of a member. */
function colonOf(text: string, member: Member): string {
  return text.slice(stringEnd(text, member.at), member.value);
}

function spaceBefore(text: string, at: number): string {
  let from = at;
  while (from > 0 && isSpace(text.charAt(from - 1))) from -= 1;
  return text.slice(from, at);
}

function bracesAt(text: string, open: number): Braces {
  const members: Member[] = [];
  let at = skipSpace(text, open + 1);
  while (text[at] === '"') {
    const nameEnd = stringEnd(text, at);
    const value = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const end = valueEnd(text, value);
    members.push({ name: JSON.parse(text.slice(at, nameEnd)) as string, at, value, end });
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return { open, members, close: at };
}

function valueEnd(text: string, from: number): number {
  if (text[from] === '"') return stringEnd(text, from);
  if (text[from] !== '{' && text[from] !== '[') {
    let at = from;
    while (at < text.length && !/[\s,\]}]/.test(text.charAt(at))) at += 1;
    return at;
  }
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = stringEnd(text, at) - 1;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

/** Behind the closing quote of the string that begins at `from`. */
function stringEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charAt(at))) at += 1;
  return at;
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}
