import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import type { SessionKey } from '../../core/model/session.ts';
import { parseSessionKey, sessionKey } from '../../core/model/session.ts';
import { commandId, SEARCH_SCHEME } from '../contributions.ts';
import { titleOf } from '../tree/line.ts';
import { oneLine } from '../tree/text.ts';
import type { Group } from './groups.ts';

/** Documents that are kept while they are open, and no more than so many. */
const KEPT = 20;

interface Place {
  readonly line: number;
  readonly session: SessionKey;
  readonly row: string | null;
}

interface Results {
  readonly text: string;
  readonly places: readonly Place[];
}

const KINDS: ReadonlyMap<string, string> = new Map([['prompt', 'You'], ['text', 'Answer'], ['thinking', 'Thought'], ['tool', 'Tool'], ['permission', 'Request'], ['todo', 'To-do list'], ['file', 'File'], ['notice', 'Notice'], ['turn', 'Turn']]);

/** The whole of what a search found as a document, by session. `note` says how it ended, where it is not whole. */
export function resultsText(wanted: string, groups: readonly Group[], note: string): Results {
  const lines: string[] = [];
  const places: Place[] = [];
  const rows = groups.reduce((sum, group) => sum + group.rows.length, 0);
  const count = (number: number, word: string): string => `${number.toLocaleString()} ${word}${number === 1 ? '' : 's'}`;
  lines.push(`Search in all sessions: ${oneLine(wanted, 500)}`, `${count(rows, 'place')} in ${count(groups.length, 'session')}${note === '' ? '' : `. ${note}`}`);
  for (const { session, agent, machine, rows: found, more } of groups) {
    const key = sessionKey(session);
    lines.push('');
    places.push({ line: lines.length, session: key, row: null });
    lines.push([titleOf(session), oneLine(agent, 60), oneLine(machine, 60), oneLine(session.folder, 300)].filter((word) => word !== '').join(' · '));
    for (const hit of found) {
      places.push({ line: lines.length, session: key, row: hit.row });
      lines.push(`  ${KINDS.get(hit.kind ?? '') ?? 'Event'}${hit.at === null ? '' : `, ${new Date(hit.at).toLocaleString()}`}: ${oneLine(hit.snippet.text, 400)}`);
    }
    if (more > 0) lines.push(`  ${more.toLocaleString()} more in this session: open it and use Find in Chat.`);
  }
  return { text: `${lines.join('\n')}\n`, places };
}

/** What searches found, as read-only documents whose lines lead to the rows. Plain text: of markdown VS Code makes links that run commands, and this text is of agents. */
export class SearchDocuments implements vscode.TextDocumentContentProvider, vscode.DocumentLinkProvider, vscode.FoldingRangeProvider, vscode.Disposable {
  private readonly kept = new Map<string, Results>();
  private readonly disposables: vscode.Disposable[];

  constructor() {
    const where = { scheme: SEARCH_SCHEME };
    this.disposables = [
      vscode.workspace.registerTextDocumentContentProvider(SEARCH_SCHEME, this),
      vscode.languages.registerDocumentLinkProvider(where, this),
      vscode.languages.registerFoldingRangeProvider(where, this),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => uri.scheme === SEARCH_SCHEME && this.kept.delete(uri.authority)),
    ];
  }

  async show(results: Results): Promise<void> {
    const authority = randomUUID();
    this.kept.set(authority, results);
    for (const key of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(key);
    }
    const document = await vscode.workspace.openTextDocument(vscode.Uri.from({ scheme: SEARCH_SCHEME, authority, path: '/Search Results.txt' }));
    await vscode.window.showTextDocument(document, { preview: false });
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.kept.get(uri.authority)?.text ?? 'These results are not kept. Search again with Search Sessions….';
  }

  provideDocumentLinks(document: vscode.TextDocument): vscode.DocumentLink[] {
    return (this.kept.get(document.uri.authority)?.places ?? []).flatMap(({ line, session, row }) => {
      const ref = parseSessionKey(session);
      if (ref === null || line >= document.lineCount) return [];
      const { text, firstNonWhitespaceCharacterIndex: from } = document.lineAt(line);
      // The head of a line leads to its row: what was said stays text that can be taken.
      const to = row === null ? text.length : text.indexOf(': ', from);
      const target = { connectionId: ref.connectionId, sessionId: ref.id, ...(row === null ? {} : { row }) };
      const link = new vscode.DocumentLink(new vscode.Range(line, from, line, to < 0 ? text.length : to), vscode.Uri.parse(`command:${commandId('openSession')}?${encodeURIComponent(JSON.stringify([target]))}`));
      link.tooltip = row === null ? 'Open Session' : 'Open Session Here';
      return [link];
    });
  }

  provideFoldingRanges(document: vscode.TextDocument): vscode.FoldingRange[] {
    const heads = (this.kept.get(document.uri.authority)?.places ?? []).filter(({ row }) => row === null);
    return heads.map(({ line }, place) => new vscode.FoldingRange(line, (heads[place + 1]?.line ?? document.lineCount) - 2));
  }

  dispose(): void {
    this.kept.clear();
    vscode.Disposable.from(...this.disposables).dispose();
  }
}
