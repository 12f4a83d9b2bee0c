import type { Attachment, Entry } from './entry.ts';
import type { Remedy } from './remedy.ts';
import type { Choice, Machine, Session, SessionControls, SystemId, Traits } from './session.ts';
import type { PlanLimit } from './usage.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
}
export interface Disposable {
  dispose(): void;
}

/** State of a connection as a person reads it. */
export interface ConnectionState {
  readonly status: 'ready' | 'connecting' | 'offline' | 'needs-sign-in' | 'not-installed' | 'failed';
  /** One line; null when ready. */
  readonly message: string | null;
  /** What to do, such as to install or to sign in; null where nothing. */
  readonly remedy: Remedy | null;
  /** Version of the program or server, where known. */
  readonly version: string | null;
  /** It needs a sign-in because the person signed out of it. Absent: nobody did. */
  readonly signedOut?: true;
}

/** A way to sign in. */
export interface SignInMethod {
  readonly id: string;
  readonly name: string;
  /** What the person runs in a terminal: an absolute path, arguments without a shell, and what is added to the environment. Null: `signIn` does it all. */
  readonly terminal: { readonly program: string; readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } | null;
}

export interface Prompt {
  readonly text: string;
  readonly attachments: readonly Attachment[];
}

/** Answer to a permission. `optionId` picks one of the agent's own options, where it has them. */
export interface Decision {
  readonly outcome: 'allow' | 'allow-session' | 'allow-always' | 'deny' | 'answer';
  readonly optionId?: string;
  readonly reason?: string;
  /** Question id → chosen labels or text, for `answer`. */
  readonly answers?: Readonly<Record<string, readonly string[]>>;
}

export interface SpawnOptions extends CallOptions {
  readonly machineId: string;
  readonly folder: string;
  /** One of the agents that `places` lists; left out where a connection is one agent. */
  readonly agent?: string;
  /** The person agreed that the folder is made. Without it a folder that is missing rejects with `folder_missing`. */
  readonly createFolder?: boolean;
  readonly title?: string;
  readonly model?: string;
  readonly mode?: string;
  readonly effort?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the page that follows (older items); null at the end. */
  readonly next: string | null;
}

/** What there is on machines that are not this computer, asked before a session is made there. */
export interface Places {
  /** Agents that can be started on a machine, the most likely first. */
  agents(machineId: string, options?: CallOptions): Promise<readonly Choice[]>;
  /** The machine may have agents beyond those, which the person names. Absent: it has those alone. */
  readonly moreAgents?: true;
  /** Folders within one; `path` null: the home folder. Rejects with `machine_offline` where nobody answers. */
  folders(machineId: string, path: string | null, options?: CallOptions): Promise<{ readonly path: string; readonly folders: readonly string[] }>;
}

/** A prompt from which a fork begins, as the transcript knows it. It began a turn. */
export interface ForkPoint {
  /** Key of its row. */
  readonly row: string;
  readonly text: string;
  /** Turn that ended before it; null where none did, or where turns have no ids. */
  readonly turnBefore: string | null;
  /** True where nothing was said before it: the fork has no past. */
  readonly first: boolean;
  /** Prompts of the same text behind it. */
  readonly sameBehind: number;
}

/** What the person looks at: the window has the focus; a view of ours can be seen. */
export interface Looking {
  readonly focused: boolean;
  readonly visible: boolean;
  /** Ids of the connection's sessions whose chats can be seen; none when absent. */
  readonly sessions?: readonly string[];
}

export type BackendEvent =
  | { readonly type: 'connection'; readonly state: ConnectionState }
  | { readonly type: 'machine'; readonly machine: Machine }
  | { readonly type: 'session'; readonly session: Session }
  | { readonly type: 'session-removed'; readonly sessionId: string };

/** What stands at a path: `other` is neither file nor folder, `closed` a file that may not be read there. */
export interface FileInfo {
  readonly kind: 'file' | 'folder' | 'other' | 'none' | 'closed';
  /** Bytes of a file; 0 else. */
  readonly size: number;
  /** Milliseconds since the epoch on that machine's clock; null where it does not tell. */
  readonly modifiedAt: number | null;
}

/** Which bytes of a file; the whole of it by default. */
export interface FileRange extends CallOptions {
  readonly from?: number;
  readonly length?: number;
  /** Told how many bytes have come. */
  readonly onBytes?: (bytes: number) => void;
}

/** An interrupt, which may have to go further than to ask. */
export interface InterruptOptions extends CallOptions {
  /** Told what is tried next, in one line, where the step before did not work. */
  readonly onStep?: (message: string) => void;
}

/** How an interrupt or a stop ended: which step the agent answered to. */
export interface StopReport {
  readonly step: 'nothing-to-stop' | 'interrupted' | 'terminated' | 'killed';
  /** One line for the person. */
  readonly message: string;
}

/**
 * What a system that hosts sessions gives (design: "The two contracts"). Every wait has a deadline and honours `signal`; every rejection is a
 * PilothouseError. `watch` tells of changes until disposed, and of nothing after.
 */
export interface SessionBackend extends AsyncDisposable {
  readonly system: SystemId;
  readonly connectionId: string;
  readonly traits: Traits;
  /** Looks for the program or server and tells the state; also sent through `watch` when it changes. */
  connect(options?: CallOptions): Promise<ConnectionState>;
  /** Ways to sign in, the likeliest first; absent where there is none from here. */
  signInMethods?(options?: CallOptions): Promise<readonly SignInMethod[]>;
  /** Signs in by a method; for one of a terminal it is called once that has ended with 0. Resolves when the state was looked at anew. */
  signIn?(methodId: string, options?: CallOptions): Promise<void>;
  machines(options?: CallOptions): Promise<readonly Machine[]>;
  /** Newest first. */
  sessions(page: { readonly cursor?: string; readonly limit: number; readonly folder?: string } & CallOptions): Promise<Page<Session>>;
  watch(listener: (event: BackendEvent) => void): Disposable;
  /** Present where sessions can be made on other machines. */
  readonly places?: Places;
  /** For systems that tell others whether somebody looks. */
  attention?(attention: Looking): void;
  /** Limits of the person's plan as the agents told of them last, in this run. Absent: none ever does. */
  planLimits?(): readonly PlanLimit[];
  /** Models, modes and efforts to offer before a session exists. `machineId` and `agent` as for `spawn`. */
  controls(options: { readonly folder: string; readonly machineId?: string; readonly agent?: string } & CallOptions): Promise<SessionControls>;
  /** Makes a session; nothing is sent yet. */
  spawn(options: SpawnOptions): Promise<Session>;
  /** Handle of one session; cheap, starts nothing. The same id gives the same handle until it is removed. */
  session(id: string): SessionHandle;
}

export interface SessionHandle {
  readonly id: string;
  /**
   * The system's own record of the session, newest page first; entries within a page in any order. `stored` is how many rows the caller has already: a
   * system whose record has no ids gives it only where there are none.
   */
  history(page: { readonly cursor?: string; readonly limit: number; readonly stored?: number } & CallOptions): Promise<Page<Entry>>;
  /** Entries and control changes as they happen, until disposed. Starts nothing by itself. */
  live(listener: (event: LiveEvent) => void): Disposable;
  controls(): SessionControls;
  /**
   * Hands a prompt over. Resolves when the system has it (delivered); rejects when it certainly has not. `clientId` is a UUID of ours: sent
   * twice it exists once. `steer` adds it to the running turn where traits allow. Rejects with `not_taken_up` where the system has it but its agent passed it by: it goes again under another
   * id only, and where it is taken up after all a `delivered` event says so.
   */
  send(prompt: Prompt, clientId: string, options?: { readonly steer?: boolean } & CallOptions): Promise<void>;
  interrupt(options?: InterruptOptions): Promise<StopReport>;
  /** Rejects with code `already_answered` when it was answered or withdrawn before. */
  answer(requestId: string, decision: Decision, options?: CallOptions): Promise<void>;
  setModel(id: string, options?: CallOptions): Promise<void>;
  setMode(id: string, options?: CallOptions): Promise<void>;
  setEffort(id: string, options?: CallOptions): Promise<void>;
  rename(title: string, options?: CallOptions): Promise<void>;
  archive(archived: boolean, options?: CallOptions): Promise<void>;
  /** Ends the agent's process; verified: resolves when it is dead. */
  stop(options?: CallOptions): Promise<StopReport>;
  /** Takes a session over from the person at its own terminal; present where `traits.takeOver`. */
  takeOver?(options?: CallOptions): Promise<void>;
  /**
   * Output of one tool call that the wire does not carry, read from the machine because the person asked; present where `traits.outputOnRequest`. Rejects with
   * `machine_offline`, and with `output_not_found` when the machine has no record of it.
   */
  fetchOutput?(callId: string, options?: CallOptions): Promise<readonly Entry[]>;
  /** Bytes of a file of the session's machine, for reading only; fewer than asked for where it ends before. Present where that is another machine. */
  readFile?(path: string, range?: FileRange): Promise<Uint8Array>;
  /** What stands at a path of the session's machine; present where `readFile` is. */
  fileInfo?(path: string, options?: CallOptions): Promise<FileInfo>;
  /** The file that a row carries whose contents are not in the row; present where rows may carry such. Rejects with `not_found` for a row without one. */
  attachment?(row: string, options?: Pick<FileRange, 'signal' | 'onBytes'>): Promise<Uint8Array>;
  /** Paths of files below the session's folder (relative, with `/`) that have the letters of `query` in order; present where that is on another machine. */
  findFiles?(query: string, options?: CallOptions): Promise<readonly string[]>;
  /** Starts the agent on this session again. */
  resume(options?: CallOptions): Promise<void>;
  /** What a fresh session is told along with the next prompt, as it is sent; empty for nothing. Present where `traits.goesOnFresh`. */
  carried?(options?: CallOptions): Promise<string>;
  /** True where a fork can begin at an earlier prompt. Absent: it can not. */
  readonly forksAt?: boolean;
  /**
   * A session with the same past that goes its own way. `at`, where `forksAt`: with the past up to that prompt, which is not in it. Rejects with
   * `fork_point_not_found` where the system's own record does not have the prompt.
   */
  fork(options?: { readonly at?: ForkPoint } & CallOptions): Promise<Session>;
  /** Files that `remove` would move to the trash, for the question that comes before it. */
  removalPreview(options?: CallOptions): Promise<readonly string[]>;
  /** Stops it, then removes the system's own record of it. */
  remove(options?: CallOptions): Promise<void>;
}

export type LiveEvent =
  | { readonly type: 'entries'; readonly entries: readonly Entry[] }
  | { readonly type: 'controls'; readonly controls: SessionControls }
  /** A prompt whose `send` rejected with `not_taken_up` was taken up after all. */
  | { readonly type: 'delivered'; readonly clientId: string };
