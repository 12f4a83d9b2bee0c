import * as vscode from 'vscode';
import type { HeldFile } from './held.ts';
import { HeldFiles } from './held.ts';

const HELD_BYTES = 64 * 1024 * 1024;

/** Files that are elsewhere, for reading only, as files that VS Code reads: editors, its image viewer and Save As… work on them. Contents are held while a tab shows them. */
export abstract class ShownFiles implements vscode.FileSystemProvider, vscode.Disposable {
  /** Aborted when the extension ends. */
  protected readonly end = new AbortController();
  protected readonly held = new HeldFiles(HELD_BYTES);
  private readonly scheme: string;
  private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  private readonly disposables: vscode.Disposable[];
  readonly onDidChangeFile = this.changed.event;

  /** `readOnly`: what an editor says to who wants to write. */
  constructor(scheme: string, readOnly: string) {
    this.scheme = scheme;
    this.disposables = [
      vscode.workspace.registerFileSystemProvider(scheme, this, { isCaseSensitive: true, isReadonly: new vscode.MarkdownString(readOnly) }),
      vscode.window.tabGroups.onDidChangeTabs(({ closed }) => this.forget(closed)),
      this.changed,
    ];
  }

  abstract stat(uri: vscode.Uri): Promise<vscode.FileStat>;
  abstract readFile(uri: vscode.Uri): Promise<Uint8Array>;

  /** Contents for the editors that show an address from now on; those that show it already are told. `modifiedAt`: milliseconds since the epoch. */
  hold(uri: vscode.Uri, bytes: Uint8Array, modifiedAt: number | null): void {
    if (this.held.hold(uri.toString(), { bytes, modifiedAt: modifiedAt ?? 0 })) this.changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
  }

  /** What it shows is what was fetched: opening it again fetches it again. */
  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }
  readDirectory(uri: vscode.Uri): never {
    throw vscode.FileSystemError.Unavailable(`Folders are not listed here: ${uri.path}`);
  }
  createDirectory(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  writeFile(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  delete(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  rename(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  dispose(): void {
    this.end.abort();
    for (const each of this.disposables) each.dispose();
    this.held.clear();
  }

  /** Contents go with the last tab that shows them. */
  private forget(closed: readonly vscode.Tab[]): void {
    const addresses = (tab: vscode.Tab): readonly string[] => urisOf(tab).filter((uri) => uri.scheme === this.scheme).map((uri) => uri.toString());
    const shown = new Set(vscode.window.tabGroups.all.flatMap((group) => group.tabs).flatMap(addresses));
    for (const address of closed.flatMap(addresses)) if (!shown.has(address)) this.held.drop(address);
  }
}

/** A file as VS Code asks for it. */
export function statOf({ bytes, modifiedAt }: HeldFile): vscode.FileStat {
  return { type: vscode.FileType.File, ctime: 0, mtime: modifiedAt, size: bytes.length };
}

/** Waits until `find` finds something, looked for at once and at each change; after `ms` it rejects with what `late` makes. For editors that a reload brings back before what they show is known. */
export async function awaited<T>(find: () => T | null | undefined, onChange: (listener: () => void) => { dispose(): void }, ms: number, late: () => Error): Promise<T> {
  const found = Promise.withResolvers<T>();
  const look = (): void => {
    const one = find();
    if (one !== null && one !== undefined) found.resolve(one);
  };
  const timer = setTimeout(() => found.reject(late()), ms);
  const listening = onChange(look);
  try {
    look();
    return await found.promise;
  } finally {
    clearTimeout(timer);
    listening.dispose();
  }
}

function urisOf({ input }: vscode.Tab): readonly vscode.Uri[] {
  if (input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom) return [input.uri];
  return input instanceof vscode.TabInputTextDiff ? [input.original, input.modified] : [];
}
