import * as vscode from 'vscode';

/** The text editor that was used last, for what a chat inserts: while a chat has the focus VS Code names none. */
export class LastEditor implements vscode.Disposable {
  private used: vscode.TextEditor | undefined = vscode.window.activeTextEditor;
  private readonly watch = vscode.window.onDidChangeActiveTextEditor((editor) => {
    if (editor !== undefined) this.used = editor;
  });

  /** While it can be seen; else another editor of a file that can be. */
  get(): vscode.TextEditor | undefined {
    const visible = vscode.window.visibleTextEditors.filter((each) => ['file', 'untitled', 'vscode-remote'].includes(each.document.uri.scheme));
    return visible.find((each) => each.document === this.used?.document) ?? visible[0];
  }

  dispose(): void {
    this.watch.dispose();
  }
}
