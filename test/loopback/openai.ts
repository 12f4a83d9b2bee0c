import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { paced, pacedText, pieces, stepText, tokens } from './pace.ts';
import { Attempts, nextStep, readConversation, ScriptError, settle, type Conversation, type Part, type PlayedStep, type Script, type ToolUse } from './script.ts';
import { EventStream, listen, sendJson, silence, type Exchange, type Loopback } from './server.ts';

/** Model ids that the endpoint lists; any other is served too, but for those that begin with `no-such`. */
const models = ['gpt-5.5', 'gpt-6-astra'];
const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error', 401: 'invalid_request_error', 403: 'invalid_request_error', 404: 'invalid_request_error', 429: 'requests', 503: 'server_error',
};

const itemSchema = z.looseObject({ type: z.string().optional(), role: z.string().optional() });
const requestSchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  input: z.union([z.string(), z.array(itemSchema)]),
  tools: z.array(z.unknown()).optional(),
  prompt_cache_key: z.string().optional(),
});
type Request = z.output<typeof requestSchema>;

export interface OpenAiEndpoint extends Loopback {
  /** Replaces the script for every prompt that brings no marker; null: prompts are echoed. */
  setScript(script: Script | null): void;
}

/**
 * Serves the OpenAI Responses API under `/v1` as far as Codex 0.169 calls it by a model provider with `wire_api = "responses"`. What the next
 * response is, the prompt's marker or the script decides. With `apiKey`, any other bearer token is refused with 401.
 */
export async function startOpenAi(options: { readonly script?: Script; readonly apiKey?: string } = {}): Promise<OpenAiEndpoint> {
  let script: Script | null = options.script ?? null;
  const attempts = new Attempts();
  const loopback = await listen(async (exchange) => {
    const { seen, response } = exchange;
    if (seen.method === 'POST' && seen.path === '/v1/responses') {
      if (options.apiKey !== undefined && seen.headers.authorization !== `Bearer ${options.apiKey}`) {
        return sendError(exchange, 401, 'Incorrect API key provided.', { code: 'invalid_api_key' });
      }
      await serveResponse(exchange, script, attempts);
    } else if (seen.method === 'GET' && seen.path === '/v1/models') {
      sendJson(response, 200, { object: 'list', data: models.map((id) => ({ id, object: 'model', created: 1_767_225_600, owned_by: 'loopback' })) });
    } else {
      exchange.mark({ kind: 'unknown' });
      sendError(exchange, 404, `No ${seen.method} ${seen.path} here.`);
    }
  });
  return { ...loopback, setScript: (next) => { script = next; } };
}

async function serveResponse(exchange: Exchange, script: Script | null, attempts: Attempts): Promise<void> {
  const { seen, signal } = exchange;
  const parsed = requestSchema.safeParse(seen.body);
  if (!parsed.success) return sendError(exchange, 400, z.prettifyError(parsed.error));
  const request = parsed.data;
  if (request.model.startsWith('no-such')) {
    return sendError(exchange, 404, `The model '${request.model}' does not exist or you do not have access to it.`, { code: 'model_not_found' });
  }
  const conversation = conversationOf(request);
  exchange.mark({ kind: kindOf(exchange) });
  try {
    const step = settle(await nextStep(seen.kind === 'turn' ? script : null, conversation), attempts.count(conversation));
    if (step.hang === 'before') await silence(signal);
    if (step.delayMs !== undefined) await sleep(step.delayMs, undefined, { signal });
    if (step.error !== undefined) {
      exchange.mark({ end: 'broken' });
      const { status, message, ...shape } = step.error;
      return sendError(exchange, status, message ?? `loopback ${status}`, shape);
    }
    await answer(exchange, request, step);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    sendError(exchange, 400, error.message);
  }
}

async function answer(exchange: Exchange, request: Request, step: PlayedStep): Promise<void> {
  const { response, signal } = exchange;
  const id = identity('resp');
  const items = itemsOf(step);
  const whole = (status: 'in_progress' | 'completed' | 'failed', rest: Record<string, unknown> = {}): Record<string, unknown> => ({
    id, object: 'response', created_at: Math.floor(Date.now() / 1000), status, model: request.model, error: null, incomplete_details: null,
    output: status === 'completed' ? items : [], parallel_tool_calls: true, tool_choice: 'auto', usage: null, ...rest,
  });
  if (request.stream !== true) {
    if (step.cut === true) {
      exchange.mark({ end: 'broken' });
      response.destroy();
      return;
    }
    if (step.hang !== undefined) await silence(signal);
    return sendJson(response, 200, whole('completed', { usage: usageOf(exchange, step) }));
  }

  const stream = new EventStream(exchange, { 'x-request-id': identity('req') });
  if (step.hang === 'headers') await silence(signal);
  let sequence = 0;
  const send = (type: string, data: Record<string, unknown>): Promise<void> => {
    sequence += 1;
    return stream.send({ type, sequence_number: sequence - 1, ...data });
  };
  /** Breaks the stream off where the step says so; false: go on. */
  const brokeOff = async (): Promise<boolean> => {
    if (step.hang === 'mid') await silence(signal);
    if (step.streamError !== undefined) {
      exchange.mark({ end: 'broken' });
      await send('response.failed', { response: whole('failed', { error: step.streamError }) });
      stream.end();
      return true;
    }
    if (step.cut !== true) return false;
    exchange.mark({ end: 'broken' });
    stream.cut();
    return true;
  };

  await send('response.created', { response: whole('in_progress') });
  const half = stepText(step).length / 2;
  let written = 0;
  for (const [index, item] of items.entries()) {
    const at = { output_index: index, item_id: item.id };
    await send('response.output_item.added', { output_index: index, item: openingOf(item) });
    if (item.type === 'reasoning') {
      const part = { ...at, summary_index: 0 };
      const text = item.summary[0]?.text ?? '';
      await send('response.reasoning_summary_part.added', { ...part, part: { type: 'summary_text', text: '' } });
      for await (const delta of paced(text, step, signal)) await send('response.reasoning_summary_text.delta', { ...part, delta });
      await send('response.reasoning_summary_text.done', { ...part, text });
      await send('response.reasoning_summary_part.done', { ...part, part: { type: 'summary_text', text } });
    } else if (item.type === 'message') {
      const part = { ...at, content_index: 0 };
      await send('response.content_part.added', { ...part, part: { type: 'output_text', text: '', annotations: [] } });
      for await (const delta of pacedText(step, signal)) {
        if (written >= half && await brokeOff()) return;
        await send('response.output_text.delta', { ...part, delta });
        written += delta.length;
      }
      await send('response.output_text.done', { ...part, text: item.content[0]?.text ?? '' });
      await send('response.content_part.done', { ...part, part: item.content[0] });
    } else if (item.type === 'function_call') {
      for (const delta of pieces(item.arguments, 32)) await send('response.function_call_arguments.delta', { ...at, delta });
      await send('response.function_call_arguments.done', { ...at, arguments: item.arguments });
    } else {
      for (const delta of pieces(item.input, 32)) await send('response.custom_tool_call_input.delta', { ...at, delta });
      await send('response.custom_tool_call_input.done', { ...at, input: item.input });
    }
    await send('response.output_item.done', { output_index: index, item });
  }
  if (await brokeOff()) return;
  await send('response.completed', { response: whole('completed', { usage: usageOf(exchange, step) }) });
  stream.end();
}

type Text<Type extends string> = { readonly type: Type; readonly text: string };
type OutputText = Text<'output_text'> & { readonly annotations: readonly unknown[] };
type Item =
  | { readonly type: 'reasoning'; readonly id: string; readonly summary: readonly Text<'summary_text'>[]; readonly encrypted_content: string }
  | { readonly type: 'message'; readonly id: string; readonly role: 'assistant'; readonly status: string; readonly content: readonly OutputText[] }
  | { readonly type: 'function_call'; readonly id: string; readonly call_id: string; readonly name: string; readonly namespace?: string; readonly arguments: string; readonly status: string }
  | { readonly type: 'custom_tool_call'; readonly id: string; readonly call_id: string; readonly name: string; readonly input: string; readonly status: string };

function itemsOf(step: PlayedStep): readonly Item[] {
  const items: Item[] = [];
  if (step.think !== undefined) {
    const sealed = Buffer.from('loopback').toString('base64');
    items.push({ type: 'reasoning', id: identity('rs'), summary: [{ type: 'summary_text', text: step.think }], encrypted_content: sealed });
  }
  const text = stepText(step);
  if (text !== '') {
    const content = [{ type: 'output_text' as const, text, annotations: [] }];
    items.push({ type: 'message', id: identity('msg'), role: 'assistant', status: 'completed', content });
  }
  for (const tool of step.tools ?? []) items.push(callOf(tool));
  return items;
}

function callOf(tool: ToolUse): Item {
  const call = { call_id: tool.id ?? identity('call'), name: tool.name, status: 'completed' };
  const text = typeof tool.input === 'string' ? tool.input : JSON.stringify(tool.input);
  if (tool.custom ?? typeof tool.input === 'string') return { type: 'custom_tool_call', id: identity('ctc'), ...call, input: text };
  return { type: 'function_call', id: identity('fc'), ...call, ...(tool.namespace === undefined ? {} : { namespace: tool.namespace }), arguments: text };
}

function openingOf(item: Item): unknown {
  if (item.type === 'reasoning') return { ...item, summary: [] };
  if (item.type === 'message') return { ...item, status: 'in_progress', content: [] };
  if (item.type === 'function_call') return { ...item, status: 'in_progress', arguments: '' };
  return { ...item, status: 'in_progress', input: '' };
}

function usageOf(exchange: Exchange, step: PlayedStep): Record<string, unknown> {
  const input = step.usage?.input ?? tokens(JSON.stringify(exchange.seen.body));
  const output = step.usage?.output ?? Math.max(1, tokens(`${step.think ?? ''}${stepText(step)}${step.tools === undefined ? '' : JSON.stringify(step.tools)}`));
  return {
    input_tokens: input, input_tokens_details: { cached_tokens: step.usage?.cached ?? 0 },
    output_tokens: output, output_tokens_details: { reasoning_tokens: step.usage?.thinking ?? tokens(step.think ?? '') },
    total_tokens: input + output,
  };
}

/** What Codex adds to a conversation as user messages, in tags of its own; no words of the person. */
const added = /^<(?:environment_context|user_instructions|permissions instructions|skill|recommended_plugins|INSTRUCTIONS)|^# AGENTS\.md instructions/;
const aborted = /^<turn_aborted>/;

function conversationOf(request: Request): Conversation {
  const parts: Part[] = [];
  const items = typeof request.input === 'string' ? [{ type: 'message', role: 'user', content: request.input }] : request.input;
  for (const item of items) {
    switch (item.type ?? 'message') {
      case 'message': {
        if (item.role === 'assistant') parts.push({ kind: 'assistant' });
        if (item.role !== 'user') break;
        const text = plainText(item['content']).trim();
        if (aborted.test(text)) parts.push({ kind: 'break' });
        // What follows the outcome of a tool, with no interruption between, was added to the running turn.
        else if (text !== '' && !added.test(text)) parts.push({ kind: 'prompt', text, steered: parts.at(-1)?.kind === 'outcome' });
        break;
      }
      case 'reasoning':
      case 'function_call':
      case 'custom_tool_call':
        parts.push({ kind: 'assistant' });
        break;
      case 'function_call_output':
      case 'custom_tool_call_output':
        parts.push({ kind: 'outcome', id: String(item['call_id']), text: plainText(item['output']) });
        break;
      default:
    }
  }
  return readConversation(request.prompt_cache_key ?? '', request.model, parts);
}

function plainText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: unknown) => (typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string' ? part.text : '')).join('');
}

/** Codex tells in a header what a call is for; all but `turn` are its own errands, such as compaction. */
function kindOf(exchange: Exchange): 'turn' | 'side' {
  const header = exchange.seen.headers['x-codex-turn-metadata'];
  if (typeof header !== 'string') return 'turn';
  try {
    const metadata = z.looseObject({ request_kind: z.string() }).safeParse(JSON.parse(header));
    return metadata.success && metadata.data.request_kind !== 'turn' ? 'side' : 'turn';
  } catch {
    return 'turn';
  }
}

function identity(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`;
}

interface ErrorShape {
  readonly type?: string | undefined;
  readonly code?: string | undefined;
  readonly body?: unknown;
  readonly retryAfter?: number | undefined;
}

function sendError(exchange: Exchange, status: number, message: string, shape: ErrorShape = {}): void {
  const body = shape.body ?? { error: { message, type: shape.type ?? errorTypes[status] ?? 'server_error', param: null, code: shape.code ?? null } };
  sendJson(exchange.response, status, body, shape.retryAfter === undefined ? {} : { 'retry-after': String(shape.retryAfter) });
}
