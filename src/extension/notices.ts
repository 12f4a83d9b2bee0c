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

/** Tells of what begins to wait: one notification a session, never many at once, and in one window only. */
export class Notices {
  private readonly options: NoticesOptions;
  /** By session, the most urgent of it. */
  private readonly pending = new Map<string, AttentionItem>();
  private readonly timers = new Set<{ cancel(): void }>();
  private timer: { cancel(): void } | null = null;
  private toldAt = Number.NEGATIVE_INFINITY;
  private standing = 0;

  constructor(options: NoticesOptions) {
    this.options = options;
  }

  add(items: readonly AttentionItem[]): void {
    const { clock, wanted, focused } = this.options;
    for (const item of items) {
      if (!wanted(item)) continue;
      const place = item.key ?? item.connectionId;
      const known = this.pending.get(place);
      if (known === undefined || !this.options.waits(known) || compareAttention(item, known) < 0) this.pending.set(place, item);
    }
    if (this.pending.size === 0 || this.timer !== null) return;
    const wait = Math.max(focused() ? GATHER_MS : AWAY_MS, this.toldAt + PACE_MS - clock.monotonic());
    this.timer = clock.setTimeout(() => void this.tell(), wait);
  }

  dispose(): void {
    this.timer?.cancel();
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    this.pending.clear();
  }

  private async tell(): Promise<void> {
    const { clock, waits, seen, claim, show, showMany } = this.options;
    const items = [...this.pending.values()].sort(compareAttention);
    this.pending.clear();
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
    if (told.length > SINGLY || (told.length > 0 && this.standing + told.length > STANDING)) this.stand(showMany());
    else for (const item of told) this.stand(show(item));
    this.add([]);
  }

  private stand(shown: Promise<void>): void {
    this.standing += 1;
    let stands = true;
    const gone = (): void => {
      if (stands) this.standing -= 1;
      stands = false;
    };
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
