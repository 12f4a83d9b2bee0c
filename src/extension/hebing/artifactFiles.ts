import * as vscode from 'vscode';
import type { Logger } from '../../core/model/context.ts';
import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { Job } from '../../core/systems/hebing/index.ts';
import { ARTIFACT_SCHEME } from '../contributions.ts';
import { kindOf, viewedName } from '../remote/kind.ts';
import { HeldFiles } from '../remote/held.ts';
import { offerCopy, saveCopy, showContents, withProgress } from '../remote/opening.ts';
import { oneLine } from '../tree/text.ts';
import type { Artifact } from './artifact.ts';
import { artifactOf, pretty } from './artifact.ts';
import type { HebingAccess } from './access.ts';
import type { HebingBoards } from './boards.ts';

const HELD_BYTES = 64 * 1024 * 1024;
/** How long an editor that a reload brings back waits for its account to be signed in to. */
const SIGNED_IN_MS = 15_000;

interface Place {
  readonly connectionId: string;
  readonly jobId: string;
  readonly index: number;
}

/** What jobs made, as files that VS Code reads: editors, its image viewer and Save As… work on them. An address names account, job and place: a reload brings it back. */
export class ArtifactFiles implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly boards: HebingBoards;
  private readonly log: Logger;
  private readonly held = new HeldFiles(HELD_BYTES);
  private readonly end = new AbortController();
  private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  private readonly disposables: vscode.Disposable[];
  readonly onDidChangeFile = this.changed.event;

  constructor(boards: HebingBoards, log: Logger) {
    this.boards = boards;
    this.log = log;
    this.disposables = [
      vscode.workspace.registerFileSystemProvider(ARTIFACT_SCHEME, this, { isCaseSensitive: true, isReadonly: new vscode.MarkdownString('An artifact of a job. Save a copy to change it.') }),
      this.changed,
    ];
  }

  /** Opens a text in an editor and an image in the image viewer; of anything else a copy can be saved. Rejects as the account's `file` does. */
  async open(access: HebingAccess, connectionId: string, job: Job, index: number): Promise<void> {
    const { artifact, bytes } = await this.fetched(access, job, index);
    const name = viewedName(artifact.name, bytes);
    const kind = kindOf(name, bytes);
    if (kind === 'binary') return offerCopy(name, '', { kind: 'file', size: bytes.length, modifiedAt: null }, true, () => [bytes]);
    const uri = vscode.Uri.from({ scheme: ARTIFACT_SCHEME, path: `/${[connectionId, encodeURIComponent(job.id), index, name].join('/')}` });
    this.held.hold(uri.toString(), { bytes, modifiedAt: 0 });
    await showContents(uri, kind, undefined);
  }

  /** Asks where a copy goes, and writes it. */
  async save(access: HebingAccess, job: Job, index: number): Promise<void> {
    const { artifact, bytes } = await this.fetched(access, job, index);
    await saveCopy(viewedName(artifact.name, bytes), bytes.length, () => [bytes]);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    return { type: vscode.FileType.File, ctime: 0, mtime: 0, size: (await this.readFile(uri)).length };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const held = this.held.get(uri.toString());
    if (held !== null) return held.bytes;
    try {
      const { connectionId, jobId, index } = placeOf(uri);
      const access = await this.signedIn(connectionId);
      const bytes = await contentsOf(access, artifactAt(await access.job(jobId, { signal: this.end.signal }), index), this.end.signal);
      this.held.hold(uri.toString(), { bytes, modifiedAt: 0 });
      return bytes;
    } catch (error) {
      if (!isAbort(error)) this.log.info('an artifact could not be read', { error: describeError(error) });
      throw vscode.FileSystemError.Unavailable(oneLine(describeError(error), 400));
    }
  }

  /** What a job made does not change. */
  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }
  readDirectory(uri: vscode.Uri): never {
    throw vscode.FileSystemError.Unavailable(`Artifacts are in no folder: ${uri.path}`);
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

  private async fetched(access: HebingAccess, job: Job, index: number): Promise<{ readonly artifact: Artifact; readonly bytes: Uint8Array }> {
    const artifact = artifactAt(job, index);
    const bytes = await withProgress(`Fetching ${oneLine(artifact.name, 80)}`, artifact.size ?? 0, (signal, onProgress) => {
      let have = 0;
      return contentsOf(access, artifact, AbortSignal.any([signal, this.end.signal]), (count) => {
        onProgress(count - have, artifact.size ?? 0);
        have = count;
      });
    });
    return { artifact, bytes };
  }

  private async signedIn(connectionId: string): Promise<HebingAccess> {
    const found = Promise.withResolvers<HebingAccess>();
    const look = (): void => {
      const access = this.boards.get(connectionId)?.access ?? null;
      if (access !== null) found.resolve(access);
    };
    const timer = setTimeout(() => found.reject(new PilothouseError('needs_sign_in', 'Nobody is signed in to the hebing account of this artifact. Sign in, then open it again.', { personMustAct: true })), SIGNED_IN_MS);
    const listening = this.boards.onChange(look);
    try {
      look();
      return await found.promise;
    } finally {
      clearTimeout(timer);
      listening.dispose();
    }
  }
}

function placeOf(uri: vscode.Uri): Place {
  const [, connectionId = '', jobId = '', index = ''] = uri.path.split('/');
  if (!/^\d+$/.test(index)) throw vscode.FileSystemError.FileNotFound(uri);
  return { connectionId, jobId: decodeURIComponent(jobId), index: Number(index) };
}

function artifactAt(job: Job, index: number): Artifact {
  const record = job.artifacts[index];
  if (record === undefined) throw new PilothouseError('artifact_gone', 'The job has no such artifact any more. Refresh the Jobs view.');
  return artifactOf(record, index);
}

function contentsOf(access: HebingAccess, { from }: Artifact, signal: AbortSignal, onBytes?: (bytes: number) => void): Promise<Uint8Array> {
  if ('bytes' in from) return Promise.resolve(from.bytes);
  if ('record' in from) return Promise.resolve(Buffer.from(pretty(from.record)));
  return access.file(from.url, { signal, ...(onBytes === undefined ? {} : { onBytes }) });
}
