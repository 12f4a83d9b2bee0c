/** Coloured text of one line: text and token class in turn (`['const', 'keyword', ' x', '']`). */
export type TokenLine = readonly string[];

export interface HighlightRequest {
  readonly id: number;
  readonly code: string;
  readonly language: string;
}
export interface HighlightReply {
  readonly id: number;
  /** Null when the language is not known or the code could not be read. */
  readonly lines: readonly TokenLine[] | null;
}

/** Longer code stays plain: its colours would cost more than they tell. */
export const MAX_HIGHLIGHT = 60_000;
