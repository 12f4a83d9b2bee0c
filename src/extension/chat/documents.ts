import { randomUUID } from 'node:crypto';
import path from 'node:path';
import * as vscode from 'vscode';
import { applyPatch, parsePatch, reversePatch } from 'diff';
import type { FileDiff } from '../../core/model/entry.ts';

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

  async open(name: string, text: string): Promise<void> {
    const document = await vscode.workspace.openTextDocument(this.add(name, text));
    await vscode.window.showTextDocument(document, { preview: true });
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

/** Both sides of a change: the whole texts where they are known or follow from the patch, else the hunks' lines alone. */
export function diffSides(diff: FileDiff): { before: string; after: string } {
  if (diff.change === 'create' && diff.after !== null) return { before: '', after: diff.after };
  if (diff.change === 'delete' && diff.before !== null) return { before: diff.before, after: '' };
  if (diff.before !== null && diff.after !== null) return { before: diff.before, after: diff.after };
  const headed = `--- a\n+++ b\n${diff.patch.endsWith('\n') ? diff.patch : `${diff.patch}\n`}`;
  try {
    if (diff.before !== null) {
      const after = applyPatch(diff.before, headed);
      if (after !== false) return { before: diff.before, after };
    }
    const [parsed] = parsePatch(headed);
    if (diff.after !== null && parsed !== undefined) {
      const before = applyPatch(diff.after, reversePatch(parsed));
      if (before !== false) return { before, after: diff.after };
    }
  } catch {
    // A patch that jsdiff does not read is shown line by line below.
  }
  const before: string[] = [];
  const after: string[] = [];
  for (const line of diff.patch.split('\n')) {
    if (line.startsWith('@@') || line.startsWith('\\')) continue;
    if (line.startsWith('-')) before.push(line.slice(1));
    else if (line.startsWith('+')) after.push(line.slice(1));
    else {
      before.push(line.slice(1));
      after.push(line.slice(1));
    }
  }
  return { before: before.join('\n'), after: after.join('\n') };
}
