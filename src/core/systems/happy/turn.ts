import { isJsonObject } from '../../model/json.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';

/** What one message says about turns; `other` is anything else that the agent sent, null what says nothing. */
type TurnMark = 'prompt' | 'start' | 'end' | 'ready' | 'other' | null;

/** Reads the mark of a decrypted message of any of Happy's shapes (happy.md A, B3). */
export function turnMark(content: JsonValue): TurnMark {
  if (!isJsonObject(content)) return null;
  const body = content['content'];
  if (content['role'] === 'user') return 'prompt';
  if (!isJsonObject(body)) return content['role'] === 'agent' ? 'other' : null;
  if (content['role'] === 'session') return envelopeMark(isJsonObject(body['data']) ? body['data'] : body);
  const data = body['data'];
  const kind = isJsonObject(data) ? data['type'] : null;
  if (body['type'] === 'session' && isJsonObject(data)) return envelopeMark(data);
  if (body['type'] === 'event') return kind === 'ready' ? 'ready' : null;
  if (kind === 'task_started') return 'start';
  if (kind === 'task_complete' || kind === 'turn_aborted') return 'end';
  return 'other';
}

function envelopeMark(envelope: JsonObject): TurnMark {
  const event = envelope['ev'];
  const kind = isJsonObject(event) ? event['t'] : null;
  if (kind === 'turn-start') return 'start';
  if (kind === 'turn-end') return 'end';
  // What waited while the agent was busy, and what was typed in a terminal, come as the session's own user texts.
  if (envelope['role'] === 'user') return kind === 'text' ? 'prompt' : null;
  return 'other';
}

type TurnVerdict = { readonly done: true } | { readonly done: false; readonly stopped: boolean; readonly againInMs: number | null };

/** After an end, a batch that waited begins within milliseconds: thinking must stay false this long. */
const SETTLE_MS = 400;
/** Signs of life come every 2 s; without one for this long none comes. */
const HEARTBEAT_MS = 2_600;
/** An agent that has answered, thinks no more and says nothing for this long has ended its turn without a mark. */
const QUIET_MS = 5_000;

/**
 * Whether the agent works on a prompt, from everything that hints at it: `turn-end` alone is no proof (happy.md A, "Turn state"). Pure: told of what happens, with
 * milliseconds on a clock that never jumps, it answers when asked.
 */
export class TurnState {
  #prompt = 0;
  #start = 0;
  #end = 0;
  #answer = 0;
  #thinking: boolean | null = null;
  #thoughtSincePrompt = false;
  #doneSaid = false;
  #restingBeats = 0;
  /** When the last message, change of thinking or contact was. */
  #lastAt: number;
  #archived = false;
  #active: boolean | null = null;
  #asked = false;
  #byTerminal = false;

  constructor(now: number) {
    this.#lastAt = now;
  }

  message(seq: number, content: JsonValue, now: number): void {
    const mark = turnMark(content);
    if (mark === null) return;
    this.#lastAt = now;
    this.#restingBeats = 0;
    if (mark === 'prompt') {
      if (seq <= this.#prompt) return;
      this.#prompt = seq;
      this.#thoughtSincePrompt = false;
      this.#doneSaid = false;
    } else if (mark === 'start') this.#start = Math.max(this.#start, seq);
    else if (mark === 'end' || (mark === 'ready' && this.#answer > this.#prompt)) this.#end = Math.max(this.#end, seq);
    if (mark !== 'prompt') this.#answer = Math.max(this.#answer, seq);
  }

  /** A sign of life. */
  activity(active: boolean, thinking: boolean, now: number): void {
    this.#active = active;
    if (thinking !== this.#thinking) this.#lastAt = now;
    this.#thinking = thinking;
    if (thinking) {
      this.#thoughtSincePrompt = true;
      this.#doneSaid = false;
      this.#restingBeats = 0;
    } else this.#restingBeats += 1;
  }

  /** The `session-event` of kind `done`. */
  doneSaid(): void {
    this.#doneSaid = true;
  }

  /** What the session's row says now. `active` null: nothing is known. */
  row(row: { readonly active: boolean | null; readonly metadata: JsonObject | null; readonly agentState: JsonObject | null }): void {
    const requests = row.agentState?.['requests'];
    this.#asked = isJsonObject(requests) && Object.keys(requests).length > 0;
    this.#byTerminal = row.agentState?.['controlledByUser'] === true;
    this.#archived = row.metadata?.['lifecycleState'] === 'archived';
    if (this.#thinking === null && row.active !== null) this.#active = row.active;
  }

  /** Contact came back: what was known of thinking is old. */
  contact(now: number): void {
    this.#thinking = null;
    this.#active = null;
    this.#restingBeats = 0;
    this.#lastAt = now;
  }

  /** `turn`: the last prompt was worked off. `idle`: and nothing waits for the person, nor does a terminal have the session. */
  verdict(want: 'turn' | 'idle', now: number): TurnVerdict {
    const ended = this.#end > Math.max(this.#prompt, this.#start);
    const stopped = this.#archived || this.#active === false;
    if (stopped) return (want === 'turn' ? ended || this.#prompt === 0 : !this.#archived) ? { done: true } : { done: false, stopped: true, againInMs: null };
    const waiting: TurnVerdict = { done: false, stopped: false, againInMs: null };
    if (this.#asked || this.#thinking === true || (want === 'idle' && this.#byTerminal)) return waiting;
    const said = ended || this.#doneSaid;
    const since = now - this.#lastAt;
    const after = (ms: number): TurnVerdict => (since >= ms ? { done: true } : { ...waiting, againInMs: ms - since });
    if (said || this.#prompt === 0) return after(this.#thinking === null ? HEARTBEAT_MS : SETTLE_MS);
    const answered = this.#answer > this.#prompt || this.#thoughtSincePrompt;
    return answered && this.#thinking === false && this.#restingBeats >= 2 ? after(QUIET_MS) : waiting;
  }
}
