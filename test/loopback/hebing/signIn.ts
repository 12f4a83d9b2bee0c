import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../../../src/core/model/context.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { Refusal } from './kernel.ts';

interface Grant {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly clientName: string;
  readonly expiresAt: number;
  intervalMs: number;
  lastPoll: number | null;
  state: 'waiting' | 'approved' | 'denied' | 'used';
  apiKey: string | null;
}
export interface SignInTimes {
  /** Seconds. */
  readonly expiresIn: number;
  /** Seconds between polls; null: the answer tells none, and 5 counts. */
  readonly interval: number | null;
}

/** Device sign-ins (RFC 8628), approved by a hand. Who polls faster than told is told to slow down. */
export class SignIns {
  readonly #clock: Clock;
  readonly #grants: Grant[] = [];
  times: SignInTimes = { expiresIn: 900, interval: 5 };
  /** `access_token` in place of `api_key`. */
  field: 'api_key' | 'access_token' = 'api_key';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(clientName: string, origin: string): JsonObject {
    const letters = (): string => randomBytes(4).toString('hex').slice(0, 4).toUpperCase();
    const grant: Grant = {
      deviceCode: `dev_${randomUUID()}`, userCode: `${letters()}-${letters()}`, clientName, expiresAt: this.#clock.now() + this.times.expiresIn * 1_000,
      intervalMs: (this.times.interval ?? 5) * 1_000, lastPoll: null, state: 'waiting', apiKey: null,
    };
    this.#grants.push(grant);
    return {
      device_code: grant.deviceCode, user_code: grant.userCode, verification_uri: `${origin}/activate`, verification_uri_complete: `${origin}/activate?code=${grant.userCode}`,
      expires_in: this.times.expiresIn, ...(this.times.interval === null ? {} : { interval: this.times.interval }),
    };
  }

  poll(deviceCode: string): JsonObject {
    const grant = this.#grants.find((one) => one.deviceCode === deviceCode);
    if (grant === undefined) throw new Refusal(400, 'invalid_grant', 'There is no such sign-in.');
    const now = this.#clock.now();
    // Timers and clocks of two processes differ by a little.
    const early = grant.lastPoll !== null && now - grant.lastPoll < grant.intervalMs - 100;
    grant.lastPoll = now;
    if (grant.state === 'denied') throw new Refusal(400, 'access_denied', 'The person said no.');
    if (grant.state === 'used' || now > grant.expiresAt) throw new Refusal(410, 'expired_token', 'This sign-in is over.');
    if (early) {
      grant.intervalMs += 5_000;
      throw new Refusal(400, 'slow_down', 'Too fast.');
    }
    if (grant.state === 'waiting') throw new Refusal(428, 'authorization_pending', 'Nobody has approved yet.');
    grant.state = 'used';
    return { [this.field]: grant.apiKey, token_type: 'bearer' };
  }

  /** What a person does on the page, with the code that they were shown. */
  decide(userCode: string, apiKey: string | null): void {
    const grant = this.#grants.find((one) => one.userCode === userCode && one.state === 'waiting');
    if (grant === undefined) throw new Error(`no sign-in waits with the code ${userCode}`);
    grant.state = apiKey === null ? 'denied' : 'approved';
    grant.apiKey = apiKey;
  }

  /** The name that a sign-in shows to the person. */
  nameOf(userCode: string): string | null {
    return this.#grants.find((one) => one.userCode === userCode)?.clientName ?? null;
  }
}
