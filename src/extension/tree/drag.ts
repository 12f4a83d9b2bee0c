import * as vscode from 'vscode';
import type { SessionKey } from '../../core/model/session.ts';
import type { CommandName } from '../contributions.ts';
import { commandId, VIEWS } from '../contributions.ts';
import { dropOf } from './drop.ts';
import type { TreeNode } from './model.ts';

const MIME = `application/vnd.code.tree.${VIEWS.sessions.toLowerCase()}`;

/** Sessions that are dragged onto Pinned or Archived, or out of them. */
export class SessionDrag implements vscode.TreeDragAndDropController<string> {
  readonly dragMimeTypes = [MIME];
  readonly dropMimeTypes = [MIME];
  private readonly node: (id: string) => TreeNode | null;

  constructor(node: (id: string) => TreeNode | null) {
    this.node = node;
  }

  handleDrag(ids: readonly string[], data: vscode.DataTransfer): void {
    const keys = ids.map((id) => this.node(id)).flatMap((node) => (node?.kind === 'session' ? [node.key] : []));
    if (keys.length > 0) data.set(MIME, new vscode.DataTransferItem(keys));
  }

  async handleDrop(target: string | undefined, data: vscode.DataTransfer): Promise<void> {
    const keys = data.get(MIME)?.value as unknown;
    const node = target === undefined ? null : this.node(target);
    if (!Array.isArray(keys)) return;
    for (const name of dropOf(node)) await vscode.commands.executeCommand(commandId(name satisfies CommandName), { keys: keys.filter((key): key is SessionKey => typeof key === 'string') });
  }
}
