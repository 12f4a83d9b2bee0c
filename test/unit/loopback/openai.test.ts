import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startOpenAi, type OpenAiEndpoint } from '../../loopback/openai.ts';
import { scripted, type Step } from '../../loopback/script.ts';
import { all, events, post, type Event } from './sse.ts';

let api: OpenAiEndpoint;
beforeEach(async () => {
  api = await startOpenAi();
});
afterEach(() => api.close());

type Item = Record<string, unknown>;
const user = (text: string): Item => ({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] });
const call: Item = { type: 'function_call', call_id: 'c1', name: 'exec_command', arguments: '{}' };
const output: Item = { type: 'function_call_output', call_id: 'c1', output: 'hi' };

async function ask(input: readonly Item[], more: Record<string, unknown> = {}, options: { headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Response> {
  return post(`${api.url}/v1/responses`, { model: 'gpt-5.5', stream: true, prompt_cache_key: 's1', input, ...more }, options);
}
const play = (...steps: Step[]): Promise<Response> => ask([user(scripted('go', ...steps))]);
const joined = (got: readonly Event[], type: string): string => got.filter((event) => event.type === type).map((event) => String(event['delta'])).join('');
const text = (got: readonly Event[]): string => joined(got, 'response.output_text.delta');

describe('streamed responses', () => {
  it('echo a plain prompt, without what Codex adds', async () => {
    const got = await all(await ask([{ type: 'message', role: 'developer', content: [] }, user('<environment_context>\n<cwd>/x</cwd></environment_context>'), user('hello')]));
    expect(text(got)).toBe('You said: hello');
    expect(got.map((event) => event['sequence_number'])).toEqual(got.map((_, index) => index));
    expect(got.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { status: 'completed', output: [{ type: 'message', content: [{ text: 'You said: hello' }] }], usage: { output_tokens: 4, total_tokens: expect.any(Number) as number } },
    });
  });

  it('reason, speak, call functions and custom tools, each as an item of its own', async () => {
    const patch = '*** Begin Patch\n*** Add File: a.txt\n+a\n*** End Patch\n';
    const got = await all(await play({ think: 'Hmm.', text: 'Running.', tools: [{ name: 'exec_command', input: { cmd: 'ls' } }, { name: 'apply_patch', input: patch }] }));
    expect(joined(got, 'response.reasoning_summary_text.delta')).toBe('Hmm.');
    expect(JSON.parse(joined(got, 'response.function_call_arguments.delta'))).toEqual({ cmd: 'ls' });
    expect(joined(got, 'response.custom_tool_call_input.delta')).toBe(patch);
    const done = got.filter((event) => event.type === 'response.output_item.done').map((event) => event['item']);
    expect(done).toMatchObject([
      { type: 'reasoning' }, { type: 'message' }, { type: 'function_call', name: 'exec_command', arguments: '{"cmd":"ls"}' }, { type: 'custom_tool_call', name: 'apply_patch', input: patch },
    ]);
    expect(got.filter((event) => event.type === 'response.output_item.added').map((event) => event['output_index'])).toEqual([0, 1, 2, 3]);
  });

  it('take the steps in order; what was added to a running turn changes nothing, an interruption does', async () => {
    const marked = user(scripted('go', { tools: [{ name: 'exec_command', input: {} }] }, { text: 'second' }));
    expect(text(await all(await ask([marked, call, output])))).toBe('second');
    expect(text(await all(await ask([marked, { type: 'reasoning' }, call, output, user('also this')])))).toBe('second');
    expect(text(await all(await ask([marked, call, output, user('<turn_aborted>\nstopped\n</turn_aborted>'), user('now that')])))).toBe('You said: now that');
    expect(text(await all(await ask([user('dropped'), user('instead')])))).toBe('You said: instead');
  });

  it('stream a long answer at a rate', async () => {
    const started = performance.now();
    const got = await all(await play({ big: { chars: 8000, tokensPerSecond: 4000 } }));
    expect(text(got)).toHaveLength(8000);
    expect(performance.now() - started).toBeGreaterThan(450);
  });

  it('tell the usage that is asked for', async () => {
    const got = await all(await play({ text: 'x', usage: { input: 100, output: 20, cached: 80, thinking: 5 } }));
    expect(got.at(-1)).toMatchObject({ response: { usage: { input_tokens: 100, input_tokens_details: { cached_tokens: 80 }, output_tokens: 20, output_tokens_details: { reasoning_tokens: 5 }, total_tokens: 120 } } });
  });
});

describe('broken answers', () => {
  it('fail with a status, and let a retry through', async () => {
    const input = [user(scripted('go', { text: 'recovered', error: { status: 503, times: 2 } }))];
    expect((await ask(input)).status).toBe(503);
    expect(await (await ask(input)).json()).toMatchObject({ error: { type: 'server_error', message: 'loopback 503' } });
    expect(text(await all(await ask(input)))).toBe('recovered');
  });

  it('name the type of an error that Codex knows by it', async () => {
    const response = await play({ error: { status: 429, type: 'usage_limit_reached', message: 'The usage limit has been reached', retryAfter: 3 } });
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '3']);
    expect(await response.json()).toMatchObject({ error: { type: 'usage_limit_reached' } });
  });

  it('end in response.failed or in a cut connection, half-way', async () => {
    const got = await all(await play({ text: 'x'.repeat(80), streamError: { code: 'context_length_exceeded', message: 'too long' } }));
    expect(text(got)).toHaveLength(40);
    expect(got.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'failed', error: { code: 'context_length_exceeded' } } });
    await expect(play({ text: 'x'.repeat(80), cut: true }).then(all)).rejects.toThrow();
  });

  it.each(['before', 'headers', 'mid'] as const)('hang %s until the client goes', async (hang) => {
    const stop = new AbortController();
    let count = 0;
    const asking = async (): Promise<void> => {
      const response = await ask([user(scripted('go', { text: 'x'.repeat(80), hang }))], {}, { signal: stop.signal });
      for await (const event of events(response)) count += event.type === 'response.output_text.delta' ? 1 : 0;
    };
    const asked = asking();
    await api.seen((seen) => seen.kind === 'turn');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(count).toBe(hang === 'mid' ? 5 : 0);
    stop.abort();
    await expect(asked).rejects.toThrow();
    await api.seen((seen) => seen.end === 'gone');
  });
});

describe('all else', () => {
  it('answers whole responses too', async () => {
    expect(await (await ask([user('hi')], { stream: false })).json()).toMatchObject({ status: 'completed', output: [{ content: [{ text: 'You said: hi' }] }] });
  });

  it('plays no script for Codex\'s own errands', async () => {
    api.setScript([{ text: 'scripted' }]);
    const headers = { 'x-codex-turn-metadata': '{"request_kind":"compaction"}' };
    expect(text(await all(await ask([user('summarise')], {}, { headers })))).toBe('You said: summarise');
    expect(api.requests[0]?.kind).toBe('side');
    expect(text(await all(await ask([user('hi')])))).toBe('scripted');
  });

  it('knows its models, its key and no other path', async () => {
    expect(await (await fetch(`${api.url}/v1/models`)).json()).toMatchObject({ data: [{ id: 'gpt-5.5' }, {}] });
    expect((await ask([user('hi')], { model: 'no-such-model' })).status).toBe(404);
    expect((await ask([user('@@FAKE nonsense EKAF@@')])).status).toBe(400);
    expect((await fetch(`${api.url}/v1/chat/completions`, { method: 'POST' })).status).toBe(404);
    await api.close();
    api = await startOpenAi({ apiKey: 'right' });
    expect((await ask([user('hi')])).status).toBe(401);
    expect((await ask([user('hi')], {}, { headers: { authorization: 'Bearer right' } })).status).toBe(200);
  });
});
