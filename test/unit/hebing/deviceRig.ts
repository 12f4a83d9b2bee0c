import { MockAgent } from 'undici';
import type { Dispatcher } from 'undici';
import type { DevicePrompt } from '../../../src/core/systems/hebing/device.ts';
import { deviceLogin } from '../../../src/core/systems/hebing/device.ts';
import { HandClock } from '../happy/handClock.ts';

const ORIGIN = 'https://hebing.example.org';
export const DEVICE_CODE = 'dev_a_secret_of_this_program';

/** Answer to one poll. `first` is done before it is given. */
export interface PollAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly first?: () => void;
}
export const error = (code: string, status = 400, headers: Readonly<Record<string, string>> = {}): PollAnswer => ({ status, body: { code, detail: `about ${code}` }, headers });
export const pending = error('authorization_pending');
export const granted: PollAnswer = { status: 200, body: { api_key: 'nxt_ag_granted' } };

/** A sign-in against a server that answers by a script, on a clock that a test moves. */
export class DeviceRig {
  readonly clock = new HandClock();
  readonly #begun = this.clock.now();
  /** Seconds from the beginning, of every poll. */
  readonly polls: number[] = [];
  readonly bodies: string[] = [];
  readonly prompts: DevicePrompt[] = [];
  readonly stop = new AbortController();

  /** Runs a sign-in to its end, a second of the clock at a time, for at most `seconds`. What is beyond the script is pending. Gives the key, or what it rejected with. */
  async signIn(script: readonly (PollAnswer | 'reset')[], more: { readonly authorize?: object; readonly timeoutSeconds?: number; readonly seconds?: number; readonly at?: (second: number) => void } = {}): Promise<unknown> {
    const mock = new MockAgent();
    mock.disableNetConnect();
    const pool = mock.get(ORIGIN);
    const authorize = { device_code: DEVICE_CODE, user_code: 'WXYZ-1234', verification_uri: `${ORIGIN}/activate`, expires_in: 600, interval: 5, ...more.authorize };
    pool.intercept({ path: '/api/v1/oauth/device/authorize', method: 'POST' }).reply(200, JSON.parse(JSON.stringify(authorize)) as object);
    const token = { path: '/api/v1/oauth/device/token', method: 'POST' };
    for (const answer of script) {
      if (answer === 'reset') pool.intercept(token).replyWithError(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
      else pool.intercept(token).reply(() => replyOf(answer));
    }
    pool.intercept(token).reply(() => replyOf(pending)).persist();
    let settled = false;
    const work = deviceLogin({
      clientName: 'a test', baseUrl: `${ORIGIN}/api/v1`, env: {}, dispatcher: this.#watched(mock), clock: this.clock, signal: this.stop.signal, retry: { tries: 1 },
      onPrompt: (prompt) => this.prompts.push(prompt), ...(more.timeoutSeconds === undefined ? {} : { timeoutSeconds: more.timeoutSeconds }),
    }).then(({ apiKey }) => apiKey, (reason: unknown) => reason).finally(() => {
      settled = true;
    });
    // The clock moves on only when nothing is under way.
    for (let second = 0; second <= (more.seconds ?? 1_000); second += 1) {
      for (let tick = 0; tick < 12; tick += 1) await new Promise((resolve) => setImmediate(resolve));
      if (settled) break;
      more.at?.(second);
      this.clock.advance(1_000);
    }
    if (!settled) throw new Error('the sign-in did not end');
    await mock.close();
    return work;
  }

  #watched(mock: MockAgent): Dispatcher {
    return mock.compose((dispatch) => (options, handler) => {
      if (options.path.endsWith('/token')) {
        this.polls.push((this.clock.now() - this.#begun) / 1_000);
        this.bodies.push(typeof options.body === 'string' ? options.body : '');
      }
      return dispatch(options, handler);
    });
  }
}

function replyOf(answer: PollAnswer): { statusCode: number; data: string; responseOptions: { headers: Record<string, string> } } {
  answer.first?.();
  return { statusCode: answer.status, data: typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body), responseOptions: { headers: { ...answer.headers } } };
}
