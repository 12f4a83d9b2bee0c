import { basename, dirname, extname } from 'node:path';
import { commentLine, outline, type Definition } from './language.ts';

/** A change to one file, not yet made. `before` is null where the file comes into being, `after` null where it goes. */
export interface Edit {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
  /** One line for a person. */
  readonly title: string;
  /** First changed line, 1-based. */
  readonly line: number;
}

/** Misspellings that are wrong in any text. */
const misspelt: Readonly<Record<string, string>> = {
  teh: 'the', recieve: 'receive', recieved: 'received', seperate: 'separate', occured: 'occurred', definately: 'definitely', adress: 'address',
  wich: 'which', begining: 'beginning', lenght: 'length', retun: 'return', succesful: 'successful', accomodate: 'accommodate', untill: 'until',
};
const misspeltPattern = new RegExp(String.raw`\b(?:${Object.keys(misspelt).join('|')})\b`, 'gi');

function changed(path: string, before: string, after: string, title: string): Edit | null {
  if (after === before) return null;
  const old = before.split('\n');
  const line = after.split('\n').findIndex((text, index) => text !== old[index]);
  return { path, before, after, title, line: Math.max(0, line) + 1 };
}

/** Line ending that the file uses. */
function eol(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

/** Mends what is wrong whatever the language: spaces at the ends of lines, a missing last line break, some misspelt words; null where nothing is. */
export function tidy(path: string, text: string): { readonly edit: Edit; readonly done: readonly string[] } | null {
  const done: string[] = [];
  let after = text;
  const markdown = path.toLowerCase().endsWith('.md');
  let ends = 0;
  after = after.replaceAll(/[ \t]+(?=\r?$)/gm, (run) => {
    // Two spaces or more at the end of a line break it in markdown.
    if (markdown && /^ {2,}$/.test(run)) return run;
    ends += 1;
    return '';
  });
  if (ends > 0) done.push(ends === 1 ? 'spaces at the end of a line' : `spaces at the ends of ${ends} lines`);
  if (after !== '' && !after.endsWith('\n')) {
    after += eol(after);
    done.push('no line break at the end of the file');
  }
  const words: string[] = [];
  after = after.replaceAll(misspeltPattern, (word) => {
    const right = misspelt[word.toLowerCase()] ?? word;
    words.push(word);
    return /^[A-Z]/.test(word) ? right.charAt(0).toUpperCase() + right.slice(1) : right;
  });
  if (words.length > 0) done.push(`misspelt: ${[...new Set(words)].join(', ')}`);
  const edit = changed(path, text, after, `Tidy ${path}`);
  return edit === null ? null : { edit, done };
}

/** Replaces a text everywhere in a file; a name (letters, digits, _ and $) only as a whole word. Null where it does not occur. */
export function rename(path: string, text: string, from: string, to: string): { readonly edit: Edit; readonly count: number } | null {
  const escaped = from.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const pattern = /^[\w$]+$/.test(from) ? new RegExp(String.raw`(?<![\w$])${escaped}(?![\w$])`, 'g') : new RegExp(escaped, 'g');
  const count = text.match(pattern)?.length ?? 0;
  const edit = changed(path, text, text.replaceAll(pattern, () => to), `Replace ${from} with ${to} in ${path}`);
  return edit === null ? null : { edit, count };
}

/** Puts a comment at the head of a file: the text given, else what the file's outline tells. Null where the language has no comments. */
export function comment(path: string, text: string, words: string | null): Edit | null {
  const line = commentLine(path, words ?? describe(path, text));
  if (line === null) return null;
  const shebang = /^#!.*\n/.exec(text)?.[0] ?? '';
  return changed(path, text, `${shebang}${line}${eol(text)}${text.slice(shebang.length)}`, `Add a comment to ${path}`);
}

/** Puts a TODO at the end of a file. Null where the language has no comments. */
export function todo(path: string, text: string, words: string | null): Edit | null {
  const line = commentLine(path, `TODO: ${words ?? `look over ${basename(path)} again`}`);
  if (line === null) return null;
  return changed(path, text, `${closed(text)}${eol(text)}${line}${eol(text)}`, `Add a TODO to ${path}`);
}

/** Adds text at the end of a file. */
export function append(path: string, text: string, words: string): Edit | null {
  return changed(path, text, `${closed(text)}${words}${eol(text)}`, `Append to ${path}`);
}

function closed(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}${eol(text)}`;
}

function describe(path: string, text: string): string {
  const { definitions, cases, headings } = outline(path, text);
  const names = definitions.filter((one) => one.exported).map((one) => one.name);
  if (cases > 0) return `${basename(path)}: ${cases} test ${cases === 1 ? 'case' : 'cases'}.`;
  if (names.length > 0) return `${basename(path)}: gives ${names.slice(0, 6).join(', ')}${names.length > 6 ? ' and more' : ''}.`;
  if (definitions.length > 0) return `${basename(path)}: defines ${definitions.slice(0, 6).map((one) => one.name).join(', ')}.`;
  if (headings.length > 0) return `${basename(path)}: ${headings.slice(0, 4).join(', ')}.`;
  return basename(path);
}

/** A test for a module of JavaScript or TypeScript: that it loads and gives what it exports. Null where it exports nothing that can be tested. */
export function testFor(path: string, text: string): Edit | null {
  const extension = extname(path);
  if (!/^\.[mc]?[jt]sx?$/.test(extension)) return null;
  const given = outline(path, text).definitions.filter((one) => one.exported && one.kind !== 'type' && one.kind !== 'interface');
  if (given.length === 0) return null;
  const stem = basename(path, extension);
  const folder = dirname(path);
  const names = given.map((one) => one.name);
  const body = given.map((one) => `test('${one.name} is ${expected(one).words}', () => {\n  ${expected(one).check}\n});\n`).join('\n');
  const after = `import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { ${names.join(', ')} } from './${stem}${extension}';\n\n${body}`;
  const target = `${folder === '.' ? '' : `${folder}/`}${stem}.test${extension}`;
  return { path: target, before: null, after, title: `Add a test for ${path}`, line: 1 };
}

function expected(one: Definition): { readonly words: string; readonly check: string } {
  if (one.kind === 'constant') return { words: 'defined', check: `assert.notEqual(${one.name}, undefined);` };
  return { words: `a ${one.kind}`, check: `assert.equal(typeof ${one.name}, 'function');` };
}
