import type { Emission } from './hub.ts';

/** What happens to an HTTP request in place of, or besides, its answer. */
export type HttpFault =
  /** The connection is destroyed: before anything is applied, or after it, so that the client cannot know. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  /** Waits, before it is applied or between that and the answer. */
  | { readonly kind: 'delay'; readonly ms: number; readonly when?: 'before' | 'after' }
  /** Another status in place of the answer; with `applied`, after the request took effect. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>>; readonly applied?: boolean }
  /** Applied; the headers promise the whole body, `bytes` of it come (half, when absent), then the connection is destroyed. */
  | { readonly kind: 'cut'; readonly bytes?: number }
  /** As `cut`, but the connection stays open and nothing more comes. */
  | { readonly kind: 'stall'; readonly bytes?: number }
  /** Applied; answered with 200 and a page of HTML, as a captive portal or a broken proxy does. */
  | { readonly kind: 'garbage'; readonly text?: string }
  /** `request`: it is applied twice, and the second answer is sent; `response`: the bytes of the answer come twice. */
  | { readonly kind: 'duplicate'; readonly what: 'request' | 'response' };

/** Which requests. A text is the whole path, without the query. */
export interface HttpMatch {
  readonly method?: string;
  readonly path?: string | RegExp;
  /** Of whom: as `SeenCall.client` names it. */
  readonly client?: string;
}

export interface FaultHandle {
  /** How often it struck. */
  readonly hits: number;
  remove(): void;
}

/** What of the pushes is lost, held back or sent twice. */
export interface PushFault extends FaultHandle {
  /** What is held back. */
  readonly held: readonly Emission[];
  /** Sends what was held back, and holds back nothing more: in the order it came, the other way around, or as the indices say (each at most once). */
  release(order?: 'kept' | 'reversed' | readonly number[]): void;
}

/** An event of a client that is lost, or whose acknowledgement is. */
export interface EventMatch {
  readonly event: string;
  /** Only those that fit. */
  readonly fits?: (data: unknown) => boolean;
}

interface Rule {
  left: number;
  hits: number;
}

interface HttpRule extends Rule {
  readonly match: HttpMatch;
  readonly fault: HttpFault;
}

interface PushRule extends Rule {
  readonly kind: 'drop' | 'hold' | 'twice';
  readonly fits: (emission: Emission) => boolean;
  readonly held: Emission[];
}

interface EventRule extends Rule {
  readonly match: EventMatch;
  readonly applied: boolean;
}

function handleOf<Kind extends Rule>(list: Kind[], rule: Kind): FaultHandle {
  list.push(rule);
  return {
    get hits() { return rule.hits; },
    remove: () => {
      const at = list.indexOf(rule);
      if (at !== -1) list.splice(at, 1);
    },
  };
}

/** The faults that a test asks for. Each strikes the next `times` times (once, unless said otherwise); of several that fit, the first strikes. */
export class Faults {
  readonly #http: HttpRule[] = [];
  readonly #pushes: PushRule[] = [];
  readonly #events: EventRule[] = [];
  readonly #send: (emission: Emission) => void;
  #databaseMs = 0;

  /** `send` sends a push that was held back. */
  constructor(send: (emission: Emission) => void) {
    this.#send = send;
  }

  /** How long every read of a row takes before what follows it: with two writers at once, the later one loses the race and is told what it had read. */
  get databaseMs(): number {
    return this.#databaseMs;
  }

  /** Slows the database, in milliseconds; 0 is the start. */
  slowDatabase(ms: number): void {
    this.#databaseMs = ms;
  }

  /** Makes requests go wrong. */
  http(match: HttpMatch, fault: HttpFault, times = 1): FaultHandle {
    return handleOf(this.#http, { match, fault, left: times, hits: 0 });
  }

  /** Loses pushes, sends them twice or holds them back until `release`; for ever, unless `times` says how many. */
  pushes(kind: 'drop' | 'hold' | 'twice', fits: (emission: Emission) => boolean = () => true, times = Number.POSITIVE_INFINITY): PushFault {
    const rule: PushRule = { kind, fits, left: times, hits: 0, held: [] };
    const handle = handleOf(this.#pushes, rule);
    return {
      get hits() { return handle.hits; },
      get held() { return rule.held; },
      remove: () => handle.remove(),
      release: (order = 'kept') => {
        handle.remove();
        const held = rule.held.splice(0);
        const indices = order === 'kept' ? held.keys() : order === 'reversed' ? [...held.keys()].reverse() : new Set(order);
        for (const index of indices) {
          const emission = held[index];
          if (emission !== undefined) this.#send(emission);
        }
      },
    };
  }

  /** Loses the acknowledgement of a client's event, which took effect (`applied`) or was lost itself. */
  acks(match: EventMatch, applied: boolean, times = 1): FaultHandle {
    return handleOf(this.#events, { match, applied, left: times, hits: 0 });
  }

  /** Takes every fault back; what was held is lost. */
  clear(): void {
    this.#http.length = 0;
    this.#pushes.length = 0;
    this.#events.length = 0;
    this.#databaseMs = 0;
  }

  /** The fault that strikes this request, used up. */
  forRequest(method: string, path: string, client: string): HttpFault | undefined {
    const rule = this.#http.find(({ match, left }) => left > 0 && (match.method === undefined || match.method === method) && (match.client === undefined || match.client === client)
      && (match.path === undefined || (typeof match.path === 'string' ? match.path === path : match.path.test(path))));
    if (rule === undefined) return undefined;
    strike(rule);
    return rule.fault;
  }

  /** How often a push is sent now: never, once or twice. Keeps what is held back. */
  forPush(emission: Emission): 0 | 1 | 2 {
    const rule = this.#pushes.find(({ fits, left }) => left > 0 && fits(emission));
    if (rule === undefined) return 1;
    strike(rule);
    if (rule.kind === 'hold') rule.held.push(emission);
    return rule.kind === 'twice' ? 2 : 0;
  }

  /** What becomes of a client's event: `whole`, `unheard` or `unanswered`. */
  forEvent(event: string, data: unknown): 'whole' | 'unheard' | 'unanswered' {
    const rule = this.#events.find(({ match, left }) => left > 0 && match.event === event && (match.fits === undefined || match.fits(data)));
    if (rule === undefined) return 'whole';
    strike(rule);
    return rule.applied ? 'unanswered' : 'unheard';
  }
}

function strike(rule: Rule): void {
  rule.left -= 1;
  rule.hits += 1;
}
