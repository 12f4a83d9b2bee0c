import MarkdownIt from 'markdown-it';
import type { Env, StateCore, Token } from 'markdown-it';
import { codeTarget, findPaths, linkTarget } from './links.ts';
import type { LinkTarget } from './links.ts';
import { opensFiles } from '../model/place.ts';

/** Reference definitions of a document, as markdown-it keeps them. */
export type References = NonNullable<Env['references']>;

/**
 * The one markdown parser of the page. Agent text goes through it and comes out escaped: no HTML of the text passes, links keep their target in `data-` attributes
 * (the page has no `href`, so nothing but our own handler can follow one), images are links, and styles are classes.
 */
const md = new MarkdownIt({ html: false, linkify: true, typographer: false, breaks: false });
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
md.validateLink = (address: string): boolean => linkTarget(address) !== null;
const { escapeHtml } = md.utils;

md.core.ruler.push('pilothouse', (state: StateCore): void => {
  state.tokens.forEach((token, place) => {
    directions(token);
    if (token.type === 'inline' && token.children !== null) {
      if (isTask(state.tokens, place)) markTask(state, token);
      token.children = linkPaths(state, token.children);
    }
  });
});

const BLOCKS = new Set(['paragraph_open', 'blockquote_open', 'bullet_list_open', 'ordered_list_open']);

/** Each block goes its own way, left to right or right to left, with all that it holds: what has a direction of its own does not count for that of its list. */
function directions(token: Token): void {
  if (token.level === 0 && BLOCKS.has(token.type)) token.attrSet('dir', 'auto');
  // A style attribute would be refused by the content security policy.
  const style = token.attrGet('style');
  if (style !== null) {
    token.attrs = (token.attrs ?? []).filter(([name]) => name !== 'style');
    const side = /text-align:\s*(left|right|center)/.exec(String(style))?.[1];
    if (side !== undefined) token.attrSet('class', `align-${side}`);
  }
}

function isTask(tokens: readonly Token[], place: number): boolean {
  return tokens[place - 2]?.type === 'list_item_open' && /^\[[ xX]\] /.test(tokens[place]?.content ?? '');
}

function markTask(state: StateCore, token: Token): void {
  const first = token.children?.[0];
  const item = state.tokens[state.tokens.indexOf(token) - 2];
  if (first === undefined || first.type !== 'text' || !/^\[[ xX]\] /.test(first.content)) return;
  const box = new state.Token('task_box', '', 0);
  box.meta = { done: first.content[1] !== ' ' };
  first.content = first.content.slice(4);
  token.children?.unshift(box);
  item?.attrJoin('class', 'task');
}

function linkPaths(state: StateCore, children: Token[]): Token[] {
  const result: Token[] = [];
  let inLink = 0;
  for (const token of children) {
    if (token.type === 'link_open') inLink += 1;
    if (token.type === 'link_close') inLink -= 1;
    const paths = token.type === 'text' && inLink === 0 ? findPaths(token.content) : [];
    let at = 0;
    for (const found of paths) {
      if (found.start > at) result.push(textToken(state, token.content.slice(at, found.start)));
      const link = new state.Token('path_link', '', 0);
      link.content = token.content.slice(found.start, found.end);
      link.meta = { kind: 'file', path: found.path, line: found.line };
      result.push(link);
      at = found.end;
    }
    if (at === 0) result.push(token);
    else if (at < token.content.length) result.push(textToken(state, token.content.slice(at)));
  }
  return result;
}

function textToken(state: StateCore, content: string): Token {
  const token = new state.Token('text', '', 0);
  token.content = content;
  return token;
}

/** Attributes of a link that our click handler follows. */
function linkAttributes(target: LinkTarget): string {
  if (target.kind === 'web') return `role="link" tabindex="0" data-href="${escapeHtml(target.href)}" title="${escapeHtml(target.href)}"`;
  const line = target.line === null ? '' : ` data-line="${target.line}"`;
  return `role="link" tabindex="0" data-path="${escapeHtml(target.path)}"${line}`;
}

/** The target, unless it is a file and those lead nowhere from here. */
function reachable<T extends LinkTarget>(target: T | null): T | null {
  return target?.kind === 'file' && !opensFiles() ? null : target;
}

const { rules } = md.renderer;
rules['link_open'] = (tokens, place) => {
  const target = reachable(linkTarget(String(tokens[place]?.attrGet('href') ?? '')));
  return target === null ? '<a>' : `<a class="link" ${linkAttributes(target)}>`;
};
rules['path_link'] = (tokens, place) => {
  const token = tokens[place];
  if (token !== undefined && !opensFiles()) return escapeHtml(token.content);
  return token === undefined ? '' : `<a class="link path" ${linkAttributes(token.meta as unknown as LinkTarget)}>${escapeHtml(token.content)}</a>`;
};
rules['image'] = (tokens, place, options, env, renderer) => {
  const token = tokens[place];
  const alt = renderer.renderInlineAsText(token?.children ?? [], options, env) || 'image';
  const target = reachable(linkTarget(String(token?.attrGet('src') ?? '')));
  return target === null ? escapeHtml(alt) : `<a class="link image" ${linkAttributes(target)}>${escapeHtml(alt)}</a>`;
};
rules['code_inline'] = (tokens, place) => {
  const code = tokens[place]?.content ?? '';
  const inLink = tokens.slice(0, place).filter((token) => token.type === 'link_open').length > tokens.slice(0, place).filter((token) => token.type === 'link_close').length;
  const target = inLink ? null : reachable(codeTarget(code));
  return target === null ? `<code>${escapeHtml(code)}</code>` : `<code class="link path" ${linkAttributes(target)}>${escapeHtml(code)}</code>`;
};
rules['fence'] = (tokens, place) => codeHtml(tokens[place]?.content ?? '', tokens[place]?.info ?? '');
rules['code_block'] = (tokens, place) => codeHtml(tokens[place]?.content ?? '', '');
rules['task_box'] = (tokens, place) => {
  const done = (tokens[place]?.meta as { done?: boolean } | null)?.done === true;
  return `<span class="box codicon codicon-${done ? 'check' : 'blank'}" role="checkbox" aria-disabled="true" aria-checked="${done}" aria-label="${done ? 'done' : 'open'}"></span>`;
};
rules['table_open'] = () => '<div class="table" tabindex="0" role="region" aria-label="Table"><table dir="auto">\n';
rules['table_close'] = () => '</table></div>\n';
// The transcript's own headings are one a turn, of level 2. Those of an answer stand right below them, all of them: agents begin with any level and leave some out, which would mislead who moves by headings.
rules['heading_open'] = (tokens, place) => `<h3 class="md-${tokens[place]?.tag ?? 'h3'}" dir="auto">`;
rules['heading_close'] = () => '</h3>\n';

/** A code block as the page's own builder expects it: it puts the buttons and the colours in. */
function codeHtml(code: string, info: string): string {
  return `<pre class="code" data-lang="${escapeHtml(fenceLanguage(info))}"><code>${escapeHtml(code)}</code></pre>\n`;
}

/** First word of a fence's info string, without what some agents write after it (`ts:src/a.ts`, `{.python}`). */
export function fenceLanguage(info: string): string {
  return (/^\s*\{?\.?([\w+#.-]+)/.exec(info)?.[1] ?? '').toLowerCase();
}

/** Escaped HTML of a markdown text. `references`: definitions that stand elsewhere in the document. */
export function renderMarkdown(source: string, references?: References): string {
  return md.render(source, references === undefined ? {} : { references: Object.assign(Object.create(null) as References, references) });
}

/** Where a top-level block starts and ends, in lines; `tied` to the one that follows it when it is a definition (which may yet take what follows in). */
interface BlockSpan {
  readonly start: number;
  readonly end: number;
  readonly tied: boolean;
  /** Lines on which the items of a list begin, with their numbers where it is ordered; empty for what is no list. */
  readonly items: readonly { readonly line: number; readonly number: number | null }[];
}

/** Top-level blocks of a text, by block rules alone (no inline parsing: about four times as fast as rendering). */
export function topLevelBlocks(source: string): BlockSpan[] {
  const tokens: Token[] = [];
  md.block.parse(source, md, {}, tokens);
  const blocks: BlockSpan[] = [];
  let items: { line: number; number: number | null }[] = [];
  for (const token of tokens) {
    if (token.level === 1 && token.type === 'list_item_open' && token.map !== null) {
      const before = items.at(-1)?.number ?? null;
      items.push({ line: token.map[0], number: token.info === '' ? null : before === null ? Number(token.info) : before + 1 });
    }
    if (token.level !== 0 || token.nesting === -1 || token.map === null) continue;
    items = [];
    blocks.push({ start: token.map[0], end: token.map[1], tied: token.type === 'reference_definition', items });
  }
  return blocks;
}

/** Link definitions of a whole document; null where it has none. */
export function findReferences(source: string): References | null {
  if (!/^[ >\t\-*+\d.)]*\[[^\n]+\]:/m.test(source)) return null;
  const env: Env = {};
  md.block.parse(source, md, env, []);
  return env.references === undefined || Object.keys(env.references).length === 0 ? null : env.references;
}
