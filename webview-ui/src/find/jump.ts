import type { Anchor } from '../host.ts';
import { oneLine } from '../model/words.ts';
import type { ChatPage } from '../page.ts';
import type { Row } from '../types.ts';

/** Rows about one that is jumped to, which are asked for with it. */
const ABOUT = 40;
/** How often it is tried again while rows move. */
const TRIES = 4;

/** What jumps need of the list of rows. */
interface Standing {
  readonly element: { readonly scrollTop: number };
  top(): Anchor | null;
  stand(anchor: Anchor): void;
}

interface Brought {
  readonly index: number;
  readonly row: Row;
  /** False once something else was jumped to. */
  isLatest(): boolean;
}

/** Brings rows into the view, wherever in the session they are. A later jump ends the one before. */
export class Jumps {
  private readonly page: ChatPage;
  private readonly list: () => Standing | null;
  private serial = 0;
  /** The prompt that was gone to last, and where the view stood then: near the end it can't come to the top. */
  private last: { readonly index: number; readonly top: number } | null = null;

  constructor(page: ChatPage, list: () => Standing | null) {
    this.page = page;
    this.list = list;
  }

  /** Shows a top-level row at the top of the view. False when it is not in the session any more. */
  async toRow(index: number, key: string): Promise<boolean> {
    const found = await this.bring(index, key);
    const list = this.list();
    if (found === null || list === null) return false;
    list.stand({ key, index: found.index, offset: 0 });
    this.last = { index: found.index, top: list.element.scrollTop };
    this.page.announcement.value = found.row.kind === 'prompt' ? `Prompt: ${oneLine(found.row.text, 200)}` : '';
    return true;
  }

  /** A row, fetched where it is not here, as the next place to show; null when it is gone, or when another one was asked for meanwhile. */
  async bring(index: number, key: string): Promise<Brought | null> {
    const serial = (this.serial += 1);
    const found = await this.load(index, key);
    return found === null || serial !== this.serial ? null : { ...found, isLatest: () => serial === this.serial };
  }

  /** Goes to the next or previous prompt. */
  async toPrompt(step: 1 | -1): Promise<void> {
    const list = this.list();
    const top = list?.top() ?? null;
    if (list === null || top === null) return;
    const stood = this.last !== null && Math.abs(this.last.top - list.element.scrollTop) < 2 ? this.last.index : null;
    // From within a prompt, the one before is the prompt itself.
    const from = stood ?? (step === -1 && top.offset > 4 ? top.index + 1 : top.index);
    const near = this.promptHere(from, step);
    if (near !== null) {
      await this.toRow(near.index, near.key);
      return;
    }
    const value = await this.page.request({ ask: 'prompt', from, step }).catch(() => null);
    if (value?.kind === 'place' && value.row !== null) await this.toRow(value.index, value.row);
    else this.page.announcement.value = step === 1 ? 'No later prompt.' : 'No earlier prompt.';
  }

  /** The prompt nearest in a direction, as long as every row up to it is here. */
  private promptHere(from: number, step: 1 | -1): { readonly index: number; readonly key: string } | null {
    for (let index = from + step; ; index += step) {
      const row = this.page.rows.at(index);
      if (row === null) return null;
      if (row.kind === 'prompt') return { index, key: row.key };
    }
  }

  /** The row, fetched with those about it where it is not here; null when it is gone. */
  private async load(index: number, key: string): Promise<{ readonly index: number; readonly row: Row } | null> {
    const { rows } = this.page;
    let at = index;
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const here = rows.at(at)?.key === key ? at : rows.indexOf(key);
      const row = here < 0 ? null : rows.at(here);
      if (row !== null) return { index: here, row };
      const value = await this.page.request({ ask: 'rows', start: Math.max(0, at - ABOUT), end: at + ABOUT }).catch(() => null);
      if (value?.kind === 'rows' && rows.takePage(value) && rows.at(at)?.key === key) continue;
      // It moved meanwhile: the host knows where it is.
      const place = await this.page.request({ ask: 'place', row: key }).catch(() => null);
      if (place?.kind !== 'place' || place.row === null) return null;
      at = place.index;
    }
    return null;
  }
}
