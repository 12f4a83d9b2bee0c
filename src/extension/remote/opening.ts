import os from 'node:os';
import * as vscode from 'vscode';
import type { FileInfo } from '../../core/model/backend.ts';
import type { Logger } from '../../core/model/context.ts';
import { describeError, isAbort } from '../../core/model/errors.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { fileName } from '../chat/remoteFile.ts';
import { noticeText, oneLine } from '../tree/text.ts';
import type { Far, OnProgress } from './fetch.ts';
import { fileAt, HEAD_BYTES, partsOf, SHOWN_BYTES, wholeFile, writeWhole } from './fetch.ts';
import { isImageName, kindOf, sizeText, viewedName } from './kind.ts';
import type { RemoteFiles } from './remoteFiles.ts';

/** Bytes from which on a transfer is shown with its progress, to be ended. Smaller ones are there before it could be read. */
const SHOWN_PROGRESS = 1_000_000;
const IMAGE_VIEWER = 'imagePreview.previewEditor';

interface Opener {
  readonly files: RemoteFiles;
  readonly log: Logger;
  readonly key: SessionKey;
  /** Kept open by the caller until what is returned settles. */
  readonly far: Far;
}

/**
 * Opens a file of another machine: a text in an editor at `at`, an image in the image viewer, both for reading only; of anything else, and of what is too large, a copy can be saved. Resolves
 * when it is shown; a large one goes on in the promise `later`, which never rejects. Rejects as `fileAt` does, and as the machine is reached.
 */
export async function openRemoteFile(opener: Opener, file: { readonly path: string; readonly machine: string; readonly at: vscode.Range | undefined }): Promise<{ readonly later: Promise<void> }> {
  const { far, files, key } = opener;
  const { path, machine, at } = file;
  const name = fileName(path);
  const { info, head } = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: `Fetching ${oneLine(name, 80)}…` }, async () => {
    const found = await fileAt(far, path, machine);
    return { info: found, head: found.size === 0 ? new Uint8Array() : await far.readFile(path, { length: HEAD_BYTES }) };
  });
  const kind = kindOf(name, head);
  const uri = files.uri(key, { kind: 'file', machine, path });
  if (kind === 'binary' || info.size > SHOWN_BYTES) return { later: quietly(opener, name, () => offerCopy(name, machine, info, kind === 'binary', (signal, onProgress) => partsOf(far, path, info, { signal, onProgress }))) };
  const show = async (bytes: Uint8Array): Promise<void> => {
    files.hold(uri, bytes, info.modifiedAt);
    await showContents(uri, kind, at);
  };
  if (head.length >= info.size) {
    await show(head.subarray(0, info.size));
    return { later: Promise.resolve() };
  }
  return { later: quietly(opener, name, async () => show(await withProgress(`Fetching ${oneLine(name, 80)} from ${oneLine(machine, 60)}`, info.size, (signal, onProgress) => wholeFile(far, path, info, head, { signal, onProgress })))) };
}

/** Opens a file that a row carries without its contents, in the same ways. `size` is what the row says of it. */
export async function openCarried(opener: Opener, file: { readonly row: string; readonly name: string; readonly size: number | null }): Promise<{ readonly later: Promise<void> }> {
  const { far, files, key } = opener;
  const { row, size } = file;
  const work = async (): Promise<void> => {
    const bytes = await withProgress(`Fetching ${oneLine(file.name, 80)}`, size ?? SHOWN_PROGRESS, (signal, onProgress) => {
      let have = 0;
      return far.attachment(row, { signal, onBytes: (count) => {
        onProgress(count - have, size ?? 0);
        have = count;
      } });
    });
    const name = viewedName(file.name, bytes);
    const kind = kindOf(name, bytes);
    if (kind === 'binary') {
      await offerCopy(name, '', { kind: 'file', size: bytes.length, modifiedAt: null }, true, () => [bytes]);
      return;
    }
    const uri = files.uri(key, { kind: 'attachment', row, name });
    files.hold(uri, bytes, null);
    await showContents(uri, kind, undefined);
  };
  // What is small and no image may still be offered to be saved: that waits for the person, not for the page.
  return Promise.resolve({ later: quietly(opener, file.name, work) });
}

/** Shows a text in an editor, an image in the image viewer. */
export async function showContents(uri: vscode.Uri, kind: 'image' | 'text', at: vscode.Range | undefined): Promise<void> {
  if (kind === 'text') await vscode.window.showTextDocument(uri, { preview: true, ...(at === undefined ? {} : { selection: at }) });
  else if (isImageName(uri.path)) await vscode.commands.executeCommand('vscode.open', uri, { preview: true });
  else await vscode.commands.executeCommand('vscode.openWith', uri, IMAGE_VIEWER, { preview: true });
}

type Parts = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Says why a file is not shown, and saves a copy where the person wants one. */
export async function offerCopy(name: string, machine: string, { size }: FileInfo, binary: boolean, parts: (signal: AbortSignal, onProgress: OnProgress) => Parts): Promise<void> {
  const where = machine === '' ? '' : ` on ${noticeText(machine, 60)}`;
  const why = binary ? 'is neither a text nor an image' : `is larger than the ${sizeText(SHOWN_BYTES)} that are shown`;
  if ((await vscode.window.showInformationMessage(`${noticeText(name, 80)}${where} (${sizeText(size)}) ${why}. Save a copy?`, 'Save As…')) !== 'Save As…') return;
  await saveCopy(name, size, parts);
}

/** Asks where a copy goes, and writes it there, whole or not at all. */
export async function saveCopy(name: string, size: number, parts: (signal: AbortSignal, onProgress: OnProgress) => Parts): Promise<void> {
  const target = await vscode.window.showSaveDialog({ defaultUri: vscode.Uri.joinPath(vscode.Uri.file(os.homedir()), oneLine(name, 200).replaceAll(/[\\/:*?"<>|]/g, '_')), title: `Save ${oneLine(name, 80)}`, saveLabel: 'Save' });
  if (target === undefined) return;
  await withProgress(`Saving ${oneLine(name, 80)}`, size, async (signal, onProgress) => {
    if (target.scheme === 'file') return writeWhole(target.fsPath, parts(signal, onProgress), signal);
    const whole: Uint8Array[] = [];
    for await (const part of parts(signal, onProgress)) whole.push(part);
    return vscode.workspace.fs.writeFile(target, Buffer.concat(whole));
  });
  vscode.window.setStatusBarMessage(`Saved ${oneLine(name, 80)}`, 5_000);
}

/** Work with its progress: large ones as a notification that can be cancelled, small ones in the status bar. A cancelled one rejects with an abort. */
export function withProgress<T>(title: string, size: number, work: (signal: AbortSignal, onProgress: OnProgress) => Promise<T>): Promise<T> {
  const large = size >= SHOWN_PROGRESS;
  return Promise.resolve(vscode.window.withProgress({ location: large ? vscode.ProgressLocation.Notification : vscode.ProgressLocation.Window, title, cancellable: large }, async (progress, token) => {
    const stop = new AbortController();
    const listening = token.onCancellationRequested(() => stop.abort());
    let have = 0;
    try {
      return await work(stop.signal, (more, of) => {
        have += more;
        progress.report(of > 0 ? { increment: (more * 100) / of, message: `${sizeText(Math.min(have, of))} of ${sizeText(of)}` } : { message: sizeText(have) });
      });
    } finally {
      listening.dispose();
    }
  }));
}

/** What goes on when the page has its answer: its failures are told by VS Code. Never rejects. */
async function quietly({ log }: Opener, name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isAbort(error)) return;
    log.warn('a file could not be opened', { error: describeError(error) });
    void vscode.window.showErrorMessage(`${noticeText(name, 80)} could not be opened. ${noticeText(describeError(error), 400)}`);
  }
}
