import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeError } from '../../../src/core/model/errors.ts';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { TurnLog } from '../../../src/core/systems/clawdforge/backend/turnLog.ts';
import type { ForgeEvent } from '../../../src/core/systems/clawdforge/types.ts';
import { rejection } from '../../contract/helpers.ts';

// A server that says what no clawdforge should: the answers are texts, for JSON.stringify would mend them.

const token = 'cf_a"b\\c_1234567890';
let server: Server;
let forge: Forge;
let answer: (response: ServerResponse) => void;
let asked = 0;

beforeEach(async () => {
  asked = 0;
  server = createServer((request, response) => {
    asked += 1;
    request.resume().once('end', () => answer(response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  forge = new Forge({ baseUrl: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`, token, retryBaseMs: 1 });
});
afterEach(async () => {
  await forge.close();
  server.closeAllConnections();
  server.close();
});

function says(text: string, status = 200, type = 'application/json'): void {
  answer = (response) => {
    response.writeHead(status, { 'content-type': type });
    response.end(text);
  };
}

describe('an answer that was paid for', () => {
  it('is not lost for what stands beside it', async () => {
    says('{"ok": null, "result": "paid", "duration_ms": null, "stop_reason": 7}');
    expect(await forge.run({ prompt: 'x' })).toEqual({ ok: true, result: 'paid', durationMs: 0, stopReason: null });
    says('{"ok": 1, "session_id": null, "turn_index": "1", "events": [{"type": "text", "content": "paid"}], "stop_reason": {}, "duration_ms": "?"}');
    const turn = await forge.attach('s').turn('x');
    expect([turn.text(), turn.ok, turn.sessionId, turn.turnIndex, turn.stopReason, turn.durationMs]).toEqual(['paid', true, 's', null, null, 0]);
    says('data: {"type":"text","content":"paid"}\n\ndata: {"ok":true,"turn_index":null,"duration_ms":null,"session_id":5}\n\n', 200, 'text/event-stream');
    expect((await forge.attach('s').turn('x')).text()).toBe('paid');
  });

  it('is handed on whatever it is, and however deep', async () => {
    says('{"ok": true, "result": {"most": 1e999, "__proto__": {"polluted": 1}}}');
    const { result } = await forge.run({ prompt: 'x' });
    expect(Object.keys(result as object)).toEqual(['most', '__proto__']);
    says(`{"ok": true, "result": ${'['.repeat(50_000)}${']'.repeat(50_000)}}`);
    expect(Array.isArray((await forge.run({ prompt: 'x' })).result)).toBe(true);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('is none where the JSON is that of another program', async () => {
    for (const text of ['{"status": "maintenance"}', '{}', '[]', '{"detail": "moved"}']) {
      says(text);
      for (const work of [() => forge.run({ prompt: 'x' }), () => forge.attach('s').turn('x')]) expect(await rejection(work()), text).toMatchObject({ name: 'ForgeError', code: 'bad_answer' });
    }
  });
});

describe('a server that lies', () => {
  it('cannot put another value in the place of a field that was looked at', async () => {
    says('{"session__id": 6, "sessionId": 5, "session_id": "s", "turnCount": "many", "turn_count": 2, "closedAt": "now", "closed_at": null}');
    expect(await forge.getSession('s')).toMatchObject({ sessionId: 's', turnCount: 2, closedAt: null });
    expect((await forge.createSession()).sessionId).toBe('s');
    says('[{"name": "a", "ip_cidrs": "10.0.0.0/8, 127.0.0.1", "ipCidrs": 5}]');
    expect((await forge.listTokens()).map(({ ipCidrs }) => ipCidrs)).toEqual([['10.0.0.0/8', '127.0.0.1']]);
    says('{"ok": true, "sessionId": {}, "events": []}');
    expect((await forge.attach('s').turn('x')).sessionId).toBe('s');
  });

  it('streams for ever: the answer is given up at its bound, and what was said so far was told', async () => {
    const item = Buffer.from(`data: ${JSON.stringify({ type: 'text', content: 'x'.repeat(1024 * 1024) })}\n\n`);
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = (): void => {
        while (!response.destroyed && response.write(item));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    const told: ForgeEvent[] = [];
    expect(await rejection(forge.attach('s').turn('x', { onEvent: (event) => told.push(event) }))).toMatchObject({ name: 'ForgeError', code: 'bad_answer' });
    expect(told.length).toBeGreaterThan(50);
    expect(told.length).toBeLessThan(65);
  });

  it('nests an event beyond what can be written: the rest of the turn is kept all the same', async () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    says(`{"ok": true, "turn_index": 1, "events": [{"type": "tool_result", "content": ${deep}}, {"type": "text", "content": "paid"}, {"type": "tool_call", "input": {"a": [[[{"b": 1}]]]}}]}`);
    const { events } = await forge.attach('s').turn('x');
    expect(events.map(({ type }) => type)).toEqual(['unknown', 'text', 'tool_call']);
    const log = new TurnLog({ clientId: 'c', text: 'x' }, 1, () => 1);
    for (const event of events) log.take(event);
    expect(JSON.stringify(log.whole({ state: 'completed', error: null, durationMs: 1 }))).toContain('paid');
  });

  it('repeats the token in a refusal, as JSON writes it or in escapes: it shows nowhere', async () => {
    const escaped = Array.from(token, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    for (const word of [escaped, JSON.stringify(token).slice(1, -1)]) {
      says(`{"error": "no ${word} here", "stderr": ["${word}"]}`, 400);
      const error = await rejection(forge.run({ prompt: 'x' }));
      expect(error).toMatchObject({ code: 'request_refused', body: { error: 'no [redacted] here', stderr: ['[redacted]'] } });
      expect(describeError(error)).not.toContain(token);
    }
  });

  it('refuses with objects within objects: it is a refusal still', async () => {
    says(`${'{"error":'.repeat(60_000)}1${'}'.repeat(60_000)}`, 400);
    expect(await rejection(forge.run({ prompt: 'x' }))).toMatchObject({ name: 'ForgeAPIError', status: 400 });
  });
});

it('rows are read as SQLite keeps them, and what closes without a word is closed', async () => {
  says('[{"name": "a", "token": null, "ip_cidrs": "", "created_at": 1, "last_used": null, "enabled": 1}, {"name": "b", "ip_cidrs": "", "enabled": 0}]');
  expect((await forge.listTokens()).map(({ name, enabled, token: plain }) => [name, enabled, plain])).toEqual([['a', true, undefined], ['b', false, undefined]]);
  says('[{"session_id": "s", "agent": null, "live": 0, "turn_count": null}]');
  expect(await forge.listSessions()).toMatchObject([{ sessionId: 's', agent: 'claude', live: false, turnCount: 0 }]);
  answer = (response) => response.writeHead(204).end();
  await forge.attach('s').close();
  expect(asked).toBe(3);
});

it('a time that no timer takes is the server’s to refuse: it is waited for', async () => {
  says('{"error": "timeout_secs must be within 5 and 600"}', 400);
  expect(await rejection(forge.run({ prompt: 'x', timeoutSecs: 9_999_999 }))).toMatchObject({ status: 400 });
});

it('what cannot be sent is refused here, by whatever a caller without types gives; nothing is sent', async () => {
  says('{}');
  const ring: { self?: unknown } = {};
  ring.self = ring;
  const wrong = [
    () => forge.run({ prompt: 'x', files: 'ff_1' as unknown as string[] }), () => forge.run({ prompt: 'x', files: [' '] }), () => forge.createToken('x', { ipCidrs: '10.0.0.0/8' as unknown as string[] }),
    () => forge.createSession({ meta: ring as never }), () => forge.createSession({ meta: { big: 1n as never } }),
  ];
  for (const work of wrong) expect(await rejection(work())).toMatchObject({ name: 'ForgeError', code: 'invalid_argument' });
  expect(asked).toBe(0);
});

it('no token of that name is what a revoking is told; other paths that are not there are no such thing', async () => {
  says('{"error": "nothing here"}', 404);
  expect(await rejection(forge.revokeToken('x'))).toMatchObject({ code: 'token_not_found' });
  for (const work of [() => forge.createToken('x'), () => forge.listTokens()]) expect(await rejection(work())).toMatchObject({ code: 'not_found' });
});
