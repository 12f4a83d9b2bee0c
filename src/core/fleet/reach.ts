import type { CallOptions, FileInfo, FileRange, SessionHandle } from '../model/backend.ts';
import { PilothouseError } from '../model/errors.ts';
import type { TranscriptView } from '../session/transcript-api.ts';

const TAKE_OVER_MS = 30_000;
/** Files and outputs come from their machines in many pieces; a page waits a minute for them. */
const FETCH_MS = 55_000;
/** The whole of a large file; its pieces have deadlines of their own, and the person can end it. */
const TRANSFER_MS = 3_600_000;
/** A list of files that comes later is of no use to somebody who types. */
const FIND_MS = 6_000;

/** What is asked of a session's own machine beyond its agent: to be let in, and for what the wire does not carry. Absent ones reject with a coded error. */
export class SessionReach {
  private readonly handle: SessionHandle;
  private readonly transcript: Pick<TranscriptView, 'add' | 'callId'>;
  private readonly begin: (ms: number) => CallOptions;

  /** `begin` refuses where nothing is to be done from here, and gives the options of a call that may take `ms`. */
  constructor(handle: SessionHandle, transcript: Pick<TranscriptView, 'add' | 'callId'>, begin: (ms: number) => CallOptions) {
    this.handle = handle;
    this.transcript = transcript;
    this.begin = begin;
  }

  /** True where files of the session's machine can be read. */
  get readsFiles(): boolean {
    return this.handle.readFile !== undefined;
  }

  /** Takes the session over from the person at its own terminal. */
  async takeOver(): Promise<void> {
    const options = this.begin(TAKE_OVER_MS);
    if (this.handle.takeOver === undefined) throw new PilothouseError('unsupported', 'This session can’t be taken over. Fork it to go on here.');
    await this.handle.takeOver(options);
  }

  /** What a fresh session is told along with the next prompt, where the session goes on in one; empty for nothing. */
  async carried(): Promise<string> {
    const options = this.begin(FETCH_MS);
    return (await this.handle.carried?.(options)) ?? '';
  }

  /** Brings the output of a tool row into the transcript. Rejects with `not_found` for a row of no tool, and as the system does (`machine_offline`, `output_not_found`). */
  async fetchOutput(row: string): Promise<void> {
    const options = this.begin(FETCH_MS);
    const callId = await this.transcript.callId(row);
    if (callId === null || this.handle.fetchOutput === undefined) throw new PilothouseError('not_found', 'There is no output of this row to be had.');
    const entries = await this.handle.fetchOutput(callId, options);
    if (options.signal?.aborted !== true) this.transcript.add(entries);
  }

  /** Files below the session's folder for what is typed behind `@`; none where the system can't look, and where its machine doesn't answer in time. */
  async findFiles(query: string): Promise<readonly string[]> {
    const options = this.begin(FIND_MS);
    return (await this.handle.findFiles?.(query, options).catch(() => [])) ?? [];
  }

  /** What stands at a path of the session's machine. Rejects with `other_machine` where the system tells nothing of files. */
  async fileInfo(path: string, { signal }: CallOptions = {}): Promise<FileInfo> {
    const options = joined(this.begin(FETCH_MS), signal);
    if (this.handle.fileInfo === undefined) throw elsewhere();
    return this.handle.fileInfo(path, options);
  }

  /** Bytes of a file of the session's machine, all of it unless `range` says which. Rejects with `other_machine` where the system fetches none. */
  async readFile(path: string, { signal, ...range }: FileRange = {}): Promise<Uint8Array> {
    const options = joined(this.begin(TRANSFER_MS), signal);
    if (this.handle.readFile === undefined) throw elsewhere();
    return this.handle.readFile(path, { ...range, ...options });
  }

  /** The file that a row carries without its contents. Rejects with `not_found` where there is none to be had. */
  async attachment(row: string, { signal, ...more }: Pick<FileRange, 'signal' | 'onBytes'> = {}): Promise<Uint8Array> {
    const options = joined(this.begin(TRANSFER_MS), signal);
    if (this.handle.attachment === undefined) throw new PilothouseError('not_found', 'The contents of this file were not kept.');
    return this.handle.attachment(row, { ...more, ...options });
  }
}

function elsewhere(): PilothouseError {
  return new PilothouseError('other_machine', 'This file is on another machine, and nothing brings it here.');
}

function joined(options: CallOptions, signal: AbortSignal | undefined): CallOptions {
  if (signal === undefined || options.signal === undefined) return signal === undefined ? options : { signal };
  return { signal: AbortSignal.any([options.signal, signal]) };
}
