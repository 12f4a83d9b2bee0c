import type { JsonValue } from './json.ts';

/**
 * The system's own order key, compared element by element (a shorter key that is a prefix of a longer one stands first).
 * Happy: [milliseconds, seq, sub]. Agents of this computer: [milliseconds since the epoch on this computer's clock, ordinal within its source].
 */
export type Order = readonly number[];

/** State of one turn. */
export type TurnState = 'running' | 'completed' | 'failed' | 'cancelled';

/** Delivery of a prompt: held here until the turn ends, in the outbox, on its way, confirmed by the system, given up. */
export type Delivery = 'pending' | 'queued' | 'sending' | 'delivered' | 'failed';

/** A file or image that travels with a prompt or comes out of a session. `data` is base64, present only while small enough to carry. */
export interface Attachment {
  readonly name: string;
  readonly mediaType: string;
  /** Bytes; null where the source does not say. */
  readonly size: number | null;
  readonly data: string | null;
  /** Path on the session's machine, where it is a file there. */
  readonly path: string | null;
}

/** A change to one file. `patch` holds unified hunks (`@@ … @@` and lines) without file headers. */
export interface FileDiff {
  readonly path: string;
  readonly change: 'create' | 'modify' | 'delete' | 'rename';
  readonly oldPath: string | null;
  readonly patch: string;
  readonly added: number;
  readonly removed: number;
  /** Whole text before, null where it was not given, is too large (over 512 KiB) or the file did not exist. */
  readonly before: string | null;
  /** Whole text after, under the same rule. */
  readonly after: string | null;
}

/** What a tool does, whatever its name: decides icon, verb and folding. */
export type ToolVerb = 'read' | 'search' | 'edit' | 'delete' | 'move' | 'execute' | 'fetch' | 'think' | 'agent' | 'todo' | 'other';

export interface Location {
  readonly path: string;
  /** 1-based. */
  readonly line: number | null;
}

/** Tokens, money and context. Every figure is a total for its scope; null where the agent does not tell it. */
export interface UsageFigures {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Of the input, what was read from the provider's cache. */
  readonly cachedTokens: number | null;
  /** Of the input, what was written to that cache. Absent: as null. */
  readonly cacheWriteTokens?: number | null;
  readonly costUsd: number | null;
  readonly contextTokens: number | null;
  readonly contextWindow: number | null;
}

interface EntryBase {
  /** Identity within its session, from the system's own ids. Two entries with one id are versions of the same thing. */
  readonly id: string;
  /** Key of the row that it belongs to, the same in every version; null for what changes figures and states but shows no row. */
  readonly row: string | null;
  readonly order: Order;
  /** Version: of two entries with one id the higher `rev` wins; on a tie the greater canonical JSON does. */
  readonly rev: number;
  /** Milliseconds since the epoch; null where the system does not say. */
  readonly at: number | null;
  /** Turn that it belongs to, where known. */
  readonly turn: string | null;
  /** Row key of the tool row (a subagent's) within which it happened; null at the top. */
  readonly parent: string | null;
}

export interface PromptEntry extends EntryBase {
  readonly kind: 'prompt';
  readonly text: string;
  readonly attachments: readonly Attachment[];
  /** The id that we gave it when we sent it; null for prompts of other clients. */
  readonly clientId: string | null;
}
/** A finished (or cut off) block of the agent's answer, whole. Without text: what came of it is void, and it shows no row. So with thinking. */
export interface TextEntry extends EntryBase {
  readonly kind: 'text';
  readonly text: string;
}
export interface ThinkingEntry extends EntryBase {
  readonly kind: 'thinking';
  readonly text: string;
}
/**
 * A piece of a block that still streams. Pieces of one block (`of` and `channel`) are joined by `part` (0, 1, 2 …); a whole entry of that row
 * (text, thinking, a result for `output`, a tool for `input`) takes their place, whichever comes first. All pieces of one block have the same turn and
 * parent, and each part has one id.
 */
export interface DeltaEntry extends EntryBase {
  readonly kind: 'delta';
  readonly row: string;
  readonly channel: 'text' | 'thinking' | 'input' | 'output';
  readonly part: number;
  readonly text: string;
  /** Present on what the session log makes of many pieces before it stores them; a driver never sets it. */
  readonly joined?: JoinedPieces;
}
/**
 * Pieces of one version (`rev`) kept as one entry: parts `part`, `part + 1` … with the length of each in characters, so that `text` can be taken apart
 * again and a single piece's later version still takes its place. Its id is `${row}#pieces:${channel}:${rev}:${part}`; no driver's id may begin with
 * `${row}#pieces`, so it never stands for the whole entry that ends the block. Without lengths it holds no text any more and only keeps the row's place.
 */
export interface JoinedPieces {
  readonly rev: number;
  readonly lengths: readonly number[];
}
export interface ToolEntry extends EntryBase {
  readonly kind: 'tool';
  readonly callId: string;
  /** The agent's own name of the tool. */
  readonly name: string;
  readonly verb: ToolVerb;
  /** One line for a person, such as the command, the path or the query. Untrusted text. */
  readonly title: string;
  readonly input: JsonValue;
  readonly command: string | null;
  readonly cwd: string | null;
  readonly locations: readonly Location[];
  readonly diffs: readonly FileDiff[];
  /**
   * Present on calls that are not whole. `streaming`: the input is still on its way (`input` is null), and its pieces tell it; `void`: the call broke off and
   * is not made, so it shows no row. The whole call, without it, is a higher version; nothing goes back to `streaming`.
   */
  readonly stage?: 'streaming' | 'void';
}
export interface ResultEntry extends EntryBase {
  readonly kind: 'result';
  readonly callId: string;
  readonly status: 'ok' | 'error' | 'denied' | 'cancelled';
  readonly output: string;
  readonly exitCode: number | null;
  readonly durationMs: number | null;
  readonly diffs: readonly FileDiff[];
  readonly attachments: readonly Attachment[];
}
/** What a decision does: once, for the session, as the agent's own lasting rule, or not at all. */
export type DecisionScope = 'once' | 'session' | 'always' | 'reject' | 'reject-always';
export interface PermissionOption {
  /** The agent's own id of the option. */
  readonly id: string;
  readonly label: string;
  readonly scope: DecisionScope;
}
export interface Question {
  readonly id: string;
  readonly header: string | null;
  readonly text: string;
  readonly multiple: boolean;
  /** True where any text may be given in place of an option. */
  readonly free: boolean;
  readonly options: readonly { readonly label: string; readonly description: string | null }[];
}
/** What an agent asks, as its entry and its row both tell it. */
export interface PermissionRequest {
  readonly requestId: string;
  readonly ask: 'tool' | 'question' | 'plan';
  readonly tool: string;
  readonly title: string;
  /** Why the agent asks, in its own words. */
  readonly reason: string | null;
  readonly input: JsonValue;
  readonly command: string | null;
  readonly cwd: string | null;
  readonly diffs: readonly FileDiff[];
  /** Markdown of the plan, for `ask: 'plan'`. */
  readonly plan: string | null;
  readonly questions: readonly Question[];
  readonly options: readonly PermissionOption[];
  /** True where a deny can carry a reason to the agent at once; otherwise the reason goes as the next prompt. */
  readonly takesReason: boolean;
}
export interface PermissionEntry extends EntryBase, PermissionRequest {
  readonly kind: 'permission';
  readonly callId: string | null;
}
export type PermissionOutcome = 'allowed' | 'allowed-session' | 'allowed-always' | 'denied' | 'answered' | 'withdrawn' | 'lost';
export interface AnswerEntry extends EntryBase {
  readonly kind: 'answer';
  readonly requestId: string;
  readonly outcome: PermissionOutcome;
  readonly by: 'person' | 'rule' | 'agent';
  readonly reason: string | null;
  /** Question id → chosen labels or text. */
  readonly answers: Readonly<Record<string, readonly string[]>>;
}
/** A to-do list or plan as it stands; every version of it is one entry with a higher `rev`. */
export interface TodoEntry extends EntryBase {
  readonly kind: 'todo';
  readonly items: readonly { readonly text: string; readonly status: 'pending' | 'running' | 'done' | 'cancelled' }[];
}
export interface FileEntry extends EntryBase {
  readonly kind: 'file';
  readonly file: Attachment;
}
export interface UsageEntry extends EntryBase {
  readonly kind: 'usage';
  readonly scope: 'turn' | 'session';
  readonly figures: UsageFigures;
}
export interface NoticeEntry extends EntryBase {
  readonly kind: 'notice';
  readonly level: 'info' | 'warning' | 'error';
  /** Stable word for programs, such as `login_failed`, `retrying`, `stalled`, `compacted`, `process_died`. */
  readonly code: string;
  readonly text: string;
  /** What the person can do, such as a command to run; null where nothing. */
  readonly remedy: string | null;
}
/** `start` shows no row (`row: null`); `end` is the turn's footer. */
export interface TurnEntry extends EntryBase {
  readonly kind: 'turn';
  readonly turn: string;
  readonly phase: 'start' | 'end';
  readonly state: TurnState;
  readonly durationMs: number | null;
  readonly figures: UsageFigures | null;
  readonly filesChanged: readonly string[];
  readonly error: string | null;
}
/** Wire content that this build does not know: kept whole, shown as an inert row. */
export interface UnknownEntry extends EntryBase {
  readonly kind: 'unknown';
  readonly source: string;
  readonly raw: JsonValue;
}

export type Entry =
  | PromptEntry | TextEntry | ThinkingEntry | DeltaEntry | ToolEntry | ResultEntry | PermissionEntry | AnswerEntry
  | TodoEntry | FileEntry | UsageEntry | NoticeEntry | TurnEntry | UnknownEntry;
export type EntryKind = Entry['kind'];

/** Negative when `a` stands before `b`, 0 when equal. Missing and non-finite elements count as lowest. */
export function compareOrder(a: Order, b: Order): number {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index += 1) {
    const left = finite(a[index]);
    const right = finite(b[index]);
    if (left !== right) return left < right ? -1 : 1;
  }
  return a.length - b.length;
}

function finite(element: number | undefined): number {
  return element !== undefined && Number.isFinite(element) ? element : Number.NEGATIVE_INFINITY;
}
