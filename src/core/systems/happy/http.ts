import { Blob } from 'node:buffer';
import { FormData } from 'undici';
import { z } from 'zod';
import type { CallOptions } from '../../model/backend.ts';
import type { JsonValue } from '../../model/json.ts';
import type { HttpClient, HttpMethod } from '../../transport/http.ts';
import { HttpError, isLoopback } from '../../transport/http.ts';
import type { RetryOptions } from '../../transport/retry.ts';
import { classifyHttp, withRetry } from '../../transport/retry.ts';
import type { Credentials } from './credentials.ts';
import { HappyError, happyError, invalid, SessionNotFound, statusOf } from './errors.ts';
import type { ArtifactRow, MachineRow, MessageRow, SessionRow, UsageAnswer } from './wire/bodies.ts';
import * as wire from './wire/bodies.ts';

export interface SessionsPage {
  readonly rows: readonly SessionRow[];
  /** Rows that had no readable shape. */
  readonly bad: number;
  readonly next: string | null;
}
export interface MessagesPage {
  readonly rows: readonly MessageRow[];
  readonly bad: number;
  /** More messages beyond this page, in its direction. */
  readonly more: boolean;
}
export interface SentMessage {
  readonly id: string;
  readonly seq: number;
  readonly localId: string | null;
  /** Milliseconds since the epoch on the server's clock; null where it does not tell. */
  readonly createdAt: number | null;
}
/** Which messages: ascending after a seq, or descending before one. */
export type MessageRange = { readonly after: number } | { readonly before: number };

/** The greatest seq that the server takes: `before` it is the newest page. */
export const NEWEST = 2_147_483_647;
/** The server's own limits of a page. */
export const PAGE = { sessions: 200, active: 500, messages: 500, batch: 100 } as const;
/** Characters of records that an answer should hold at most: it is parsed in one go, which takes about 5 ms for these. */
const PAGE_CHARACTERS = 1_000_000;
/** An attachment may be 10 MiB when encrypted, which adds 40 bytes. */
export const LARGEST_FILE = 10 * 1024 * 1024 - 40;

interface Call extends CallOptions {
  readonly json?: JsonValue;
  readonly deadlineMs?: number;
  /** A second request does no second thing: it may be tried again. */
  readonly idempotent: boolean;
  readonly tries?: number;
}

/** How many rows to ask for: as many as hold PAGE_CHARACTERS at most, by what the rows that came last were like. */
export class PageSize {
  readonly #most: number;
  #limit: number;

  /** `most` is the server's own limit, `first` what is asked for while nothing is known. */
  constructor(most: number, first = most) {
    this.#most = most;
    this.#limit = first;
  }

  get limit(): number {
    return this.#limit;
  }

  learn(rows: number, characters: number): void {
    if (rows > 0) this.#limit = Math.max(1, Math.min(this.#most, Math.floor((PAGE_CHARACTERS * rows) / Math.max(1, characters))));
  }
}

/**
 * Every endpoint of the Happy server that a controller needs (happy.md A, B5–B7, B11), with its retries: what is idempotent by nature or by key is tried again, the rest
 * never. Rejections are HappyErrors: AuthenticationError, SessionNotFound, ConnectionError, TimeoutError, or the root's own codes.
 */
export class HappyHttp {
  readonly #http: HttpClient;
  readonly #credentials: Pick<Credentials, 'serverUrl' | 'token'>;
  readonly #client: string;
  readonly #retry: Pick<RetryOptions, 'clock' | 'random' | 'baseMs' | 'capMs'>;

  /** `client` is how we present ourselves: "<platform>/<version>". */
  constructor(http: HttpClient, credentials: Pick<Credentials, 'serverUrl' | 'token'>, client: string, retry: Pick<RetryOptions, 'clock' | 'random' | 'baseMs' | 'capMs'> = {}) {
    this.#http = http;
    this.#credentials = credentials;
    this.#client = client;
    this.#retry = retry;
  }

  /** A page of all sessions, newest made first. */
  async sessions(page: { readonly cursor?: string | null; readonly limit?: number; readonly changedSince?: number } & CallOptions = {}): Promise<SessionsPage> {
    const query = new URLSearchParams({ limit: String(page.limit ?? PAGE.sessions) });
    if (page.cursor !== undefined && page.cursor !== null) query.set('cursor', page.cursor);
    if (page.changedSince !== undefined) query.set('changedSince', String(page.changedSince));
    const answer = await this.#get(`/v2/sessions?${query}`, wire.sessionsPage, page);
    const next = answer.hasNext === true ? (answer.nextCursor ?? '') : null;
    // The end of the list is what sessions that are gone are told by: an answer that may be cut short is none.
    if (next === '' || (next !== null && next === page.cursor)) throw new HappyError('bad_answer', 'The Happy server said that there are more sessions, and not where. Try again.');
    return { ...(await wire.rowsOf(wire.sessionRow, answer.sessions, page)), next };
  }

  /** Sessions that were seen within 15 minutes, the latest first; 500 at most. */
  async activeSessions(options: CallOptions = {}): Promise<{ readonly rows: readonly SessionRow[]; readonly bad: number }> {
    const answer = await this.#get(`/v2/sessions/active?limit=${PAGE.active}`, wire.sessionsPage, options);
    return wire.rowsOf(wire.sessionRow, answer.sessions, options);
  }

  /**
   * One session, or null. There is no endpoint for it: the list is ordered by id, so a cursor just above the id begins with it. Where the first row is another (a server
   * that orders ids otherwise), the session's messages tell whether it exists, and the list is read through.
   */
  async session(id: string, options: CallOptions = {}): Promise<SessionRow | null> {
    if (!/^[\w-]{1,128}$/.test(id)) return null;
    const near = await this.sessions({ ...options, cursor: `cursor_v1_${id}0`, limit: 1 });
    const [first] = near.rows;
    if (first?.id === id) return first;
    if (!(await this.#exists(`/v3/sessions/${id}/messages?limit=1`, options))) return null;
    for (let cursor: string | null = null; ;) {
      const page: SessionsPage = await this.sessions({ ...options, cursor });
      const row = page.rows.find((one) => one.id === id);
      if (row !== undefined) return row;
      if (page.next === null) break;
      cursor = page.next;
    }
    // Deleted since, or listed in a shape that cannot be read: only the first is gone.
    if (!(await this.#exists(`/v3/sessions/${id}/messages?limit=1`, options))) return null;
    throw new HappyError('bad_answer', `The Happy server has session ${id}, but does not list it. Try again.`);
  }

  async machines(options: CallOptions = {}): Promise<{ readonly rows: readonly MachineRow[]; readonly bad: number }> {
    return wire.rowsOf(wire.machineRow, await this.#get('/v1/machines', wire.machinesList, options), options);
  }

  async machine(id: string, options: CallOptions = {}): Promise<MachineRow | null> {
    try {
      return (await this.#get(`/v1/machines/${part(id)}`, wire.machineAnswer, options)).machine;
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  /** False where it was gone already. */
  async deleteMachine(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.#gone('DELETE', `/v1/machines/${part(id)}`, options);
  }

  /** Rejects with SessionNotFound. */
  async messages(sessionId: string, range: MessageRange, options: { readonly limit?: number } & CallOptions = {}): Promise<MessagesPage> {
    const where = 'after' in range ? `after_seq=${range.after}` : `before_seq=${Math.max(1, Math.min(range.before, NEWEST))}`;
    const answer = await this.#inSession(sessionId, () => this.#get(`/v3/sessions/${part(sessionId)}/messages?${where}&limit=${options.limit ?? PAGE.messages}`, wire.messagesPage, options));
    return { ...(await wire.rowsOf(wire.messageRow, answer.messages, options)), more: answer.hasMore };
  }

  /** Stores 1 to 100 sealed messages. The same `localId` is stored once, however often it is sent, so this is tried again like a read. */
  async send(sessionId: string, messages: readonly { readonly localId: string; readonly content: string }[], options: CallOptions = {}): Promise<readonly SentMessage[]> {
    if (messages.length === 0 || messages.length > PAGE.batch) throw invalid(`Between 1 and ${PAGE.batch} messages can be sent at once.`);
    const json = { messages: messages.map(({ localId, content }) => ({ localId, content })) };
    const answer = await this.#inSession(sessionId, () => this.#call('POST', `/v3/sessions/${part(sessionId)}/messages`, wire.sentMessages, { ...options, json, idempotent: true }));
    return answer.messages.map(({ id, seq, localId, createdAt }) => ({ id, seq, localId: localId ?? null, createdAt: createdAt === 0 ? null : createdAt }));
  }

  /** Marks it inactive; its process lives on (happy.md A). False where the session is gone. */
  async archiveSession(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.#gone('POST', `/v1/sessions/${part(id)}/archive`, options);
  }

  /** Removes the session's record; its process lives on. False where it was gone already. */
  async deleteSession(id: string, options: CallOptions = {}): Promise<boolean> {
    return this.#gone('DELETE', `/v1/sessions/${part(id)}`, options);
  }

  async profile(options: CallOptions = {}): Promise<z.infer<typeof wire.profile>> {
    return this.#get('/v1/account/profile', wire.profile, options);
  }

  /** The account's settings, sealed under its own key. */
  async settings(options: CallOptions = {}): Promise<z.infer<typeof wire.settings>> {
    return this.#get('/v1/account/settings', wire.settings, options);
  }

  /** `startTime` and `endTime` in seconds. The key `total` of each map is the sum of the others already. */
  async usage(query: { readonly sessionId?: string; readonly startTime?: number; readonly endTime?: number; readonly groupBy?: 'hour' | 'day' } & CallOptions = {}): Promise<UsageAnswer> {
    const { signal, ...json } = query;
    return this.#call('POST', '/v1/usage/query', wire.usageAnswer, { ...(signal === undefined ? {} : { signal }), json, idempotent: true });
  }

  /** Headers of the account's artifacts. */
  async artifacts(options: CallOptions = {}): Promise<readonly ArtifactRow[]> {
    return (await wire.rowsOf(wire.artifactRow, await this.#get('/v1/artifacts', z.array(z.unknown()), options), options)).rows;
  }

  async artifact(id: string, options: CallOptions = {}): Promise<ArtifactRow> {
    return this.#get(`/v1/artifacts/${part(id)}`, wire.artifactRow, options);
  }

  /** Stores an encrypted file of a session and gives its `ref`. The bearer token goes to the Happy server only, never to the store that it points at. */
  async upload(sessionId: string, filename: string, sealed: Uint8Array, options: CallOptions = {}): Promise<string> {
    if (sealed.length > LARGEST_FILE + 40) throw new HappyError('too_large', 'A file may have 10 MiB at most.');
    const json = { filename, size: sealed.length };
    const place = await this.#inSession(sessionId, () => this.#call('POST', `/v1/sessions/${part(sessionId)}/attachments/request-upload`, wire.uploadPlace, { ...options, json, idempotent: true }));
    const body = place.method === 'PUT' ? sealed : formOf(place.formFields ?? {}, sealed);
    await this.#stored('upload', place.uploadUrl, () => this.#http.request({
      method: place.method, url: place.uploadUrl, headers: { ...this.#ownHeaders(place.uploadUrl), ...(place.method === 'PUT' ? { 'content-type': 'application/octet-stream' } : {}) },
      body, deadlineMs: 120_000, signal: options.signal,
    }), options);
    return place.ref;
  }

  /** The encrypted bytes behind a `ref` of that session. */
  async download(sessionId: string, ref: string, options: { readonly maxBytes?: number; readonly onBytes?: (bytes: number) => void } & CallOptions = {}): Promise<Uint8Array> {
    const json = { ref };
    const place = await this.#inSession(sessionId, () => this.#call('POST', `/v1/sessions/${part(sessionId)}/attachments/request-download`, wire.downloadPlace, { ...options, json, idempotent: true }));
    const answer = await this.#stored(
      'download', place.downloadUrl,
      () => this.#http.request({ method: 'GET', url: place.downloadUrl, headers: this.#ownHeaders(place.downloadUrl), deadlineMs: 120_000, maxBodyBytes: (options.maxBytes ?? LARGEST_FILE) + 40, signal: options.signal, onBytes: options.onBytes }),
      options,
    );
    return answer.body;
  }

  /** Asks once, without a retry, whether the server answers and still takes our token. */
  async probe(options: { readonly deadlineMs?: number } & CallOptions = {}): Promise<void> {
    await this.#call('GET', '/v1/account/profile', wire.profile, { ...options, idempotent: true, tries: 1 });
  }

  #get<T>(path: string, schema: z.ZodType<T>, { signal }: CallOptions): Promise<T> {
    return this.#call('GET', path, schema, { ...(signal === undefined ? {} : { signal }), idempotent: true });
  }

  async #call<T>(method: HttpMethod, path: string, schema: z.ZodType<T>, call: Call): Promise<T> {
    const answer = await this.#tried(() => this.#http.json({
      method, url: this.#credentials.serverUrl + path, headers: this.#ownHeaders(this.#credentials.serverUrl), json: call.json, signal: call.signal,
      ...(call.deadlineMs === undefined ? {} : { deadlineMs: call.deadlineMs }),
    }), call);
    const parsed = schema.safeParse(answer);
    if (!parsed.success) throw new HappyError('bad_answer', `${method} ${path.split('?')[0]} was answered with something else than Happy's server sends. Is this the address of the right server?`);
    return parsed.data;
  }

  async #tried<T>(work: () => Promise<T>, call: Pick<Call, 'signal' | 'idempotent' | 'tries'>): Promise<T> {
    try {
      return await withRetry(work, { ...this.#retry, tries: call.tries ?? 4, classify: classifyHttp(call.idempotent), signal: call.signal });
    } catch (error) {
      throw happyError(error);
    }
  }

  /**
   * A request to where the server keeps attachments: it may be a store of somebody else, whose answers say nothing about our account (`upload_failed`, `download_failed`). The server
   * chose the address, so it leads neither into this computer, unless the server itself is here, nor over plain http to another host.
   */
  async #stored<T>(what: 'upload' | 'download', url: string, work: () => Promise<T>, options: CallOptions): Promise<T> {
    if (!mayStore(url, this.#credentials.serverUrl)) throw new HappyError(`${what}_failed`, 'The Happy server named an address for attachments that is not safe to ask: neither https nor its own.');
    if (new URL(url).origin === new URL(this.#credentials.serverUrl).origin) return this.#tried(work, { ...options, idempotent: true });
    try {
      return await withRetry(work, { ...this.#retry, tries: 4, classify: classifyHttp(true), signal: options.signal });
    } catch (error) {
      if (!(error instanceof HttpError) || error.failure === 'too_large') throw happyError(error);
      // Without its cause: a status of that store is none of the Happy server's.
      throw new HappyError(`${what}_failed`, `The store of attachments ${error.status === null ? 'cannot be reached' : `answered with ${error.status}`}. Try again.`);
    }
  }

  async #inSession<T>(sessionId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw statusOf(error) === 404 ? new SessionNotFound(sessionId, { cause: error }) : error;
    }
  }

  async #exists(path: string, options: CallOptions): Promise<boolean> {
    return (await this.#status('GET', path, options)) !== 404;
  }

  async #gone(method: HttpMethod, path: string, options: CallOptions): Promise<boolean> {
    return (await this.#status(method, path, options)) !== 404;
  }

  async #status(method: HttpMethod, path: string, options: CallOptions): Promise<number> {
    try {
      const answer = await this.#tried(() => this.#http.request({ method, url: this.#credentials.serverUrl + path, headers: this.#ownHeaders(this.#credentials.serverUrl), signal: options.signal }), { ...options, idempotent: true });
      return answer.status;
    } catch (error) {
      if (statusOf(error) === 404) return 404;
      throw error;
    }
  }

  /** Our token, for our own server's origin only. */
  #ownHeaders(url: string): Readonly<Record<string, string>> {
    if (!URL.canParse(url)) throw new HttpError('invalid', 'The Happy server named an address that is none.');
    if (new URL(url).origin !== new URL(this.#credentials.serverUrl).origin) return {};
    return { authorization: `Bearer ${this.#credentials.token}`, 'x-happy-client': this.#client };
  }
}

/** The fields that the store asks for, then the file. */
function formOf(fields: Readonly<Record<string, string>>, file: Uint8Array): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([file]));
  return form;
}

function mayStore(url: string, serverUrl: string): boolean {
  const there = URL.canParse(url) ? new URL(url) : null;
  const own = new URL(serverUrl);
  if (there === null || there.username !== '' || there.password !== '') return false;
  if (there.origin === own.origin) return true;
  if (isHere(there.hostname)) return isHere(own.hostname);
  return there.protocol === 'https:' || (there.protocol === own.protocol && there.hostname === own.hostname);
}

/** This computer, also by the addresses that stand for any of its own. */
function isHere(hostname: string): boolean {
  return isLoopback(hostname) || hostname === '0.0.0.0' || hostname === '[::]' || /^\[::(?:ffff:)?(?:7f[0-9a-f]{2}|0):[0-9a-f]{1,4}\]$/.test(hostname);
}

function part(id: string): string {
  if (id === '' || id === '.' || id === '..') throw invalid('An id is empty.');
  return encodeURIComponent(id);
}
