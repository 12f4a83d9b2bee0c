import * as vscode from 'vscode';

/** Scheme of the answers and prompts of workers, which are edited as files. */
export const WORKER_SCHEME = 'pilothouse-worker';
/** Name of the file with a worker's prompt. VS Code takes `prompt.md` for one of its own. */
export const TEMPLATE_FILE = 'Worker template.md';

interface Held {
  bytes: Uint8Array;
  readonly saved: ((text: string) => void) | null;
  changedAt: number;
}

/** Texts of workers as files in memory, which an editor can change and save. Gone with the window. */
export class WorkerFiles implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly files = new Map<string, Held>();
  private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  private readonly registration: vscode.Disposable;
  readonly onDidChangeFile = this.changed.event;

  constructor() {
    this.registration = vscode.workspace.registerFileSystemProvider(WORKER_SCHEME, this, { isCaseSensitive: true });
  }

  /** Makes a file; `id` names its folder. `saved` is told what is saved, and throws where it may not be. */
  put(id: string, name: string, text: string, saved: ((text: string) => void) | null): vscode.Uri {
    const uri = vscode.Uri.from({ scheme: WORKER_SCHEME, path: `/${id}/${name.replaceAll(/[\\/?#%]/g, '_')}` });
    this.files.set(uri.path, { bytes: Buffer.from(text), saved, changedAt: Date.now() });
    return uri;
  }

  /** Opens a file in an editor. */
  async show(uri: vscode.Uri): Promise<void> {
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: false });
  }

  /** Closes the editors of everything in a folder; what was changed in them is gone. */
  async drop(id: string): Promise<void> {
    const mine = ({ path, scheme }: vscode.Uri): boolean => scheme === WORKER_SCHEME && path.startsWith(`/${id}/`);
    for (const document of vscode.workspace.textDocuments) if (mine(document.uri) && document.isDirty) await document.save();
    const tabs = vscode.window.tabGroups.all.flatMap(({ tabs: each }) => each).filter(({ input }) => input instanceof vscode.TabInputText && mine(input.uri));
    await vscode.window.tabGroups.close(tabs);
    for (const path of this.files.keys()) if (path.startsWith(`/${id}/`)) this.files.delete(path);
  }

  stat(uri: vscode.Uri): vscode.FileStat {
    const { bytes, changedAt } = this.need(uri);
    return { type: vscode.FileType.File, ctime: 0, mtime: changedAt, size: bytes.length };
  }
  readFile(uri: vscode.Uri): Uint8Array {
    return this.need(uri).bytes;
  }
  writeFile(uri: vscode.Uri, content: Uint8Array): void {
    const file = this.need(uri);
    try {
      file.saved?.(Buffer.from(content).toString('utf8'));
    } catch (error) {
      throw vscode.FileSystemError.Unavailable(error instanceof Error ? error.message : 'It could not be saved.');
    }
    file.bytes = content;
    file.changedAt = Date.now();
    this.changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
  }
  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }
  readDirectory(): [string, vscode.FileType][] {
    return [];
  }
  createDirectory(): void {
    throw vscode.FileSystemError.NoPermissions('There are no folders here.');
  }
  delete(uri: vscode.Uri): void {
    this.files.delete(uri.path);
  }
  rename(): void {
    throw vscode.FileSystemError.NoPermissions('Nothing is renamed here.');
  }

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
    this.files.clear();
  }

  private need(uri: vscode.Uri): Held {
    const file = this.files.get(uri.path);
    if (file === undefined) throw vscode.FileSystemError.FileNotFound(uri);
    return file;
  }
}
