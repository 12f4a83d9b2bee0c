import type { Highlighter } from '../code/highlight.ts';
import type { Item } from '../model/items.ts';
import type { ChatPage } from '../page.ts';
import type { Row } from '../types.ts';
import type { Lazy } from './lazy.ts';

interface View {
  /** Stays the same for as long as the row is shown. */
  readonly element: HTMLElement;
  /** Adds text at the end of what it shows. False when it does not stand at `from`: then it is drawn anew. */
  append?(from: number, text: string): boolean;
  /** Goes on with work that did not fit in a frame, until `deadline` (performance.now()); true while there is more. */
  work?(deadline: number): boolean;
  dispose?(): void;
}

/** What one row looks like. */
export interface RowView extends View {
  update(row: Row): void;
}

/** What one place of the list looks like. */
export interface ItemView extends View {
  update(item: Item): void;
}

/** What rows are drawn with. */
export interface RowContext {
  readonly page: ChatPage;
  readonly lazy: Lazy;
  readonly highlighter: Highlighter;
  createItem(item: Item): ItemView;
  /** To be called before the person's own action changes the height of something: the view stays where the person looks. */
  hold(): void;
  /** Asks for another frame: a view has work. */
  schedule(): void;
  /** True while frames take long: a view then does a part of its work in each. */
  slow(): boolean;
}
