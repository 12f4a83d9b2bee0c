import { PilothouseError } from '../../core/model/errors.ts';
import { whyUnreachable } from '../../core/transport/reason.ts';
import { failureText } from '../tree/text.ts';
import type { SignInCode } from './ask.ts';

export interface Problem {
  readonly text: string;
  /** The code ran out: the server is there. */
  readonly expired: boolean;
}

/** What a sign-in panel shows: a code that waits, or why there is none. */
interface LinkPage {
  readonly title: string;
  readonly server: string;
  readonly steps: readonly string[];
  readonly about: string;
  readonly code: SignInCode | null;
  /** Why no code is shown, in one line; null while one is or comes. */
  readonly problem: Problem | null;
  /** Addresses of the commands behind the buttons. */
  readonly commands: { readonly copy: string; readonly open: string; readonly again: string; readonly server: string; readonly cancel: string };
}

/** The panel's document. No script runs in it; nothing loads but our own style sheet and the code as a `data:` image. `now` in milliseconds since the epoch. */
export function linkHtml(page: LinkPage, { styleUri, cspSource }: { readonly styleUri: string; readonly cspSource: string }, now: number): string {
  const csp = ["default-src 'none'", `style-src ${cspSource}`, 'img-src data:', "form-action 'none'", "base-uri 'none'"].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${escapeHtml(styleUri)}">
<title>${escapeHtml(page.title)}</title>
</head>
<body>
<main>
<h1>${escapeHtml(page.title)}</h1>
<p class="server">on ${escapeHtml(page.server)}</p>
${body(page, now)}
</main>
</body>
</html>`;
}

function body({ steps, about, code, problem, commands }: LinkPage, now: number): string {
  const link = (label: string, address: string, look = ''): string => `<a class="button ${look}" role="button" href="${escapeHtml(address)}">${label}</a>`;
  const cancel = link('Cancel', commands.cancel, 'quiet');
  const change = link('Change Server…', commands.server, 'quiet');
  if (problem !== null) {
    const ways = problem.expired ? link('Show a New Code', commands.again) : `${link('Try Again', commands.again)} ${change}`;
    return `<p class="problem" role="alert">${escapeHtml(problem.text)}</p>\n<p class="actions">${ways} ${cancel}</p>`;
  }
  const list = `<ol>${steps.map((step) => `<li>${escapeHtml(step)}</li>`).join('')}</ol>`;
  if (code === null) return `${list}\n<p class="waiting" role="status">Asking the server for a code…</p>\n<p class="actions">${change} ${cancel}</p>`;
  // No time of day: this host may stand in another time zone than the person.
  const minutes = Math.max(1, Math.round((code.expiresAt - now) / 60_000));
  const waiting = `<p class="waiting" role="status">Waiting until it is ${code.typed === undefined ? 'confirmed' : 'approved'} there. The code lasts ${minutes === 1 ? 'a minute' : `${minutes} minutes`}; this tab closes by itself.</p>`;
  if (code.typed !== undefined) {
    return [
      list,
      `<p class="code" aria-label="Code"><code>${escapeHtml(code.typed.code)}</code></p>`,
      `<p class="actions">${link('Copy Code and Open Page', commands.open)} ${link('Copy Code', commands.copy, 'quiet')} ${cancel}</p>`,
      `<p class="page">The page is <code aria-label="Page">${escapeHtml(code.typed.page)}</code></p>`,
      waiting,
      `<p class="about">${escapeHtml(about)}</p>`,
    ].join('\n');
  }
  return [
    list,
    code.qr === null ? '' : `<img class="qr" alt="QR code of the link below" src="${qrImage(code.qr)}">`,
    `<p class="link" aria-label="Link"><code>${escapeHtml(code.link)}</code></p>`,
    `<p class="actions">${link('Copy Link', commands.copy)} ${link('Open Link', commands.open, 'quiet')} ${cancel}</p>`,
    waiting,
    `<p class="about">${escapeHtml(about)}</p>`,
  ].join('\n');
}

/** Light modules around a code, by which readers find it: ISO/IEC 18004 asks for four. */
const QUIET = 4;

/** A QR code as the address of a picture: dark on white whatever the theme is, as readers need it. The rows bring a quiet zone of one module. */
export function qrImage(rows: readonly (readonly boolean[])[]): string {
  const border = QUIET - 1;
  const size = rows.length + 2 * border;
  const path = rows.flatMap((row, y) => runsOf(row).map(([x, length]) => `M${x + border} ${y + border}h${length}v1h-${length}z`)).join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${path}"/></svg>`;
  return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
}

/** Where dark modules stand side by side: first column and how many. */
function runsOf(row: readonly boolean[]): readonly (readonly [number, number])[] {
  const runs: [number, number][] = [];
  row.forEach((dark, x) => {
    const last = runs.at(-1);
    if (!dark) return;
    if (last !== undefined && last[0] + last[1] === x) last[1] += 1;
    else runs.push([x, 1]);
  });
  return runs;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}

/** Codes of sign-ins whose code ran out: Happy's link, and hebing's, told by the server or by the clock. */
const RAN_OUT: ReadonlySet<string> = new Set(['link_expired', 'expired_token', 'device_flow_timeout']);

/** What failed, in one line: why a server cannot be reached is in it, once. */
export function problemOf(error: unknown): Problem {
  const why = whyUnreachable(error);
  const said = failureText(error);
  return { text: why === null || said.includes(why) ? said : `${said.replace(/\.$/, '')}: ${why}.`, expired: error instanceof PilothouseError && RAN_OUT.has(error.code) };
}
