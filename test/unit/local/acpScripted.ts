/**
 * An ACP agent for tests, which does what its scenario says: `node acpScripted.ts '<scenario as JSON>'`. It speaks the wire itself, without the SDK, so that it can
 * also say what the SDK would not: chunks without ids, unknown updates, wrong answers, nothing at all.
 */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

type Json = Record<string, unknown>;
/** What the agent does for one prompt, in order. */
type Act =
  | { readonly update: Json }
  /** An update for whatever session id is given. */
  | { readonly stray: Json; readonly session: string }
  | { readonly ask: Json }
  | { readonly call: string; readonly params: Json }
  | { readonly takeBack: true }
  | { readonly wait: number }
  | { readonly exit: number }
  | { readonly error: Json }
  /** Until the prompt is cancelled; with `deaf`, not even then. */
  | { readonly hang: true; readonly deaf?: boolean }
  | { readonly raw: string };
export interface Scenario {
  readonly initialize?: Json;
  readonly capabilities?: Json;
  readonly authMethods?: readonly Json[];
  readonly meta?: Json;
  /** Error answers by method, as often as given: `times` 0 is always. */
  readonly errors?: Readonly<Record<string, { readonly error: Json; readonly times?: number }>>;
  /** Updates that come before the answer to session/new, or as the replay of session/load. */
  readonly early?: readonly Json[];
  readonly replay?: readonly Json[];
  readonly newSession?: Json;
  /** Acts by the prompt's text; `*` for any other. */
  readonly prompts?: Readonly<Record<string, readonly Act[]>>;
  readonly list?: readonly Json[];
  /** Everything received is appended to this file, a line each. */
  readonly log?: string;
  readonly stderr?: string;
  readonly exitAtStart?: number;
}

const scenario = JSON.parse(process.argv[2] ?? '{}') as Scenario;
const failures = new Map<string, number>();
const waiting = new Map<number, (answer: Json) => void>();
const cancels = new Map<() => void, string>();
let sessions = 0;
let calls = 1000;

const write = (message: Json): void => void process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const update = (sessionId: string, body: Json): void => write({ method: 'session/update', params: { sessionId, update: body } });
const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });
function request(method: string, params: Json): { readonly id: number; readonly answer: Promise<Json> } {
  calls += 1;
  const id = calls;
  const answer = new Promise<Json>((resolve) => { waiting.set(id, resolve); });
  write({ id, method, params });
  return { id, answer };
}

async function play(sessionId: string, acts: readonly Act[]): Promise<{ readonly result?: Json; readonly error?: Json }> {
  const state = { cancelled: false };
  let asked: number | null = null;
  const cancel = (): void => { state.cancelled = true; };
  cancels.set(cancel, sessionId);
  try {
    for (const act of acts) {
      if ('update' in act) update(sessionId, act.update);
      else if ('stray' in act) update(act.session, act.stray);
      else if ('raw' in act) process.stdout.write(`${act.raw}\n`);
      else if ('wait' in act) await pause(act.wait);
      else if ('exit' in act) process.exit(act.exit);
      else if ('error' in act) return { error: act.error };
      else if ('takeBack' in act) write({ method: '$/cancel_request', params: { requestId: asked } });
      else if ('ask' in act) {
        const made = request('session/request_permission', { sessionId, ...act.ask });
        asked = made.id;
        if (!acts.some((one) => 'takeBack' in one)) update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `answer ${JSON.stringify((await made.answer)['result'])}` } });
      } else if ('call' in act) {
        const answer = await request(act.call, { sessionId, ...act.params }).answer;
        update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `answer ${JSON.stringify(answer['result'] ?? answer['error'])}\n` } });
      } else if ('hang' in act) {
        while (!state.cancelled || act.deaf === true) await pause(10);
        return { result: { stopReason: 'cancelled' } };
      }
    }
    return { result: { stopReason: state.cancelled ? 'cancelled' : 'end_turn', usage: { inputTokens: 3, outputTokens: 5, totalTokens: 8 } } };
  } finally {
    cancels.delete(cancel);
  }
}

async function answer(method: string, params: Json): Promise<{ readonly result?: unknown; readonly error?: Json }> {
  const failure = scenario.errors?.[method];
  const failed = failures.get(method) ?? 0;
  if (failure !== undefined && (failure.times === undefined || failed < failure.times)) {
    failures.set(method, failed + 1);
    return { error: failure.error };
  }
  const sessionId = typeof params['sessionId'] === 'string' ? params['sessionId'] : '';
  switch (method) {
    case 'initialize':
      return { result: { protocolVersion: 1, agentInfo: { name: 'scripted', version: '1.2.3' }, agentCapabilities: scenario.capabilities ?? {}, authMethods: scenario.authMethods ?? [], _meta: scenario.meta ?? {}, ...scenario.initialize } };
    case 'session/new': {
      sessions += 1;
      const id = `scripted-${process.pid}-${sessions}`;
      for (const body of scenario.early ?? []) update(id, body);
      return { result: { sessionId: id, ...scenario.newSession } };
    }
    case 'session/load':
      for (const body of scenario.replay ?? []) update(sessionId, body);
      return { result: {} };
    case 'session/list':
      return { result: { sessions: scenario.list ?? [] } };
    case 'session/fork':
      return { result: { sessionId: `${sessionId}-fork` } };
    case '_session/steering':
      update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'steered ' } });
      return { result: { outcome: 'injected' } };
    case 'session/prompt': {
      const blocks = params['prompt'] as readonly Json[];
      const text = blocks.map((block) => (typeof block['text'] === 'string' ? block['text'] : '')).join('');
      return play(sessionId, scenario.prompts?.[text] ?? scenario.prompts?.['*'] ?? [{ update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `You said ${text}.` } } }]);
    }
    case 'session/resume':
    case 'session/close':
    case 'session/delete':
    case 'session/set_mode':
    case 'session/set_model':
    case 'authenticate':
      return { result: {} };
    default:
      return { error: { code: -32601, message: `"Method not found": ${method}` } };
  }
}

if (scenario.stderr !== undefined) process.stderr.write(`${scenario.stderr}\n`);
if (scenario.exitAtStart !== undefined) process.exit(scenario.exitAtStart);
createInterface({ input: process.stdin }).on('line', (line) => {
  if (scenario.log !== undefined) appendFileSync(scenario.log, `${line}\n`);
  const message = JSON.parse(line) as Json;
  const { id, method } = message;
  const params = (message['params'] ?? {}) as Json;
  if (typeof method === 'string' && id !== undefined) void answer(method, params).then((body) => write({ id, ...body }));
  else if (method === 'session/cancel') {
    for (const [cancel, sessionId] of cancels) if (sessionId === params['sessionId']) cancel();
  } else if (typeof id === 'number') waiting.get(id)?.(message);
}).on('close', () => process.exit(0));
