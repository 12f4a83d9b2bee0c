import type { CallOptions } from '../../model/backend.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { sleep, systemClock } from '../../transport/clock.ts';
import { keepAlive } from '../../transport/wait.ts';
import type { HebingPlaces } from './credentials.ts';
import { findAddress } from './credentials.ts';
import { DeviceFlowError, DeviceFlowTimeout, HebingAPIError, HebingError, HebingTransportError, invalid, requirePositive } from './errors.ts';
import type { HebingHttpOptions } from './http.ts';
import { HebingHttp, isPassing, keyOf } from './http.ts';
import { paths } from './paths.ts';
import { readDevice } from './wire.ts';

/** What the person is shown: compare the code with the one on the page, and approve there. Nothing of it is a secret of this program. */
export interface DevicePrompt {
  readonly userCode: string;
  /** An http or https address. */
  readonly verificationUri: string;
  /** The same with the code filled in; null where the server gives none that can be opened. */
  readonly verificationUriComplete: string | null;
  /** Milliseconds since the epoch: after that the code is worth nothing. */
  readonly expiresAt: number;
}
export interface DeviceLoginOptions extends CallOptions, Omit<HebingHttpOptions, 'baseUrl'>, Omit<HebingPlaces, 'apiKey'> {
  /** The name under which the person sees this program on the page. */
  readonly clientName: string;
  readonly onPrompt: (prompt: DevicePrompt) => void;
  /** Seconds to wait for the person; as long as the code is good by default. */
  readonly timeoutSeconds?: number;
}

/** Seconds: between polls where the server tells none (RFC 8628, 3.2), the bounds of what it may tell, what `slow_down` adds (3.5), and how long a code is good where it tells none. */
const INTERVAL = { default: 5, least: 1, most: 60, slower: 5 } as const;
const EXPIRES = 900;
const REQUEST_MS = 20_000;
/** How long the answer to the last poll is waited for when the time is over: who approved in the last moment is signed in. */
const LATE_MS = 5_000;
/** The longest time that timers take (2^31 ms), in which any sign-in is over. */
const LONGEST_MS = 2_147_000_000;

/**
 * Signs in by RFC 8628: asks for a code, gives it to `onPrompt`, and polls until the person approved it. Polls no faster than the server wants, on a clock that never jumps; lost
 * connections (slower each time), 429 and 5xx are waited out until the time is over. Rejects with DeviceFlowError, DeviceFlowTimeout, the signal's reason at once, and, before a code was
 * shown, with whatever kept it from being made.
 */
export function deviceLogin(options: DeviceLoginOptions): Promise<{ readonly apiKey: string; readonly baseUrl: string }> {
  return keepAlive(signIn(options));
}

async function signIn(options: DeviceLoginOptions): Promise<{ readonly apiKey: string; readonly baseUrl: string }> {
  const { clock = systemClock, signal, timeoutSeconds } = options;
  if (typeof options.clientName !== 'string' || options.clientName.trim() === '') throw invalid('clientName is empty.');
  if (timeoutSeconds !== undefined) requirePositive(timeoutSeconds, 'timeoutSeconds');
  const baseUrl = findAddress(options);
  await using http = new HebingHttp(null, { ...options, baseUrl });
  const begun = clock.monotonic();
  const asked = await http.request({ method: 'POST', path: paths.deviceAuthorize, json: { client_name: options.clientName.trim() }, idempotent: true, deadlineMs: REQUEST_MS, signal });
  const device = readDevice(asked.body);
  const verificationUri = webAddress(device.verificationUri);
  if (verificationUri === null) throw new HebingError('bad_answer', 'hebing gave an address for signing in that is not http or https. It was not opened.');
  const goodMs = Math.max(0, device.expiresIn ?? EXPIRES) * 1_000;
  const until = begun + Math.min(goodMs, (timeoutSeconds ?? Number.POSITIVE_INFINITY) * 1_000);
  const complete = device.verificationUriComplete === null ? null : webAddress(device.verificationUriComplete);
  options.onPrompt({ userCode: device.userCode, verificationUri, verificationUriComplete: complete, expiresAt: clock.now() + Math.max(0, begun + goodMs - clock.monotonic()) });

  const expired = begun + goodMs <= until;
  let intervalMs = clamped(device.interval ?? INTERVAL.default) * 1_000;
  let pauseMs = intervalMs;
  for (;;) {
    const leftMs = until - clock.monotonic();
    if (leftMs > 0) await sleep(clock, Math.min(pauseMs, leftMs, LONGEST_MS), signal);
    if (until - clock.monotonic() <= 0) throw new DeviceFlowTimeout(expired ? 'Nobody approved the sign-in while its code was good. Start it again.' : undefined);
    const poll = await pollOnce(http, device.deviceCode, { deadlineMs: Math.min(REQUEST_MS, until - clock.monotonic() + LATE_MS), signal });
    if (poll.kind === 'done') return { apiKey: poll.apiKey, baseUrl };
    if (poll.kind === 'slower') intervalMs += INTERVAL.slower * 1_000;
    // A connection that times out is tried half as often each time (RFC 8628, 3.5), and as often as before when it is back.
    pauseMs = poll.kind === 'lost' ? Math.min(Math.max(pauseMs, intervalMs) * 2, Math.max(intervalMs, INTERVAL.most * 1_000)) : Math.max(intervalMs, poll.afterMs);
  }
}

type Poll = { readonly kind: 'done'; readonly apiKey: string } | { readonly kind: 'again' | 'slower'; readonly afterMs: number } | { readonly kind: 'lost' };

async function pollOnce(http: HebingHttp, deviceCode: string, options: { readonly deadlineMs: number; readonly signal: AbortSignal | undefined }): Promise<Poll> {
  try {
    const { body } = await http.request({ method: 'POST', path: paths.deviceToken, json: tokenRequest(deviceCode), idempotent: false, ...options });
    const apiKey = keyIn(body);
    if (apiKey !== null) return { kind: 'done', apiKey };
  } catch (error) {
    if (error instanceof HebingAPIError) return refusal(error, deviceCode);
    if (error instanceof HebingTransportError && isPassing(error)) return { kind: 'lost' };
    if (!(error instanceof HebingError) || error.code !== 'bad_answer') throw error;
  }
  // The answer itself is not told: it may hold the key in a form that was not understood.
  throw new DeviceFlowError('bad_answer', 'hebing answered the sign-in with something that holds no key. Start it again.');
}

function tokenRequest(deviceCode: string): JsonObject {
  return { device_code: deviceCode };
}

function keyIn(body: JsonValue): string | null {
  const found = isJsonObject(body) ? (body['api_key'] ?? body['access_token']) : null;
  return typeof found === 'string' && found.trim() !== '' ? keyOf(found) : null;
}

/** What a status other than 2xx means for a sign-in (RFC 8628, 3.5; hebing.md). Throws DeviceFlowError where it is over. */
function refusal(error: HebingAPIError, deviceCode: string): Poll {
  const afterMs = error.retryAfterMs ?? 0;
  if (error.code === 'authorization_pending') return { kind: 'again', afterMs };
  if (error.code === 'slow_down') return { kind: 'slower', afterMs };
  if (error.code === 'access_denied') throw new DeviceFlowError('access_denied', 'The sign-in was denied. Start it again if that was a mistake.');
  if (error.code === 'expired_token' || error.status === 410) throw new DeviceFlowError('expired_token', 'The code of the sign-in has expired. Start it again.');
  if (error.status === 428) return { kind: 'again', afterMs };
  if (isPassing(error) || error.status >= 500) return { kind: 'again', afterMs };
  const detail = error.detail.replaceAll(deviceCode, '[redacted]');
  throw new DeviceFlowError('device_flow_failed', `hebing refused the sign-in (${error.status}${detail === '' ? '' : `: ${detail}`}). Start it again.`);
}

function clamped(seconds: number): number {
  return Math.min(INTERVAL.most, Math.max(INTERVAL.least, seconds));
}

/** An address that a browser may be sent to, as it was given; null for other schemes. */
function webAddress(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') ? url.href : null;
}
