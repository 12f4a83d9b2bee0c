import { randomUUID } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import type { Goal } from './goals.ts';

/** What a session of the fleet is in the middle of, or how it ended. */
export type FleetState =
  | 'running' | 'permission' | 'question' | 'plan' | 'idle' | 'failed' | 'cancelled' | 'archived' | 'stopped' | 'local' | 'unreadable' | 'legacy';

/** A message before it is sealed, and when it was written (milliseconds since the epoch). */
export interface Written {
  readonly at: number;
  readonly value: JsonValue;
  /** Whose it is: prompts have the localId of their sender. */
  readonly localId: string;
}

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'.split('');

/** Numbers from 0 to 1 from a seed, always the same. */
export type Chance = () => number;

export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function pick<Item>(items: readonly Item[], chance: Chance): Item {
  const item = items[Math.floor(chance() * items.length)];
  if (item === undefined) throw new Error('Nothing to pick from.');
  return item;
}

/** An id like those of Happy's envelopes: 24 letters and digits, a letter first. */
export function cuid(chance: Chance): string {
  return `${pick(letters.slice(0, 26), chance)}${Array.from({ length: 23 }, () => pick(letters, chance)).join('')}`;
}

/** Writes a session's messages as `happy` 1.2.5 does, one after the other, a while apart (happy.md A, Agent output). */
export class Scribe {
  readonly written: Written[] = [];
  /** The id of the last tool call. */
  lastCall = '';
  readonly #chance: Chance;
  readonly #clock: (() => number) | null;
  #past: number;
  #turn: string | null;

  /** `from`: when the first message is written; a clock, to write as time goes by. `turn`: the id of one that is running. */
  constructor(chance: Chance, from: number | (() => number), turn: string | null = null) {
    this.#turn = turn;
    this.#chance = chance;
    this.#clock = typeof from === 'number' ? null : from;
    this.#past = typeof from === 'number' ? from : 0;
  }

  get now(): number {
    return this.#clock === null ? this.#past : this.#clock();
  }

  /** The id of the turn that is running. */
  get turn(): string | null {
    return this.#turn;
  }

  /** Lets time go by; with a clock, that does it by itself. */
  pass(ms: number): this {
    this.#past += Math.round(ms);
    return this;
  }

  /** Any plaintext, as it is. */
  raw(value: JsonValue): this {
    this.pass(400 + this.#chance() * 2_000);
    this.written.push({ at: this.now, value, localId: randomUUID() });
    return this;
  }

  prompt(text: string, meta: JsonObject = {}): this {
    return this.raw({ role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'ios', ...meta } });
  }

  /** An envelope of the agent; `more` is put beside its event. */
  event(ev: JsonObject, more: JsonObject = {}): this {
    const turn: JsonObject = this.#turn === null ? {} : { turn: this.#turn };
    this.pass(400 + this.#chance() * 2_000);
    return this.raw({ role: 'session', content: { id: cuid(this.#chance), time: this.now, role: 'agent', ...turn, ...more, ev }, meta: { sentFrom: 'cli' } });
  }

  begin(): this {
    this.#turn = cuid(this.#chance);
    return this.event({ t: 'turn-start' });
  }

  think(text: string): this {
    return this.event({ t: 'text', text, thinking: true });
  }

  say(text: string, tokens = 120): this {
    const usage = { input_tokens: 40 + tokens, cache_creation_input_tokens: 210, cache_read_input_tokens: 15_400, output_tokens: tokens, service_tier: 'standard', context_window: 200_000 };
    return this.event({ t: 'text', text }, { claudeUuid: randomUUID(), usage });
  }

  /** A tool call, ended unless it is `open`. */
  tool(name: string, args: JsonObject, { title = `${name} call`, open = false }: { readonly title?: string; readonly open?: boolean } = {}): this {
    this.lastCall = `toolu_01${cuid(this.#chance).slice(0, 20)}`;
    this.event({ t: 'tool-call-start', call: this.lastCall, name, title, description: title, args });
    return open ? this : this.event({ t: 'tool-call-end', call: this.lastCall });
  }

  subagent(title: string, prompt: string, says: string): this {
    const subagent = cuid(this.#chance);
    this.tool('Agent', { description: title, prompt, subagent_type: 'general-purpose', sessionSubagent: subagent }, { title, open: true });
    const call = this.lastCall;
    this.event({ t: 'start', title }, { subagent });
    this.event({ t: 'text', text: says }, { subagent, claudeUuid: randomUUID() });
    return this.event({ t: 'stop' }, { subagent }).event({ t: 'tool-call-end', call });
  }

  end(status: 'completed' | 'failed' | 'cancelled' = 'completed'): this {
    this.event({ t: 'turn-end', status });
    this.#turn = null;
    return this;
  }

  /** Ends a tool call that is open. */
  ended(call: string): this {
    return this.event({ t: 'tool-call-end', call });
  }

  /** A line from the CLI itself, such as an error of the model. */
  notice(message: string): this {
    return this.raw({ role: 'agent', content: { id: randomUUID(), type: 'event', data: { type: 'message', message } }, meta: { sentFrom: 'cli' } });
  }
}

const openings = [
  (file: string) => `I will look at \`${file}\` first.`, (file: string) => `\`${file}\` is where this happens.`, (file: string) => `Let me read \`${file}\` and what calls it.`, () => 'I look around before I change anything.',
] as const;

/** A finished turn on a goal: it looks, thinks, changes something, tries it and says so. */
export function wholeTurn(scribe: Scribe, goal: Goal, chance: Chance): Scribe {
  const { file, find, thought, before, after, command, done } = goal;
  scribe.prompt(goal.prompt).begin();
  if (chance() < 0.7) scribe.think(thought);
  scribe.say(pick(openings, chance)(file)).tool('Read', { file_path: file }, { title: `Read ${file}` });
  if (chance() < 0.6) scribe.tool('Grep', { pattern: find, path: 'src' }, { title: `Search for ${find}` });
  if (chance() < 0.3) scribe.subagent('Look for other places', `Where else does ${find} matter?`, `Nowhere beyond what \`${file}\` reaches.`);
  if (chance() < 0.5) scribe.say(thought);
  scribe.tool('Edit', { file_path: file, old_string: before, new_string: after, replace_all: false }, { title: `Edit ${file}` });
  scribe.tool('Bash', { command, description: 'Try it' }, { title: 'Try it' });
  return scribe.say(done, 120 + done.length).end();
}

/** A turn that follows: a question and its answer. */
export function nextTurn(scribe: Scribe, { next: [prompt, answer], find, file }: Goal, chance: Chance): Scribe {
  scribe.prompt(prompt).begin();
  if (chance() < 0.5) scribe.tool('Grep', { pattern: find, path: '.' }, { title: `Search for ${find}` });
  else scribe.tool('Read', { file_path: file }, { title: `Read ${file}` });
  return scribe.say(answer, 60 + answer.length).end();
}

/** Whether the last turn of a session in this state is what its goal asks next. */
export function asksNext(state: FleetState): boolean {
  return state === 'running' || state === 'failed' || state === 'cancelled';
}

const failures = ['API Error: 529 overloaded_error', 'API Error: 500 api_error: Internal server error', 'API Error: Connection error.'] as const;

/** The last turn of a session in this state; answers what its agent state's requests hold. */
export function lastTurn(scribe: Scribe, state: FleetState, goal: Goal, chance: Chance): JsonObject {
  const request = (tool: string, args: JsonObject): JsonObject => ({ [scribe.lastCall]: { tool, arguments: args, createdAt: scribe.now } });
  const [prompt, answer] = goal.next;
  switch (state) {
    case 'running':
      scribe.prompt(prompt).begin().think(goal.thought).say('I look for that now.').tool('Bash', { command: goal.command, description: 'Try it' }, { title: 'Try it', open: true });
      return {};
    case 'permission': {
      const args = { command: 'rm -rf dist && npm run build', description: 'Build from scratch' };
      scribe.prompt('Build it from scratch, please.').begin().say('The old output has to go first.').tool('Bash', args, { title: 'Build from scratch', open: true });
      return request('Bash', args);
    }
    case 'question': {
      const args = { questions: [{ question: 'Which limit should be the default?', header: 'Limit', multiSelect: false, options: [{ label: 'Three', description: 'Calls a second: enough for a person' }, { label: 'Five', description: 'For shops with many tills' }] }] };
      scribe.prompt('Choose a sensible default.').begin().tool('AskUserQuestion', args, { title: 'A question', open: true });
      return request('AskUserQuestion', args);
    }
    case 'plan':
      scribe.prompt('Plan it first.', { permissionMode: 'plan' }).begin()
        .tool('ExitPlanMode', { plan: `# Plan: ${goal.title}\n\n1. Hold what \`${goal.file}\` answers today in a golden test\n2. Change it: \`${goal.after}\`\n3. Run \`${goal.command}\`\n` }, { title: 'Plan', open: true });
      // Its request carries no arguments: the plan is in the call.
      return request('ExitPlanMode', {});
    case 'failed':
      scribe.prompt(prompt).begin().notice(pick(failures, chance)).end('failed');
      return {};
    case 'cancelled':
      scribe.prompt(prompt).begin().say(answer).end('cancelled');
      return {};
    case 'local':
      scribe.event({ t: 'text', text: 'typed in the terminal' }, { role: 'user', claudeUuid: randomUUID() }).begin().say('I answer in the terminal.').end();
      return {};
    case 'idle': case 'archived': case 'stopped': case 'unreadable': case 'legacy':
      return {};
  }
}

/** A value of JSON that should be a text; '' for any other. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
