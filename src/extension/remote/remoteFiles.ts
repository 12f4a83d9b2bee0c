import * as vscode from 'vscode';
import type { Fleet } from '../../core/fleet/fleet.ts';
import type { Logger } from '../../core/model/context.ts';
import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import { oneLine } from '../tree/text.ts';
import type { Far } from './fetch.ts';
import { fileAt, wholeFile } from './fetch.ts';
import type { HeldFile } from './held.ts';
import type { RemotePlace } from './place.ts';
import { addressOf, placeAt, printOf, REMOTE_SCHEME } from './place.ts';
import { awaited, ShownFiles, statOf } from './shownFiles.ts';

/** How long an editor that a reload brings back waits for its session to be known. */
const KNOWN_MS = 15_000;
const READ_ONLY = 'A file of another machine, as it was when it was opened. Save a copy to change it.';

/** Files of other machines and those that rows carry. */
export class RemoteFiles extends ShownFiles {
  private readonly fleet: Fleet;
  private readonly log: Logger;
  private readonly keys = new Map<string, SessionKey>();
  private readonly fetching = new Map<string, Promise<HeldFile>>();

  constructor(fleet: Fleet, log: Logger) {
    super(REMOTE_SCHEME, READ_ONLY);
    this.fleet = fleet;
    this.log = log;
  }

  /** The address of a file that the session `key` reaches. */
  uri(key: SessionKey, place: { readonly kind: 'file'; readonly machine: string; readonly path: string } | { readonly kind: 'attachment'; readonly row: string; readonly name: string }): vscode.Uri {
    const session = printOf(key);
    this.keys.set(session, key);
    return vscode.Uri.from({ scheme: REMOTE_SCHEME, ...addressOf({ ...place, session }) });
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const held = this.held.get(uri.toString());
    if (held !== null) return statOf(held);
    const place = this.placeOf(uri);
    if (place.kind === 'attachment') return statOf(await this.content(uri, place));
    const info = await this.asked(place, (far) => fileAt(far, place.path, place.machine, this.end.signal));
    return { type: vscode.FileType.File, ctime: 0, mtime: info.modifiedAt ?? 0, size: info.size };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return (this.held.get(uri.toString()) ?? (await this.content(uri, this.placeOf(uri)))).bytes;
  }

  private placeOf(uri: vscode.Uri): RemotePlace {
    const place = placeAt(uri);
    if (place === null) throw vscode.FileSystemError.FileNotFound(uri);
    return place;
  }

  /** What an editor asks for that was not opened from a chat just now: a reload brought it back, or its contents had to make room. */
  private content(uri: vscode.Uri, place: RemotePlace): Promise<HeldFile> {
    const address = uri.toString();
    let fetched = this.fetching.get(address);
    if (fetched === undefined) {
      const { signal } = this.end;
      fetched = this.asked(place, async (far): Promise<HeldFile> => {
        if (place.kind === 'attachment') return { bytes: await far.attachment(place.row, { signal }), modifiedAt: 0 };
        const info = await fileAt(far, place.path, place.machine, signal);
        return { bytes: await wholeFile(far, place.path, info, new Uint8Array(), { signal }), modifiedAt: info.modifiedAt ?? 0 };
      }).then((file) => {
        this.hold(uri, file.bytes, file.modifiedAt);
        return file;
      }).finally(() => this.fetching.delete(address));
      this.fetching.set(address, fetched);
    }
    return fetched;
  }

  /** Asks the machine through its session; a failure is one that editors show in its own words. */
  private async asked<T>(place: RemotePlace, work: (far: Far) => Promise<T>): Promise<T> {
    try {
      const runtime = await this.fleet.open(await this.keyOf(place.session));
      try {
        return await work(runtime.reach);
      } finally {
        runtime.release();
      }
    } catch (error) {
      if (!isAbort(error)) this.log.info('a file of another machine could not be read', { error: describeError(error) });
      const words = oneLine(describeError(error), 400);
      throw error instanceof PilothouseError && error.code === 'file_not_found' ? vscode.FileSystemError.FileNotFound(words) : vscode.FileSystemError.Unavailable(words);
    }
  }

  private async keyOf(print: string): Promise<SessionKey> {
    const find = (): SessionKey | undefined => this.keys.get(print) ?? this.fleet.sessions().map(sessionKey).find((key) => printOf(key) === print);
    const late = (): Error => new PilothouseError('session_not_found', 'The session of this file is not there any more. Open the file from another chat.');
    const key = await awaited(find, (look) => this.fleet.onChange(look), KNOWN_MS, late);
    this.keys.set(print, key);
    return key;
  }
}
