import type { AttentionItem } from '../core/fleet/attention.ts';
import { compareAttention } from '../core/fleet/attention.ts';
import type { Clock } from '../core/model/context.ts';
import type { Session, WaitingPermission } from '../core/model/session.ts';
import { titleOf } from './tree/line.ts';
import { belowFolder, noticeText, oneLine } from './tree/text.ts';

export type NoticeAction = 'Allow' | 'Deny' | 'Review…' | 'Open' | 'Sign In…';

/** A notification for one thing that waits. */
interface Notice {
  readonly text: string;
  readonly actions: readonly NoticeAction[];
}

/** What a request asks, in one line; where that is not all of it, it does not look as if it were. */
export function askedLine(request: WaitingPermission, folder: string): string {
  const line = oneLine(request.whole ?? belowFolder(request.title, folder), 200);
  return request.ask !== 'tool' || request.whole !== undefined || line.endsWith('…') ? line : `${line} …`;
}

/** What there is to say of it. What has Allow and Deny is said whole. */
export function noticeOf(item: AttentionItem, session: Pick<Session, 'title' | 'folder'> | null): Notice {
  const title = `“${noticeText(session === null ? item.name : titleOf(session), 60)}”`;
  const text = noticeText(belowFolder(item.text, session?.folder ?? ''), 200);
  const because = text === '' ? '.' : `: ${text}`;
  switch (item.kind) {
    case 'permission': return item.can.includes('allow') ? { text: `${title} asks: ${noticeText(item.text, 400)}`, actions: ['Allow', 'Deny', 'Review…'] } : { text: `${title} asks: ${noticeText(item.request === null ? item.text : askedLine(item.request, session?.folder ?? ''), 210)}`, actions: ['Review…'] };
    case 'question': return { text: `${title} asks you${because}`, actions: ['Review…'] };
    case 'plan': return { text: `${title} has a plan for you to approve.`, actions: ['Review…'] };
    case 'sign-in': return { text: `${title} needs you to sign in again${because}`, actions: ['Sign In…'] };
    case 'undelivered': return { text: `What you wrote to ${title} was not delivered${because}`, actions: ['Open'] };
    case 'failed': return { text: `${title} failed: ${text === '' ? 'the turn ended with an error' : text}`, actions: ['Open'] };
    case 'finished': return { text: `${title} is done.`, actions: ['Open'] };
  }
}

interface NoticesOptions {
  readonly clock: Clock;
  /** Whether the person wants to be told of such a thing. */
  readonly wanted: (item: AttentionItem) => boolean;
  /** Whether it waits still. */
  readonly waits: (item: AttentionItem) => boolean;
  /** Whether they see it without being told. */
  readonly seen: (item: AttentionItem) => boolean;
  readonly focused: () => boolean;
  /** False where another window of ours has it. Held until `release`. */
  readonly claim: (name: string) => Promise<boolean>;
  readonly release: (name: string) => void;
  /** Settles when the notification is gone. */
  readonly show: (item: AttentionItem) => Promise<void>;
  /** One notification for all that wait. */
  readonly showMany: () => Promise<void>;
}

/** What begins to wait together is told together. */
const GATHER_MS = 400;
/** A window that the person is not at lets the one that they are at tell it: that hears of it through the store within two seconds. */
const AWAY_MS = 2_400;
const PACE_MS = 2_000;
/** So many are told one by one, and so many notifications of ours stand at once; of more, one tells. */
const SINGLY = 2;
const STANDING = 3;
/** One that nobody closed lies in VS Code's list by then. */
const STANDS_MS = 60_000;
const CLAIM_MS = 60_000;

function placeOf(item: AttentionItem): string {
  return item.key ?? item.connectionId;
}

/** Tells of what begins to wait: one notification a session, never many at once, and in one window only. */
export class Notices {
  private readonly options: NoticesOptions;
  /** By session, the most urgent of it. */
  private readonly pending = new Map<string, AttentionItem>();
  /** By session, what waits for its turn behind something more urgent there. */
  private readonly behind = new Map<string, readonly AttentionItem[]>();
  /** By session that has something behind, what was told of it last. */
  private readonly ahead = new Map<string, AttentionItem>();
  private readonly timers = new Set<{ cancel(): void }>();
  private timer: { cancel(): void } | null = null;
  private toldAt = Number.NEGATIVE_INFINITY;
  /** What each notification that stands tells of. */
  private readonly standing = new Set<readonly AttentionItem[]>();

  constructor(options: NoticesOptions) {
    this.options = options;
  }

  /** `items` began to wait. Called at each change of the queue, with none of them too: what was told and waits no more lets the next of its session be told. */
  add(items: readonly AttentionItem[]): void {
    const { clock, wanted, focused } = this.options;
    for (const item of items) if (wanted(item)) this.queue(item);
    this.moveUp();
    if (this.pending.size === 0 || this.timer !== null) return;
    const wait = Math.max(focused() ? GATHER_MS : AWAY_MS, this.toldAt + PACE_MS - clock.monotonic());
    this.timer = clock.setTimeout(() => void this.tell(), wait);
  }

  dispose(): void {
    this.timer?.cancel();
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    this.pending.clear();
    this.behind.clear();
    this.ahead.clear();
  }

  private queue(item: AttentionItem): void {
    const place = placeOf(item);
    const known = this.pending.get(place);
    const first = known === undefined || !this.options.waits(known) || compareAttention(item, known) < 0;
    const later = first ? known : item;
    if (first) this.pending.set(place, item);
    if (later !== undefined) this.behind.set(place, [...(this.behind.get(place) ?? []), later]);
  }

  /** What stood behind something that waits no more is told next. */
  private moveUp(): void {
    const { waits, wanted } = this.options;
    for (const [place, items] of this.behind) {
      const [next, ...rest] = items.filter((item) => waits(item) && wanted(item)).sort(compareAttention);
      const ahead = this.pending.get(place) ?? this.ahead.get(place);
      const free = ahead === undefined || !waits(ahead);
      if (free && next !== undefined) this.pending.set(place, next);
      const left = free || next === undefined ? rest : [next, ...rest];
      if (left.length > 0) this.behind.set(place, left);
      else this.behind.delete(place);
    }
  }

  private async tell(): Promise<void> {
    const { clock, waits, seen, claim, show, showMany } = this.options;
    const items = [...this.pending.values()].sort(compareAttention);
    this.pending.clear();
    for (const place of this.ahead.keys()) if (!this.behind.has(place)) this.ahead.delete(place);
    for (const item of items) if (this.behind.has(placeOf(item))) this.ahead.set(placeOf(item), item);
    const mine: AttentionItem[] = [];
    for (const item of items) {
      // What is seen here is claimed too: no other window need tell it.
      if (!waits(item) || !(await claim(item.id))) continue;
      this.later(CLAIM_MS, () => this.options.release(item.id));
      if (!seen(item)) mine.push(item);
    }
    this.timer = null;
    const told = mine.filter(waits);
    if (told.length > 0) this.toldAt = clock.monotonic();
    if (told.length > SINGLY || (this.isCrowded(told) && this.sessionsOf(told) > 1)) this.stand(told, showMany());
    else for (const item of told) this.stand([item], show(item));
    this.add([]);
  }

  private isCrowded(told: readonly AttentionItem[]): boolean {
    return told.length > 0 && this.standing.size + told.length > STANDING;
  }

  /** Of how many sessions notifications tell that wait, with these. */
  private sessionsOf(told: readonly AttentionItem[]): number {
    return new Set([...told, ...[...this.standing].flat().filter(this.options.waits)].map(placeOf)).size;
  }

  private stand(items: readonly AttentionItem[], shown: Promise<void>): void {
    this.standing.add(items);
    const gone = (): void => void this.standing.delete(items);
    const timer = this.later(STANDS_MS, gone);
    void shown.finally(() => {
      timer.cancel();
      gone();
    });
  }

  private later(ms: number, what: () => void): { cancel(): void } {
    const timer = this.options.clock.setTimeout(() => {
      this.timers.delete(timer);
      what();
    }, ms);
    this.timers.add(timer);
    return { cancel: () => {
      timer.cancel();
      this.timers.delete(timer);
    } };
  }
}
