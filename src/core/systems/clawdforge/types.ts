import type { JsonObject, JsonValue } from '../../model/json.ts';

// What callers are given. Fields that are not named here come along as the server sends them, in camelCase; what lies within a field is left as it is. Times are as the server writes them.

/** One event of a turn, as the server sent it: `type` (`text`, `tool_call`, `thinking`, …), mostly `content`, and whatever else. */
export type ForgeEvent = JsonObject & { readonly type: string };

export interface ForgeHealth {
  readonly ok: boolean;
  readonly claudePresent: boolean;
  readonly claudeVersion: string | null;
}

export interface RunResult {
  readonly ok: boolean;
  /** What the model answered: parsed where that was JSON, else its text. */
  readonly result: JsonValue;
  readonly durationMs: number;
  /** `end_turn`, `timeout`, `error`, …; null where the server does not say. */
  readonly stopReason: string | null;
}

export interface FileToken {
  /** `ff_…`, for `RunRequest.files`. */
  readonly fileToken: string;
  readonly ttlSecs: number;
  /** Bytes. */
  readonly size: number;
}

/** An app token. `token`, the token itself, is there only in the answer that made it: the server keeps no more than its hash. */
export interface AppToken {
  readonly name: string;
  readonly token?: string | undefined;
  readonly ipCidrs: readonly string[];
  readonly createdAt: string | number | null;
  readonly lastUsed: string | number | null;
  readonly enabled: boolean;
}

/** One row of the list of sessions, and the state of one. */
export interface ForgeSessionState {
  readonly sessionId: string;
  readonly agent: string;
  /** Folder on the server; null where it does not say. */
  readonly cwd: string | null;
  readonly createdAt: string | number | null;
  readonly lastTurnAt: string | number | null;
  readonly turnCount: number;
  /** Null while it is open. */
  readonly closedAt: string | number | null;
  readonly live: boolean | null;
  readonly meta: JsonValue;
}

export interface TurnResult {
  readonly ok: boolean;
  readonly sessionId: string;
  /** From 1 on within its session; null where the server does not say. */
  readonly turnIndex: number | null;
  /** As the server sent them. */
  readonly events: readonly ForgeEvent[];
  /** `end_turn`, `timeout`, `error`, …; null where the server does not say. */
  readonly stopReason: string | null;
  readonly durationMs: number;
  /** The `content` of all `text` events in one. */
  text(): string;
}
