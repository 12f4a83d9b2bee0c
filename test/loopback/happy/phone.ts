import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { io, type Socket } from 'socket.io-client';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/core/model/json.ts';
import { fromBase64, fromBase64Url, toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import type { Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { Keyring } from '../../../src/core/systems/happy/crypto/keyring.ts';
import { answerChallenge, contentKeyPair, linkKeyPair, openLinkAnswer, sealLinkAnswer } from '../../../src/core/systems/happy/crypto/keys.ts';

/** A session as the phone sees it: decrypted. null where a value is not there or cannot be read. */
export interface PhoneSession {
  readonly id: string;
  readonly active: boolean;
  readonly metadata: JsonObject | null;
  readonly metadataVersion: number;
  readonly agentState: JsonObject | null;
  readonly dataEncryptionKey: string | null;
}

export interface PhoneMachine {
  readonly id: string;
  readonly active: boolean;
  readonly metadata: JsonObject | null;
  readonly daemonState: JsonObject | null;
}

export interface PhoneMessage {
  readonly id: string;
  readonly seq: number;
  readonly localId: string | null;
  readonly value: JsonValue | undefined;
}

/** What a link of a terminal gives the machine: the contents of an `access.key` file. */
export interface AccessKey {
  readonly token: string;
  readonly secret?: string;
  readonly encryption?: { readonly publicKey: string; readonly machineKey: string };
}

interface Row {
  readonly id: string;
  readonly active: boolean;
  readonly metadata: string;
  readonly metadataVersion: number;
  readonly agentState?: string | null;
  readonly daemonState?: string | null;
  readonly dataEncryptionKey: string | null;
}

/** An answer to a permission or a question, as the `permission` RPC takes it (happy.md A and B8). */
export interface Decision {
  readonly approved: boolean;
  readonly reason?: string;
  readonly mode?: string;
  readonly allowTools?: readonly string[];
  readonly decision?: 'approved' | 'approved_for_session' | 'denied' | 'abort';
  readonly updatedInput?: JsonObject;
}

const patience = 20_000;

/**
 * The owner's phone: it holds the account's master (32 bytes), approves links by code, and does with sessions what the app does. Real crypto,
 * over HTTP and a user-scoped socket. Every wait ends in time; a failed call rejects with what the server said.
 */
export class Phone {
  readonly url: string;
  readonly master: Uint8Array;
  readonly #keyring: Keyring;
  readonly token: string;
  #socket: Socket | null = null;

  private constructor(url: string, master: Uint8Array, token: string) {
    this.url = url;
    this.master = master;
    this.token = token;
    this.#keyring = new Keyring({ master });
  }

  /** Signs in by a signature; the account is made when there is none. A phone without a master makes itself one. */
  static async signIn(url: string, master: Uint8Array = Uint8Array.from(randomBytes(32))): Promise<Phone> {
    const { token } = await call<{ token: string }>(url, undefined, 'POST', '/v1/auth', answerChallenge(master));
    return new Phone(url, master, token);
  }

  close(): void {
    this.#socket?.disconnect();
    this.#socket = null;
    this.#keyring[Symbol.dispose]();
  }

  /** Calls the server as the account. Rejects when the answer is no success. */
  http<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    return call<Answer>(this.url, this.token, method, path, body);
  }

  /**
   * Approves the link of a terminal or of an account. `code` is what the QR code says (`happy://terminal?…`, `happy:///account?…`), or the public
   * key alone (base64 or base64url). A terminal that speaks V2 gets the content public key, one that does not the master, as does an account.
   */
  async approve(code: string, kind: 'terminal' | 'account' = code.includes('account') ? 'account' : 'terminal'): Promise<void> {
    const text = code.includes('?') ? code.slice(code.indexOf('?') + 1) : code;
    const publicKey = fromBase64(text) ?? fromBase64Url(text);
    if (publicKey?.length !== 32) throw new Error('That is no code of a Happy link.');
    const key = toBase64(publicKey);
    let answer: Parameters<typeof sealLinkAnswer>[0] = { kind: 'master', master: this.master };
    if (kind === 'terminal') {
      const status = await call<{ status: string; supportsV2: boolean }>(this.url, undefined, 'GET', `/v1/auth/request/status?publicKey=${encodeURIComponent(key)}`);
      if (status.supportsV2) answer = { kind: 'contentKey', contentPublicKey: contentKeyPair(this.master).publicKey };
    }
    const path = kind === 'terminal' ? '/v1/auth/response' : '/v1/auth/account/response';
    await this.http('POST', path, { publicKey: key, response: toBase64(sealLinkAnswer(answer, publicKey)) });
  }

  /** Plays both sides of a terminal's link and answers what the terminal would write into `access.key`. */
  async linkTerminal(version: 1 | 2 = 2): Promise<AccessKey> {
    const pair = linkKeyPair();
    const body = { publicKey: toBase64(pair.publicKey), supportsV2: version === 2 };
    await call(this.url, undefined, 'POST', '/v1/auth/request', body);
    await this.approve(body.publicKey, 'terminal');
    const { token, response } = await call<{ token: string; response: string }>(this.url, undefined, 'POST', '/v1/auth/request', body);
    const answer = openLinkAnswer(fromBase64(response) ?? new Uint8Array(), pair.secretKey);
    if (answer === null) throw new Error('The answer to the link did not open.');
    if (answer.kind === 'master') return { token, secret: toBase64(answer.master) };
    return { token, encryption: { publicKey: toBase64(answer.contentPublicKey), machineKey: randomBytes(32).toString('base64') } };
  }

  /** All sessions, newest activity first (150 at most, as the app's first list). */
  async sessions(): Promise<PhoneSession[]> {
    const { sessions } = await this.http<{ sessions: Row[] }>('GET', '/v1/sessions');
    return sessions.map((row) => ({
      id: row.id, active: row.active, metadataVersion: row.metadataVersion, dataEncryptionKey: row.dataEncryptionKey,
      metadata: this.#open(row, row.metadata), agentState: this.#open(row, row.agentState),
    }));
  }

  async session(id: string): Promise<PhoneSession> {
    const found = (await this.sessions()).find((session) => session.id === id);
    if (found === undefined) throw new Error(`No session ${id}.`);
    return found;
  }

  async machines(): Promise<PhoneMachine[]> {
    const rows = await this.http<Row[]>('GET', '/v1/machines');
    return rows.map((row) => ({ id: row.id, active: row.active, metadata: this.#open(row, row.metadata), daemonState: this.#open(row, row.daemonState) }));
  }

  /** Every message of a session, oldest first; `value` is undefined where one does not open. */
  async messages(sessionId: string): Promise<PhoneMessage[]> {
    const cipher = await this.#cipherOf(sessionId);
    const found: PhoneMessage[] = [];
    for (;;) {
      const page = await this.http<{ messages: { id: string; seq: number; localId: string | null; content: { c: string } }[]; hasMore: boolean }>(
        'GET', `/v3/sessions/${sessionId}/messages?after_seq=${found.at(-1)?.seq ?? 0}&limit=500`,
      );
      found.push(...page.messages.map(({ id, seq, localId, content }) => ({ id, seq, localId, value: cipher.open(content.c) })));
      if (!page.hasMore) return found;
    }
  }

  /** Sends a prompt over HTTP; the answer is its localId. */
  async send(sessionId: string, text: string, meta: JsonObject = {}): Promise<string> {
    const cipher = await this.#cipherOf(sessionId);
    const localId = randomUUID();
    const content = cipher.seal({ role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'ios', ...meta } });
    await this.http('POST', `/v3/sessions/${sessionId}/messages`, { messages: [{ localId, content }] });
    return localId;
  }

  /** Starts a session on a machine and answers its id. Rejects when the machine asks for consent or says why not. */
  async spawn(machineId: string, options: JsonObject): Promise<string> {
    const answer = (await this.rpc(machineId, 'spawn-happy-session', { type: 'spawn-in-directory', ...options })) as JsonObject | undefined;
    if (typeof answer?.['sessionId'] !== 'string') throw new Error(`The machine answered ${JSON.stringify(answer)}.`);
    return answer['sessionId'];
  }

  /** Answers a permission or a question, and waits until the agent has it among its completed requests. */
  async answer(sessionId: string, requestId: string, decision: Decision): Promise<void> {
    await this.rpc(sessionId, 'permission', { id: requestId, ...(decision as unknown as JsonObject) });
    await eventually(async () => (await this.session(sessionId)).agentState?.['completedRequests'], (completed) => isJsonObject(completed) && requestId in completed, `the answer to ${requestId}`);
  }

  /** Waits for a request for permission; `[id, request]`. */
  async permission(sessionId: string): Promise<readonly [string, JsonObject]> {
    const [first] = await eventually(
      async () => Object.entries(((await this.session(sessionId)).agentState?.['requests'] ?? {}) as Readonly<Record<string, JsonObject>>), (requests) => requests.length > 0, 'a request for permission',
    );
    if (first === undefined) throw new Error('No request for permission.');
    return first;
  }

  /** Renames a session, again while others write its metadata too; keeps every other field. */
  async rename(sessionId: string, title: string): Promise<void> {
    const socket = await this.connect();
    const cipher = await this.#cipherOf(sessionId);
    for (let tries = 0; tries < 20; tries += 1) {
      const { metadata, metadataVersion } = await this.session(sessionId);
      const changed = { ...metadata, summary: { text: title, updatedAt: Date.now() } };
      const answer = (await socket.timeout(patience).emitWithAck('update-metadata', { sid: sessionId, metadata: cipher.seal(changed), expectedVersion: metadataVersion })) as { result: string };
      if (answer.result === 'success') return;
      if (answer.result !== 'version-mismatch') throw new Error(`The server answered ${JSON.stringify(answer)}.`);
    }
    throw new Error(`${sessionId} was not renamed in 20 tries.`);
  }

  /** Calls a method of a session or a machine and answers its decrypted result; undefined for the empty one. Rejects when the relay or the handler says no. */
  async rpc(scopeId: string, method: string, params: JsonObject = {}): Promise<JsonValue | undefined> {
    const socket = await this.connect();
    const cipher = await this.#cipherOf(scopeId);
    const answer = (await socket.timeout(60_000).emitWithAck('rpc-call', { method: `${scopeId}:${method}`, params: cipher.seal(params) })) as { ok: boolean; result?: string; error?: string };
    if (!answer.ok) throw new Error(`${method}: ${answer.error}`);
    const value = cipher.open(answer.result ?? '');
    if (isJsonObject(value) && typeof value['error'] === 'string' && Object.keys(value).length === 1) throw new Error(`${method}: ${value['error']}`);
    return value;
  }

  /** The phone's socket; user-scoped, in the background unless it is said otherwise. */
  async connect(appState: 'active' | 'background' = 'background'): Promise<Socket> {
    if (this.#socket === null) {
      this.#socket = io(this.url, {
        path: '/v1/updates', transports: ['websocket'], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200,
        auth: { token: this.token, clientType: 'user-scoped', happyClient: 'ios/1.9.0', appState },
      });
    }
    const socket = this.#socket;
    if (!socket.connected) await once(socket as unknown as NodeJS.EventEmitter, 'connect', { signal: AbortSignal.timeout(patience) });
    return socket;
  }

  async #cipherOf(id: string): Promise<Cipher> {
    const all = [...(await this.http<{ sessions: Row[] }>('GET', '/v1/sessions')).sessions, ...(await this.http<Row[]>('GET', '/v1/machines'))];
    const row = all.find((each) => each.id === id);
    const cipher = row === undefined ? null : this.#keyring.cipherFor(row);
    if (cipher === null) throw new Error(`No key for ${id}.`);
    return cipher;
  }

  #open(row: Row, sealed: string | null | undefined): JsonObject | null {
    const value = typeof sealed === 'string' ? this.#keyring.cipherFor(row)?.open(sealed) : undefined;
    return isJsonObject(value) ? value : null;
  }
}

/** Looks until what it sees fits. Rejects in time and says what it waited for. */
export async function eventually<Seen>(look: () => Promise<Seen>, fits: (seen: Seen) => boolean, what: string, timeoutMs = 30_000): Promise<Seen> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (fits(seen)) return seen;
    if (Date.now() > until) throw new Error(`${what} did not come within ${timeoutMs} ms; the last that was seen: ${JSON.stringify(seen)?.slice(0, 2_000)}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

async function call<Answer>(url: string, token: string | undefined, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(url + path, {
    method, signal: AbortSignal.timeout(patience),
    headers: { 'x-happy-client': 'ios/1.9.0', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Answer;
}
