/** Marks of markdown at the beginning of a line: headings, quotes, list items, task boxes. */
const LINE_MARKS = /^[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|(?:[-+*]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?/;
/** Emphasis about words, with its end within reach; stars and underscores that stand alone or within words are text. */
const EMPHASIS = /(?<![\p{L}\p{N}*_~])(\*{1,3}|_{1,3}|~~)(?=\S)([^\n]{0,1000}?\S)\1(?![\p{L}\p{N}*_~])/gu;
const STRONG = /\*\*(?=\S)([^*\n]{0,1000}?\S)\*\*/g;

/**
 * A markdown text about as a person reads it, for searching: without the marks of emphasis, code, links, lists, headings and tables. Lines of fences stay as they are.
 * It reads line by line in time that grows with the text, and knows less than a parser: what it takes for text is found, never hidden.
 */
export function plainMarkdown(source: string): string {
  if (!/[#*_`~[\]>|\\+-]|\d[.)]/.test(source)) return source;
  const lines: string[] = [];
  let fence: string | null = null;
  for (const line of source.split('\n')) {
    const mark = /^[ \t>]*(`{3,}|~{3,})([^\n]*)$/.exec(line);
    if (fence !== null) {
      if (mark !== null && mark[1]?.startsWith(fence) === true && (mark[2] ?? '').trim() === '') fence = null;
      else lines.push(line);
    } else if (mark !== null && !(mark[1]?.startsWith('`') === true && mark[2]?.includes('`') === true)) fence = mark[1] ?? '```';
    else lines.push(plainLine(line));
  }
  return lines.join('\n');
}

function plainLine(line: string): string {
  if (!/[#*_`~[\]>|\\+-]|\d[.)]/.test(line)) return line;
  const text = line.replace(LINE_MARKS, '');
  if (/^[ \t]*\|?[ \t]*:?-{2,}[-:| \t]*$/.test(text) || /^[ \t]*(?:[-*_][ \t]*){3,}$/.test(text)) return '';
  // Code spans are kept as they are: what stands between backticks is no emphasis.
  return text.includes('`') ? text.split(/`+/).map((part, place) => (place % 2 === 1 ? part : plainPart(part))).join('') : plainPart(text);
}

function plainPart(text: string): string {
  let part = text;
  if (part.includes('](')) part = part.replaceAll(/!?\[([^[\]\n]{0,500})\]\([^()\s]{0,2000}(?:\s{1,9}"[^"\n]{0,500}")?\)/g, '$1');
  if (/[*_~]/.test(part)) part = part.replaceAll(EMPHASIS, '$2').replaceAll(STRONG, '$1').replaceAll(EMPHASIS, '$2');
  if (part.includes('\\')) part = part.replaceAll(/\\([!-/:-@[-`{-~])/g, '$1');
  // Cell by cell: a pattern that begins with white space takes the square of a long run of it.
  return part.includes('|') ? cells(part) : part;
}

function cells(part: string): string {
  const all = part.split('|');
  return all.map((cell, place) => (place === 0 ? cell.trimEnd() : place === all.length - 1 ? cell.trimStart() : cell.trim())).join(' ');
}
