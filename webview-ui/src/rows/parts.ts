import { below, opensFiles } from '../model/place.ts';
import { attachmentLine, plural } from '../model/words.ts';
import { parseAnsi } from '../text/ansi.ts';
import { diffLines } from '../text/patch.ts';
import type { DiffLine } from '../text/patch.ts';
import { button, el, icon } from '../transcript/dom.ts';
import type { RowContext } from '../transcript/view.ts';
import type { Attachment, FileDiff, Json } from '../types.ts';

/** The quiet line of a row: an icon that turns into a chevron, a word, what it was about, and figures at the end of the line. */
export class Line {
  readonly element: HTMLElement;
  private readonly head: HTMLElement;
  private readonly rest: HTMLElement;
  private readonly toggle: HTMLButtonElement | null;

  /** `onToggle` null: there is nothing to open. */
  constructor(onToggle: (() => void) | null) {
    this.rest = el('span', 'line-end');
    if (onToggle === null) {
      this.toggle = null;
      this.head = el('span', 'line-head');
      this.element = el('div', 'line', this.head, this.rest);
      return;
    }
    this.toggle = el('button', 'line-head');
    this.toggle.type = 'button';
    this.head = this.toggle;
    this.element = el('div', 'line can-open', this.toggle, this.rest);
    this.element.addEventListener('click', (event) => {
      if (event.target instanceof Element && event.target.closest('[role="link"]') !== null) return;
      if (document.getSelection()?.isCollapsed === false) return;
      onToggle();
    });
  }

  /** `iconName` '' leaves the chevron alone. */
  update(iconName: string, verb: string, subject: HTMLElement | null, end: readonly (HTMLElement | string)[], spoken: string): void {
    const sign = el('span', 'sign', ...(iconName === '' ? [] : [icon(iconName)]), ...(this.toggle === null ? [] : [icon('chevron-right')]));
    sign.classList.toggle('chevron-only', iconName === '');
    this.head.replaceChildren(sign, el('span', 'verb', verb));
    if (this.toggle !== null) this.toggle.setAttribute('aria-label', spoken);
    this.element.replaceChildren(this.head, ...(subject === null ? [] : [subject]), this.rest);
    this.rest.replaceChildren(...end.map((each) => (typeof each === 'string' ? el('span', '', each) : each)));
  }

  setOpen(open: boolean): void {
    this.toggle?.setAttribute('aria-expanded', String(open));
    this.element.classList.toggle('open', open);
  }
}

/** A path that opens its file; where it leads nowhere from here, the path alone. */
export function pathLink(path: string, line: number | null, className = 'subject'): HTMLElement {
  const words = line === null ? below(path) : `${below(path)}:${line}`;
  const shown = el('bdi', '', words);
  if (!opensFiles()) {
    const name = el('span', `${className} path`, shown);
    name.title = path;
    return name;
  }
  const link = el('a', `${className} link path`, shown);
  link.title = path;
  link.setAttribute('role', 'link');
  link.tabIndex = 0;
  link.dataset['path'] = path;
  if (line !== null) link.dataset['line'] = String(line);
  return link;
}

/** Added and removed lines: `+12 −3`. */
export function changeFigures(added: number, removed: number): HTMLElement {
  const figures = el('span', 'figures');
  if (added > 0 || removed === 0) figures.append(el('span', 'added', `+${added}`));
  if (removed > 0) figures.append(el('span', 'removed', `−${removed}`));
  return figures;
}

/** Opens a change in VS Code's diff editor. */
export function openDiff(context: RowContext, rowKey: string, index: number): HTMLElement {
  return button({ label: 'Open Diff', icon: 'diff', className: 'tool-button' }, (event) => {
    event.stopPropagation();
    void context.page.ask({ ask: 'open-diff', row: rowKey, index });
  });
}

const SIGNS: Readonly<Record<DiffLine['kind'], string>> = { add: '+', remove: '-', same: ' ', fold: '⋯' };
const FIRST_LINES = 8;
const MOST_LINES = 400;
/** Characters of a line that fit into the narrowest page. */
const NARROW = 28;

/** Changes of one file: its first lines, all of them on demand, and the whole in VS Code's diff editor. */
export function diffView(context: RowContext, rowKey: string, diff: FileDiff, index: number, named: boolean): HTMLElement {
  const lines = diffLines(diff.patch, 1);
  const key = `${rowKey}:diff:${index}`;
  const body = el('div', 'diff-lines');
  body.setAttribute('role', 'group');
  body.setAttribute('aria-label', `Changes of ${below(diff.path)}`);
  // It may scroll sideways, at the narrowest at least.
  if (lines.some((line) => line.text.length > NARROW)) body.tabIndex = 0;
  const more = el('div', 'more');
  more.hidden = lines.length <= FIRST_LINES + 2;
  const element = el('div', 'diff', named ? el('div', 'diff-name line', pathLink(diff.path, null, 'cut-start mono'), el('span', 'line-end', openDiff(context, rowKey, index), changeFigures(diff.added, diff.removed))) : null, body, more);
  const show = (): void => {
    const all = context.page.isOpen(key) || lines.length <= FIRST_LINES + 2;
    const shown = lines.slice(0, all ? MOST_LINES : FIRST_LINES);
    body.replaceChildren(...shown.map((line) => el('div', `diff-line ${line.kind}`, el('span', 'mark', SIGNS[line.kind]), el('span', 'code', line.text))));
    more.replaceChildren();
    if (lines.length > FIRST_LINES + 2) {
      more.append(button({ label: all ? 'Show less' : `Show all ${lines.length} lines`, text: all ? 'Show less' : `Show all ${lines.length} lines`, className: 'text-button' }, () => {
        context.hold();
        context.page.setOpen(key, !all);
        show();
      }));
    }
    if (lines.length > shown.length && all) more.append(el('span', 'dim', `${lines.length - shown.length} more in the diff`));
  };
  show();
  return element;
}

/** The last `most` lines of output, coloured. Lines above them are counted in the result. */
export function outputView(output: string, most: number): { element: HTMLElement; hidden: number } {
  const trimmed = output.replace(/\s+$/, '');
  // What the last lines show cannot reach further back than this.
  const near = trimmed.slice(-most * 2_000);
  const lines = parseAnsi(near);
  const shown = lines.slice(-most);
  const element = el('pre', 'output');
  element.dir = 'ltr';
  shown.forEach((runs, place) => {
    if (place > 0) element.append('\n');
    for (const run of runs) element.append(run.style === '' ? run.text : el('span', run.style, run.text));
  });
  const above = near.length === trimmed.length ? 0 : trimmed.slice(0, trimmed.length - near.length).split('\n').length;
  return { element, hidden: lines.length - shown.length + above };
}

const MOST_JSON = 20_000;

/** JSON as text, indented; inert. */
export function jsonView(value: Json, label: string): HTMLElement {
  const text = JSON.stringify(value, null, 2);
  const element = el('pre', 'json', visible(text.length > MOST_JSON ? `${text.slice(0, MOST_JSON)}\n… ${plural(text.length - MOST_JSON, 'more character')}` : text));
  element.tabIndex = 0;
  element.setAttribute('role', 'group');
  element.setAttribute('aria-label', label);
  return element;
}

/** Makes characters visible that hide or reorder text: what a person decides about must be what they see. */
export function visible(text: string): string {
  return text.replace(/[\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF\u00AD]/g, (char) => `‹U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}›`);
}

const IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/bmp']);

/** Address of an attachment that is a picture of a kind that browsers decode and that cannot act; null for all others. */
export function imageSource(file: Attachment): string | null {
  return file.data !== null && IMAGES.has(file.mediaType) && /^[A-Za-z0-9+/=\s]*$/.test(file.data.slice(0, 1_000)) ? `data:${file.mediaType};base64,${file.data}` : null;
}

/** Pictures as thumbnails, other files by name; each opens. */
export function attachmentsView(context: RowContext, rowKey: string, files: readonly Attachment[]): HTMLElement {
  const element = el('div', 'attachments');
  files.forEach((file, index) => {
    const source = imageSource(file);
    const open = el('button', source === null ? 'attachment' : 'attachment picture');
    open.type = 'button';
    open.setAttribute('aria-label', `Open ${attachmentLine(file)}`);
    open.title = attachmentLine(file);
    if (source === null) open.append(icon('file'), el('span', '', file.name));
    else {
      const image = el('img', '');
      image.alt = file.name;
      image.decoding = 'async';
      image.src = source;
      open.append(image);
    }
    open.addEventListener('click', () => void context.page.ask({ ask: 'open-attachment', row: rowKey, index }));
    element.append(open);
  });
  return element;
}
