import { encode } from 'uqr';
import type { CallOptions } from '../../model/backend.ts';
import type { Clock } from '../../model/context.ts';
import type { JsonObject } from '../../model/json.ts';
import { sleep, systemClock } from '../../transport/clock.ts';
import { HttpClient, HttpError, serverAddress } from '../../transport/http.ts';
import type { ProxySource } from '../../transport/proxy.ts';
import { backoff } from '../../transport/retry.ts';
import { keepAlive } from '../../transport/wait.ts';
import { fromBase64, toBase64, toBase64Url } from './crypto/base64.ts';
import { answerChallenge, linkKeyPair, openLinkAnswer } from './crypto/keys.ts';
import { Credentials } from './credentials.ts';
import { AuthenticationError, EncryptionError, happyError, invalid } from './errors.ts';
import { authAnswer, linkState } from './wire/bodies.ts';

/** What the person shows to a signed-in Happy app (Settings → Account → Link New Device). It holds a public key only. */
export interface LinkCode {
  /** `happy:///account?<base64url of the public key>`: the text of the QR code, and what can be pasted instead of scanning. */
  readonly link: string;
  /** Rows of the QR code, true where it is dark, with a quiet zone of one module. */
  readonly qr: readonly (readonly boolean[])[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}
export interface LoginOptions extends CallOptions {
  readonly serverUrl: string;
  readonly onCode: (code: LinkCode) => void;
  /** Seconds until the code is given up; 120 by default, as Happy's own sign-in. */
  readonly timeoutSeconds?: number;
  readonly allowPlainHttp?: boolean;
  readonly http?: HttpClient;
  /** The proxies on the way; none by default. */
  readonly proxy?: ProxySource | undefined;
  readonly clock?: Clock;
  readonly client?: string;
}

const POLL_MS = 1_000;
const SLOWEST_POLL_MS = 10_000;

/**
 * Signs in by link, as `happy-agent auth login` does: a key pair for this once, `POST /v1/auth/account/request` every second until a signed-in app has answered with the
 * account's secret, boxed to our key. Lost connections, 429 and 5xx are waited out; 4xx are not. Rejects with AuthenticationError (`link_expired`, or refused), EncryptionError, the signal's reason.
 */
export function login(options: LoginOptions): Promise<Credentials> {
  return keepAlive(link(options));
}

async function link(options: LoginOptions): Promise<Credentials> {
  const { clock = systemClock, timeoutSeconds = 120, signal } = options;
  if (!Number.isFinite(timeoutSeconds) || timeoutSeconds <= 0) throw invalid('timeoutSeconds must be a positive number.');
  const serverUrl = addressOf(options);
  const http = options.http ?? new HttpClient({ allowPlainHttp: options.allowPlainHttp === true, proxy: options.proxy });
  const pair = linkKeyPair();
  const publicKey = toBase64(pair.publicKey);
  const until = clock.monotonic() + timeoutSeconds * 1_000;
  let shown = false;
  let failures = 0;
  try {
    while (clock.monotonic() < until) {
      let waitMs = POLL_MS;
      try {
        const deadlineMs = Math.max(1, Math.min(10_000, until - clock.monotonic()));
        const answer = await post(http, options, `${serverUrl}/v1/auth/account/request`, { publicKey }, deadlineMs);
        failures = 0;
        const state = linkState.safeParse(answer);
        if (!state.success) throw invalid('This server does not answer as a Happy server does. Check its address.');
        if (state.data.state === 'authorized') return opened(serverUrl, state.data, pair.secretKey);
      } catch (error) {
        // Before the code is shown nobody waits for anything: say at once that the server cannot be reached.
        if (!shown || !passing(error)) throw happyError(error);
        failures += 1;
        const asked = error instanceof HttpError ? (error.retryAfterMs ?? 0) : 0;
        waitMs = Math.max(asked, backoff(failures, { baseMs: 2 * POLL_MS, capMs: SLOWEST_POLL_MS }));
      }
      if (!shown) {
        shown = true;
        const text = `happy:///account?${toBase64Url(pair.publicKey)}`;
        options.onCode({ link: text, qr: encode(text, { ecc: 'M', border: 1 }).data, expiresAt: clock.now() + Math.max(0, until - clock.monotonic()) });
      }
      await sleep(clock, Math.max(0, Math.min(waitMs, until - clock.monotonic())), signal);
    }
    throw new AuthenticationError('link_expired', 'Nobody confirmed the link in time. Start the sign-in again.');
  } finally {
    pair.secretKey.fill(0);
    if (options.http === undefined) await http[Symbol.asyncDispose]();
  }
}

/** A token for the account of this master secret, by signed challenge (`POST /v1/auth`): for who has the secret but no token, or one that the server no longer takes. */
export async function tokenFor(master: Uint8Array, options: Omit<LoginOptions, 'onCode' | 'timeoutSeconds'>): Promise<string> {
  const serverUrl = addressOf(options);
  const http = options.http ?? new HttpClient({ allowPlainHttp: options.allowPlainHttp === true, proxy: options.proxy });
  try {
    const answer = authAnswer.safeParse(await post(http, options, `${serverUrl}/v1/auth`, answerChallenge(master), 20_000));
    if (!answer.success) throw invalid('This server does not answer as a Happy server does. Check its address.');
    return answer.data.token;
  } catch (error) {
    throw happyError(error);
  } finally {
    if (options.http === undefined) await http[Symbol.asyncDispose]();
  }
}

function addressOf(options: Pick<LoginOptions, 'serverUrl' | 'allowPlainHttp'>): string {
  try {
    return serverAddress(options.serverUrl, { allowPlainHttp: options.allowPlainHttp === true });
  } catch (error) {
    throw happyError(error);
  }
}

function post(http: HttpClient, options: { readonly client?: string } & CallOptions, url: string, json: JsonObject, deadlineMs: number): Promise<unknown> {
  return http.json({ method: 'POST', url, json, deadlineMs, signal: options.signal, headers: { 'x-happy-client': options.client ?? 'pilothouse/0' } });
}

function opened(serverUrl: string, answer: { readonly token: string; readonly response: string }, secretKey: Uint8Array): Credentials {
  const bundle = fromBase64(answer.response);
  const content = bundle === null ? null : openLinkAnswer(bundle, secretKey);
  if (content?.kind !== 'master') throw new EncryptionError('The answer to the link cannot be decrypted. Start the sign-in again.');
  return new Credentials({ serverUrl, token: answer.token, master: content.master, machineKey: null, knownKeys: new Map(), source: { kind: 'link', files: [] } });
}

function passing(error: unknown): boolean {
  if (!(error instanceof HttpError)) return false;
  return error.failure === 'network' || error.failure === 'timeout' || (error.failure === 'status' && (error.status === 408 || error.status === 429 || (error.status ?? 0) >= 500));
}
