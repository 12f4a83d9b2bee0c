import { button, el } from '../transcript/dom.ts';
import type { RowContext } from '../transcript/view.ts';
import type { TokenLine } from './tokens.ts';

/** Lines of one segment: each is an element of its own, so that a long text is never laid out, or coloured, as a whole. */
const SEGMENT_LINES = 100;
const SEGMENT_CHARS = 8_000;
/** Above this, segments are coloured only while they are near the view. */
const EAGER_LINES = 300;

interface Segment {
  readonly element: HTMLElement;
  lines: number;
  chars: number;
}

/** A block of code: text that may still grow, Copy and Insert, and colours once it is whole. */
export class CodeBlock {
  readonly element: HTMLElement;
  private readonly context: RowContext;
  private readonly body: HTMLElement;
  private readonly segments: Segment[] = [];
  private code = '';
  readonly language: string;
  private disposed = false;
  private tokens: readonly TokenLine[] = [];

  constructor(context: RowContext, language: string) {
    this.context = context;
    this.language = language;
    this.body = el('code', '');
    const pre = el('pre', 'code', this.body);
    pre.tabIndex = 0;
    pre.dir = 'ltr';
    pre.setAttribute('aria-label', language === '' ? 'Code' : `Code, ${language}`);
    pre.setAttribute('role', 'group');
    const copy = button({ label: 'Copy', icon: 'copy', className: 'tool-button' }, () => void this.copy(copy));
    const insert = button({ label: 'Insert', icon: 'insert', className: 'tool-button' }, () => void context.page.ask({ ask: 'insert-code', text: trimEnd(this.code) }));
    this.element = el('div', 'code-block', pre, el('div', 'code-tools', copy, insert));
  }

  /** Adds text at the end. */
  append(text: string): void {
    this.code += text;
    let from = 0;
    while (from < text.length) {
      let segment = this.segments.at(-1);
      if (segment === undefined || segment.lines >= SEGMENT_LINES || segment.chars >= SEGMENT_CHARS) {
        segment = { element: el('span', 'segment', document.createTextNode('')), lines: 0, chars: 0 };
        this.segments.push(segment);
        this.body.append(segment.element);
      }
      let end = from;
      while (segment.lines < SEGMENT_LINES && end < text.length) {
        const next = text.indexOf('\n', end);
        if (next < 0) {
          end = text.length;
          break;
        }
        end = next + 1;
        segment.lines += 1;
      }
      const last = segment.element.lastChild;
      const part = text.slice(from, end);
      if (last instanceof Text) last.appendData(part);
      else segment.element.append(part);
      segment.chars += part.length;
      from = end;
    }
  }

  /** Shows `code` in the place of what is there; where that has only grown, what came is added. */
  show(code: string): void {
    if (code.startsWith(this.code)) {
      if (code.length > this.code.length) this.append(code.slice(this.code.length));
      return;
    }
    this.code = '';
    this.segments.length = 0;
    this.body.replaceChildren();
    this.append(code);
  }

  /** The code is whole: `code` takes the place of what was shown, where that differs, and is coloured. */
  finish(code: string): void {
    this.show(code);
    this.context.highlighter.request(trimEnd(code), this.language, (lines) => this.colour(lines));
  }

  dispose(): void {
    this.disposed = true;
    for (const segment of this.segments) this.context.lazy.unwatch(segment.element);
  }

  private colour(lines: readonly TokenLine[]): void {
    if (this.disposed) return;
    this.tokens = lines;
    let line = 0;
    for (const segment of this.segments) {
      const start = line;
      line += segment.lines;
      if (lines.length <= EAGER_LINES) this.paint(segment, start);
      else {
        let plain = true;
        this.context.lazy.watch(segment.element, (near) => {
          if (near && plain) this.paint(segment, start);
          else if (!near && !plain) segment.element.replaceChildren(segment.element.textContent);
          plain = !near;
        });
      }
    }
  }

  private paint(segment: Segment, start: number): void {
    const fragment = document.createDocumentFragment();
    const last = segment === this.segments.at(-1) ? this.tokens.length : start + segment.lines;
    for (let line = start; line < last; line += 1) {
      const tokens = this.tokens[line] ?? [];
      for (let at = 0; at < tokens.length; at += 2) {
        const text = tokens[at] ?? '';
        const kind = tokens[at + 1] ?? '';
        fragment.append(kind === '' ? text : el('span', `tok-${kind}`, text));
      }
      fragment.append('\n');
    }
    segment.element.replaceChildren(fragment);
  }

  private async copy(pressed: HTMLButtonElement): Promise<void> {
    if (!(await this.context.page.ask({ ask: 'copy', text: trimEnd(this.code) }))) return;
    pressed.firstElementChild?.classList.replace('codicon-copy', 'codicon-check');
    setTimeout(() => pressed.firstElementChild?.classList.replace('codicon-check', 'codicon-copy'), 1_500);
  }
}

function trimEnd(code: string): string {
  return code.endsWith('\n') ? code.slice(0, -1) : code;
}
