import * as vscode from 'vscode';
import type { Logger } from '../../core/model/context.ts';
import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { Job } from '../../core/systems/hebing/index.ts';
import { ARTIFACT_SCHEME } from '../contributions.ts';
import { kindOf, viewedName } from '../remote/kind.ts';
import { offerCopy, saveCopy, showContents, withProgress } from '../remote/opening.ts';
import { awaited, ShownFiles, statOf } from '../remote/shownFiles.ts';
import { oneLine } from '../tree/text.ts';
import type { Artifact } from './artifact.ts';
import { artifactOf, pretty } from './artifact.ts';
import type { HebingAccess } from './access.ts';
import type { HebingBoards } from './boards.ts';

/** How long an editor that a reload brings back waits for its account to be signed in to. */
const SIGNED_IN_MS = 15_000;

interface Place {
  readonly connectionId: string;
  readonly jobId: string;
  readonly index: number;
}

/** What jobs made. An address names account, job and place: a reload brings it back. */
export class ArtifactFiles extends ShownFiles {
  private readonly boards: HebingBoards;
  private readonly log: Logger;

  constructor(boards: HebingBoards, log: Logger) {
    super(ARTIFACT_SCHEME, 'An artifact of a job. Save a copy to change it.');
    this.boards = boards;
    this.log = log;
  }

  /** Opens a text in an editor and an image in the image viewer; of anything else a copy can be saved. Rejects as the account's `file` does. */
  async open(access: HebingAccess, connectionId: string, job: Job, index: number): Promise<void> {
    const { artifact, bytes } = await this.fetched(access, job, index);
    const name = viewedName(artifact.name, bytes);
    const kind = kindOf(name, bytes);
    if (kind === 'binary') return offerCopy(name, '', { kind: 'file', size: bytes.length, modifiedAt: null }, true, () => [bytes]);
    const uri = vscode.Uri.from({ scheme: ARTIFACT_SCHEME, path: `/${[connectionId, encodeURIComponent(job.id), index, name].join('/')}` });
    this.hold(uri, bytes, null);
    await showContents(uri, kind, undefined);
  }

  /** Asks where a copy goes, and writes it. */
  async save(access: HebingAccess, job: Job, index: number): Promise<void> {
    const { artifact, bytes } = await this.fetched(access, job, index);
    await saveCopy(viewedName(artifact.name, bytes), bytes.length, () => [bytes]);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    return statOf({ bytes: await this.readFile(uri), modifiedAt: 0 });
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const held = this.held.get(uri.toString());
    if (held !== null) return held.bytes;
    try {
      const { connectionId, jobId, index } = placeOf(uri);
      const access = await this.signedIn(connectionId);
      const bytes = await contentsOf(access, artifactAt(await access.job(jobId, { signal: this.end.signal }), index), this.end.signal);
      this.hold(uri, bytes, null);
      return bytes;
    } catch (error) {
      if (!isAbort(error)) this.log.info('an artifact could not be read', { error: describeError(error) });
      throw vscode.FileSystemError.Unavailable(oneLine(describeError(error), 400));
    }
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

  private signedIn(connectionId: string): Promise<HebingAccess> {
    const late = (): Error => new PilothouseError('needs_sign_in', 'Nobody is signed in to the hebing account of this artifact. Sign in, then open it again.', { personMustAct: true });
    return awaited(() => this.boards.get(connectionId)?.access, (look) => this.boards.onChange(look), SIGNED_IN_MS, late);
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
