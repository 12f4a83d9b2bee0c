import { languageOf, outline, type Outline } from './language.ts';
import type { Workspace } from './workspace.ts';

const mostFiles = 80;

/** How many files of which language: rows of a table, the most common first. */
export function languages(files: readonly string[]): readonly { readonly name: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const path of files) counts.set(languageOf(path).name, (counts.get(languageOf(path).name) ?? 0) + 1);
  return [...counts].map(([name, count]) => ({ name, count })).sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
}

/** What a file is about, in markdown: what it says of itself, imports, definitions, headings, TODOs. */
export function told(path: string, text: string, view: Outline = outline(path, text)): string {
  const facts = [`${view.language}, ${count(view.lines, 'line')}, ${Buffer.byteLength(text).toLocaleString('en')} bytes`];
  if (view.cases > 0) facts.push(count(view.cases, 'test case'));
  const parts = [`**\`${path}\`**: ${facts.join(', ')}.`];
  if (view.opening !== null) parts.push(`It says of itself:\n\n> ${view.opening}`);
  if (view.headings.length > 0) parts.push(`Its headings:\n\n${view.headings.slice(0, 15).map((heading) => `- ${heading}`).join('\n')}`);
  if (view.imports.length > 0) parts.push(`It imports ${view.imports.slice(0, 12).map((module) => `\`${module}\``).join(', ')}${view.imports.length > 12 ? ' and more' : ''}.`);
  if (view.definitions.length > 0) {
    const rows = view.definitions.slice(0, 25).map((one) => `| \`${one.name}\` | ${one.exported ? 'exported ' : ''}${one.kind} | ${(one.says ?? '').replaceAll('|', '\\|')} | \`${path}:${one.line}\` |`);
    parts.push(`| name | what | says | where |\n| --- | --- | --- | --- |\n${rows.join('\n')}`);
  }
  if (view.todos.length > 0) parts.push(`To do:\n\n${view.todos.slice(0, 10).map((todo) => `- line ${todo.line}: ${todo.text === '' ? '(no words)' : todo.text}`).join('\n')}`);
  if (path.endsWith('package.json')) parts.push(...packageFacts(text));
  return parts.join('\n\n');
}

export function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : what.endsWith('ch') ? 'es' : 's'}`;
}

function packageFacts(text: string): readonly string[] {
  const found = packageScripts(text);
  return found.length === 0 ? [] : [`Its scripts:\n\n${found.map(([name, command]) => `- \`npm run ${name}\`: \`${command}\``).join('\n')}`];
}

/** Scripts of a package.json, as [name, command]; none where it cannot be read. */
export function packageScripts(text: string): readonly (readonly [string, string])[] {
  try {
    const json = JSON.parse(text) as { scripts?: unknown } | null;
    const scripts = json?.scripts;
    if (typeof scripts !== 'object' || scripts === null) return [];
    return Object.entries(scripts).flatMap(([name, command]) => (typeof command === 'string' ? [[name, command] as const] : []));
  } catch {
    return [];
  }
}

/** Markdown of exactly so many words: a tour of the workspace, and filler (which says so) once all is told. */
export async function story(workspace: Workspace, words: number, signal: AbortSignal): Promise<string> {
  const files = await workspace.files(signal);
  const blocks: string[] = [];
  let length = 0;
  const add = (block: string): boolean => {
    blocks.push(block);
    length += wordsOf(block);
    return length >= words;
  };
  const rows = languages(files).map(({ name, count }) => `| ${name} | ${count} |`).join('\n');
  let full = add(`# A tour of ${workspace.name}`)
    || add(`This is a long answer, as you asked, of ${count(words, 'word')}. It walks through ${count(files.length, 'file')} of this workspace and streams as it goes: you can stop it at any time.`)
    || add(`| language | files |\n| --- | ---: |\n${rows}`);
  for (const path of files.slice(0, mostFiles)) {
    if (full) break;
    const text = await workspace.read(path).catch(() => null);
    if (text === null) continue;
    const head = text.split('\n').slice(0, 12).join('\n');
    const ticks = head.includes('```') ? '````' : '```';
    full = add(`## ${path}`) || add(told(path, text)) || add(`It begins like this:\n\n${ticks}${languageOf(path).fence}\n${head.trimEnd()}\n${ticks}`);
  }
  for (let part = 1; !full; part += 1) {
    full = add(part === 1 ? '## Filler\n\nAll is told. What follows is filler, up to the length that you asked for.' : filler(part));
  }
  return cut(blocks, words);
}

function filler(part: number): string {
  const kinds = [
    `### Part ${part}\n\nThis paragraph is number ${part}. It has *emphasis*, **strong words** and \`code\`, and says nothing else; it is here so that a long chat can be tried.`,
    `- first point of part ${part}\n- second point of part ${part}\n  - with a point below it\n- third point of part ${part}`,
    `\`\`\`ts\n// Part ${part}\nexport const part${part} = [1, 2, 3].map((value) => value * ${part});\n\`\`\``,
    `> A quotation of part ${part}, which quotes nobody.`,
  ];
  return kinds[part % kinds.length] ?? '';
}

function wordsOf(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

/** The first `words` words; a fence that is cut open is closed again. */
function cut(blocks: readonly string[], words: number): string {
  let left = words;
  let text = '';
  for (const block of blocks) {
    if (left <= 0) break;
    const parts = block.match(/\S+\s*/g) ?? [];
    text += `${text === '' ? '' : '\n\n'}${parts.slice(0, left).join('').trimEnd()}`;
    left -= parts.length;
  }
  const fences = [...text.matchAll(/^(`{3,})/gm)];
  return fences.length % 2 === 0 ? text : `${text}\n${fences.at(-1)?.[1] ?? '```'}`;
}
