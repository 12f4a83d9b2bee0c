import type { SessionKey } from '../../core/model/session.ts';
import type { HostMessage } from '../../protocol/chat.ts';

export type PageOrder = Extract<HostMessage, { type: 'do' | 'go' | 'review' }>;

/** One chat tab, as the rest of the extension knows it. */
export interface ChatTab {
  readonly key: SessionKey;
  /** Puts text into the composer, behind the draft that is kept: as soon as the page is there and has that. */
  insert(text: string): void;
  /** Hands the page what the person chose: as soon as it is there and shows the session. */
  tell(message: PageOrder): void;
  dispose(): void;
}

/** The chat tabs of this window: one a session. */
export interface ChatTabs {
  /** Shows the session's chat, in a tab of its own where it has none. */
  open(key: SessionKey, options?: { readonly beside?: boolean }): ChatTab;
  get(key: SessionKey): ChatTab | null;
  /** The chat that has the focus, if one has. */
  active(): ChatTab | null;
  /** The chat that had the focus last, while it is open. */
  recent(): ChatTab | null;
  isVisible(key: SessionKey): boolean;
  /** A tab tells that it was shown or hidden. */
  viewed(): void;
  /** A tab tells that it has the focus. */
  touched(tab: ChatTab): void;
  /** A tab tells that it is closed. */
  forget(tab: ChatTab): void;
}
