import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import type { CollectorEvent } from '../../../src/core/systems/catsyphon/events.ts';
import { EventMaker } from '../../../src/core/systems/catsyphon/events.ts';
import { fromEntries, shippedId, startEvent } from '../../../src/core/systems/catsyphon/fromEntries.ts';
import { sessionIdOf } from '../../../src/core/systems/catsyphon/paths.ts';
import { historyPage } from '../../../src/core/systems/local/claude/pages.ts';
import { RolloutLog } from '../../../src/core/systems/local/codex/rollout.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { clientOf } from './rig.ts';

const session = { key: 'local:abc:1' };
const at = 1_700_000_000_000;
const base = (id: string, order = 0) => ({ id, row: id, order: [at, order], rev: 1, at: at + order, turn: 't', parent: null });
const file = { name: 'a.png', mediaType: 'image/png', size: 3, data: null, path: '/tmp/a.png' };
const request = { requestId: 'r', tool: 'Bash', title: 'rm -r build', reason: null, input: {}, command: null, cwd: null, diffs: [], plan: null, questions: [], options: [], takesReason: false } as const;
const said = (...entries: Entry[]): readonly unknown[] => fromEntries(session, entries).map(({ type, data }) => [type, data]);
const words = (role: string, type: string, content: string, more: object = {}) => ['message', { author_role: role, message_type: type, content, ...more }];

const examples: readonly (readonly [Entry, readonly unknown[]])[] = [
  [{ ...base('p'), kind: 'prompt', text: 'Fix it', attachments: [file], clientId: null }, [words('human', 'prompt', 'Fix it\n[file: /tmp/a.png]')]],
  [{ ...base('t'), kind: 'text', text: 'I look' }, [words('assistant', 'response', 'I look')]],
  [{ ...base('t'), kind: 'text', text: '' }, []],
  [{ ...base('h'), kind: 'thinking', text: 'hm' }, [['thinking', { content: 'hm' }]]],
  [{ ...base('d'), row: 'd', kind: 'delta', channel: 'text', part: 0, text: 'I l' }, []],
  [{ ...base('c'), parent: 'agent', kind: 'tool', callId: 'toolu_1', name: 'Edit', verb: 'edit', title: 'a.ts', input: { file_path: '/a.ts' }, command: null, cwd: null, locations: [], diffs: [] }, [['tool_call', { tool_name: 'Edit', tool_use_id: 'toolu_1', parameters: { file_path: '/a.ts' }, parent: 'agent' }]]],
  [{ ...base('c'), kind: 'tool', callId: 'x', name: 'Bash', verb: 'execute', title: '', input: null, command: null, cwd: null, locations: [], diffs: [], stage: 'streaming' }, []],
  [{ ...base('c'), kind: 'tool', callId: 'x', name: 'apply_patch', verb: 'edit', title: '', input: '*** Begin', command: null, cwd: null, locations: [], diffs: [] }, [['tool_call', { tool_name: 'apply_patch', tool_use_id: 'x', parameters: { input: '*** Begin' } }]]],
  [{ ...base('r'), kind: 'result', callId: 'toolu_1', status: 'ok', output: 'done', exitCode: 0, durationMs: 5, diffs: [], attachments: [] }, [['tool_result', { tool_use_id: 'toolu_1', success: true, result: 'done' }]]],
  [{ ...base('r'), kind: 'result', callId: 'toolu_1', status: 'error', output: '', exitCode: 2, durationMs: null, diffs: [], attachments: [] }, [['tool_result', { tool_use_id: 'toolu_1', success: false, error_message: 'error (2)', result: '' }]]],
  [{ ...base('q'), ...request, kind: 'permission', callId: null, ask: 'tool' }, [words('assistant', 'context', 'Asked: Bash: rm -r build', { request_id: 'r' })]],
  [{ ...base('q'), ...request, kind: 'permission', callId: null, ask: 'plan', plan: '1. look' }, [words('assistant', 'plan', '1. look')]],
  [{ ...base('a'), kind: 'answer', requestId: 'r', outcome: 'denied', by: 'person', reason: 'not that', answers: {} }, [words('human', 'context', 'Answered: denied (person)\nnot that', { request_id: 'r' })]],
  [{ ...base('o'), kind: 'todo', items: [{ text: 'one', status: 'done' }, { text: 'two', status: 'running' }] }, [words('assistant', 'plan', '[x] one\n[>] two')]],
  [{ ...base('f'), kind: 'file', file }, [words('assistant', 'context', '[file: /tmp/a.png]')]],
  [{ ...base('n'), kind: 'notice', level: 'error', code: 'login_failed', text: 'no', remedy: null }, [['error', { error_type: 'login_failed', message: 'no' }]]],
  [{ ...base('n'), kind: 'notice', level: 'info', code: 'compacted', text: 'shorter', remedy: null }, [words('system', 'context', 'shorter', { notice: 'compacted' })]],
  [{ ...base('u'), kind: 'usage', scope: 'turn', figures: { inputTokens: 1, outputTokens: 1, cachedTokens: null, costUsd: null, contextTokens: null, contextWindow: null } }, []],
  [{ ...base('e'), kind: 'turn', turn: 't', phase: 'start', state: 'running', durationMs: null, figures: null, filesChanged: [], error: null }, []],
  [{ ...base('e'), kind: 'turn', turn: 't', phase: 'end', state: 'failed', durationMs: 9, figures: { inputTokens: 10, outputTokens: 2.4, cachedTokens: 3, costUsd: 1, contextTokens: 1, contextWindow: null }, filesChanged: [], error: 'it broke' },
    [['error', { error_type: 'turn_failed', message: 'it broke' }], words('system', 'context', 'Turn failed', { token_usage: { input_tokens: 10, output_tokens: 2, cache_read_input_tokens: 3, cache_read_tokens: 3 } })]],
  [{ ...base('x'), kind: 'unknown', source: 'wire', raw: { odd: [1] } }, [words('system', 'context', '[wire]', { raw_data: { value: { odd: [1] } } })]],
];

/** Entries of recorded sessions of both agents. */
async function recorded(): Promise<readonly Entry[][]> {
  const folder = new URL('../../fixtures/codex/', import.meta.url);
  const codex = readdirSync(folder).filter((name) => /^rollout-.*\.jsonl$/.test(name)).map((name) => {
    const text = readFileSync(new URL(name, folder), 'utf8');
    const log = new RolloutLog({ paginated: name.includes('paginated') });
    let offset = 0;
    return text.split('\n').flatMap((line) => {
      const entries = line === '' ? [] : log.push(line, offset);
      offset += Buffer.byteLength(line) + 1;
      return entries;
    });
  });
  const claude = new URL('../../fixtures/claude/config/projects/-home-dev-project/0b1e5c1e-0000-4000-8000-00000000c1a0.jsonl', import.meta.url);
  return [...codex, [...(await historyPage(claude.pathname, '/home/dev/project', { limit: 10_000 }, true)).items]];
}
const joined = (events: readonly CollectorEvent[], type: string, field: string): string => events.flatMap((event) => (event.type === type && typeof event.data[field] === 'string' ? [event.data[field]] : [])).join('');
const hashes = (events: readonly CollectorEvent[]): readonly unknown[] => events.map((event) => event.eventHash);

describe('entries as events', () => {
  it.each(examples.map(([entry, events]) => [entry.kind, entry, events] as const))('a %s', (_, entry, events) => {
    expect(said(entry)).toEqual(events);
  });

  it('come in the order of the log, whatever order and however often they are given, and are such as the server takes', async () => {
    const sessions = await recorded();
    expect(sessions.map((entries) => fromEntries(session, entries).length > 3)).not.toContain(false);
    for (const entries of sessions) {
      const whole = fromEntries(session, entries);
      const maker = new EventMaker('s', systemClock);
      for (const event of whole) maker.make(event);
      expect(new Set(hashes(whole)).size).toBe(whole.length);
      fc.assert(fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), fc.subarray(entries), (all, again) => {
        expect(fromEntries(session, [...all, ...again])).toEqual(whole);
      }), { numRuns: 30 });
      // Each entry is the same event whatever it is shipped together with.
      fc.assert(fc.property(fc.subarray(entries), (some) => {
        expect(hashes(whole)).toEqual(expect.arrayContaining(hashes(fromEntries(session, some.filter((entry) => entries.every((other) => other.id !== entry.id || other.rev <= entry.rev)))) as unknown[]));
      }), { numRuns: 20 });
    }
  });

  it('have one hash for what is told twice with other numbers, and another for what is told otherwise, elsewhere or of another session', () => {
    const live: Entry = { ...base('t'), rev: 2, kind: 'text', text: 'same' };
    const [hash] = hashes(fromEntries(session, [live]));
    expect(hash).toMatch(/^[0-9a-f]{32}$/);
    expect(hashes(fromEntries(session, [{ ...live, rev: 1, at: at + 5 }]))).toEqual([hash]);
    for (const other of [fromEntries(session, [{ ...live, text: 'other' }]), fromEntries(session, [{ ...live, id: 't2' }]), fromEntries({ key: 'else' }, [live])]) expect(hashes(other)).not.toContain(hash);
    expect(hashes([startEvent({ ...session, agentType: 'codex' }, at)])).toEqual(hashes([startEvent({ ...session, agentType: 'codex' }, at + 1)]));
  });

  it('are the last version of a thing, at a time of its own or of the one before', () => {
    const text: Entry = { ...base('t', 7), kind: 'text', text: 'first' };
    const events = fromEntries(session, [{ ...text, rev: 2, text: 'second' }, text, { ...base('z', 9), order: [9_999_999_999_999], at: null, kind: 'text', text: 'late' }, { ...base('y', 8), order: [at + 8], at: null, kind: 'text', text: 'own' }]);
    expect(events.map((event) => [event.data['content'], event.emittedAt])).toEqual([['second', at + 7], ['own', at + 8], ['late', at + 8]]);
  });

  it('lose nothing of a long text, and are small enough for a proxy', () => {
    const text = '\u{1F600}x'.repeat(100_000);
    const events = fromEntries(session, [{ ...base('t'), kind: 'text', text }, { ...base('r', 1), kind: 'result', callId: 'c', status: 'ok', output: text, exitCode: null, durationMs: null, diffs: [], attachments: [] }]);
    expect(joined(events, 'message', 'content')).toBe(text);
    expect(joined(events, 'tool_result', 'result')).toBe(text);
    const tool: Entry = { ...base('c'), kind: 'tool', callId: 'x', name: 'Write', verb: 'edit', title: '', input: { file_path: '/a', content: text, many: Array.from({ length: 40 }, () => text) }, command: null, cwd: null, locations: [], diffs: [] };
    for (const event of [...events, ...fromEntries(session, [tool])]) {
      expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(400 * 1_024);
      expect(JSON.stringify(event)).not.toMatch(/\\ud[89a-f]/i);
    }
  });

  it('have lost a secret that lies across a cut before it is cut, also one that only its name tells', () => {
    const maker = new EventMaker('s', systemClock);
    const token = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789';
    const pem = `-----BEGIN RSA PRIVATE KEY-----\n${'MIIEpAIBAAKCAQEA7\n'.repeat(90)}-----END RSA PRIVATE KEY-----`;
    const sent = (entry: Entry): string => {
      const events = fromEntries(session, [entry]);
      expect(hashes(fromEntries(session, [entry]))).toEqual(hashes(events));
      return JSON.stringify(events.map((event) => maker.make(event).data));
    };
    const result = (output: string): Entry => ({ ...base('r'), kind: 'result', callId: 'c', status: 'ok', output, exitCode: null, durationMs: null, diffs: [], attachments: [] });
    const tool = (input: JsonObject): Entry => ({ ...base('c'), kind: 'tool', callId: 'x', name: 'Write', verb: 'edit', title: '', input, command: null, cwd: null, locations: [], diffs: [] });
    const filler = 'a line of words\n'.repeat(10_000);
    for (const cut of [65_536, 32_768]) {
      for (const [secret, tells] of [[`${token} `, /abcdefghij|0123456789/], [pem, /MIIE/], ['password: "correct horse battery staple" ', /horse|staple/]] as const) {
        for (const into of [8, secret.length - 12]) {
          const text = cut === 65_536 ? `${filler.slice(0, cut - into)}\n${secret}${filler}` : `${filler}\n${secret}${filler.slice(0, cut - into)}`;
          const notice: Entry = { ...base('n'), kind: 'notice', level: 'error', code: 'x', text, remedy: null };
          const failed: Entry = { ...base('e'), kind: 'turn', turn: 't', phase: 'end', state: 'failed', durationMs: 9, figures: null, filesChanged: [], error: text };
          const answered: Entry = { ...base('a'), kind: 'answer', requestId: 'r', outcome: 'denied', by: 'person', reason: text, answers: {} };
          for (const entry of [{ ...base('t'), kind: 'text', text } as const, result(text), notice, failed, answered, tool({ content: text }), tool({ many: Array.from({ length: 9 }, () => text) })]) expect(sent(entry)).not.toMatch(tells);
        }
      }
    }
    // Of what is too large its JSON is cut, and with it the name from its value.
    expect(sent(tool({ list: Array.from({ length: 6_000 }, () => 'words and words, and words of it'.repeat(2)), apiKey: 'plain words of theirs '.repeat(4_000) }))).not.toContain('plain words');
  });

  it('are stored as they are, and once, however they are cut into shipments', async () => {
    const server = await startCatsyphonServer();
    const collector = server.newCollector();
    await using client = clientOf(server, collector);
    for (const [index, entries] of (await recorded()).entries()) {
      const own = { key: `s${index}`, agentType: 'codex', workingDirectory: '/home/dev/project' };
      const events = fromEntries(own, entries);
      await client.sendEvents(own.key, [startEvent(own, at), ...events.slice(0, 7)]);
      await client.sendEvents(own.key, [startEvent(own, at), ...events]);
      expect(server.kernel.rows(own.key).map((row) => row.hash)).toEqual(hashes(events));
      expect(server.kernel.sessions.get(own.key)?.agentType).toBe('codex');
    }
    await server.close();
  });
});

it('a session has an id that the server can find, and that tells neither account nor odd characters', () => {
  const id = shippedId({ system: 'happy', account: 'anna@example.org', session: '3f2a' });
  expect(id).toMatch(/^happy:[0-9a-f]{16}:3f2a$/);
  expect(shippedId({ system: 'happy', account: 'bert', session: '3f2a' })).not.toBe(id);
  for (const odd of ['a/b', '', 'x'.repeat(300), 'ü']) expect(sessionIdOf(shippedId({ system: 'local', account: 'a', session: odd }))).toMatch(/^local:[0-9a-f]{16}:[0-9a-f]{64}$/);
  expect(() => startEvent({ key: 'k', agentType: ' ' }, at)).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
});
