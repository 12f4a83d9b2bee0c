import * as vscode from 'vscode';
import type { JsonObject } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';
import type { Capability } from '../../core/systems/hebing/index.ts';
import type { ContextKey } from '../contributions.ts';
import { commandId } from '../contributions.ts';
import { oneLine } from '../tree/text.ts';
import { pretty } from './artifact.ts';
import type { HebingBoards } from './boards.ts';
import { draftText, editorSchema, SCHEMA_SCHEME, schemaAddress, skeleton, targetAt, targetOfDraft } from './draft.ts';

const ENOUGH_MS = 20_000;

/** Inputs of capabilities that are edited as JSON: untitled documents that name their schema, with *Call* above their first line and in their title bar. */
export class DraftEditors implements vscode.TextDocumentContentProvider, vscode.CodeLensProvider, vscode.Disposable {
  private readonly boards: HebingBoards;
  private readonly setContext: (key: ContextKey, value: boolean) => Promise<void>;
  private readonly disposables: vscode.Disposable[];
  /** Schemas by their address, as they were when a draft was made. */
  private readonly schemas = new Map<string, string>();

  constructor(boards: HebingBoards, setContext: (key: ContextKey, value: boolean) => Promise<void>) {
    this.boards = boards;
    this.setContext = setContext;
    this.disposables = [
      vscode.workspace.registerTextDocumentContentProvider(SCHEMA_SCHEME, this),
      vscode.languages.registerCodeLensProvider({ language: 'json', scheme: 'untitled' }, this),
      vscode.window.onDidChangeActiveTextEditor(() => this.look()),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document === vscode.window.activeTextEditor?.document) this.look();
      }),
    ];
    this.look();
  }

  /** Opens a draft of an input for a capability. */
  async open(connectionId: string, capability: Capability, input: JsonObject): Promise<void> {
    const target = { connectionId, capabilityKey: capability.capabilityKey };
    this.schemas.set(vscode.Uri.parse(schemaAddress(target)).path, pretty(editorSchema(capability.inputSchema)));
    const filled = Object.keys(input).length === 0 ? skeleton(capability.inputSchema) : input;
    const document = await vscode.workspace.openTextDocument({ language: 'json', content: draftText(target, filled) });
    await vscode.window.showTextDocument(document, { preview: false });
  }

  /** The schema that a draft names: VS Code's JSON editor asks for it. After a reload it is read again. */
  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const known = this.schemas.get(uri.path);
    if (known !== undefined) return known;
    const target = targetAt(uri.path);
    const board = target === null ? undefined : this.boards.get(target.connectionId)?.board;
    const state = await Promise.race([board?.loaded(), new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), ENOUGH_MS))]);
    const schema = state?.capabilities.find((capability) => capability.capabilityKey === target?.capabilityKey)?.inputSchema ?? null;
    return pretty(isJsonObject(schema) ? editorSchema(schema) : { type: 'object' });
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const target = targetOfDraft(document.getText());
    if (target === null) return [];
    const name = this.boards.get(target.connectionId)?.board.state.capabilities.find((capability) => capability.capabilityKey === target.capabilityKey)?.name ?? target.capabilityKey;
    return [new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), { title: `$(play) Call ${oneLine(name, 80)}`, command: commandId('sendCall'), arguments: [{ uri: document.uri.toString() }] })];
  }

  dispose(): void {
    for (const each of this.disposables) each.dispose();
  }

  private look(): void {
    const document = vscode.window.activeTextEditor?.document;
    void this.setContext('pilothouse.callDraft', document !== undefined && document.isUntitled && document.languageId === 'json' && targetOfDraft(document.getText()) !== null);
  }
}
