import type { FindQuery, HostMessage, PageMessage } from './types.ts';

/** Where the reader is: an item of the list and how far its top stands above the top of the view, in CSS pixels. */
export interface Anchor {
  readonly key: string;
  /** Index of its first row, for when the rows are not here. */
  readonly index: number;
  readonly offset: number;
}

/** What the page keeps in webview state, across reloads of the page and of the window. Nothing else of the page is kept. */
export interface KeptState {
  readonly session: string;
  /** Null: at the bottom, following. */
  readonly anchor: Anchor | null;
  /** Keys of what the person opened (`+`) or folded (`-`) against the default. */
  readonly folds: readonly string[];
  /** Answers begun but not given, by permission request. */
  readonly cards: Readonly<Record<string, CardDraft>>;
  /** What the find box looks for; null where it is closed. */
  readonly find: FindQuery | null;
}
export interface CardDraft {
  readonly reason: string;
  readonly reasonOpen: boolean;
  readonly picked: Readonly<Record<string, readonly string[]>>;
  readonly typed: Readonly<Record<string, string>>;
}

/** The page's only way out: messages to and from the extension, and its kept state. */
export interface Host {
  post(message: PageMessage): void;
  onMessage(listener: (message: HostMessage) => void): void;
  load(): KeptState | null;
  keep(state: KeptState): void;
}

/** Kept state of this or another version of the page; null when it is not whole. */
export function readKept(value: unknown): KeptState | null {
  if (typeof value !== 'object' || value === null) return null;
  const { session, anchor, folds, cards, find } = value as Partial<Record<keyof KeptState, unknown>>;
  if (typeof session !== 'string' || !Array.isArray(folds)) return null;
  return {
    session,
    anchor: readAnchor(anchor),
    folds: folds.filter((key): key is string => typeof key === 'string'),
    cards: typeof cards === 'object' && cards !== null ? Object.fromEntries(Object.entries(cards).flatMap(([key, card]) => (isCard(card) ? [[key, card]] : []))) : {},
    find: readQuery(find),
  };
}

function readAnchor(value: unknown): Anchor | null {
  if (typeof value !== 'object' || value === null) return null;
  const { key, index, offset } = value as Partial<Record<keyof Anchor, unknown>>;
  return typeof key === 'string' && typeof index === 'number' && typeof offset === 'number' ? { key, index, offset } : null;
}

function readQuery(value: unknown): FindQuery | null {
  if (typeof value !== 'object' || value === null) return null;
  const { text, matchCase, wholeWord } = value as Partial<Record<keyof FindQuery, unknown>>;
  return typeof text === 'string' ? { text, matchCase: matchCase === true, wholeWord: wholeWord === true } : null;
}

function isCard(value: unknown): value is CardDraft {
  if (typeof value !== 'object' || value === null) return false;
  const { reason, reasonOpen, picked, typed } = value as Partial<Record<keyof CardDraft, unknown>>;
  return typeof reason === 'string' && typeof reasonOpen === 'boolean' && typeof picked === 'object' && picked !== null && typeof typed === 'object' && typed !== null;
}
