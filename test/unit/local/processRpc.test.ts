import { describe, expect, it } from 'vitest';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import type { Rpc } from '../../../src/core/systems/local/rpc.ts';
import { createRpc } from '../../../src/core/systems/local/rpc.ts';

function pair(versioned = false): { readonly rpc: Rpc; readonly sent: JsonObject[]; readonly heard: unknown[] } {
  const sent: JsonObject[] = [];
  const heard: unknown[] = [];
  const rpc = createRpc({
    label: 'Codex', versioned,
    send: async (line) => {
      sent.push(JSON.parse(line) as JsonObject);
    },
    onRequest: (method, params, id) => heard.push({ method, params, id }),
    onNotification: (method, params) => heard.push({ method, params }),
  });
  return { rpc, sent, heard };
}

describe('requests and answers', () => {
  it('match by id in any order; errors keep code and data', async () => {
    const { rpc, sent } = pair();
    const one = rpc.request('a', { x: 1 });
    const two = rpc.request('b');
    expect(sent).toEqual([{ id: 1, method: 'a', params: { x: 1 } }, { id: 2, method: 'b' }]);
    expect(rpc.receive({ id: 2, error: { code: -32002, message: 'no thread', data: { id: 7 } } })).toBe(true);
    expect(rpc.receive({ id: 1, result: 'fine' })).toBe(true);
    expect(await one).toBe('fine');
    await expect(two).rejects.toMatchObject({ code: 'rpc_error', rpcCode: -32002, message: 'no thread', data: { id: 7 } });
  });

  it('hears the other side, and knows what is no message', async () => {
    const { rpc, sent, heard } = pair(true);
    expect(rpc.receive({ method: 'ask', id: 0, params: [] })).toBe(true);
    expect(rpc.receive({ method: 'tell' })).toBe(true);
    expect(rpc.receive({ id: 99, result: 1 })).toBe(true);
    for (const other of [null, 3, [], {}, { id: 4 }, { id: {}, result: 1 }]) expect(rpc.receive(other)).toBe(false);
    expect(heard).toEqual([{ method: 'ask', params: [], id: 0 }, { method: 'tell', params: null }]);
    await rpc.respond(0, { ok: true });
    await rpc.refuse(1, -32601, 'no such method');
    expect(sent).toEqual([{ jsonrpc: '2.0', id: 0, result: { ok: true } }, { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'no such method' } }]);
  });

  it('end by deadline, abort or close, never later', async () => {
    const { rpc } = pair();
    await expect(rpc.request('slow', null, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'rpc_timeout', message: expect.stringContaining('slow') });
    const abort = new AbortController();
    const aborted = rpc.request('x', null, { signal: abort.signal });
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    await expect(rpc.request('x', null, { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
    const open = rpc.request('x');
    rpc.close(new PilothouseError('process_gone', 'Codex has ended.'));
    await expect(open).rejects.toMatchObject({ code: 'process_gone' });
    await expect(rpc.request('x')).rejects.toMatchObject({ code: 'process_gone' });
    await expect(rpc.notify('x')).rejects.toMatchObject({ code: 'process_gone' });
  });

  it('reject when the line cannot be sent', async () => {
    const rpc = createRpc({ label: 'Codex', send: () => Promise.reject(new PilothouseError('process_gone', 'gone')), onRequest: () => undefined, onNotification: () => undefined });
    await expect(rpc.request('x')).rejects.toMatchObject({ code: 'process_gone' });
  });
});
