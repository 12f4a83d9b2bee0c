import { extname } from 'node:path';

interface Language {
  readonly name: string;
  /** How a comment begins and ends; null where the language has none. */
  readonly comment: { readonly open: string; readonly close: string } | null;
  /** Name for a fence of markdown. */
  readonly fence: string;
}

const slashes = { open: '// ', close: '' };
const hash = { open: '# ', close: '' };
const language = (name: string, fence: string, comment: Language['comment']): Language => ({ name, fence, comment });
const languages: Readonly<Record<string, Language>> = {
  '.ts': language('TypeScript', 'ts', slashes), '.tsx': language('TypeScript (JSX)', 'tsx', slashes), '.mts': language('TypeScript', 'ts', slashes),
  '.js': language('JavaScript', 'js', slashes), '.mjs': language('JavaScript', 'js', slashes), '.cjs': language('JavaScript', 'js', slashes),
  '.jsx': language('JavaScript (JSX)', 'jsx', slashes), '.py': language('Python', 'python', hash), '.rb': language('Ruby', 'ruby', hash),
  '.go': language('Go', 'go', slashes), '.rs': language('Rust', 'rust', slashes), '.java': language('Java', 'java', slashes),
  '.kt': language('Kotlin', 'kotlin', slashes), '.c': language('C', 'c', slashes), '.h': language('C', 'c', slashes), '.cpp': language('C++', 'cpp', slashes),
  '.cs': language('C#', 'csharp', slashes), '.swift': language('Swift', 'swift', slashes), '.php': language('PHP', 'php', slashes),
  '.sh': language('Shell', 'sh', hash), '.yml': language('YAML', 'yaml', hash), '.yaml': language('YAML', 'yaml', hash), '.toml': language('TOML', 'toml', hash),
  '.sql': language('SQL', 'sql', { open: '-- ', close: '' }), '.lua': language('Lua', 'lua', { open: '-- ', close: '' }),
  '.css': language('CSS', 'css', { open: '/* ', close: ' */' }), '.scss': language('SCSS', 'scss', slashes),
  '.html': language('HTML', 'html', { open: '<!-- ', close: ' -->' }), '.xml': language('XML', 'xml', { open: '<!-- ', close: ' -->' }),
  '.md': language('Markdown', 'markdown', { open: '<!-- ', close: ' -->' }), '.json': language('JSON', 'json', null), '.txt': language('plain text', 'text', null),
};
const unknown = language('text', '', null);

/** What is known of a file by its name. */
export function languageOf(path: string): Language {
  return languages[extname(path).toLowerCase()] ?? unknown;
}

/** One line of a comment in the file's language; null where it has none. */
export function commentLine(path: string, text: string): string | null {
  const { comment } = languageOf(path);
  return comment === null ? null : `${comment.open}${text}${comment.close}`;
}

/** Something that a file defines or exports. `line` is 1-based. */
export interface Definition {
  readonly kind: string;
  readonly name: string;
  readonly line: number;
  readonly exported: boolean;
  /** First sentence of the comment just above it; null where there is none. */
  readonly says: string | null;
}

export interface Outline {
  readonly language: string;
  readonly lines: number;
  /** What the file says of itself: its first comment, or the first paragraph of markdown. */
  readonly opening: string | null;
  readonly imports: readonly string[];
  readonly definitions: readonly Definition[];
  readonly headings: readonly string[];
  readonly todos: readonly { readonly line: number; readonly text: string }[];
  /** Cases of a test file. */
  readonly cases: number;
}

const importPatterns: readonly RegExp[] = [
  /^\s*(?:import|export)\b[^'"]*\bfrom\s*['"]([^'"]+)['"]/, /^\s*import\s*['"]([^'"]+)['"]/, /\brequire\(\s*['"]([^'"]+)['"]\s*\)/,
  /^\s*from\s+([\w.]+)\s+import\b/, /^\s*import\s+([\w.]+)\s*(?:;|as\b|$)/, /^\s*use\s+([\w:]+)/, /^\s*#include\s*[<"]([^>"]+)[>"]/,
];
const definitionPatterns: readonly { readonly pattern: RegExp; readonly kind: string }[] = [
  { pattern: /^(?<e>export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*(?<n>[\w$]+)/, kind: 'function' },
  { pattern: /^(?<e>export\s+)?(?:default\s+)?(?:abstract\s+)?class\s+(?<n>[\w$]+)/, kind: 'class' },
  { pattern: /^(?<e>export\s+)?(?:declare\s+)?interface\s+(?<n>[\w$]+)/, kind: 'interface' },
  { pattern: /^(?<e>export\s+)?(?:declare\s+)?type\s+(?<n>[\w$]+)/, kind: 'type' },
  { pattern: /^(?<e>export\s+)?(?:const|let|var)\s+(?<n>[\w$]+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:\([^)]*\)|[\w$]+)\s*(?::[^=]+)?=>/, kind: 'function' },
  { pattern: /^(?<e>export\s+)(?:const|let|var)\s+(?<n>[\w$]+)/, kind: 'constant' },
  { pattern: /^(?:async\s+)?def\s+(?<n>\w+)/, kind: 'function' },
  { pattern: /^(?<e>pub\s+)?(?:fn|func)\s+(?:\([^)]*\)\s*)?(?<n>\w+)/, kind: 'function' },
  { pattern: /^(?<e>pub\s+)?(?:struct|enum|trait)\s+(?<n>\w+)/, kind: 'type' },
];

/** Reads a file's outline off its text, line by line; approximate, as rules are. */
export function outline(path: string, text: string): Outline {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const markdown = path.toLowerCase().endsWith('.md');
  const imports = new Set<string>();
  const definitions: Definition[] = [];
  const headings: string[] = [];
  const todos: { line: number; text: string }[] = [];
  let cases = 0;
  let fenced = false;
  let above: string[] = [];
  for (const [index, line] of lines.entries()) {
    const todo = /\b(?:TODO|FIXME|XXX)\b[:\s]*(.*)/.exec(line);
    if (todo !== null) todos.push({ line: index + 1, text: (todo[1] ?? '').replace(/\s*(?:\*\/|-->)\s*$/, '').trim() });
    if (markdown) {
      if (line.startsWith('```')) fenced = !fenced;
      const heading = fenced ? null : /^#{1,6}\s+(.*)/.exec(line);
      if (heading?.[1] !== undefined) headings.push(heading[1].trim());
      continue;
    }
    for (const pattern of importPatterns) {
      const module = pattern.exec(line)?.[1];
      if (module !== undefined) imports.add(module);
    }
    if (/^\s*(?:it|test)(?:\.\w+)?\(|^\s*(?:async\s+)?def\s+test_|^func\s+Test/.test(line)) cases += 1;
    for (const { pattern, kind } of definitionPatterns) {
      const found = pattern.exec(line)?.groups;
      if (found?.['n'] === undefined) continue;
      definitions.push({ kind, name: found['n'], line: index + 1, exported: found['e'] !== undefined, says: sentence(above.join(' ')) });
      break;
    }
    const words = /^(?:\s*\/\*\*?|\s*\*(?!\/)|\/\/+|#+(?!!))\s?(.*?)\s*(?:\*\/)?$/.exec(line)?.[1];
    above = words === undefined && line.trim() !== '*/' ? [] : [...above, words ?? ''];
  }
  return { language: languageOf(path).name, lines: lines.length, opening: openingOf(text, markdown), imports: [...imports], definitions, headings, todos, cases };
}

function openingOf(text: string, markdown: boolean): string | null {
  if (markdown) {
    const paragraph = text.split(/\n\s*\n/).find((part) => /^[^#\s`|<>*\-[!]/.test(part.trim()));
    return paragraph === undefined ? null : oneLine(paragraph);
  }
  const start = text.replace(/^#!.*\n/, '').trimStart();
  const block = /^\/\*\*?([\s\S]*?)\*\//.exec(start)?.[1] ?? /^"""([\s\S]*?)"""/.exec(start)?.[1];
  if (block !== undefined) return oneLine(block.replaceAll(/^\s*\*\s?/gm, ''));
  const lines = /^(?:(?:\/\/|#|--)[^\n]*\n?)+/.exec(start)?.[0];
  return lines === undefined ? null : oneLine(lines.replaceAll(/^(?:\/\/+|#+|--)\s?/gm, ''));
}

function sentence(text: string): string | null {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  const first = /^.*?[.!?](?=\s|$)/.exec(line)?.[0] ?? line;
  return first === '' ? null : first.length > 120 ? `${first.slice(0, 119)}…` : first;
}

function oneLine(text: string): string | null {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line === '' ? null : line.length > 300 ? `${line.slice(0, 299)}…` : line;
}
