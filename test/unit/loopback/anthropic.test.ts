import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAnthropic, type AnthropicEndpoint } from '../../loopback/anthropic.ts';
import { scripted, type Step } from '../../loopback/script.ts';
import { all, events, post, type Event } from './sse.ts';

let api: AnthropicEndpoint;
beforeEach(async () => {
  api = await startAnthropic();
});
afterEach(() => api.close());

type Message = { role: string; content: unknown };
const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });
const said = (text: string): Message => ({ role: 'assistant', content: [{ type: 'text', text }] });
const result = (text: string): Message => ({ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: text }] });

async function ask(messages: readonly Message[], more: Record<string, unknown> = {}, signal?: AbortSignal): Promise<Response> {
  const body = { model: 'claude-opus-5-5', max_tokens: 100, stream: true, tools: [{ name: 'Bash' }], messages, ...more };
  return post(`${api.url}/v1/messages?beta=true`, body, { headers: { 'x-api-key': 'k', 'x-claude-code-session-id': 's1' }, ...(signal === undefined ? {} : { signal }) });
}
const play = (...steps: Step[]): Promise<Response> => ask([user(scripted('go', ...steps))]);
const deltas = (got: readonly Event[], field: string): string => got.map((event) => (event['delta'] as Record<string, string> | undefined)?.[field] ?? '').join('');

describe('streamed messages', () => {
  it('echo a plain prompt, without the reminders that Claude Code adds', async () => {
    const got = await all(await ask([{ role: 'user', content: [{ type: 'text', text: '<system-reminder>be brief</system-reminder>' }, { type: 'text', text: 'hello' }] }]));
    expect(deltas(got, 'text')).toBe('You said: hello');
    expect(got.map((event) => event.type).filter((type) => type !== 'content_block_delta'))
      .toEqual(['message_start', 'ping', 'content_block_start', 'content_block_stop', 'message_delta', 'message_stop']);
    expect(got.at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 4 } });
  });

  it('think, then speak, then call tools, each as a block of its own', async () => {
    const got = await all(await play({ think: 'Hmm, let me see.', text: 'Running.', tools: [{ name: 'Bash', input: { command: 'echo "hi there, you" | cat' } }] }));
    expect(deltas(got, 'thinking')).toBe('Hmm, let me see.');
    expect(deltas(got, 'text')).toBe('Running.');
    expect(JSON.parse(deltas(got, 'partial_json'))).toEqual({ command: 'echo "hi there, you" | cat' });
    expect(got.filter((event) => event.type === 'content_block_start').map((event) => event['index'])).toEqual([0, 1, 2]);
    expect(got.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } });
  });

  it('take the steps in order, by the answers since the prompt', async () => {
    const marked = user(scripted('go', { tools: [{ name: 'Bash', input: {} }] }, { text: 'second' }));
    const called = { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'Bash', input: {} }] };
    expect(deltas(await all(await ask([user('earlier'), said('x'), marked, called, result('hi')])), 'text')).toBe('second');
    const steered = { role: 'system', content: [{ type: 'text', text: 'The user sent a new message while you were working:\nalso this\n\nThis is how Claude Code does it.' }] };
    expect(deltas(await all(await ask([marked, called, result('hi'), steered])), 'text')).toBe('second');
    expect(deltas(await all(await ask([marked, called, { role: 'user', content: [
      { type: 'tool_result', tool_use_id: 'toolu_1', content: 'x' }, { type: 'text', text: '[Request interrupted by user for tool use]' }, { type: 'text', text: 'now that' },
    ] }])), 'text')).toBe('You said: now that');
  });

  it('do not replay the steps of a failed prompt that is sent again with the next one', async () => {
    const both = { role: 'user', content: [{ type: 'text', text: scripted('bad', { error: { status: 400 } }) }, { type: 'text', text: 'and now?' }] };
    expect(deltas(await all(await ask([both])), 'text')).toBe('You said: and now?');
  });

  it('come at the pace that is asked for', async () => {
    const started = performance.now();
    const got = await all(await play({ text: 'abcdefghij', chunkChars: 2, chunkMs: 20, delayMs: 50 }));
    expect(performance.now() - started).toBeGreaterThan(140);
    expect(got.filter((event) => event.type === 'content_block_delta')).toHaveLength(5);
  });

  it('stream a long answer at a rate', async () => {
    const started = performance.now();
    const got = await all(await play({ big: { chars: 8000, tokensPerSecond: 4000 } }));
    const seconds = (performance.now() - started) / 1000;
    expect(deltas(got, 'text')).toHaveLength(8000);
    expect(seconds).toBeGreaterThan(0.45);
    expect(seconds).toBeLessThan(3);
  });
});

describe('broken answers', () => {
  it('fail with the status and the type of the API, and let a retry through', async () => {
    const messages = [user(scripted('go', { text: 'recovered', error: { status: 529, times: 1, retryAfter: 2 } }))];
    const first = await ask(messages);
    expect([first.status, first.headers.get('retry-after')]).toEqual([529, '2']);
    expect(await first.json()).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
    expect(deltas(await all(await ask(messages)), 'text')).toBe('recovered');
  });

  it('carry a body of one\'s own', async () => {
    const response = await play({ error: { status: 418, body: { short: 'stout' } } });
    expect([response.status, await response.json()]).toEqual([418, { short: 'stout' }]);
  });

  it('end in an error event, half-way', async () => {
    const got = await all(await play({ text: 'x'.repeat(80), streamError: { code: 'overloaded_error', message: 'boom' } }));
    expect(deltas(got, 'text')).toHaveLength(40);
    expect(got.at(-1)).toMatchObject({ type: 'error', error: { type: 'overloaded_error', message: 'boom' } });
  });

  it('end in a cut connection, half-way', async () => {
    await expect(play({ text: 'x'.repeat(80), cut: true }).then(all)).rejects.toThrow();
    expect(api.requests[0]?.end).toBe('broken');
  });

  it.each(['before', 'headers', 'mid'] as const)('hang %s until the client goes', async (hang) => {
    const stop = new AbortController();
    const got: string[] = [];
    const asking = async (): Promise<void> => {
      for await (const event of events(await ask([user(scripted('go', { text: 'x'.repeat(80), hang }))], {}, stop.signal))) got.push(event.type);
    };
    const asked = asking();
    const request = await api.seen((seen) => seen.kind === 'turn');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(request.end).toBe('open');
    expect(got.filter((type) => type === 'content_block_delta').length).toBe(hang === 'mid' ? 5 : 0);
    stop.abort();
    await expect(asked).rejects.toThrow();
    await api.seen((seen) => seen.end === 'gone');
  });

  it('say that a marker cannot be played', async () => {
    const response = await ask([user('@@FAKE[{"hnag":"mid"}]EKAF@@')]);
    expect([response.status, JSON.stringify(await response.json())]).toEqual([400, expect.stringContaining('hnag')]);
  });
});

describe('all else that Claude Code calls', () => {
  it('answers whole messages too', async () => {
    const response = await ask([user(scripted('go', { text: 'whole', tools: [{ name: 'Bash', input: { command: 'ls' } }] }))], { stream: false });
    expect(await response.json()).toMatchObject({ type: 'message', stop_reason: 'tool_use', content: [{ type: 'text', text: 'whole' }, { type: 'tool_use', input: { command: 'ls' } }] });
  });

  it('gives a title in the form asked for, and never plays a quoted marker', async () => {
    const schema = { type: 'object', properties: { title: { type: 'string' }, isNew: { type: 'boolean' } } };
    const quoted = user(`<session>\nfix the login ${scripted('', { error: { status: 500 } })}\n</session>\n\nWrite the title.`);
    const response = await ask([quoted], { tools: [], stream: false, output_config: { format: { type: 'json_schema', schema } } });
    expect(await response.json()).toMatchObject({ content: [{ type: 'text', text: '{"title":"fix the login","isNew":false}' }] });
    expect(api.requests[0]?.kind).toBe('side');
  });

  it('counts tokens, lists models, answers the probe, and knows no other path', async () => {
    const count = await post(`${api.url}/v1/messages/count_tokens`, { messages: [user('hello')] });
    expect(await count.json()).toEqual({ input_tokens: expect.any(Number) as number });
    expect(await (await fetch(`${api.url}/v1/models`)).json()).toMatchObject({ data: [{ type: 'model' }, {}, {}] });
    expect((await fetch(`${api.url}/api/hello`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${api.url}/v2/other`)).status).toBe(404);
    expect(api.requests.at(-1)).toMatchObject({ path: '/v2/other', kind: 'unknown' });
    expect((await ask([user('hi')], { model: 'no-such-model' })).status).toBe(404);
    expect((await ask([user('hi')], { model: 7 })).status).toBe(400);
  });

  it('refuses another key', async () => {
    await api.close();
    api = await startAnthropic({ apiKey: 'right' });
    expect((await ask([user('hi')])).status).toBe(401);
    expect((await post(`${api.url}/v1/messages`, { model: 'm', messages: [user('hi')] }, { headers: { authorization: 'Bearer right' } })).status).toBe(200);
  });

  it('takes another script while it runs', async () => {
    api.setScript((conversation) => ({ text: `${conversation.prompts.length}: ${conversation.prompt}` }));
    expect(deltas(await all(await ask([user('a'), said('b'), user('c')])), 'text')).toBe('2: c');
    api.setScript(null);
    expect(deltas(await all(await ask([user('c')])), 'text')).toBe('You said: c');
  });

  it('closes while answers hang, and says which request never came', async () => {
    const hung = play({ hang: 'before' }).catch((error: unknown) => error);
    await api.seen((seen) => seen.kind === 'turn');
    await api.close();
    expect(await hung).toBeInstanceOf(Error);
    await expect(api.seen((seen) => seen.path === '/never', 20)).rejects.toThrow(/POST \/v1\/messages/);
  });
});
