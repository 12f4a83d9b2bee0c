import type { Jumps } from '../find/jump.ts';
import type { ChatPage } from '../page.ts';
import type { TranscriptKeys } from './keys.ts';
import type { TranscriptList } from './list.ts';

const ANSWERS = '.card button.default:not(:disabled), .card input:not(:disabled), .card textarea:not(:disabled)';

/** Leads to the requests of agents that wait for the person, also to those whose rows are not here. */
export class Reviews {
  private readonly page: ChatPage;
  private readonly jumps: Jumps;
  private readonly parts: () => { readonly list: TranscriptList | null; readonly keys: TranscriptKeys | null };

  constructor(page: ChatPage, jumps: Jumps, parts: () => { readonly list: TranscriptList | null; readonly keys: TranscriptKeys | null }) {
    this.page = page;
    this.jumps = jumps;
    this.parts = parts;
  }

  /** Shows the first one that waits and puts the focus on its first answer; false when none waits. */
  first(): boolean {
    const [far] = this.page.elsewhere.peek();
    if (far === undefined) return this.nearest();
    // Those that are not here were asked first.
    void this.far(far);
    return true;
  }

  private async far(requestId: string): Promise<void> {
    const row = await this.fetch(requestId);
    if (row !== null) row.querySelector<HTMLElement>(ANSWERS)?.focus({ preventScroll: true });
    else if (!this.nearest()) this.tellGone();
  }

  /** Leads to the first one here. */
  private nearest(): boolean {
    const { list } = this.parts();
    const answerHere = (): HTMLElement | null | undefined => list?.element.querySelector<HTMLElement>(ANSWERS.replaceAll('.card', '.row.waiting .card'));
    list?.jumpToLatest();
    const [first] = this.page.rows.waiting();
    // What went on meanwhile has carried it out of the page.
    if (first !== undefined && answerHere() === null) list?.stand({ key: first.key, index: first.index, offset: 0 });
    const answer = answerHere();
    answer?.scrollIntoView({ block: 'nearest' });
    answer?.focus({ preventScroll: true });
    return answer !== undefined && answer !== null;
  }

  /** Shows one that was chosen elsewhere. Where it is in the view already, the focus stays in the message; else it is on the row, not on an answer: nobody has read that yet. */
  async show(requestId: string): Promise<void> {
    const { list, keys } = this.parts();
    const here = this.page.rows.waiting().find((each) => each.requestId === requestId);
    if (list === null || keys === null) return;
    if (here !== undefined && isWithin(list.elementAt(here.index), list.element)) return;
    const row = here === undefined ? await this.fetch(requestId) : await this.bring(here.index, here.key);
    if (row === null) this.tellGone();
    else keys.read(row);
  }

  private async fetch(requestId: string): Promise<HTMLElement | null> {
    const place = await this.page.request({ ask: 'request-place', requestId }).catch(() => null);
    return place?.kind === 'place' && place.row !== null ? this.bring(place.index, place.row) : null;
  }

  private tellGone(): void {
    this.page.tell('info', 'This request is not in the transcript: it was answered or withdrawn meanwhile, or is still being read.');
  }

  private async bring(index: number, key: string): Promise<HTMLElement | null> {
    if (!(await this.jumps.toRow(index, key))) return null;
    const at = this.page.rows.indexOf(key);
    return this.parts().list?.elementAt(at < 0 ? index : at) ?? null;
  }
}

/** True where all of an element, or as much of it as the view takes, can be seen in the view. */
function isWithin(element: HTMLElement | null, view: HTMLElement): boolean {
  if (element === null) return false;
  const [row, seen] = [element.getBoundingClientRect(), view.getBoundingClientRect()];
  return row.top >= seen.top - 1 && (row.bottom <= seen.bottom + 1 || row.height > seen.height);
}
