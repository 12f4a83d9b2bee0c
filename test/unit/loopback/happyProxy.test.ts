import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startProxy, type HappyProxy } from '../../loopback/happy/proxy.ts';
import { soon } from './happyClient.ts';

let echo: Server;
let behind: Socket[];
let proxy: HappyProxy;
let opened: Socket[];
beforeEach(async () => {
  behind = [];
  opened = [];
  echo = createServer((socket) => {
    behind.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => socket.write(bytes));
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  proxy = await startProxy(`http://127.0.0.1:${address.port}`);
});
afterEach(async () => {
  for (const socket of [...opened, ...behind]) socket.destroy();
  await proxy.close();
  echo.close();
});

interface Client {
  readonly socket: Socket;
  readonly chunks: Buffer[];
  text(): string;
  fate: 'open' | 'ended' | 'reset';
}

async function client(): Promise<Client> {
  const socket = createConnection({ port: Number(new URL(proxy.url).port), host: '127.0.0.1' });
  opened.push(socket);
  const made: Client = { socket, chunks: [], text: () => Buffer.concat(made.chunks).toString(), fate: 'open' };
  socket.on('data', (bytes: Buffer) => made.chunks.push(bytes));
  socket.on('error', () => { made.fate = 'reset'; });
  socket.on('end', () => { made.fate = 'ended'; });
  await once(socket, 'connect');
  return made;
}

describe('the proxy', () => {
  it('passes bytes and ends on when it is healthy', async () => {
    const one = await client();
    one.socket.write('hello');
    await soon(() => one.text() === 'hello');
    behind[0]?.end('bye');
    await soon(() => one.fate === 'ended');
    expect(one.text()).toBe('hellobye');
    one.socket.end();
    await soon(() => proxy.connections === 0);
  });

  it('delays with latency, in one direction only where it is told so', async () => {
    const one = await client();
    const heal = proxy.add({ kind: 'latency', ms: 80 }, { direction: 'down' });
    const start = performance.now();
    one.socket.write('slow');
    await soon(() => one.text() === 'slow');
    expect(performance.now() - start).toBeGreaterThanOrEqual(75);
    expect(performance.now() - start).toBeLessThan(155);
    heal();
    const healed = performance.now();
    one.socket.write('!');
    await soon(() => one.text() === 'slow!');
    expect(performance.now() - healed).toBeLessThan(75);
  });

  it('keeps to a bandwidth', async () => {
    const one = await client();
    proxy.add({ kind: 'bandwidth', bytesPerSecond: 100_000 }, { direction: 'up' });
    const start = performance.now();
    one.socket.write(Buffer.alloc(10_000, 'x'));
    await soon(() => one.text().length === 10_000);
    expect(performance.now() - start).toBeGreaterThanOrEqual(95);
  });

  it('slices without losing or turning around a byte', async () => {
    const one = await client();
    proxy.add({ kind: 'slicer', bytes: 50, gapMs: 1 }, { direction: 'down' });
    const text = Array.from({ length: 500 }, (_, index) => `${index},`).join('');
    one.socket.write(text);
    await soon(() => one.text() === text);
    expect(one.chunks.length).toBeGreaterThan(10);
  });

  it('swallows bytes and ends in a black hole, and lets them go on their way when it is gone', async () => {
    const one = await client();
    one.socket.write('a');
    await soon(() => one.text() === 'a');
    const heal = proxy.add({ kind: 'blackhole' });
    one.socket.write('b');
    behind[0]?.end('c');
    await new Promise((resolve) => { setTimeout(resolve, 80); });
    expect([one.text(), one.fate]).toEqual(['a', 'open']);
    heal();
    await soon(() => one.fate === 'ended');
    expect(one.text()).toBe('ac');
  });

  it('closes after a timeout in which nothing passed', async () => {
    const one = await client();
    proxy.add({ kind: 'timeout', afterMs: 60 });
    one.socket.write('never');
    const start = performance.now();
    await soon(() => one.fate !== 'open');
    expect(performance.now() - start).toBeGreaterThanOrEqual(50);
    expect(one.text()).toBe('');
  });

  it('resets', async () => {
    const one = await client();
    one.socket.write('a');
    await soon(() => one.text() === 'a');
    proxy.add({ kind: 'reset', afterMs: 10 }, { direction: 'up' });
    one.socket.write('b');
    await soon(() => one.fate === 'reset');
    const two = await client();
    proxy.resetAll();
    await soon(() => two.fate === 'reset');
  });

  it('closes when the limit is reached, after exactly so many bytes', async () => {
    const one = await client();
    proxy.add({ kind: 'limit', bytes: 7 }, { direction: 'down' });
    one.socket.write('0123');
    await soon(() => one.text() === '0123');
    one.socket.write('456789');
    await soon(() => one.fate !== 'open');
    expect(one.text()).toBe('0123456');
  });

  it('passes an end on late with a slow close', async () => {
    const one = await client();
    proxy.add({ kind: 'slowClose', ms: 80 });
    one.socket.write('a');
    await soon(() => one.text() === 'a');
    const start = performance.now();
    behind[0]?.end();
    await soon(() => one.fate === 'ended');
    expect(performance.now() - start).toBeGreaterThanOrEqual(75);
  });

  it('refuses connections while it is down, and takes them on the same port afterwards', async () => {
    const one = await client();
    const { url } = proxy;
    await proxy.down();
    await soon(() => one.socket.destroyed || one.fate !== 'open');
    await expect(client()).rejects.toThrow(/ECONNREFUSED/);
    await proxy.up();
    expect(proxy.url).toBe(url);
    const two = await client();
    two.socket.write('again');
    await soon(() => two.text() === 'again');
  });

  it('hits only the part of the connections that it should', async () => {
    const chances = [0.1, 0.9];
    proxy.add({ kind: 'blackhole' }, { probability: 0.5, random: () => chances.shift() ?? 0.9 });
    const one = await client();
    one.socket.write('a');
    await new Promise((resolve) => { setTimeout(resolve, 40); });
    const two = await client();
    two.socket.write('b');
    await soon(() => two.text() === 'b');
    expect(one.text()).toBe('');
  });
});
