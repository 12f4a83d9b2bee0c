import { setFiles, setRoot } from './model/place.ts';
import { computed, signal } from '@preact/signals';
import type { CardDraft, Anchor, Host, KeptState } from './host.ts';
import { announcementOf, changeOf } from './model/announce.ts';
import { elsewhere } from './model/waiting.ts';
import { noChanges, RowModel } from './model/rows.ts';
import type { RowChanges } from './model/rows.ts';
import type { Attachment, ChatConfig, ChatState, FindQuery, HostMessage, PageRequest, ReplyValue } from './types.ts';

/** A refusal or failure of the host, with its words for the person. */
export class RequestError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
  }
}

/** A line above the composer that says how something went. */
interface Feedback {
  /** `busy`: it goes on. */
  readonly level: 'info' | 'error' | 'busy';
  readonly text: string;
  /** True: it stays until it is dismissed. */
  readonly stays?: boolean;
  /** What else can be done about it. */
  readonly action?: { readonly label: string; readonly body: PageRequest };
}

/** In place of a session that could not be opened. */
interface Unavailable {
  readonly message: string;
  readonly remedy: string | null;
  /** True while it is tried again. */
  readonly trying: boolean;
}

/** How far an output is that does not come by itself: on its way, not to be had (why), or here. */
type FetchedOutput = { readonly state: 'waiting' } | { readonly state: 'failed'; readonly message: string } | { readonly state: 'here' };

interface Waiting {
  readonly resolve: (value: ReplyValue) => void;
  readonly reject: (error: RequestError) => void;
  timer: ReturnType<typeof setTimeout>;
  readonly onProgress: (message: string) => void;
}

const DEADLINE_MS = 60_000;
/** A stop that takes longer than this says what it waits for. */
const STOP_SAID_MS = 1_200;
const KEEP_MS = 60;
const MAX_FOLDS = 500;
const NO_CARD: CardDraft = { reason: '', reasonOpen: false, picked: {}, typed: {} };

/**
 * The state of the page: what the host said (state, config, rows) and what the person did to the view (folds, begun answers, place). It speaks with the host; what
 * is drawn follows its signals and, for rows, its listener.
 */
export class ChatPage {
  readonly state = signal<ChatState | null>(null);
  readonly config = signal<ChatConfig>({ enterKey: 'send', thinking: 'collapsed' });
  /** Why the session can't be shown; null while it can, and `trying` while it is being opened again. */
  readonly unavailable = signal<Unavailable | null>(null);
  readonly feedback = signal<Feedback | null>(null);
  /** True while the turn is being interrupted. */
  readonly stopping = signal(false);
  /** Words for a screen reader, said once. */
  readonly announcement = signal('');
  readonly running = computed(() => isRunning(this.state.value));
  /** Rows of the session. */
  readonly rowCount = signal(0);
  /** Turns, counted where every row is here; 0 otherwise. */
  readonly turnsHeld = signal(0);
  /** Requests that wait for the person, of the rows that are here, oldest first. */
  readonly asking = signal<readonly string[]>([]);
  /** Requests that wait for the person, of rows that are not here. */
  readonly elsewhere = signal<readonly string[]>([]);
  readonly rows = new RowModel();
  /** Outputs that the person asked for, by row. */
  readonly outputs = new Map<string, FetchedOutput>();
  session = '';
  /** Called with what changed, or null when everything did; `first` is true for the first snapshot. */
  onRows: (changes: RowChanges | null, first: boolean) => void = () => undefined;
  onDraft: (draft: string) => void = () => undefined;
  /** Files of the draft that was kept. */
  onDraftFiles: (files: readonly Attachment[]) => void = () => undefined;
  onInsert: (text: string) => void = () => undefined;
  onFocus: () => void = () => undefined;
  /** Something was sent that is said at once. */
  onSent: () => void = () => undefined;
  onFinding: (message: Extract<HostMessage, { type: 'find' | 'found' | 'do' | 'go' | 'review' }>) => void = () => undefined;
  /** Counts the times that folds were opened for a match: what draws by its folds draws anew. */
  readonly opens = signal(0);

  private readonly host: Host;
  private readonly waiting = new Map<number, Waiting>();
  private lastRequest = 0;
  private resyncing = -1;
  private folds: Map<string, boolean>;
  private cards: Map<string, CardDraft>;
  private anchor: Anchor | null;
  private find: FindQuery | null;
  private readonly keptSession: string | null;
  private keepTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(host: Host) {
    this.host = host;
    const kept = host.load();
    this.keptSession = kept?.session ?? null;
    this.anchor = kept?.anchor ?? null;
    this.find = kept?.find ?? null;
    this.folds = new Map((kept?.folds ?? []).map((fold) => [fold.slice(1), fold.startsWith('+')]));
    this.cards = new Map(Object.entries(kept?.cards ?? {}));
    this.rows.onHeld = () => this.look();
    host.onMessage((message) => this.receive(message));
  }

  start(): void {
    this.host.post({ type: 'ready' });
  }

  /** Asks the host for something. Rejects with a RequestError in the host's words, or after a minute without an answer or a word of how far it is. */
  request(body: PageRequest, onProgress: (message: string) => void = () => undefined): Promise<ReplyValue> {
    this.lastRequest += 1;
    const request = this.lastRequest;
    return new Promise((resolve, reject) => {
      this.waiting.set(request, { resolve, reject, timer: this.deadline(request), onProgress });
      this.host.post({ type: 'request', session: this.session, request, body });
    });
  }

  private heardOf(request: number, message: string): void {
    const waiting = this.waiting.get(request);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    waiting.timer = this.deadline(request);
    waiting.onProgress(message);
  }

  private deadline(request: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.waiting.get(request)?.reject(new RequestError('no_reply', 'VS Code did not answer. Try again, or reload the window.'));
      this.waiting.delete(request);
    }, DEADLINE_MS);
  }

  /** Asks, and tells the person how it went where there is something to tell. */
  async ask(body: PageRequest): Promise<boolean> {
    try {
      const value = await this.request(body);
      if (value.kind === 'done' && value.message !== null) this.tell('info', value.message);
      return true;
    } catch (error) {
      this.tell('error', error instanceof Error ? error.message : 'It failed.');
      return false;
    }
  }

  /** Breaks the running turn off, and says which step of it is tried and which one worked. */
  async interrupt(): Promise<void> {
    if (this.stopping.peek()) return;
    this.stopping.value = true;
    const agent = this.state.peek()?.agentName ?? 'The agent';
    let went = false;
    const say = (text: string): void => {
      went = true;
      this.feedback.value = { level: 'busy', text };
    };
    const slow = setTimeout(() => say(`Asked ${agent} to break the turn off…`), STOP_SAID_MS);
    try {
      const value = await this.request({ ask: 'interrupt' }, (message) => {
        clearTimeout(slow);
        say(message);
      });
      const message = value.kind === 'done' ? value.message : null;
      this.feedback.value = message === null ? null : { level: 'info', text: message, stays: went };
    } catch (error) {
      const canStop = this.state.peek()?.traits.stop === true;
      this.feedback.value = { level: 'error', text: error instanceof Error ? error.message : 'It failed.', ...(canStop ? { action: { label: 'Stop Session', body: { ask: 'run', command: 'stop' } } } : {}) };
    } finally {
      clearTimeout(slow);
      this.stopping.value = false;
    }
  }

  /** Says something to a screen reader. What was said just before is said again: equal words would be no change. */
  announce(text: string | null): void {
    if (text === null || text === '') return;
    const before = this.announcement.peek();
    this.announcement.value = before === text ? `${text}\u00A0` : text;
  }

  /** Asks the session's machine for the output of a tool row; `changed` is called when there is something else to show. Joins what is on its way. */
  async fetchOutput(row: string, changed: () => void): Promise<void> {
    if (this.outputs.get(row)?.state === 'waiting') return;
    const become = (output: FetchedOutput): void => {
      this.outputs.set(row, output);
      changed();
    };
    become({ state: 'waiting' });
    try {
      await this.request({ ask: 'fetch-output', row });
      become({ state: 'here' });
    } catch (error) {
      become({ state: 'failed', message: error instanceof Error ? error.message : 'It failed.' });
    }
  }

  tell(level: Feedback['level'], text: string): void {
    this.feedback.value = { level, text };
  }

  /** Asks the host to open the session again. */
  reopen(): void {
    const { value } = this.unavailable;
    if (value === null || value.trying) return;
    this.unavailable.value = { ...value, trying: true };
    this.host.post({ type: 'reopen' });
  }

  sendDraft(text: string, files: readonly Attachment[] | null): void {
    this.host.post({ type: 'draft', session: this.session, text, ...(files === null ? {} : { files }) });
  }

  /** Whether something that folds is open. */
  isOpen(key: string, byDefault = false): boolean {
    return this.folds.get(key) ?? byDefault;
  }

  setOpen(key: string, open: boolean, byDefault = false): void {
    if (open === byDefault) this.folds.delete(key);
    else this.folds.set(key, open);
    for (const oldest of this.folds.keys()) {
      if (this.folds.size <= MAX_FOLDS) break;
      this.folds.delete(oldest);
    }
    this.keepSoon();
  }

  card(requestId: string): CardDraft {
    return this.cards.get(requestId) ?? NO_CARD;
  }

  setCard(requestId: string, card: CardDraft | null): void {
    if (card === null) this.cards.delete(requestId);
    else this.cards.set(requestId, card);
    this.keepSoon();
  }

  get keptAnchor(): Anchor | null {
    return this.anchor;
  }

  setAnchor(anchor: Anchor | null): void {
    this.anchor = anchor;
    this.keepSoon();
  }

  /** What the find box looked for when the page was left; null where it was closed. */
  get keptFind(): FindQuery | null {
    return this.find;
  }

  keepFind(query: FindQuery | null): void {
    this.find = query;
    this.keepSoon();
  }

  private keepSoon(): void {
    if (this.keepTimer !== null) return;
    this.keepTimer = setTimeout(() => this.keepNow(), KEEP_MS);
  }

  keepNow(): void {
    if (this.keepTimer !== null) clearTimeout(this.keepTimer);
    this.keepTimer = null;
    if (this.session === '') return;
    const state: KeptState = { session: this.session, anchor: this.anchor, folds: [...this.folds].map(([key, open]) => `${open ? '+' : '-'}${key}`), cards: Object.fromEntries(this.cards), find: this.find };
    this.host.keep(state);
  }

  private receive(message: HostMessage): void {
    switch (message.type) {
      case 'snapshot': {
        const first = this.session === '';
        this.unavailable.value = null;
        this.session = message.session;
        if (first && this.keptSession !== message.session) this.forgetKept();
        // A reload of the window finds the tab's session by what is kept, whether or not anybody did anything here.
        if (first) this.keepSoon();
        this.resyncing = -1;
        this.rows.reset(message);
        this.config.value = message.config;
        setRoot(message.state.root ?? '');
        setFiles(message.state.files !== 'none');
        this.state.value = message.state;
        this.look();
        this.onRows(null, first);
        if (first) this.onDraft(message.draft);
        return;
      }
      case 'patch': {
        if (this.session === '' || this.resyncing === this.rows.generation) return;
        const changes = noChanges();
        const reason = this.rows.apply(message, changes);
        if (reason === null) {
          if (changes.structural) this.look();
          this.announce(announcementOf(message, this.rows, this.state.peek()?.agentName ?? 'The agent'));
          this.onRows(changes, false);
        } else {
          this.resyncing = this.rows.generation;
          this.host.post({ type: 'resync', generation: this.rows.generation, reason });
        }
        return;
      }
      case 'state': {
        const before = this.state.value;
        if (before === null) return;
        this.state.value = { ...before, ...message.state };
        if (message.state.waiting !== undefined) this.lookElsewhere();
        this.announce(changeOf(before, this.state.value));
        return;
      }
      case 'progress':
        this.heardOf(message.request, message.message);
        return;
      case 'unavailable':
        this.unavailable.value = { message: message.message, remedy: message.remedy, trying: false };
        // A reload of the window finds the tab's session by what is kept.
        if (this.session === '' && this.keptSession !== message.session) this.host.keep({ session: message.session, anchor: null, folds: [], cards: {}, find: null });
        return;
      case 'config':
        this.config.value = message.config;
        return;
      case 'reply': {
        const waiting = this.waiting.get(message.request);
        if (waiting === undefined) return;
        this.waiting.delete(message.request);
        clearTimeout(waiting.timer);
        if (message.ok) waiting.resolve(message.value);
        else waiting.reject(new RequestError(message.code, message.message));
        return;
      }
      case 'insert':
        this.onInsert(message.text);
        return;
      case 'draft-files':
        if (message.session === this.session) this.onDraftFiles(message.files);
        return;
      case 'focus':
        this.onFocus();
        return;
      case 'find':
      case 'found':
      case 'do':
      case 'go':
      case 'review':
        this.onFinding(message);
    }
  }

  private look(): void {
    const asking: string[] = [];
    let turns = 0;
    for (const span of this.rows.spans) {
      for (const row of span.rows) {
        if (row.kind === 'prompt') turns += 1;
        else if (row.kind === 'permission' && row.outcome === null) asking.push(row.requestId);
      }
    }
    this.rowCount.value = this.rows.total;
    this.turnsHeld.value = this.rows.held === this.rows.total ? turns : 0;
    if (asking.join('\n') !== this.asking.peek().join('\n')) this.asking.value = asking;
    this.lookElsewhere();
  }

  private lookElsewhere(): void {
    const away = elsewhere(this.state.peek()?.waiting ?? [], this.rows.spans);
    if (away.join('\n') !== this.elsewhere.peek().join('\n')) this.elsewhere.value = away;
  }

  private forgetKept(): void {
    this.anchor = null;
    this.find = null;
    this.folds = new Map();
    this.cards = new Map();
  }
}

function isRunning(state: ChatState | null): boolean {
  return state !== null && (state.turnStartedAt !== null || state.state === 'running' || state.state === 'waiting');
}
