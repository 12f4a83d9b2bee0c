/** The messages between the extension and one chat page. The page trusts the host; the host checks every message of the page by schema and authorises it again. */
import type { Attachment } from '../core/model/entry.ts';
import type { Decision } from '../core/model/backend.ts';
import type { Remedy } from '../core/model/remedy.ts';
import type { Row } from '../core/model/row.ts';
import type { Activity, SessionControls, SessionOwner, SessionState, Traits, UsageLimit, WaitingPermission } from '../core/model/session.ts';
import type { Delivery, UsageFigures } from '../core/model/entry.ts';
import type { FindQuery, MatchPlace } from './find.ts';

export interface OutboxView {
  readonly clientId: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly delivery: Exclude<Delivery, 'delivered'>;
  readonly error: string | null;
  readonly steer: boolean;
}

/** All that the page shows beside rows. Small; sent whole with a snapshot and by field when a field changes. */
export interface ChatState {
  readonly title: string;
  readonly agent: string;
  /** Person's word for the agent: "Claude Code". */
  readonly agentName: string;
  readonly machine: string;
  /** As shown: with ~ for the home folder. */
  readonly folder: string;
  /** The same folder as its machine knows it: paths below it are shown relative to it. */
  readonly root?: string;
  /** Present where the session's files are on another machine: `fetched` ones open read-only, `none` means that paths lead nowhere from here. */
  readonly files?: 'fetched' | 'none';
  readonly branch: string | null;
  /** What is said here goes to a CatSyphon, or went there. */
  readonly shipped?: boolean;
  readonly state: SessionState;
  readonly activity: Activity | null;
  /** When the running turn started, ms since the epoch; null when none runs. */
  readonly turnStartedAt: number | null;
  /** Turns of the session so far; absent where they were not counted. */
  readonly turns?: number;
  readonly owner: SessionOwner;
  readonly ownerName: string | null;
  /** Whether we are in touch with the session: with its connection, and with its machine behind that. */
  readonly connection: 'online' | 'reconnecting' | 'offline';
  /** Which of them is away, and since when. */
  readonly connectionDetail: string | null;
  /** Without contact: as of when what is shown is known to be all, ms since the epoch. Absent with contact, and where that is not known. */
  readonly asOf?: number | null;
  /** While the session's machine is away, though its connection is not: one line that says so. */
  readonly machineAway?: string | null;
  /** One line and what to do about it, for failures of the session or its agent. `signIn`: the person can sign in from here. */
  readonly problem: { readonly message: string; readonly remedy: Remedy | null; readonly signIn?: boolean } | null;
  /** Why the session is stopped, where it goes on only in a fresh one; null where that is not told. Absent elsewhere. */
  readonly closed?: string | null;
  /** A limit of the person's plan that is reached. */
  readonly limit?: UsageLimit | null;
  readonly controls: SessionControls;
  readonly traits: Traits;
  readonly usage: UsageFigures | null;
  /** In the order in which they will go. */
  readonly outbox: readonly OutboxView[];
  /** False: an untrusted workspace, where the agent does not run: the session is read only. */
  readonly canRun: boolean;
  /** True where a fork can begin at an earlier prompt. Absent: it can not. */
  readonly forksAt?: boolean;
  /** Requests that wait for the person, wherever in the session they are. Absent: none. */
  readonly waiting?: readonly WaitingRequest[];
  /** True while the first page of history is still being read. */
  readonly loading: boolean;
}

type WaitingRequest = Pick<WaitingPermission, 'requestId' | 'ask'>;

export interface ChatConfig {
  readonly enterKey: 'send' | 'newline';
  readonly thinking: 'collapsed' | 'expanded' | 'hidden';
}

/** As `RowOp` of the core; rows that the page does not hold are left out by the host or skipped by the page. */
export type PatchOp =
  | { readonly op: 'splice'; readonly at: number; readonly remove: number; readonly rows: readonly Row[] }
  | { readonly op: 'update'; readonly at: number; readonly row: Row }
  | { readonly op: 'append'; readonly at: number; readonly key: string; readonly field: 'text' | 'output'; readonly from: number; readonly text: string };

export type HostMessage =
  /** The whole visible state; starts `generation`, whose patches count from seq 1. `rows` stand at `start`. */
  | {
      readonly type: 'snapshot'; readonly session: string; readonly generation: number; readonly total: number; readonly start: number;
      readonly rows: readonly Row[]; readonly state: ChatState; readonly config: ChatConfig; readonly draft: string;
    }
  | { readonly type: 'patch'; readonly generation: number; readonly seq: number; readonly total: number; readonly ops: readonly PatchOp[] }
  | { readonly type: 'state'; readonly generation: number; readonly state: Partial<ChatState> }
  | { readonly type: 'config'; readonly config: ChatConfig }
  /** The session can't be shown: why, and what can be done. A later snapshot takes it back. */
  | { readonly type: 'unavailable'; readonly session: string; readonly message: string; readonly remedy: string | null }
  /** Answer to a request of the page. */
  | { readonly type: 'reply'; readonly request: number; readonly ok: true; readonly value: ReplyValue }
  | { readonly type: 'reply'; readonly request: number; readonly ok: false; readonly code: string; readonly message: string }
  /** How far a request is that takes a while, in a line that takes the place of the one before. */
  | { readonly type: 'progress'; readonly request: number; readonly message: string }
  /** Puts text into the composer at the cursor (Send Selection to Session…). */
  | { readonly type: 'insert'; readonly text: string }
  /** Files of the draft that was kept, once after the page is ready and only where there are some. */
  | { readonly type: 'draft-files'; readonly session: string; readonly files: readonly Attachment[] }
  | { readonly type: 'focus' }
  /** How the search `id` stands. `position`: the current match, from 1; null where it is not known yet. `failed`: some rows could not be read. */
  | { readonly type: 'find'; readonly id: number; readonly total: number; readonly searching: boolean; readonly position: number | null; readonly failed: boolean }
  /** The search `id` has another current match. */
  | { readonly type: 'found'; readonly id: number; readonly place: MatchPlace }
  /** What the person chose from the palette or by a key. */
  | { readonly type: 'do'; readonly what: PageAction }
  /** Shows a top-level row. */
  | { readonly type: 'go'; readonly index: number; readonly row: string }
  /** Shows the request of an agent that the person chose in the tree or in a notification. */
  | { readonly type: 'review'; readonly requestId: string };

export type PageAction = 'find' | 'find-next' | 'find-previous' | 'next-prompt' | 'previous-prompt' | 'stop';

/** Something that a message can name with `@`. `insert` is put in the place of what was typed. */
export interface Mention {
  readonly kind: 'file' | 'symbol' | 'selection';
  readonly insert: string;
  readonly label: string;
  readonly detail: string;
}

export type ReplyValue =
  | { readonly kind: 'done'; readonly message: string | null }
  | { readonly kind: 'rows'; readonly start: number; readonly total: number; readonly generation: number; readonly rows: readonly Row[] }
  /** Where a row stands; `row` null: there is none. */
  | { readonly kind: 'place'; readonly index: number; readonly row: string | null }
  | { readonly kind: 'mentions'; readonly mentions: readonly Mention[] }
  /** Newest first. `next`: the row before which others are to be asked for; null where there are none. */
  | { readonly kind: 'prompts'; readonly prompts: readonly string[]; readonly next: string | null };

/** What the page asks for; each is answered by `reply` with the same `request`. */
export type PageRequest =
  | { readonly ask: 'rows'; readonly start: number; readonly end: number }
  | { readonly ask: 'send'; readonly text: string; readonly attachments: readonly Attachment[]; readonly how: 'send' | 'queue' | 'steer' }
  | { readonly ask: 'outbox'; readonly clientId: string; readonly what: 'drop' | 'retry' | 'steer' | 'up' | 'down' }
  | { readonly ask: 'outbox-edit'; readonly clientId: string; readonly text: string }
  | { readonly ask: 'interrupt' }
  /** From the person at the session's own terminal, where traits.takeOver. */
  | { readonly ask: 'take-over' }
  | { readonly ask: 'answer'; readonly requestId: string; readonly decision: Decision }
  | { readonly ask: 'set'; readonly what: 'model' | 'mode' | 'effort'; readonly id: string }
  | { readonly ask: 'run'; readonly command: 'rename' | 'stop' | 'resume' | 'fork' | 'export' | 'openFolder' | 'manageTrust' | 'signIn' }
  | { readonly ask: 'open-diff'; readonly row: string; readonly index: number }
  /** The whole output as a document; at a line of it, from 1, where one is given. */
  | { readonly ask: 'open-output'; readonly row: string; readonly line: number | null }
  /** The output of a tool row that the wire does not carry, where traits.outputOnRequest: it comes as a patch before the reply. */
  | { readonly ask: 'fetch-output'; readonly row: string }
  | { readonly ask: 'open-attachment'; readonly row: string; readonly index: number }
  | { readonly ask: 'open-file'; readonly path: string; readonly line: number | null }
  | { readonly ask: 'open-link'; readonly href: string }
  | { readonly ask: 'insert-code'; readonly text: string }
  | { readonly ask: 'copy'; readonly text: string }
  /** Begins the search `id`, which ends the one before; `from`: index of the row that the person looks at. */
  | { readonly ask: 'find'; readonly id: number; readonly query: FindQuery; readonly from: number }
  | { readonly ask: 'find-step'; readonly id: number; readonly step: 1 | -1 }
  | { readonly ask: 'find-end' }
  /** The next or previous prompt from the row at `from`: a `place`. */
  | { readonly ask: 'prompt'; readonly from: number; readonly step: 1 | -1 }
  /** Where the top-level row stands that a row is or is in: a `place`. */
  | { readonly ask: 'place'; readonly row: string }
  /** Where the top-level row stands that holds the request of an agent: a `place`. */
  | { readonly ask: 'request-place'; readonly requestId: string }
  /** What was asked in this session before a row, or before its end: `prompts`. */
  | { readonly ask: 'prompts'; readonly before: string | null }
  /** `rows`: all that a line is folded of, for copyRow. */
  | { readonly ask: 'run-row'; readonly command: 'copyRow' | 'copyTurn' | 'forkFromHere' | 'sendAgain'; readonly row: string; readonly rows?: readonly string[] }
  /** What `@` and the letters behind it may mean. */
  | { readonly ask: 'mentions'; readonly query: string };

export type PageMessage =
  | { readonly type: 'ready' }
  /** Try again to open a session that was unavailable: a snapshot or `unavailable` follows. */
  | { readonly type: 'reopen' }
  /** A gap in seq or a patch that does not fit: the host sends one snapshot. */
  | { readonly type: 'resync'; readonly generation: number; readonly reason: string }
  /** `files` only where they changed: they are large. */
  | { readonly type: 'draft'; readonly session: string; readonly text: string; readonly files?: readonly Attachment[] }
  | { readonly type: 'request'; readonly session: string; readonly request: number; readonly body: PageRequest };
