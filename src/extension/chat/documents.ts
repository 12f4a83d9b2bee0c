import { randomUUID } from 'node:crypto';
import path from 'node:path';
import * as vscode from 'vscode';
import type { FileDiff } from '../../core/model/entry.ts';
import { diffSides } from './diffSides.ts';

const SCHEME = 'pilothouse';
const KEPT = 60;

/** Read-only documents of ours: sides of a diff, outputs, exports. Held in memory, the latest sixty. */
export class ReadOnlyDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly texts = new Map<string, string>();
  private readonly registration: vscode.Disposable;

  constructor() {
    this.registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? 'This document is no longer kept. Open it again from its chat.';
  }

  /** A document of that name and text; the name's ending chooses the language. */
  add(name: string, text: string): vscode.Uri {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${randomUUID()}/${name.replaceAll(/[\\/?#]/g, '_')}` });
    this.texts.set(uri.toString(), text);
    for (const key of this.texts.keys()) {
      if (this.texts.size <= KEPT) break;
      this.texts.delete(key);
    }
    return uri;
  }

  /** Opens a document of that name and text; at a line of it, from 1, where one is given. */
  async open(name: string, text: string, line: number | null = null): Promise<void> {
    const document = await vscode.workspace.openTextDocument(this.add(name, text));
    await vscode.window.showTextDocument(document, { preview: true, ...(line === null ? {} : { selection: document.lineAt(Math.min(line, document.lineCount) - 1).range }) });
  }

  /** Opens VS Code's diff editor on a change of a file, whole where both sides are known, else on the changed parts. */
  async openDiff(diff: FileDiff, title: string): Promise<void> {
    const name = path.basename(diff.path);
    const { before, after } = diffSides(diff);
    await vscode.commands.executeCommand('vscode.diff', this.add(name, before), this.add(name, after), title, { preview: true });
  }

  dispose(): void {
    this.registration.dispose();
    this.texts.clear();
  }
}
