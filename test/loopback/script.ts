import { z } from 'zod';

/**
 * What a model endpoint of the tests answers next. One step is one assistant message. Fields that break off an answer (`error`, `hang`,
 * `cut`, `streamError`) do so on every attempt, or on the first `times` attempts and then let the step be answered.
 */
const stepSchema = z.strictObject({
  /** Thinking (Anthropic) or a reasoning summary (OpenAI), before the text. */
  think: z.string().optional(),
  text: z.string().optional(),
  /** Long markdown after `text`: so many characters, at so many tokens (4 characters, one delta each) a second; no rate: as fast as it goes. */
  big: z.strictObject({ chars: z.number().int().min(1).max(50_000_000), tokensPerSecond: z.number().positive().optional() }).optional(),
  /**
   * Tools that the assistant calls, after its text. A string as `input` is a custom (freeform) call where the protocol has such, like Codex's
   * `apply_patch` and `exec`; `custom: true` says the same aloud.
   */
  tools: z.array(z.strictObject({
    name: z.string().min(1),
    input: z.union([z.string(), z.record(z.string(), z.unknown())]).default({}),
    custom: z.boolean().optional(),
    /** Where the protocol has such: the group of tools that it is of, like Codex's `collaboration`. */
    namespace: z.string().min(1).optional(),
    id: z.string().min(1).optional(),
  })).optional(),
  /** Milliseconds before the first byte of the answer. */
  delayMs: z.number().min(0).optional(),
  /** Milliseconds between two deltas; 0 when absent. */
  chunkMs: z.number().min(0).optional(),
  /** Milliseconds between two deltas of a tool's input (Anthropic), 32 characters each; 0 when absent. */
  inputMs: z.number().min(0).optional(),
  /** Characters in a delta; 8 when absent. */
  chunkChars: z.number().int().min(1).optional(),
  /** An HTTP error in place of an answer. `retryAfter` in seconds; `body` replaces the protocol's own error body. */
  error: z.strictObject({
    status: z.number().int().min(400).max(599),
    retryAfter: z.number().min(0).optional(),
    type: z.string().optional(),
    message: z.string().optional(),
    body: z.unknown().optional(),
    times: z.number().int().min(1).optional(),
  }).optional(),
  /** An error event in the middle of the stream. */
  streamError: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  /** The connection is destroyed in the middle of the stream. */
  cut: z.literal(true).optional(),
  /** Silence until the client goes: before the headers, after them, or in the middle of the stream. */
  hang: z.enum(['before', 'headers', 'mid']).optional(),
  /** For `cut`, `hang` and `streamError`: only the first so many attempts. */
  times: z.number().int().min(1).optional(),
  usage: z.strictObject({
    input: z.number().int().min(0).optional(),
    output: z.number().int().min(0).optional(),
    cached: z.number().int().min(0).optional(),
    thinking: z.number().int().min(0).optional(),
  }).optional(),
});
const stepsSchema = z.array(stepSchema).min(1);

/** One assistant message as a script writes it (defaults may be left out). */
export type Step = z.input<typeof stepSchema>;
/** One assistant message as an endpoint plays it. */
export type PlayedStep = z.output<typeof stepSchema>;
export type ToolUse = NonNullable<PlayedStep['tools']>[number];

export interface ToolOutcome {
  readonly id: string;
  readonly text: string;
}

/** What a script sees of a request, whatever the protocol. */
export interface Conversation {
  /** The agent's id of its session; '' where it sends none. */
  readonly session: string;
  readonly model: string;
  /** Every prompt of the person, oldest first, with those that were added to a running turn. */
  readonly prompts: readonly string[];
  /** The prompt whose turn is running. */
  readonly prompt: string;
  /** Assistant messages since that prompt. */
  readonly answered: number;
  /** Prompts that were added to the running turn. */
  readonly steered: readonly string[];
  /** What the tools of this turn gave back, oldest first. */
  readonly outcomes: readonly ToolOutcome[];
}

/** Steps in order, indexed by the assistant messages since the prompt; or a function that decides by the conversation. */
export type Script = readonly Step[] | ((conversation: Conversation) => Step | Promise<Step>);

/** A part of a conversation as both protocols can tell it. `break` is an interruption by the person. */
export type Part =
  | { readonly kind: 'prompt'; readonly text: string; readonly steered?: boolean }
  | { readonly kind: 'assistant' }
  | { readonly kind: 'outcome'; readonly id: string; readonly text: string }
  | { readonly kind: 'break' };

/** A script or a marker in a prompt that cannot be played. `message` says where it is wrong. */
export class ScriptError extends Error {
  readonly code = 'bad_script';
}

const marker = /@@FAKE([\s\S]*?)EKAF@@/;

/** Steps of the marker `@@FAKE[…json…]EKAF@@` in a prompt; null where there is none. Throws ScriptError when it cannot be read. */
export function markedSteps(prompt: string): readonly PlayedStep[] | null {
  const source = marker.exec(prompt)?.[1];
  if (source === undefined) return null;
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (cause) {
    throw new ScriptError(`The marker in the prompt is no JSON: ${cause instanceof Error ? cause.message : 'unknown error'}`, { cause });
  }
  const steps = stepsSchema.safeParse(json);
  if (!steps.success) throw new ScriptError(`The marker in the prompt holds no steps: ${z.prettifyError(steps.error)}`);
  return steps.data;
}

/** A prompt with steps for the endpoint behind a text for the person. */
export function scripted(text: string, ...steps: readonly Step[]): string {
  return `${text} @@FAKE${JSON.stringify(steps)}EKAF@@`.trim();
}

/** A prompt as a person would have written it: without its marker. */
export function withoutMarker(prompt: string): string {
  return prompt.replace(marker, '').trim();
}

/** Finds the running turn in a conversation. A prompt that was added to a running turn leaves that turn's steps in force, unless it brings its own. */
export function readConversation(session: string, model: string, parts: readonly Part[]): Conversation {
  const prompts: string[] = [];
  let prompt = '';
  let answered = 0;
  let steered: string[] = [];
  let outcomes: ToolOutcome[] = [];
  let before: Part['kind'] | null = null;
  for (const part of parts) {
    if (part.kind === 'prompt') {
      prompts.push(part.text);
      if (part.steered === true && !marker.test(part.text)) {
        steered.push(part.text);
        continue;
      }
      prompt = part.text;
      answered = 0;
      steered = [];
      outcomes = [];
    } else if (part.kind === 'assistant') {
      if (before !== 'assistant') answered += 1;
    } else if (part.kind === 'outcome') {
      outcomes.push({ id: part.id, text: part.text });
    }
    before = part.kind;
  }
  return { session, model, prompts, prompt, answered, steered, outcomes };
}

/** The step that comes next: from the prompt's marker, else from the script, else the prompt is echoed. Throws ScriptError. */
export async function nextStep(script: Script | null, conversation: Conversation): Promise<PlayedStep> {
  const marked = markedSteps(conversation.prompt);
  if (marked !== null) return marked[conversation.answered] ?? ended(conversation);
  if (script === null) return { text: echo(conversation) };
  const chosen = typeof script === 'function' ? await script(conversation) : (script[conversation.answered] ?? ended(conversation));
  const step = stepSchema.safeParse(chosen);
  if (!step.success) throw new ScriptError(`The script gave no step: ${z.prettifyError(step.error)}`);
  return step.data;
}

function echo(conversation: Conversation): string {
  const said = [conversation.prompt, ...conversation.steered].filter((text) => text !== '');
  return said.length === 0 ? 'There was no prompt.' : `You said: ${said.join(' / ')}`;
}

function ended(conversation: Conversation): PlayedStep {
  return { text: `The script of this prompt has no step ${conversation.answered + 1}.` };
}

/** Counts the attempts at one step, so that `times` can let a later one through. Retries carry the same conversation. */
export class Attempts {
  readonly #seen = new Map<string, number>();

  /** How often this very step was asked for before; counts this one. */
  count(conversation: Conversation): number {
    const key = JSON.stringify([conversation.session, conversation.prompts, conversation.answered]);
    const before = this.#seen.get(key) ?? 0;
    this.#seen.set(key, before + 1);
    return before;
  }
}

/** The step without what breaks it off, once `attempt` (0 is the first) is past its `times`. */
export function settle(step: PlayedStep, attempt: number): PlayedStep {
  const { error, streamError, cut, hang, times, ...rest } = step;
  const breaks = attempt < (times ?? Number.POSITIVE_INFINITY);
  return {
    ...rest,
    ...(error !== undefined && attempt < (error.times ?? Number.POSITIVE_INFINITY) ? { error } : {}),
    ...(breaks && streamError !== undefined ? { streamError } : {}),
    ...(breaks && cut !== undefined ? { cut } : {}),
    ...(breaks && hang !== undefined ? { hang } : {}),
  };
}
