import type { CallOptions, Decision, Page } from '../../../model/backend.ts';
import type { Entry, FileEntry, UsageFigures } from '../../../model/entry.ts';
import { describeError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import { Slicer } from '../../../transport/slices.ts';
import type { SyncUse } from '../account.ts';
import { openAll } from '../crypto/openAll.ts';
import { invalid } from '../errors.ts';
import type { SentMessage } from '../http.ts';
import { PAGE, PageSize } from '../http.ts';
import type { MirroredSession } from '../mirrored.ts';
import type { Ask, MessageInput, TurnHint } from '../normalise/index.ts';
import { SessionNormaliser, toldClockLag } from '../normalise/index.ts';
import { fetchImage, isShown } from './attachments.ts';
import { charactersOf } from '../sync.ts';
import type { HappyDesk } from './desk.ts';
import { contextOf, told } from './desk.ts';
import { lockedEntry, lockedText, unlockedEntry } from './locked.ts';

/** Messages that are normalised at once. */
const PORTION = 10;
/** Images that are fetched at the same time. */
const FETCHES = 2;

/**
 * The messages of one session as entries. Messages that are pushed before the newest page was read wait for it: how far the machine's clock is off is told by a page, and it
 * must stay the same for a session.
 */
export class Log {
  readonly #desk: HappyDesk;
  readonly #id: string;
  readonly #emit: (entries: readonly Entry[]) => void;
  #use: SyncUse | null = null;
  #following = false;
  #normaliser: SessionNormaliser | null = null;
  #making: Promise<SessionNormaliser> | null = null;
  #early: MessageInput[] = [];
  #end = new AbortController();
  #keptOpen = '';
  /** As `NormaliseContext.clockLagMs`; null while nothing has told it. */
  #clockLagMs: number | null = null;
  readonly #size = new PageSize(PAGE.messages);
  readonly #images: FileEntry[] = [];
  #fetches = 0;
  /** Rows of images that wait, are fetched, or were told. */
  readonly #fetched = new Set<string>();
  #workAt = Number.NEGATIVE_INFINITY;
  #sentAt = Number.NEGATIVE_INFINITY;
  /** No key opens it: that was told in the place of its messages. */
  #locked = false;
  usage: UsageFigures | null = null;

  constructor(desk: HappyDesk, id: string, emit: (entries: readonly Entry[]) => void) {
    this.#desk = desk;
    this.#id = id;
    this.#emit = emit;
  }

  /** What the messages say of the last turn; null before any was read. */
  turnHint(): TurnHint | null {
    return this.#normaliser?.turnHint() ?? null;
  }

  /** When a prompt or the beginning of a turn last came in, milliseconds on the monotonic clock. */
  get workAt(): number {
    return this.#workAt;
  }

  /** Whether one notice stands in the place of all messages. */
  get locked(): boolean {
    return this.#locked;
  }

  /** When a prompt of ours was last sent, milliseconds on the monotonic clock. */
  get sentAt(): number {
    return this.#sentAt;
  }

  /** From now on what is pushed is told. */
  follow(): void {
    if (this.#following) return;
    this.#following = true;
    if (this.#desk.account.mirror.session(this.#id) !== null) this.#begin();
    else this.#known({ signal: this.#end.signal }).catch((error: unknown) => this.#desk.context.log.debug('a session is not known yet', { session: this.#id, error: describeError(error) }));
  }

  /** Without the session's row there is no key: a chat that a reload brings back may come before the lists. */
  async #known(call: CallOptions): Promise<void> {
    const { account } = this.#desk;
    if (account.mirror.session(this.#id) === null) account.mirror.takeSession(await account.sessionRow(this.#id, call));
    this.#begin();
  }

  #begin(): void {
    if (!this.#following || this.#use !== null || this.#end.signal.aborted) return;
    const use = this.#desk.account.sync(this.#id, this.#desk.account.mirror.cipher(this.#id));
    this.#use = use;
    use.sync.onMessages.on((messages) => this.#live(messages.map((message) => inputOf(message))));
  }

  leave(): void {
    this.#following = false;
    this.#use?.dispose();
    this.#use = null;
  }

  dispose(): void {
    this.#end.abort();
    this.leave();
  }

  /** A page of the server's record as entries: the newest, or what is older than the cursor. */
  async page(page: { readonly cursor?: string; readonly limit: number } & CallOptions): Promise<Page<Entry>> {
    const call = page.signal === undefined ? {} : { signal: page.signal };
    await this.#known(call);
    if (page.cursor === undefined) {
      const messages = await this.#newest(call);
      const locked = await this.#lock(messages);
      if (locked !== null) return { items: [locked], next: null };
      const normaliser = await this.#ready(messages);
      const [oldest] = messages;
      return { items: [...(await this.#unlocked()), ...(await this.#taken(normaliser, messages, page.signal))], next: oldest === undefined || oldest.seq <= 1 ? null : String(oldest.seq) };
    }
    const before = /^\d{1,12}$/.test(page.cursor) ? Number(page.cursor) : 0;
    if (before < 1) throw invalid('This is no cursor of a session. Start from the newest page.');
    const answer = await this.#desk.account.api.messages(this.#id, { before }, { ...call, limit: Math.max(1, Math.min(this.#size.limit, page.limit)) });
    this.#size.learn(answer.rows.length, charactersOf(answer.rows));
    const rows = answer.rows.toSorted((one, other) => one.seq - other.seq);
    const cipher = this.#desk.account.mirror.cipher(this.#id);
    const contents = cipher === null ? [] : await openAll(cipher, rows.map((row) => row.content.c), call);
    const messages = rows.map((row, index): MessageInput => ({ id: row.id, seq: row.seq, localId: row.localId, createdAt: row.createdAt, content: contents[index] }));
    const [oldest] = messages;
    return { items: await this.#taken(await this.#ready(messages), messages, page.signal), next: answer.more && oldest !== undefined && oldest.seq < before ? String(oldest.seq) : null };
  }

  /** Another version of the session's record. */
  agentState(session: MirroredSession): void {
    this.#begin();
    if (this.#locked && session.readable === 'yes') this.#unlock();
    if (this.#normaliser !== null) this.#publish(this.#normaliser.agentState(told(session.agentState), session.agentStateVersion));
  }

  /** The person's own answer, once it is confirmed; false where somebody else's answer holds. */
  answered(ask: Ask, decision: Decision): boolean {
    if (this.#normaliser === null) return true;
    const entries = this.#normaliser.answered(ask, decision);
    this.#publish(entries);
    return entries.length > 0;
  }

  /** The person here interrupted that turn, and the agent took it. */
  interrupted(turn: string): void {
    if (this.#normaliser !== null) this.#publish(this.#normaliser.interrupted(turn));
  }

  /** The agent is known to rest. */
  rests(): void {
    if (this.#use !== null && this.#normaliser !== null) this.#publish(this.#normaliser.rests());
  }

  /** Messages of ours that the server has taken: shown at once, not when their echo comes. */
  sent(sent: readonly SentMessage[], contents: ReadonlyMap<string, JsonObject>): void {
    const messages = sent.flatMap(({ id, seq, localId, createdAt }): MessageInput[] => {
      const content = localId === null ? undefined : contents.get(localId);
      // Without the server's time it would stand elsewhere than its echo.
      return content === undefined || createdAt === null ? [] : [{ id, seq, localId, createdAt, content }];
    });
    this.#sentAt = this.#desk.account.clock.monotonic();
    for (const { seq } of sent) this.#use?.sync.sent(seq);
    if (messages.length > 0) this.#live(messages);
  }

  /** The one notice that stands for all messages, where neither the session's record nor any of its newest messages can be read; null otherwise. */
  async #lock(messages: readonly MessageInput[]): Promise<Entry | null> {
    const { account, marks } = this.#desk;
    const session = account.mirror.session(this.#id);
    const text = session === null ? null : lockedText(session, account.credentials);
    this.#locked = text !== null && messages.every(({ content }) => content === undefined);
    if (session === null || text === null || !this.#locked) return null;
    await marks.setLocked(this.#id, true);
    return lockedEntry(session, text, account.credentials);
  }

  /** A key has come, or another record: what was locked is read, and told. */
  #unlock(): void {
    this.#locked = false;
    this.#use?.sync.rekey(this.#desk.account.mirror.cipher(this.#id));
    this.page({ limit: PORTION, signal: this.#end.signal })
      .then(({ items }) => this.#emit(items))
      .catch((error: unknown) => this.#desk.context.log.debug('a session that was locked could not be read', { session: this.#id, error: describeError(error) }));
  }

  async #unlocked(): Promise<readonly Entry[]> {
    const { marks } = this.#desk;
    if (!(await marks.locked(this.#id))) return [];
    await marks.setLocked(this.#id, false);
    return [unlockedEntry()];
  }

  async #newest(call: CallOptions): Promise<readonly MessageInput[]> {
    const use = this.#desk.account.sync(this.#id, this.#desk.account.mirror.cipher(this.#id));
    try {
      return (await use.sync.open(call)).map((message) => inputOf(message));
    } finally {
      use.dispose();
    }
  }

  #live(pushed: readonly MessageInput[]): void {
    // Of a session that no key opens, one notice tells.
    const messages = this.#locked || (this.#normaliser === null && this.#desk.account.mirror.session(this.#id)?.readable !== 'yes') ? pushed.filter(({ content }) => content !== undefined) : pushed;
    if (messages.length === 0) return;
    if (this.#normaliser !== null) {
      this.#learnClock(this.#normaliser, messages);
      this.#publish(this.#normaliser.messages(messages), true);
      return;
    }
    this.#early.push(...messages);
    // A session whose first page could not be read (no contact) begins with what the contact brings.
    void this.#ready(messages).catch((error: unknown) => this.#desk.context.log.warn('a session could not be followed', { session: this.#id, error: describeError(error) }));
  }

  #ready(page: readonly MessageInput[]): Promise<SessionNormaliser> {
    this.#making ??= this.#make(page).catch((error: unknown) => {
      this.#making = null;
      throw error;
    });
    return this.#making;
  }

  async #make(page: readonly MessageInput[]): Promise<SessionNormaliser> {
    const { marks, account } = this.#desk;
    const kept = await marks.followed(this.#id);
    const told = kept.clockLagMs ?? toldClockLag([...page, ...this.#early]);
    const session = account.mirror.session(this.#id);
    const normaliser = new SessionNormaliser(contextOf(session, told ?? 0), kept.open);
    this.#clockLagMs = told;
    this.#normaliser = normaliser;
    if (kept.clockLagMs === null && told !== null) this.#keep(normaliser);
    const early = this.#early.splice(0);
    if (early.length > 0) this.#publish(normaliser.messages(early), true);
    if (session !== null) this.#publish(normaliser.agentState(session.agentState ?? undefined, session.agentStateVersion));
    return normaliser;
  }

  /** The first envelope of a session tells, where its pages held none. */
  #learnClock(normaliser: SessionNormaliser, messages: readonly MessageInput[]): void {
    const told = this.#clockLagMs === null ? toldClockLag(messages) : null;
    if (told === null) return;
    this.#clockLagMs = told;
    normaliser.setClockLag(told);
    this.#keep(normaliser);
  }

  #keep(normaliser: SessionNormaliser): void {
    this.#desk.marks.setFollowed(this.#id, { clockLagMs: this.#clockLagMs, open: normaliser.openRequests })
      .catch((error: unknown) => this.#desk.context.log.debug('what following a session needs could not be kept', { error: describeError(error) }));
  }

  /** In slices of portions, the newest first, so that each brings the requests of its own time only. */
  async #taken(normaliser: SessionNormaliser, messages: readonly MessageInput[], signal: AbortSignal | undefined): Promise<Entry[]> {
    const entries: Entry[] = [];
    const slicer = new Slicer({ signal });
    for (let end = messages.length; end > 0; end -= PORTION) {
      if (slicer.due()) await slicer.rest();
      entries.push(...normaliser.messages(messages.slice(Math.max(0, end - PORTION), end)));
    }
    this.#note(entries);
    return entries;
  }

  #publish(entries: readonly Entry[], fresh = false): void {
    if (entries.length === 0) return;
    if (fresh && entries.some((entry) => entry.kind === 'prompt' || (entry.kind === 'turn' && entry.phase === 'start'))) this.#workAt = this.#desk.account.clock.monotonic();
    this.#note(entries);
    this.#emit(entries);
  }

  /** Figures, open requests and images that the entries bring. */
  #note(entries: readonly Entry[]): void {
    let newest = Number.NEGATIVE_INFINITY;
    for (const entry of entries) {
      if (entry.kind === 'usage' && entry.scope === 'session' && entry.rev >= newest) {
        newest = entry.rev;
        this.usage = entry.figures;
      }
      if (entry.kind === 'file') this.#image(entry);
    }
    const normaliser = this.#normaliser;
    const open = normaliser === null ? '' : JSON.stringify(normaliser.openRequests);
    if (normaliser !== null && open !== this.#keptOpen) {
      this.#keptOpen = open;
      this.#keep(normaliser);
    }
    this.#desk.changed(this.#id);
  }

  #image(entry: FileEntry): void {
    if (this.#use === null || this.#fetched.has(entry.id) || !isShown(entry)) return;
    this.#fetched.add(entry.id);
    this.#images.push(entry);
    if (this.#fetches < FETCHES) void this.#fetchImages();
  }

  /** Works off the images that wait, one after the other. */
  async #fetchImages(): Promise<void> {
    const { signal } = this.#end;
    this.#fetches += 1;
    for (let entry = this.#images.shift(); entry !== undefined; entry = this.#images.shift()) {
      try {
        const cipher = this.#desk.account.mirror.cipher(this.#id);
        const image = cipher === null || signal.aborted || this.#use === null ? undefined : await fetchImage(this.#desk.account, this.#id, cipher, entry, { signal });
        if (image === undefined) this.#fetched.delete(entry.id);
        else if (image !== null) this.#emit([image]);
      } catch (error) {
        // Worth another try when its message is read again.
        this.#fetched.delete(entry.id);
        if (!signal.aborted) this.#desk.context.log.debug('an image could not be fetched', { session: this.#id, error: describeError(error) });
      }
    }
    this.#fetches -= 1;
  }
}

function inputOf(message: { readonly id: string; readonly seq: number; readonly localId: string | null; readonly createdAt: number; readonly content: MessageInput['content']; readonly readable: boolean }): MessageInput {
  return { id: message.id, seq: message.seq, localId: message.localId, createdAt: message.createdAt, content: message.readable ? message.content : undefined };
}
