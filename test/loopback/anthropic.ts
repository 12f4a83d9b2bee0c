import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { paced, pacedText, pieces, stepText, tokens } from './pace.ts';
import { Attempts, nextStep, readConversation, ScriptError, settle, withoutMarker, type Conversation, type Part, type PlayedStep, type Script } from './script.ts';
import { EventStream, listen, sendJson, silence, type Exchange, type Loopback } from './server.ts';

/** Model ids that the endpoint lists; any other is served too, but for those that begin with `no-such`. */
const models = ['claude-opus-5-5', 'claude-sonnet-5-5', 'claude-haiku-5'];
const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error', 401: 'authentication_error', 403: 'permission_error', 404: 'not_found_error', 413: 'request_too_large',
  429: 'rate_limit_error', 529: 'overloaded_error',
};

const blockSchema = z.looseObject({ type: z.string() });
const requestSchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.union([z.string(), z.array(blockSchema)]) })),
  tools: z.array(z.unknown()).optional(),
});
type Request = z.output<typeof requestSchema>;

export interface AnthropicEndpoint extends Loopback {
  /** Replaces the script for every prompt that brings no marker; null: prompts are echoed. */
  setScript(script: Script | null): void;
}

/**
 * Serves the Anthropic Messages API as far as Claude Code 2.1 calls it: streamed and whole messages, token counts, models, its reachability
 * probe. What the next message is, the prompt's marker or the script decides. With `apiKey`, any other key is refused with 401.
 */
export async function startAnthropic(options: { readonly script?: Script; readonly apiKey?: string } = {}): Promise<AnthropicEndpoint> {
  let script: Script | null = options.script ?? null;
  const attempts = new Attempts();
  const loopback = await listen(async (exchange) => {
    const { seen, response } = exchange;
    if (seen.method === 'POST' && seen.path === '/v1/messages') {
      if (options.apiKey !== undefined && keyOf(exchange) !== options.apiKey) return sendError(exchange, 401, 'invalid x-api-key');
      await serveMessage(exchange, script, attempts);
    } else if (seen.method === 'POST' && seen.path === '/v1/messages/count_tokens') {
      sendJson(response, 200, { input_tokens: tokens(JSON.stringify(seen.body)) });
    } else if (seen.method === 'GET' && seen.path === '/v1/models') {
      const data = models.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' }));
      sendJson(response, 200, { data, has_more: false, first_id: models[0], last_id: models.at(-1) });
    } else if (seen.path === '/api/hello') {
      sendJson(response, 200, { message: 'hello' });
    } else {
      exchange.mark({ kind: 'unknown' });
      sendError(exchange, 404, `No ${seen.method} ${seen.path} here.`);
    }
  });
  return { ...loopback, setScript: (next) => { script = next; } };
}

async function serveMessage(exchange: Exchange, script: Script | null, attempts: Attempts): Promise<void> {
  const { seen, signal } = exchange;
  const parsed = requestSchema.safeParse(seen.body);
  if (!parsed.success) return sendError(exchange, 400, z.prettifyError(parsed.error));
  const request = parsed.data;
  if (request.model.startsWith('no-such')) return sendError(exchange, 404, `model: ${request.model}`);
  const conversation = conversationOf(exchange, request);
  // A call without tools is no turn: titles, summaries and the like. It often quotes the prompt, whose marker must not be played there.
  if (request.tools === undefined || request.tools.length === 0) {
    exchange.mark({ kind: 'side' });
    return answer(exchange, request, { text: sideText(request, conversation) });
  }
  exchange.mark({ kind: 'turn' });
  try {
    const step = settle(await nextStep(script, conversation), attempts.count(conversation));
    if (step.hang === 'before') await silence(signal);
    if (step.delayMs !== undefined) await sleep(step.delayMs, undefined, { signal });
    await answer(exchange, request, step);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    sendError(exchange, 400, error.message);
  }
}

async function answer(exchange: Exchange, request: Request, step: PlayedStep): Promise<void> {
  const { response, signal } = exchange;
  if (step.error !== undefined) {
    exchange.mark({ end: 'broken' });
    const { status, retryAfter, type, message, body } = step.error;
    return sendError(exchange, status, message ?? `loopback ${status}`, { type, body, retryAfter });
  }
  const usage = usageOf(exchange, step);
  const id = `msg_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
  const blocks = blocksOf(step);
  const stopReason = step.tools === undefined || step.tools.length === 0 ? 'end_turn' : 'tool_use';
  const message = { id, type: 'message', role: 'assistant', model: request.model, stop_sequence: null };
  if (request.stream !== true) {
    if (step.cut === true) {
      exchange.mark({ end: 'broken' });
      response.destroy();
      return;
    }
    if (step.hang !== undefined) await silence(signal);
    return sendJson(response, 200, { ...message, content: blocks, stop_reason: stopReason, usage }, { 'request-id': requestId() });
  }

  const stream = new EventStream(exchange, { 'request-id': requestId() });
  if (step.hang === 'headers') await silence(signal);
  await stream.send({ type: 'message_start', message: { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } } });
  await stream.send({ type: 'ping' });
  const half = stepText(step).length / 2;
  let written = 0;
  for (const [index, block] of blocks.entries()) {
    await stream.send({ type: 'content_block_start', index, content_block: openingOf(block) });
    if (block.type === 'text') {
      for await (const text of pacedText(step, signal)) {
        if (written >= half && await brokeOff(exchange, stream, step)) return;
        await stream.send({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } });
        written += text.length;
      }
    } else if (block.type === 'thinking') {
      for await (const thinking of paced(block.thinking, step, signal)) {
        await stream.send({ type: 'content_block_delta', index, delta: { type: 'thinking_delta', thinking } });
      }
      await stream.send({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: block.signature } });
    } else {
      for (const partial of pieces(JSON.stringify(block.input), 32)) {
        await stream.send({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: partial } });
        if (step.inputMs !== undefined) await sleep(step.inputMs, undefined, { signal });
      }
    }
    await stream.send({ type: 'content_block_stop', index });
  }
  if (await brokeOff(exchange, stream, step)) return;
  await stream.send({ type: 'message_delta', delta: { stop_reason: stopReason, stop_sequence: null }, usage });
  await stream.send({ type: 'message_stop' });
  stream.end();
}

/** Breaks the stream off where the step says so; false: go on. */
async function brokeOff(exchange: Exchange, stream: EventStream, step: PlayedStep): Promise<boolean> {
  if (step.hang === 'mid') await silence(exchange.signal);
  if (step.streamError !== undefined) {
    exchange.mark({ end: 'broken' });
    await stream.send({ type: 'error', error: { type: step.streamError.code, message: step.streamError.message } });
    stream.end();
    return true;
  }
  if (step.cut !== true) return false;
  exchange.mark({ end: 'broken' });
  stream.cut();
  return true;
}

type Block =
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: unknown };

function blocksOf(step: PlayedStep): readonly Block[] {
  const blocks: Block[] = [];
  if (step.think !== undefined) blocks.push({ type: 'thinking', thinking: step.think, signature: Buffer.from('loopback signature').toString('base64') });
  const text = stepText(step);
  if (text !== '') blocks.push({ type: 'text', text });
  for (const tool of step.tools ?? []) {
    blocks.push({ type: 'tool_use', id: tool.id ?? `toolu_${randomUUID().replaceAll('-', '').slice(0, 24)}`, name: tool.name, input: tool.input });
  }
  return blocks;
}

function openingOf(block: Block): unknown {
  if (block.type === 'thinking') return { type: 'thinking', thinking: '', signature: '' };
  if (block.type === 'text') return { type: 'text', text: '' };
  return { ...block, input: {} };
}

function usageOf(exchange: Exchange, step: PlayedStep): Record<string, unknown> {
  const output = tokens(`${step.think ?? ''}${stepText(step)}${step.tools === undefined ? '' : JSON.stringify(step.tools)}`);
  return {
    input_tokens: step.usage?.input ?? tokens(JSON.stringify(exchange.seen.body)),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: step.usage?.cached ?? 0,
    output_tokens: step.usage?.output ?? Math.max(1, output),
    output_tokens_details: { thinking_tokens: step.usage?.thinking ?? tokens(step.think ?? '') },
    service_tier: 'standard',
  };
}

const reminder = /<system-reminder>[\s\S]*?<\/system-reminder>/g;
const interruption = /^\[Request interrupted by user/;
const midTurn = /^The user sent a new message while you were working:\n([\s\S]*?)\n\nThis is how/;

/**
 * The wire's messages as parts. Claude Code adds reminders of its own to user messages, which are no words of the person, and tells of prompts
 * that came during a tool in a system message.
 */
function conversationOf(exchange: Exchange, request: Request): Conversation {
  const parts: Part[] = [];
  for (const message of request.messages) {
    if (message.role === 'assistant') parts.push({ kind: 'assistant' });
    const blocks = typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content;
    if (message.role === 'system') {
      for (const block of blocks) {
        const text = typeof block['text'] === 'string' ? midTurn.exec(block['text'])?.[1] : undefined;
        if (text !== undefined) parts.push({ kind: 'prompt', text, steered: true });
      }
    }
    if (message.role !== 'user') continue;
    for (const block of blocks) {
      if (block.type === 'tool_result') parts.push({ kind: 'outcome', id: String(block['tool_use_id']), text: plainText(block['content']) });
      if (block.type !== 'text' || typeof block['text'] !== 'string') continue;
      const text = block['text'].replaceAll(reminder, '').trim();
      if (interruption.test(text)) parts.push({ kind: 'break' });
      // A prompt that failed is sent again together with the next one, as blocks of one message: each block is a prompt of its own.
      else if (text !== '') parts.push({ kind: 'prompt', text });
    }
  }
  const session = exchange.seen.headers['x-claude-code-session-id'];
  return readConversation(typeof session === 'string' ? session : '', request.model, parts);
}

function plainText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: unknown) => (typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string' ? part.text : '')).join('');
}

/** Where a call for a title quotes the session that it is to name. */
const quoted = /<session>([\s\S]*?)<\/session>/;

/** What a side call gets: JSON that fits the schema it asks for, such as a title, else a line of text. */
function sideText(request: Request, conversation: Conversation): string {
  const asked = withoutMarker(conversation.prompts.at(-1) ?? '');
  const title = (quoted.exec(asked)?.[1] ?? asked).split(/\s+/).filter((word) => word !== '').slice(0, 6).join(' ');
  const format = z.looseObject({ output_config: z.looseObject({ format: z.looseObject({ schema: z.unknown() }) }) }).safeParse(request);
  if (!format.success) return title;
  return JSON.stringify(sample(format.data.output_config.format.schema, title));
}

const shapeSchema = z.looseObject({
  type: z.string().optional(), enum: z.array(z.unknown()).optional(), properties: z.record(z.string(), z.unknown()).optional(),
});

function sample(schema: unknown, text: string): unknown {
  const shape = shapeSchema.safeParse(schema);
  if (!shape.success) return text;
  if (shape.data.enum !== undefined) return shape.data.enum[0];
  switch (shape.data.type) {
    case 'object': return Object.fromEntries(Object.entries(shape.data.properties ?? {}).map(([key, inner]) => [key, sample(inner, text)]));
    case 'array': return [];
    case 'boolean': return false;
    case 'number':
    case 'integer': return 0;
    default: return text;
  }
}

function keyOf(exchange: Exchange): string | null {
  const { 'x-api-key': key, authorization } = exchange.seen.headers;
  if (typeof key === 'string') return key;
  return authorization === undefined ? null : authorization.replace(/^Bearer /i, '');
}

function requestId(): string {
  return `req_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
}

interface ErrorShape {
  readonly type?: string | undefined;
  readonly body?: unknown;
  readonly retryAfter?: number | undefined;
}

function sendError(exchange: Exchange, status: number, message: string, shape: ErrorShape = {}): void {
  const body = shape.body ?? { type: 'error', error: { type: shape.type ?? errorTypes[status] ?? 'api_error', message }, request_id: requestId() };
  sendJson(exchange.response, status, body, shape.retryAfter === undefined ? {} : { 'retry-after': String(shape.retryAfter) });
}
