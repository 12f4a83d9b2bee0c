import * as vscode from 'vscode';
import type { Fleet } from '../../core/fleet/fleet.ts';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import type { Logger } from '../../core/model/context.ts';
import { describeError } from '../../core/model/errors.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { commandId, TRANSCRIPT_SCHEME } from '../contributions.ts';
import { printOf } from '../remote/place.ts';
import { shortFolder } from '../tree/model.ts';
import { titleOf } from '../tree/line.ts';
import { agentName, machineAmid, oneLine } from '../tree/text.ts';
import type { TranscriptText } from './transcriptText.ts';
import { TranscriptSlice } from './transcriptText.ts';

/** A text that somebody reads changes at most this often, in milliseconds. */
const FOLLOW_MS = 1_000;

interface Reading {
  readonly key: SessionKey;
  readonly uri: vscode.Uri;
  readonly runtime: SessionRuntime;
  readonly slice: TranscriptSlice;
  readonly watch: { dispose(): unknown };
  timer: NodeJS.Timeout | null;
  /** Something came that the document does not have. */
  behind: boolean;
  shown: TranscriptText | null;
}

/**
 * Transcripts as plain, read-only text documents: for screen readers, for the caret, and for all that editors do with text. Each follows its session while it can be seen. Plain text
 * it is, since of markdown VS Code makes links that run commands, and this text is of agents.
 */
export class TranscriptDocuments implements vscode.TextDocumentContentProvider, vscode.DocumentSymbolProvider, vscode.FoldingRangeProvider, vscode.DocumentLinkProvider, vscode.Disposable {
  private readonly fleet: Fleet;
  private readonly log: Logger;
  private readonly open = new Map<string, Reading>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly disposables: vscode.Disposable[];
  readonly onDidChange = this.changed.event;

  constructor(fleet: Fleet, log: Logger) {
    this.fleet = fleet;
    this.log = log;
    const where = { scheme: TRANSCRIPT_SCHEME };
    this.disposables = [
      this.changed,
      vscode.workspace.registerTextDocumentContentProvider(TRANSCRIPT_SCHEME, this),
      vscode.languages.registerDocumentSymbolProvider(where, this, { label: 'Turns' }),
      vscode.languages.registerFoldingRangeProvider(where, this),
      vscode.languages.registerDocumentLinkProvider(where, this),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.close(uri)),
      vscode.window.onDidChangeVisibleTextEditors((editors) => {
        for (const { document } of editors) {
          const reading = this.at(document.uri);
          if (reading?.behind === true) this.follow(reading);
        }
      }),
    ];
  }

  /** The session whose transcript a document is; null for any other document. */
  sessionOf(uri: vscode.Uri): SessionKey | null {
    return this.at(uri)?.key ?? null;
  }

  /** Shows the transcript of a session, with the cursor at its last row. */
  async show(key: SessionKey): Promise<void> {
    const before = this.open.get(printOf(key));
    // A connection that was made anew has made the session anew.
    if (before?.runtime.isClosed === true) this.end(before);
    const reading = this.open.get(printOf(key)) ?? (await this.begin(key));
    if (before?.runtime.isClosed === true) this.changed.fire(reading.uri);
    const document = await vscode.workspace.openTextDocument(reading.uri);
    const last = reading.shown?.sections.at(-1)?.line ?? 0;
    const known = vscode.window.visibleTextEditors.find((editor) => editor.document === document);
    const editor = await vscode.window.showTextDocument(document, { preview: false, ...(known?.viewColumn === undefined ? {} : { viewColumn: known.viewColumn }) });
    if (known !== undefined) return;
    const at = new vscode.Position(Math.min(last, document.lineCount - 1), 0);
    editor.selection = new vscode.Selection(at, at);
    editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  /** Adds rows before the first one that the document has. */
  showEarlier(uri: vscode.Uri): void {
    const reading = this.at(uri);
    if (reading === undefined) return;
    reading.slice.more();
    this.changed.fire(reading.uri);
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const reading = this.at(uri);
    if (reading === undefined) return 'This transcript is not followed any more. Open it again from its session.';
    reading.behind = false;
    const session = this.fleet.session(reading.key);
    const connection = this.fleet.connections().find((each) => each.connectionId === reading.runtime.connectionId);
    const machine = this.fleet.machines().find((each) => each.id === session?.machineId);
    const agent = session === null ? (connection?.name ?? 'The agent') : agentName(session, connection);
    const home = machine?.home ?? null;
    const where = session === null ? agent : `${agent}${machine === undefined ? '' : ` on ${oneLine(machineAmid(machine.name), 80)}`} in ${oneLine(shortFolder(session.folder, home === null ? [] : [home]), 400)}`;
    try {
      reading.shown = await reading.slice.read([titleOf({ title: session?.title ?? '' }), where], agent);
      return reading.shown.text;
    } catch (error) {
      this.log.warn('a transcript could not be read', { error: describeError(error) });
      return 'This transcript could not be read. Close this tab and open it again.';
    }
  }

  provideDocumentSymbols(document: vscode.TextDocument): vscode.DocumentSymbol[] {
    const turns: vscode.DocumentSymbol[] = [];
    for (const { head, prompt, line, lastLine } of this.sections(document)) {
      const words = prompt ? `You: ${oneLine(document.lineAt(Math.min(line + 1, lastLine)).text, 120)}` : head;
      const symbol = new vscode.DocumentSymbol(words === '' ? '…' : words, '', prompt ? vscode.SymbolKind.Event : vscode.SymbolKind.String, new vscode.Range(line, 0, lastLine, document.lineAt(lastLine).text.length), new vscode.Range(line, 0, line, document.lineAt(line).text.length));
      const turn = turns.at(-1);
      if (prompt || turn === undefined) turns.push(symbol);
      else {
        turn.children.push(symbol);
        turn.range = turn.range.union(symbol.range);
      }
    }
    return turns;
  }

  provideFoldingRanges(document: vscode.TextDocument): vscode.FoldingRange[] {
    return this.sections(document).filter(({ line, lastLine }) => lastLine > line).map(({ line, lastLine }) => new vscode.FoldingRange(line, lastLine));
  }

  provideDocumentLinks(document: vscode.TextDocument): vscode.DocumentLink[] {
    const line = this.at(document.uri)?.shown?.earlierLine ?? null;
    if (line === null || line >= document.lineCount) return [];
    const { text } = document.lineAt(line);
    const from = text.indexOf('Show Earlier Rows');
    if (from < 0) return [];
    const link = new vscode.DocumentLink(new vscode.Range(line, from, line, text.length), vscode.Uri.parse(`command:${commandId('showEarlierRows')}`));
    link.tooltip = 'Show Earlier Rows';
    return [link];
  }

  dispose(): void {
    for (const reading of this.open.values()) this.end(reading);
    vscode.Disposable.from(...this.disposables).dispose();
  }

  /** Sections, where the document is as we gave it. */
  private sections(document: vscode.TextDocument): TranscriptText['sections'] {
    const sections = this.at(document.uri)?.shown?.sections ?? [];
    return (sections.at(-1)?.lastLine ?? 0) < document.lineCount ? sections : [];
  }

  private at(uri: vscode.Uri): Reading | undefined {
    return uri.scheme === TRANSCRIPT_SCHEME ? this.open.get(uri.authority) : undefined;
  }

  private async begin(key: SessionKey): Promise<Reading> {
    const runtime = await this.fleet.open(key);
    const print = printOf(key);
    const other = this.open.get(print);
    if (other !== undefined) {
      runtime.release();
      return other;
    }
    const name = titleOf({ title: this.fleet.session(key)?.title ?? '' }, 60).replaceAll(/[\\/?#\p{C}]/gu, '_');
    const reading: Reading = {
      key, uri: vscode.Uri.from({ scheme: TRANSCRIPT_SCHEME, authority: print, path: `/${name} (transcript).txt` }), runtime, slice: new TranscriptSlice(runtime.transcript), timer: null, behind: false, shown: null,
      watch: runtime.transcript.onChange(() => this.follow(reading)),
    };
    this.open.set(print, reading);
    return reading;
  }

  private follow(reading: Reading): void {
    reading.behind = true;
    if (reading.timer !== null) return;
    reading.timer = setTimeout(() => {
      reading.timer = null;
      // What cannot be seen is brought up when it can.
      if (reading.behind && vscode.window.visibleTextEditors.some(({ document }) => document.uri.authority === reading.uri.authority)) this.changed.fire(reading.uri);
    }, FOLLOW_MS);
  }

  private close(uri: vscode.Uri): void {
    const reading = this.at(uri);
    if (reading !== undefined) this.end(reading);
  }

  private end(reading: Reading): void {
    this.open.delete(reading.uri.authority);
    if (reading.timer !== null) clearTimeout(reading.timer);
    reading.watch.dispose();
    reading.runtime.release();
  }
}
