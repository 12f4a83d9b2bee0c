import type { UsageFigures } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { noFigures } from './normalise.ts';
import type { ResultLine } from './wire.ts';
import { num, obj } from './wire.ts';

function inputTokens(usage: JsonObject | null): number | null {
  const fresh = num(usage, 'input_tokens');
  const cached = num(usage, 'cache_read_input_tokens');
  if (fresh === null && cached === null) return null;
  return (fresh ?? 0) + (cached ?? 0) + (num(usage, 'cache_creation_input_tokens') ?? 0);
}

/** Sum of one field over the models of `modelUsage`; null without any. */
function total(models: JsonObject | null, field: string): number | null {
  const values = Object.values(models ?? {}).map((model) => (isJsonObject(model) ? num(model, field) : null)).filter((value) => value !== null);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
}

const nothing = { input: 0, cached: 0, written: 0, output: 0 } as const;

/**
 * Tokens, money and context of one process. `total_cost_usd` and `modelUsage` are cumulative (from 2.1 on over a resume too, when the process before
 * ended in peace), so a turn's cost is what came on top; the usage of an assistant line is stale, that of the stream and of the result is not.
 */
export class Meter {
  #cost: number;
  #session: UsageFigures | null = null;
  #turn: UsageFigures = noFigures;
  #input: number | null = null;
  #output: number | null = null;
  #window: number | null = null;
  #first = true;
  /** Requests of the running turn that are done: an interrupted turn's result counts nothing. */
  #done: { readonly input: number; readonly cached: number; readonly written: number; readonly output: number } = nothing;
  #cached: number | null = null;
  #written: number | null = null;
  #counted = true;

  /** @param costBefore total that the transcript tells of before this process, in dollars. */
  constructor(costBefore: number) {
    this.#cost = costBefore;
  }

  get session(): UsageFigures | null {
    return this.#session;
  }

  /** Figures of the turn that ends; those of a turn without a result are empty. */
  takeTurn(): UsageFigures {
    const turn = this.#turn;
    this.#turn = noFigures;
    this.#done = nothing;
    this.#counted = true;
    return turn;
  }

  /** Usage of `message_start`: what goes into the model. */
  request(usage: JsonObject | null): void {
    this.#count();
    this.#counted = false;
    this.#cached = num(usage, 'cache_read_input_tokens');
    this.#written = num(usage, 'cache_creation_input_tokens');
    this.#input = inputTokens(usage);
    this.#output = num(usage, 'output_tokens');
    this.#update({});
  }

  /** Usage of `message_delta`; it may correct the input too. */
  progress(usage: JsonObject | null): void {
    const input = inputTokens(usage);
    if (input !== null && input > 0) this.#input = input;
    this.#output = num(usage, 'output_tokens') ?? this.#output;
    this.#update({});
  }

  compacted(tokens: number | null): void {
    this.#count();
    this.#input = tokens;
    this.#output = null;
    this.#update({});
  }

  result(line: ResultLine): void {
    const models = line.modelUsage;
    const now = line.total_cost_usd;
    let cost = total(line.model_usage_since_last_result, 'costUSD');
    if (cost === null && now !== null) {
      // A process that knows nothing of what was before starts at zero.
      const before = this.#first && now < this.#cost ? 0 : this.#cost;
      cost = Math.max(0, now - before);
    }
    this.#first = false;
    if (now !== null) this.#cost = now;
    const windows = Object.values(models ?? {}).map((model) => (isJsonObject(model) ? num(model, 'contextWindow') : null)).filter((value) => value !== null && value > 0);
    this.#window = windows.length === 1 ? (windows[0] ?? null) : (num(this.#largest(models), 'contextWindow') ?? this.#window);
    const usage = isJsonObject(line.usage) ? line.usage : null;
    this.#count();
    const told = (inputTokens(usage) ?? 0) > 0;
    const own = this.#done.input > 0;
    this.#turn = {
      inputTokens: told ? inputTokens(usage) : own ? this.#done.input : null, outputTokens: told ? num(usage, 'output_tokens') : own ? this.#done.output : null,
      cachedTokens: told ? num(usage, 'cache_read_input_tokens') : own ? this.#done.cached : null, cacheWriteTokens: told ? num(usage, 'cache_creation_input_tokens') : own ? this.#done.written : null, costUsd: cost,
      contextTokens: this.#context(), contextWindow: this.#window,
    };
    const input = total(models, 'inputTokens');
    const cached = total(models, 'cacheReadInputTokens');
    this.#update({
      inputTokens: input === null ? null : input + (cached ?? 0) + (total(models, 'cacheCreationInputTokens') ?? 0), outputTokens: total(models, 'outputTokens'), cachedTokens: cached, costUsd: now,
    });
  }

  /** Adds the last request to those of the turn that are done. */
  #count(): void {
    if (this.#counted) return;
    this.#counted = true;
    this.#done = { input: this.#done.input + (this.#input ?? 0), cached: this.#done.cached + (this.#cached ?? 0), written: this.#done.written + (this.#written ?? 0), output: this.#done.output + (this.#output ?? 0) };
  }

  /** The model that took the most: side calls go to small ones. */
  #largest(models: JsonObject | null): JsonObject | null {
    let best: JsonObject | null = null;
    for (const name of Object.keys(models ?? {})) {
      const model = obj(models, name);
      if (model !== null && (best === null || (num(model, 'costUSD') ?? 0) > (num(best, 'costUSD') ?? 0))) best = model;
    }
    return best;
  }

  #context(): number | null {
    return this.#input === null ? null : this.#input + (this.#output ?? 0);
  }

  #update(more: Partial<UsageFigures>): void {
    this.#session = { ...(this.#session ?? noFigures), ...more, contextTokens: this.#context(), contextWindow: this.#window };
  }
}
