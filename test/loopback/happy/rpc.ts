import { setTimeout as sleep } from 'node:timers/promises';
import { rooms, type HappySocket } from './hub.ts';
import type { World } from './world.ts';

type Hears = (event: string, handler: (data: Record<string, unknown>, ack: (answer: unknown) => void, wantsAck: boolean) => void | Promise<void>) => void;

/**
 * Puts the RPC handlers on a client's socket: a method is a room that its owner joins; a call is forwarded to the first socket in it, after a
 * while of waiting for one, and broken off when that socket is gone (happy.md A and B8).
 */
export function hearRpc(world: World, socket: HappySocket, hears: Hears): void {
  const { accountId } = socket.data;
  const { times } = world;
  const inRoom = async (room: string) => (await world.hub.io?.in(room).fetchSockets()) ?? [];

  const register = (type: 'register' | 'unregister'): void => hears(`rpc-${type}`, async (data) => {
    const { method } = data;
    if (typeof method !== 'string' || method === '') {
      socket.emit('rpc-error', { type, error: 'Invalid method name' });
      return;
    }
    if (type === 'register') await socket.join(rooms.rpc(accountId, method));
    else await socket.leave(rooms.rpc(accountId, method));
    socket.emit(`rpc-${type}ed`, { method });
  });
  register('register');
  register('unregister');

  hears('rpc-call', async (data, ack) => {
    const { method, params } = data;
    if (typeof method !== 'string' || method === '') return ack({ ok: false, error: 'Invalid parameters: method is required' });
    const room = rooms.rpc(accountId, method);
    const until = performance.now() + times.rpcGrace;
    let [target] = await inRoom(room);
    while (target === undefined && performance.now() < until) {
      await sleep(times.rpcGracePoll, undefined, { signal: world.closing });
      [target] = await inRoom(room);
    }
    if (target === undefined) return ack({ ok: false, error: 'RPC method not available' });
    if (target.id === socket.id) return ack({ ok: false, error: 'Cannot call RPC on the same socket' });
    const done = new AbortController();
    const { id } = target;
    // The library does not say when the socket that should answer has gone: two looks in a row without it end the call.
    const gone = async (): Promise<never> => {
      for (let misses = 0; misses < 2;) {
        await sleep(times.rpcPresencePoll, undefined, { signal: AbortSignal.any([done.signal, world.closing]) });
        misses = (await inRoom(room)).some((each) => each.id === id) ? 0 : misses + 1;
      }
      throw new Error('RPC target disconnected');
    };
    try {
      return ack({ ok: true, result: await Promise.race([target.timeout(times.rpcAnswer).emitWithAck('rpc-request', { method, params }), gone()]) });
    } catch (error) {
      return ack({ ok: false, error: error instanceof Error ? error.message : 'RPC call failed' });
    } finally {
      done.abort();
    }
  });
}
