import type { CallOptions, SessionHandle } from '../model/backend.ts';
import { PilothouseError } from '../model/errors.ts';
import type { TranscriptView } from '../session/transcript-api.ts';

const TAKE_OVER_MS = 30_000;
/** Files and outputs come from their machines in many pieces; a page waits a minute for them. */
const FETCH_MS = 55_000;
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

  /** A file of the session's machine. Rejects with `other_machine` where the system fetches none. */
  async readFile(path: string): Promise<Uint8Array> {
    const options = this.begin(FETCH_MS);
    if (this.handle.readFile === undefined) throw new PilothouseError('other_machine', 'This file is on another machine, and nothing brings it here.');
    return this.handle.readFile(path, options);
  }
}
