import { createHash } from 'node:crypto';
import MarkdownIt from 'markdown-it';
import type { Attachment, FileDiff } from '../../core/model/entry.ts';
import type { PermissionRow, Row, ToolRow } from '../../core/model/row.ts';
import { UNTITLED } from '../../core/model/session.ts';
import type { ExportFormat } from '../../core/session/export.ts';
import { plainInput } from '../../core/session/export.ts';
import { stripAnsi } from '../tree/text.ts';
import { STYLE } from './style.ts';

/**
 * The parser of exported documents. What agents and persons wrote is text: no HTML of it passes, pictures of the web are links, and only web and mail addresses are
 * links at all.
 */
const md = new MarkdownIt({ html: false, linkify: true, typographer: false, breaks: false });
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
md.validateLink = isLink;
const { rules } = md.renderer;
rules['link_open'] = (tokens, place) => `<a rel="noopener noreferrer" href="${escape(String(tokens[place]?.attrGet('href') ?? ''))}">`;
rules['image'] = (tokens, place, options, env, renderer) => {
  const alt = escape(renderer.renderInlineAsText(tokens[place]?.children ?? [], options, env) || 'image');
  const source = String(tokens[place]?.attrGet('src') ?? '');
  return isLink(source) ? `<a rel="noopener noreferrer" href="${escape(source)}">${alt}</a>` : alt;
};
rules['fence'] = rules['code_block'] = (tokens, place) => `${pre(tokens[place]?.content ?? '')}\n`;
// A style attribute would be refused by the document's own policy; headings of an answer stand below those of the turns.
for (const cell of ['td_open', 'th_open']) rules[cell] = (tokens, place) => `<${tokens[place]?.tag ?? 'td'} dir="auto">`;
rules['heading_open'] = (tokens, place) => `<h${level(tokens[place]?.tag)} dir="auto">`;
rules['heading_close'] = (tokens, place) => `</h${level(tokens[place]?.tag)}>\n`;
rules['paragraph_open'] = (tokens, place) => (tokens[place]?.hidden === true ? '' : '<p dir="auto">');

function level(tag: string | undefined): number {
  return Math.min(6, Number(tag?.slice(1) ?? 1) + 2);
}

function isLink(address: string): boolean {
  return /^(?:https?:\/\/|mailto:)[^\s"'<>]+$/i.test(address);
}

const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; img-src data:; form-action 'none'; base-uri 'none'`;

/** One HTML file that needs nothing else, runs nothing and loads nothing, in the reader's light or dark. */
export const htmlFormat: ExportFormat = {
  head: (head) => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${escape(head.title || UNTITLED)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1 dir="auto">${escape(head.title || UNTITLED)}</h1>
<p>${escape(head.agent)} on ${escape(head.machine)} in <code>${escape(head.folder)}</code>, exported ${moment(head.exportedAt)}</p>
</header>
<main>
`,
  row: (row) => `${rowHtml(row, true)}\n`,
  tail: () => '</main>\n</body>\n</html>\n',
};

function rowHtml(row: Row, top: boolean): string {
  switch (row.kind) {
    case 'prompt': {
      const at = row.at === null ? '' : ` ${moment(row.at)}`;
      const heading = top ? `<h2>Prompt${at}</h2>` : `<p class="dim">Prompt${at}</p>`;
      return `<section class="prompt">${heading}<div class="said" dir="auto">${escape(row.text)}</div>${files(row.attachments)}</section>`;
    }
    case 'text': return `<section class="text">${md.render(row.text)}</section>`;
    case 'thinking': return fold('Thought', md.render(row.text));
    case 'tool': return toolHtml(row);
    case 'permission': return permissionHtml(row);
    case 'todo': return `<ul class="todo">${row.items.map((item) => `<li class="${item.status}"><span class="dim">${TODO[item.status]}</span> <span dir="auto">${escape(item.text)}</span></li>`).join('')}</ul>`;
    case 'file': return `<section>${files([row.file])}</section>`;
    case 'notice': return `<p class="notice ${row.level}" dir="auto">${escape(row.text)}${row.remedy === null ? '' : ` <span class="dim">${escape(row.remedy)}</span>`}</p>`;
    case 'turn': {
      const parts = [`Turn ${row.state}`, ...(row.durationMs === null ? [] : [`${Math.round(row.durationMs / 1000)} s`]), ...(row.filesChanged.length === 0 ? [] : [`${row.filesChanged.length} ${row.filesChanged.length === 1 ? 'file' : 'files'} changed`])];
      return `<p class="turn dim">${escape(parts.join(' · '))}${row.error === null ? '' : ` <span class="bad" dir="auto">${escape(row.error)}</span>`}</p>`;
    }
    case 'unknown': return fold(`Unknown event ${escape(row.source)}`, pre(JSON.stringify(row.raw, null, 2)));
  }
}

const TODO = { pending: '○', running: '◐', done: '●', cancelled: '✕' } as const;

function toolHtml(row: ToolRow): string {
  const outcome = [row.status === 'ok' ? '' : row.status, row.exitCode === null ? '' : `exit ${row.exitCode}`].filter((part) => part !== '').join(' · ');
  const body = [
    ...whatIsAsked(row),
    row.output === '' ? '' : pre(stripAnsi(row.output)),
    row.outputOmitted === 0 ? '' : `<p class="dim">${row.outputOmitted} characters of the output are left out.</p>`,
    files(row.attachments),
    ...row.children.map((child) => rowHtml(child, false)),
  ].join('');
  const changed = row.diffs.reduce((sum, diff) => ({ added: sum.added + diff.added, removed: sum.removed + diff.removed }), { added: 0, removed: 0 });
  const figures = row.diffs.length === 0 ? '' : ` <span class="added">+${changed.added}</span> <span class="removed">−${changed.removed}</span>`;
  const title = `${escape(row.name)} <span class="mono" dir="auto">${escape(row.title)}</span>${figures}${outcome === '' ? '' : ` <span class="${row.status === 'error' ? 'bad' : 'dim'}">${escape(outcome)}</span>`}`;
  return body === '' ? `<p class="tool">${title}</p>` : fold(title, body, row.diffs.length > 0);
}

/** What runs or changes, or would. */
function whatIsAsked(row: ToolRow | PermissionRow): readonly string[] {
  const input = plainInput(row);
  return [input === null ? '' : fold('Input', pre(JSON.stringify(input, null, 2))), row.command === null ? '' : pre(row.command), ...row.diffs.map(diffHtml)];
}

function diffHtml(diff: FileDiff): string {
  const lines = diff.patch.replace(/\n$/, '').split('\n').map((line) => {
    const kind = line.startsWith('@@') ? 'hunk' : line.startsWith('+') ? 'add' : line.startsWith('-') ? 'remove' : 'same';
    return `<span class="${kind}">${escape(line)}\n</span>`;
  });
  return `<p class="mono dim">${escape(diff.path)}</p><pre class="diff" dir="ltr">${lines.join('')}</pre>`;
}

function permissionHtml(row: PermissionRow): string {
  const given = Object.values(row.answers).flat();
  const words = `Permission ${escape(row.tool)}: <span dir="auto">${escape(row.title)}</span> <span class="dim">${escape(row.outcome ?? 'waiting')}${row.answerReason === null ? '' : `: ${escape(row.answerReason)}`}</span>`;
  const body = [...whatIsAsked(row), row.plan === null ? '' : md.render(row.plan), given.length === 0 ? '' : `<ul>${given.map((answer) => `<li dir="auto">${escape(answer)}</li>`).join('')}</ul>`].join('');
  return body === '' ? `<p class="permission">${words}</p>` : fold(words, body, true);
}

const PICTURES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/bmp']);

/** Pictures of kinds that cannot act are shown, all else is named. */
function files(all: readonly Attachment[]): string {
  if (all.length === 0) return '';
  return `<p class="files">${all.map((file) => {
    const name = escape(file.name);
    return file.data !== null && PICTURES.has(file.mediaType) && /^[A-Za-z0-9+/=]+$/.test(file.data) ? `<img alt="${name}" src="data:${file.mediaType};base64,${file.data}">` : `<span class="file">${name} <span class="dim">${escape(file.mediaType)}</span></span>`;
  }).join(' ')}</p>`;
}

function fold(summary: string, body: string, open = false): string {
  return `<details${open ? ' open' : ''}><summary>${summary}</summary><div class="body">${body}</div></details>`;
}

function pre(text: string): string {
  return `<pre dir="ltr">${escape(text)}</pre>`;
}

/** A moment, in ms since the epoch, as one that reads the same everywhere. */
function moment(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '';
  const iso = date.toISOString();
  return `<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}

/** Untrusted text, fit for an element and for a quoted attribute. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}
