import type {
  Attachment, FileDiff, Location, PermissionOutcome, PermissionRequest, ToolVerb, TurnState, UsageFigures,
} from './entry.ts';
import type { JsonValue } from './json.ts';

/** A row of the transcript: what a person sees for one or more entries. Rows are values: an unchanged row keeps its object identity. */
interface RowBase {
  /** Unique and stable within the session. */
  readonly key: string;
  readonly at: number | null;
  readonly turn: string | null;
}
export interface PromptRow extends RowBase {
  readonly kind: 'prompt';
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly clientId: string | null;
}
export interface TextRow extends RowBase {
  readonly kind: 'text';
  readonly text: string;
  /** True while only pieces of it are here. */
  readonly streaming: boolean;
}
export interface ThinkingRow extends RowBase {
  readonly kind: 'thinking';
  readonly text: string;
  readonly streaming: boolean;
}
export type ToolStatus = 'running' | 'waiting' | 'ok' | 'error' | 'denied' | 'cancelled';
export interface ToolRow extends RowBase {
  readonly kind: 'tool';
  /** The system's id of the call, by which a permission tells which one it is about; absent where the system has none. */
  readonly callId?: string;
  readonly name: string;
  readonly verb: ToolVerb;
  readonly title: string;
  readonly status: ToolStatus;
  readonly input: JsonValue;
  readonly command: string | null;
  readonly cwd: string | null;
  readonly locations: readonly Location[];
  readonly diffs: readonly FileDiff[];
  /** Output so far or whole, cut to the tail and head that a row may carry. */
  readonly output: string;
  /** Characters left out of `output`; the whole is asked for on demand. */
  readonly outputOmitted: number;
  readonly exitCode: number | null;
  readonly durationMs: number | null;
  readonly attachments: readonly Attachment[];
  /** Rows of a subagent, in order. */
  readonly children: readonly Row[];
}
export interface PermissionRow extends RowBase, PermissionRequest {
  readonly kind: 'permission';
  /** The call that it is about, as its tool row names it; absent where the system does not tell. */
  readonly callId?: string;
  /** null while it waits for the person. */
  readonly outcome: PermissionOutcome | null;
  readonly answerReason: string | null;
  readonly answers: Readonly<Record<string, readonly string[]>>;
}
export interface TodoRow extends RowBase {
  readonly kind: 'todo';
  readonly items: readonly { readonly text: string; readonly status: 'pending' | 'running' | 'done' | 'cancelled' }[];
}
export interface FileRow extends RowBase {
  readonly kind: 'file';
  readonly file: Attachment;
}
export interface NoticeRow extends RowBase {
  readonly kind: 'notice';
  readonly level: 'info' | 'warning' | 'error';
  readonly code: string;
  readonly text: string;
  readonly remedy: string | null;
}
export interface TurnRow extends RowBase {
  readonly kind: 'turn';
  readonly state: TurnState;
  readonly durationMs: number | null;
  readonly figures: UsageFigures | null;
  readonly filesChanged: readonly string[];
  readonly error: string | null;
}
export interface UnknownRow extends RowBase {
  readonly kind: 'unknown';
  readonly source: string;
  readonly raw: JsonValue;
}
export type Row =
  | PromptRow | TextRow | ThinkingRow | ToolRow | PermissionRow | TodoRow | FileRow | NoticeRow | TurnRow | UnknownRow;
export type RowKind = Row['kind'];
