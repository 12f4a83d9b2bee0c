import { isStreaming, shownInput } from '../model/input.ts';
import { below } from '../model/place.ts';
import { duration, oneLine, plural, rowLabel, toolLine } from '../model/words.ts';
import type { ToolLine } from '../model/words.ts';
import { button, el, icon } from '../transcript/dom.ts';
import type { RowContext, RowView } from '../transcript/view.ts';
import type { Row, ToolRow } from '../types.ts';
import { NestedRows } from './nested.ts';
import { attachmentsView, changeFigures, diffView, jsonView, Line, openDiff, outputView, pathLink, visible } from './parts.ts';

/** Lines of output at a glance: a little of what went well, more of what did not. */
const GLANCE = { ok: 3, failed: 8, running: 5 } as const;
const OPEN_LINES = 200;
/** Lines of an output in which something was found: all that a row carries. */
const FOUND_LINES = 20_000;

/** A tool call in one quiet line that says what happened; edits and commands show a little of it at once, the rest opens on demand. */
export function toolRow(context: RowContext): RowView {
  const element = el('div', 'row tool');
  const body = el('div', 'body');
  let row: ToolRow | null = null;
  let nested: NestedRows | null = null;
  let drawn = '';

  const byDefault = (): boolean => row?.diffs.some((diff) => diff.patch !== '') ?? false;
  const draw = (): void => {
    if (row === null) return;
    const open = context.page.isOpen(row.key, byDefault());
    const line = toolLine(row);
    const running = row.status === 'running';
    head.update(running ? 'loading codicon-modifier-spin' : line.icon, line.verb, subjectOf(line), endOf(context, row, line, open ? null : fetch), rowLabel(row, ''));
    head.setOpen(open);
    element.classList.toggle('failed', line.failed);
    drawBody(row, open, line);
  };

  const drawBody = (now: ToolRow, open: boolean, line: ToolLine): void => {
    // Children are kept by their own list; everything else of a body is cheap, but not worth drawing when nothing of it changed.
    const state = JSON.stringify([open, now.diffs.length, now.output.length, now.output.slice(-200), now.status, now.attachments.length, now.children.length === 0, now.command, shownInput(now) !== null, isStreaming(now), context.page.isOpen(`${now.key}:json`), context.page.outputs.get(now.key), context.page.opens.peek()]);
    if (state !== drawn) {
      drawn = state;
      const parts: HTMLElement[] = [];
      if (open && now.children.length > 0) {
        nested ??= new NestedRows(context, now.key);
        parts.push(nested.element);
      } else {
        nested?.dispose();
        nested = null;
      }
      parts.push(...(open ? openParts(context, now, fetch) : glance(now, line)));
      body.replaceChildren(...parts);
      if (parts.length === 0) body.remove();
      else if (body.parentElement === null) element.append(body);
    }
    if (open) nested?.update(now.children);
    else if (now.children.length > 0) showLastStep(now);
  };

  const showLastStep = (now: ToolRow): void => {
    const last = now.children.findLast((child): child is ToolRow => child.kind === 'tool');
    if (now.status !== 'running' || last === undefined) return;
    body.replaceChildren(el('div', 'step dim', stepLine(last)));
    if (body.parentElement === null) element.append(body);
    drawn = '';
  };

  /** Opens the row, where what comes of it is said. */
  const fetch = (): void => {
    if (row === null) return;
    context.hold();
    context.page.setOpen(row.key, true, byDefault());
    void context.page.fetchOutput(row.key, () => {
      context.hold();
      draw();
      context.schedule();
    });
  };

  const head = new Line(() => {
    if (row === null) return;
    context.hold();
    context.page.setOpen(row.key, !context.page.isOpen(row.key, byDefault()), byDefault());
    draw();
    context.schedule();
  });
  element.append(head.element);
  return {
    element,
    update: (next: Row) => {
      if (next.kind !== 'tool') return;
      row = next;
      draw();
    },
    work: (deadline) => nested?.work(deadline) ?? false,
    dispose: () => nested?.dispose(),
  };
}

function stepLine(row: ToolRow): string {
  const line = toolLine(row);
  return `${line.verb} ${line.subject}`;
}

function subjectOf(line: ToolLine): HTMLElement | null {
  if (line.subject === '') return null;
  if (line.path !== null && line.subject === below(line.path)) return pathLink(line.path, line.line, 'subject cut-start mono');
  return el('span', line.mono ? 'subject mono' : 'subject', visible(line.subject));
}

function endOf(context: RowContext, row: ToolRow, line: ToolLine, fetch: (() => void) | null): (HTMLElement | string)[] {
  const end: (HTMLElement | string)[] = [];
  if (fetch !== null && canFetch(context, row)) end.push(fetchButton(fetch, true));
  if (row.diffs.length === 1) end.push(openDiff(context, row.key, 0));
  if (line.added !== null) end.push(changeFigures(line.added, line.removed ?? 0));
  if (row.children.length > 0) end.push(plural(row.children.filter((child) => child.kind === 'tool').length, 'step'));
  if (line.outcome !== null) end.push(el('span', line.failed ? 'outcome failed' : row.status === 'waiting' ? 'outcome waiting' : 'outcome', line.outcome));
  // How long an edit took says nothing.
  if (row.durationMs !== null && row.status !== 'running' && line.added === null) end.push(duration(row.durationMs));
  return end;
}

/** What a closed tool shows under its line. */
function glance(row: ToolRow, line: ToolLine): HTMLElement[] {
  if (row.verb !== 'execute' && !line.failed) return [];
  if (row.output.trim() === '') return [];
  return [outputView(row.output, line.failed ? GLANCE.failed : row.status === 'running' ? GLANCE.running : GLANCE.ok).element];
}

/** True where the row's output does not come by itself, and is not here. */
function canFetch(context: RowContext, row: ToolRow): boolean {
  const { page } = context;
  return page.state.peek()?.traits.outputOnRequest === true && row.status !== 'running' && row.status !== 'waiting' && row.status !== 'denied' && row.output === '' && row.diffs.length === 0 && row.children.length === 0 && page.outputs.get(row.key)?.state !== 'here';
}

function fetchButton(fetch: () => void, quiet: boolean): HTMLElement {
  const options = quiet ? { label: 'Show Output', icon: 'output', className: 'tool-button' } : { label: 'Show Output', text: 'Show Output', className: 'text-button' };
  return button(options, (event) => {
    event.stopPropagation();
    fetch();
  });
}

/** The way to an output that the person must ask for, how that goes, and why it went wrong. */
function fetchPart(context: RowContext, row: ToolRow, fetch: () => void): HTMLElement {
  const fetched = context.page.outputs.get(row.key);
  const machine = context.page.state.peek()?.machine ?? '';
  const part = el('div', 'more fetch');
  part.setAttribute('role', 'status');
  if (fetched?.state === 'waiting') part.append(icon('loading codicon-modifier-spin'), el('span', 'dim', machine === '' ? 'Fetching the output…' : `Fetching the output from ${machine}…`));
  else {
    if (fetched?.state === 'failed') part.append(icon('warning'), el('span', 'dim', fetched.message));
    part.append(fetchButton(fetch, false));
  }
  return part;
}

function openParts(context: RowContext, row: ToolRow, fetch: () => void): HTMLElement[] {
  const parts: HTMLElement[] = [];
  if (row.command !== null && (row.command.includes('\n') || row.command.length > 70)) parts.push(el('pre', 'command', visible(row.command)));
  if (row.command !== null && row.cwd !== null) parts.push(el('div', 'cwd dim', `in ${row.cwd}`));
  row.diffs.forEach((diff, index) => (diff.patch !== '' || row.diffs.length > 1) && parts.push(diffView(context, row.key, diff, index, row.diffs.length > 1)));
  const input = shownInput(row);
  if (row.command === null && row.diffs.length === 0 && row.children.length === 0 && input !== null) parts.push(jsonView(input, 'What it was called with'));
  if (row.output.trim() !== '' && row.diffs.length === 0) {
    const { element, hidden } = outputView(row.output, context.page.isOpen(`${row.key}:output`) ? FOUND_LINES : OPEN_LINES);
    element.classList.add('whole');
    element.tabIndex = 0;
    element.setAttribute('role', 'group');
    element.setAttribute('aria-label', 'Output');
    parts.push(element);
    const more = el('div', 'more');
    if (hidden > 0 || row.outputOmitted > 0) more.append(el('span', 'dim', hidden > 0 ? `${plural(hidden, 'line')} above` : 'cut short here'));
    more.append(button({ label: 'Open Output', text: 'Open Output', className: 'text-button' }, () => void context.page.ask({ ask: 'open-output', row: row.key, line: null })));
    parts.push(more);
  }
  if (canFetch(context, row)) parts.push(fetchPart(context, row, fetch));
  if (row.attachments.length > 0) parts.push(attachmentsView(context, row.key, row.attachments));
  if (parts.length === 0 && row.children.length === 0 && !isStreaming(row)) parts.push(el('div', 'dim', row.status === 'running' ? 'No output yet.' : `${oneLine(row.title) || row.name}: no output.`));
  return parts;
}
