import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BatchWriter } from '../../../src/core/systems/catsyphon/batchWriter.ts';
import type { CollectorClient } from '../../../src/core/systems/catsyphon/client.ts';
import { CatsyphonAuthError, CatsyphonNotFoundError } from '../../../src/core/systems/catsyphon/errors.ts';
import { EventType } from '../../../src/core/systems/catsyphon/events.ts';
import type { TestCollector } from '../../loopback/catsyphon/kernel.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { clientOf, contents, EVENTS, failure, fast, message } from './rig.ts';

let server: CatsyphonTestServer;
let collector: TestCollector;
let client: CollectorClient;
beforeEach(async () => {
  server = await startCatsyphonServer();
  collector = server.newCollector();
  client = clientOf(server, collector, { retry: { ...fast, maxRetries: 1 } });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
});
const at = /collectors\/events$/;
const conversation = () => server.kernel.sessions.get('s');

/** A clock whose timers fire when they are told to; those of requests (30 s) are the computer's. */
function manual() {
  const timers: { readonly ms: number; readonly callback: () => void }[] = [];
  return {
    timers, now: () => Date.now(), monotonic: () => performance.now(),
    setTimeout(callback: () => void, ms: number) {
      if (ms !== 5_000) {
        const timer = setTimeout(callback, ms);
        return { cancel: () => clearTimeout(timer) };
      }
      const own = { ms, callback };
      timers.push(own);
      return { cancel: () => void (timers.includes(own) && timers.splice(timers.indexOf(own), 1)) };
    },
    fire(): void {
      for (const timer of timers.splice(0)) timer.callback();
    },
  };
}

describe('a session', () => {
  it('tells everything that a conversation has, as the wire has it', async () => {
    const session = client.session('s');
    await session.start({ agentType: 'claude-code', agentVersion: 'v'.repeat(60), workingDirectory: '/home/dev/project', gitBranch: 'main', parentSessionId: 'p', slug: 'fix', contextSemantics: { a: 1 } });
    await session.message({ role: 'user', content: 'Fix the login bug' });
    await session.message({ role: 'assistant', content: 'I look', model: 'opus', tokenUsage: { input: 10, outputTokens: 2, cache_read: 3, other: 4 }, stopReason: 'end_turn', thinkingContent: 'hm' });
    await session.message({ role: 'system', content: 'context' });
    const id = await session.toolCall({ name: 'Read', parameters: { file_path: '/src/auth.py' } });
    expect(await session.toolCall({ name: 'Bash', toolUseId: 'own' })).toBe('own');
    expect(id).toMatch(/^tool_[0-9a-f-]{36}$/);
    await session.toolResult({ toolUseId: id, success: true, result: 'def login' });
    await session.toolResult({ toolUseId: 'own', errorMessage: 'not found' });
    await session.thinking('so');
    await session.error({ errorType: 'boom', message: 'it broke', details: { line: 3 } });
    expect(server.requests).toEqual([]);
    expect(session.pending).toHaveLength(10);
    const completion = await session.complete({ outcome: 'success', summary: 'Fixed' });
    expect(completion).toMatchObject({ sessionId: 's', status: 'completed', totalEvents: 9 });
    expect(conversation()).toMatchObject({ agentType: 'claude-code', status: 'completed', outcome: 'success', summary: 'Fixed' });
    expect(server.kernel.rows('s').map((row) => [row.type, row.data])).toEqual([
      ['message', { author_role: 'human', message_type: 'prompt', content: 'Fix the login bug' }],
      ['message', { author_role: 'assistant', message_type: 'response', content: 'I look', model: 'opus', stop_reason: 'end_turn', thinking_content: 'hm', token_usage: { input_tokens: 10, output_tokens: 2, cache_read_input_tokens: 3, cache_read_tokens: 3, other: 4 } }],
      ['message', { author_role: 'system', message_type: 'context', content: 'context' }],
      ['tool_call', { tool_name: 'Read', tool_use_id: id, parameters: { file_path: '/src/auth.py' } }],
      ['tool_call', { tool_name: 'Bash', tool_use_id: 'own', parameters: {} }],
      ['tool_result', { tool_use_id: id, success: true, result: 'def login' }],
      ['tool_result', { tool_use_id: 'own', success: false, error_message: 'not found' }],
      ['thinking', { content: 'so' }],
      ['error', { error_type: 'boom', message: 'it broke', details: { line: 3 } }],
    ]);
    const sent = (server.requests[0]?.body as { events: { type: string; data: object }[] } | undefined)?.events ?? [];
    expect(sent[0]).toMatchObject({ type: 'session_start', data: { agent_type: 'claude-code', agent_version: 'v'.repeat(50), working_directory: '/home/dev/project', git_branch: 'main', parent_session_id: 'p', slug: 'fix', context_semantics: { a: 1 } } });
    expect(sent.at(-1)).toMatchObject({ type: 'session_end', data: { outcome: 'success', summary: 'Fixed', total_messages: 3, total_tool_calls: 2 } });
    expect(server.requests.map((one) => one.path)).toEqual(['/collectors/events', '/collectors/sessions/s/complete']);
  });

  it('sends by itself at 20 events, and again at the next 20', async () => {
    const session = client.session('s');
    for (let index = 0; index < 45; index += 1) await session.message({ role: 'user', content: `${index}` });
    expect(server.count(EVENTS)).toBe(2);
    expect([contents(server, 's').length, session.pending.length]).toEqual([40, 5]);
  });

  it('sends by itself after five seconds, and goes on trying after a failure', async () => {
    const clock = manual();
    await using own = clientOf(server, collector, { clock, retry: { ...fast, maxRetries: 0 } });
    const session = own.session('s');
    await session.message({ role: 'user', content: 'a' });
    await session.message({ role: 'user', content: 'b' });
    expect(clock.timers.map((timer) => timer.ms)).toEqual([5_000]);
    server.faults.add(at, { kind: 'status', status: 503 });
    clock.fire();
    await expect.poll(() => session.trouble).toMatchObject({ status: 503 });
    expect(session.pending).toHaveLength(2);
    await expect.poll(() => clock.timers.length).toBe(1);
    clock.fire();
    await expect.poll(() => contents(server, 's')).toEqual(['a', 'b']);
    await expect.poll(() => [session.trouble, session.pending]).toEqual([null, []]);
    expect(clock.timers).toEqual([]);
  });

  it('stops sending by itself when the server does not accept it, until somebody asks', async () => {
    const clock = manual();
    await using own = clientOf(server, collector, { clock });
    const session = own.session('s');
    collector.disabled = true;
    await session.message({ role: 'user', content: 'a' });
    clock.fire();
    await expect.poll(() => session.trouble).toBeInstanceOf(CatsyphonAuthError);
    expect(clock.timers).toEqual([]);
    await session.message({ role: 'user', content: 'b' });
    expect(clock.timers).toEqual([]);
    expect(server.count(EVENTS)).toBe(1);
    collector.disabled = false;
    await session.flush();
    expect(contents(server, 's')).toEqual(['a', 'b']);
  });

  it('keeps through an outage what it is given, without trying at every event', async () => {
    server.down = true;
    const session = client.session('s');
    for (let index = 0; index < 60; index += 1) await session.message({ role: 'user', content: `${index}` });
    expect(server.requests.filter((one) => one.method === 'POST').length).toBeLessThan(7);
    await failure(session.flush());
    server.down = false;
    expect((await session.flush())?.accepted).toBe(60);
    expect(contents(server, 's')).toEqual(Array.from({ length: 60 }, (_, index) => `${index}`));
    expect(await session.flush()).toBeNull();
  });

  it('parks what the server will never take', async () => {
    server.kernel.poison = (data) => data['content'] === 'poison';
    const session = client.session('s');
    for (const content of ['a', 'poison', 'b']) await session.message({ role: 'user', content });
    await session.flush();
    expect(session.parked).toMatchObject([{ status: 500, detail: '', event: { type: 'message', data: { content: 'poison' } } }]);
    expect([contents(server, 's'), session.pending]).toEqual([['a', 'b'], []]);
  });

  it('takes nothing after its end, and is completed again where that failed', async () => {
    const session = client.session('s');
    await session.message({ role: 'user', content: 'a' });
    server.faults.add(/complete$/, { kind: 'status', status: 503 }, 2);
    expect(await failure(session.complete({ outcome: 'success' }))).toMatchObject({ status: 503 });
    expect(session.completed).toBe(false);
    await session.complete({ outcome: 'partial' });
    expect(conversation()?.outcome).toBe('partial');
    expect(await failure(session.message({ role: 'user', content: 'late' }))).toMatchObject({ code: 'closed' });
    expect(contents(server, 's')).toEqual(['a']);
  });

  it('is completed as success, as failed where the function throws, and as abandoned where nobody did', async () => {
    expect(await client.withSession('s', async (session) => {
      await session.message({ role: 'user', content: 'a' });
      return 7;
    })).toBe(7);
    expect(conversation()?.outcome).toBe('success');
    const reason = new Error('mine');
    await expect(client.withSession('t', async (session) => {
      await session.message({ role: 'user', content: 'a' });
      throw reason;
    })).rejects.toBe(reason);
    expect(server.kernel.sessions.get('t')).toMatchObject({ outcome: 'failed', status: 'completed' });
    {
      await using session = client.session('u');
      await session.message({ role: 'user', content: 'a' });
    }
    expect(server.kernel.sessions.get('u')?.outcome).toBe('abandoned');
    {
      await using session = client.session('v');
      await session.start({ agentType: 'codex' });
      await session.complete({ outcome: 'partial' });
    }
    expect(server.kernel.sessions.get('v')?.outcome).toBe('partial');
    await client.withSession('w', () => Promise.resolve());
    expect(server.kernel.sessions.has('w')).toBe(false);
  });

  it.each([
    ['a role', (session) => session.message({ role: 'alien' as never, content: 'a' })], ['content', (session) => session.message({ role: 'user', content: 1 as never })],
    ['tokens', (session) => session.message({ role: 'user', content: 'a', tokenUsage: { input: 0.5 } })], ['a tool', (session) => session.toolCall({ name: ' ' })],
    ['a message type', (session) => session.message({ role: 'user', content: 'a', messageType: 'frob' })], ['an outcome', (session) => session.complete({ outcome: '' as never })], ['a thought', (session) => session.thinking(null as never)],
    ['an error', (session) => session.error({ message: 3 as never })], ['a result', (session) => session.toolResult({ toolUseId: 1 as never })],
  ] as [string, (session: ReturnType<CollectorClient['session']>) => Promise<unknown>][])('refuses %s that makes no sense, and holds nothing of it', async (_, work) => {
    const session = client.session('s');
    expect(await failure(work(session))).toMatchObject({ code: 'invalid_argument' });
    expect(session.pending).toEqual([]);
  });
});

describe('the status of a session', () => {
  it('is told in UTC, and of one that the server never saw is an error of its own', async () => {
    await client.sendEvents('s', [message('a', { emittedAt: '2026-02-24T10:00:00Z' })]);
    expect(await client.getSessionStatus('s')).toMatchObject({ sessionId: 's', conversationId: conversation()?.id, eventCount: 1, lastSequence: 1, status: 'active', firstEventAt: '2026-02-24T10:00:00.000Z', lastEventAt: expect.stringMatching(/Z$/) as string });
    expect(await client.completeSession('s', { outcome: 'failed', summary: 'no' })).toEqual({ sessionId: 's', conversationId: conversation()?.id, status: 'completed', totalEvents: 1 });
    expect(await failure(client.getSessionStatus('t'))).toBeInstanceOf(CatsyphonNotFoundError);
    expect(await failure(client.completeSession('t', { outcome: 'failed' }))).toMatchObject({ status: 404, code: 'not_found' });
    await using other = clientOf(server, server.newCollector());
    expect(await failure(other.getSessionStatus('s'))).toMatchObject({ status: 403, code: 'forbidden', detail: 'Session belongs to a different collector' });
  });
});

describe('a batch writer', () => {
  it('sends at ten events, when told to, and at its end', async () => {
    const writer = new BatchWriter(client, 's');
    for (let index = 0; index < 12; index += 1) await writer.addRaw(EventType.MESSAGE, { author_role: 'human', message_type: 'prompt', content: `${index}` });
    expect([contents(server, 's').length, writer.pending.length]).toEqual([10, 2]);
    await writer.flush();
    await writer.add(message('last'));
    await writer.close();
    expect(contents(server, 's')).toHaveLength(13);
    expect(await failure(writer.add(message('late')))).toMatchObject({ code: 'closed' });
  });

  it('keeps the events of a flush that failed, sends more than 50 in several requests, and parks', async () => {
    await using writer = new BatchWriter(client, 's', { batchSize: 100, flushInterval: 60 });
    server.down = true;
    for (let index = 0; index < 70; index += 1) await writer.add(message(index === 3 ? 'poison' : `${index}`));
    await failure(writer.flush());
    expect(writer.pending).toHaveLength(70);
    expect(writer.trouble).not.toBeNull();
    server.down = false;
    server.kernel.poison = (data) => data['content'] === 'poison';
    await writer.flush();
    expect([contents(server, 's').length, writer.parked.length, writer.trouble]).toEqual([69, 1, null]);
  });

  it('refuses sizes that make no sense', () => {
    for (const options of [{ batchSize: 0 }, { batchSize: 1.5 }, { flushInterval: 0 }, { flushInterval: Number.NaN }]) expect(() => new BatchWriter(client, 's', options)).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
  });
});
