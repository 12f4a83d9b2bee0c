/** Where a link of a transcript leads: to the web through VS Code, or to a file of the session's machine. Anything else is no link. */
export type LinkTarget =
  | { readonly kind: 'web'; readonly href: string }
  | { readonly kind: 'file'; readonly path: string; readonly line: number | null };

/** Sorts a link's address. Null for every scheme but http, https, mailto and file, for anchors, and for what is not an address at all. */
export function linkTarget(address: string): LinkTarget | null {
  // Control characters and spaces within an address only serve to disguise it.
  const href = address.trim();
  if (href === '' || href.length > 4_000 || hasControl(href)) return null;
  if (/^(?:https?:\/\/|mailto:)./i.test(href)) return { kind: 'web', href };
  if (/^file:\/\/(?:localhost)?\//i.test(href)) return fileTarget(decode(href.replace(/^file:\/\/(?:localhost)?/i, '')));
  if (href.startsWith('#') || href.startsWith('//') || href.startsWith('\\\\')) return null;
  const file = fileTarget(decode(href));
  if (file === null) return null;
  if (/^[a-z][a-z0-9+.-]*:/i.test(file.path) && !/^[a-z]:[\\/]/i.test(file.path)) return null;
  return file;
}

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) < 32 || text.charCodeAt(at) === 127) return true;
  return false;
}

function fileTarget(text: string): Extract<LinkTarget, { kind: 'file' }> | null {
  const match = /^(.+?)(?::(\d{1,7})(?:[:-]\d{1,7})?|#L(\d{1,7})(?:C\d+)?(?:-L?\d{1,7}(?:C\d+)?)?)?$/.exec(text);
  const path = match?.[1];
  if (path === undefined || hasControl(path)) return null;
  const line = Number(match?.[2] ?? match?.[3] ?? 0);
  return { kind: 'file', path, line: line > 0 ? line : null };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const EXTENSIONS = new Set((
  'ts tsx js jsx mjs cjs mts cts json jsonc json5 md mdx txt py pyi rb go rs java kt kts c h cc cpp cxx hpp cs fs swift m mm php pl lua r jl scala clj ex exs erl hs ml dart sh bash zsh fish ps1 bat cmd '
  + 'sql graphql proto html htm css scss sass less vue svelte astro xml xsl svg yml yaml toml ini cfg conf env lock gradle cmake mk tf hcl nix zig log csv tsv diff patch ipynb tex rst adoc'
).split(' '));

/** The file that a piece of inline code names, or null: a path with a folder in it, a name with a known ending, or either with a line. */
export function codeTarget(code: string): Extract<LinkTarget, { kind: 'file' }> | null {
  if (code.length > 300 || /[\s*?<>|"'`(){}[\]$,;=!\\]/.test(code)) return null;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(code) || code.startsWith('//') || code.startsWith('@') || code.startsWith('-')) return null;
  const target = fileTarget(code);
  if (target === null) return null;
  const name = target.path.slice(target.path.lastIndexOf('/') + 1);
  const ending = /^[\w.@+-]*[\w@+-]\.([A-Za-z][\w]{0,9})$/.exec(name)?.[1]?.toLowerCase();
  if (ending === undefined) return null;
  if (EXTENSIONS.has(ending)) return looksLikeHost(target.path) ? null : target;
  return target.path.includes('/') && /^(?:\/|~\/|\.{1,2}\/)/.test(target.path) ? target : null;
}

function looksLikeHost(path: string): boolean {
  const first = path.split('/')[0] ?? '';
  return path.includes('/') && /^[\w-]+(?:\.[\w-]+)+$/.test(first);
}

const IN_TEXT = /(?<![\w/.@~:\\-])((?:~\/|\.{1,2}\/|\/)?(?:[\w.@+-]{1,80}\/){1,30}[\w.@+-]{0,80}[\w@+-]\.[A-Za-z]\w{0,9}|[\w@+-][\w.@+-]{0,80}\.[A-Za-z]\w{0,9}(?=:\d))((?::\d{1,7}){0,2})(?![\w/])/g;

interface FoundPath {
  readonly start: number;
  readonly end: number;
  readonly path: string;
  readonly line: number | null;
}

/** Paths in running text: those with a folder in them, or followed by `:line`. */
export function findPaths(text: string): FoundPath[] {
  if (text.length > 20_000) return [];
  const found: FoundPath[] = [];
  for (const match of text.matchAll(IN_TEXT)) {
    const target = codeTarget(match[0]);
    if (target !== null) found.push({ start: match.index, end: match.index + match[0].length, path: target.path, line: target.line });
  }
  return found;
}
