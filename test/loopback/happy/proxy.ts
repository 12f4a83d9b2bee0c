import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a toxic does to the bytes of a direction. Times in milliseconds. */
export type Toxic =
  /** Every byte comes so much later (± `jitterMs`, evenly); the order stays. */
  | { readonly kind: 'latency'; readonly ms: number; readonly jitterMs?: number }
  | { readonly kind: 'bandwidth'; readonly bytesPerSecond: number }
  /** The end of the connection is passed on so much later. */
  | { readonly kind: 'slowClose'; readonly ms: number }
  /** Nothing passes, not even an end; after `afterMs` the connection is closed. Taken away before, what was held goes on its way. */
  | { readonly kind: 'timeout'; readonly afterMs: number }
  /** A timeout without an end: half-open for as long as it is there. */
  | { readonly kind: 'blackhole' }
  /** The connection is reset (RST) so long after its next byte. */
  | { readonly kind: 'reset'; readonly afterMs: number }
  /** Pieces of about `bytes` (± half of it), so far apart. */
  | { readonly kind: 'slicer'; readonly bytes: number; readonly gapMs?: number }
  /** The connection is closed when so many bytes have passed since. */
  | { readonly kind: 'limit'; readonly bytes: number };

/** `up`: from the client to the server; `down`: back. */
export type Direction = 'up' | 'down';

export interface ToxicOptions {
  /** Both, when absent. */
  readonly direction?: Direction;
  /** The part of the connections that it hits, 0 to 1; all, when absent. */
  readonly probability?: number;
  /** The chance behind `probability` and jitter; `Math.random`, when absent. */
  readonly random?: () => number;
}

export interface HappyProxy {
  /** `http://127.0.0.1:PORT`: in place of the server's own address. */
  readonly url: string;
  /** Connections of now. */
  readonly connections: number;
  /** Connections that were taken so far. */
  readonly accepted: number;
  /** Adds a toxic to the connections of now and those to come; the answer takes it away. */
  add(toxic: Toxic, options?: ToxicOptions): () => void;
  /** Breaks every connection off with a reset. */
  resetAll(): void;
  /** Closes the connections of now, until `up`: refuses those to come or, where the server behind is gone (`down`), takes them and closes them at once, as a gateway does. */
  down(side?: Direction): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

interface Active {
  readonly toxic: Toxic;
  readonly direction: Direction | undefined;
  readonly random: () => number;
  readonly hits: (connection: Connection) => boolean;
}

const mostHeld = 4 * 1024 * 1024;

/** Starts a TCP proxy in front of a server, healthy at first. `target` is the server's address, `http://127.0.0.1:PORT`. */
export async function startProxy(target: string): Promise<HappyProxy> {
  const targetPort = Number(new URL(target).port);
  const toxics = new Set<Active>();
  const connections = new Set<Connection>();
  let server: Server | null = null;
  let port = 0;
  let accepted = 0;
  let alone = false;

  const up = async (): Promise<void> => {
    alone = false;
    if (server !== null) return;
    // With half-open sockets an end of one side is passed on by the pipe, when it is its turn.
    const opened = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      accepted += 1;
      if (alone) return void client.destroy();
      const connection = new Connection(client, createConnection({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true }), toxics);
      connections.add(connection);
      connection.closed.then(() => connections.delete(connection)).catch(() => undefined);
    });
    opened.listen(port, '127.0.0.1');
    await once(opened, 'listening');
    const address = opened.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
    ({ port } = address);
    server = opened;
  };
  const breakOff = (): void => {
    for (const connection of connections) connection.destroy();
  };
  const down = async (): Promise<void> => {
    const closing = server;
    if (closing === null) return;
    server = null;
    const closed = once(closing, 'close');
    closing.close();
    breakOff();
    await closed;
  };
  await up();

  return {
    url: `http://127.0.0.1:${port}`,
    get connections() { return connections.size; },
    get accepted() { return accepted; },
    add: (toxic, { direction, probability = 1, random = Math.random } = {}) => {
      const decided = new WeakMap<Connection, boolean>();
      const active: Active = {
        toxic, direction, random,
        hits: (connection) => {
          const known = decided.get(connection) ?? random() < probability;
          decided.set(connection, known);
          return known;
        },
      };
      toxics.add(active);
      for (const connection of connections) connection.wake();
      return () => {
        toxics.delete(active);
        for (const connection of connections) connection.wake();
      };
    },
    resetAll: () => {
      for (const connection of connections) connection.reset();
    },
    down: async (side = 'up') => {
      if (side === 'up') return down();
      alone = true;
      breakOff();
    },
    up,
    close: down,
  };
}

/** A client's connection, and the one to the server that goes with it. */
class Connection {
  readonly closed: Promise<void>;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #pipes: readonly Pipe[];
  readonly #gone = new AbortController();

  constructor(client: Socket, server: Socket, toxics: ReadonlySet<Active>) {
    this.#client = client;
    this.#server = server;
    const fitting = (direction: Direction) => (): Active[] => [...toxics].filter((active) => (active.direction ?? direction) === direction && active.hits(this));
    this.#pipes = [new Pipe(client, server, fitting('up'), this, this.#gone.signal), new Pipe(server, client, fitting('down'), this, this.#gone.signal)];
    this.closed = new Promise((resolve) => { this.#gone.signal.addEventListener('abort', () => resolve(), { once: true }); });
    for (const socket of [client, server]) socket.setNoDelay(true);
    client.resume();
  }

  /** Lets both directions look at the toxics anew. */
  wake(): void {
    for (const pipe of this.#pipes) pipe.wake();
  }

  destroy(): void {
    this.#gone.abort();
    this.#client.destroy();
    this.#server.destroy();
  }

  reset(): void {
    this.#gone.abort();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  /** Ends when both directions have. */
  ended(): void {
    if (this.#pipes.every((pipe) => pipe.ended)) this.destroy();
  }
}

/** One direction of a connection: bytes in the order in which they came, and then the end. */
class Pipe {
  ended = false;
  readonly #queue: { readonly bytes: Buffer; readonly at: number }[] = [];
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #toxics: () => Active[];
  readonly #connection: Connection;
  readonly #gone: AbortSignal;
  readonly #passed = new WeakMap<Active, number>();
  #held = 0;
  #over: 'no' | 'end' | 'broken' = 'no';
  #waiter: (() => void) | null = null;

  constructor(source: Socket, sink: Socket, toxics: () => Active[], connection: Connection, gone: AbortSignal) {
    this.#source = source;
    this.#sink = sink;
    this.#toxics = toxics;
    this.#connection = connection;
    this.#gone = gone;
    source.on('data', (bytes: Buffer) => {
      this.#queue.push({ bytes, at: performance.now() });
      this.#held += bytes.length;
      if (this.#held > mostHeld) source.pause();
      this.wake();
    });
    source.on('end', () => this.#finish('end'));
    source.on('error', () => this.#finish('broken'));
    source.on('close', () => this.#finish('end'));
    gone.addEventListener('abort', () => this.wake(), { once: true });
    this.#run().catch(() => connection.destroy());
  }

  wake(): void {
    this.#waiter?.();
    this.#waiter = null;
  }

  #finish(how: 'end' | 'broken'): void {
    if (this.#over === 'no') this.#over = how;
    this.wake();
  }

  async #run(): Promise<void> {
    while (!this.#gone.aborted) {
      if (this.#isDark()) {
        await this.#dark();
        continue;
      }
      const next = this.#queue[0];
      if (next === undefined) {
        if (this.#over !== 'no') return this.#close();
        await new Promise<void>((resolve) => { this.#waiter = resolve; });
        continue;
      }
      await this.#delay(next.at);
      // It may have turned dark meanwhile: then nothing passes, this chunk neither.
      if (this.#isDark() || this.#gone.aborted) continue;
      this.#queue.shift();
      this.#held -= next.bytes.length;
      if (this.#held <= mostHeld) this.#source.resume();
      await this.#pass(next.bytes);
    }
  }

  #isDark(): boolean {
    return this.#toxics().some(({ toxic }) => toxic.kind === 'blackhole' || toxic.kind === 'timeout');
  }

  /** Waits until the toxics change, or a timeout's time is up. */
  async #dark(): Promise<void> {
    const times = this.#toxics().flatMap(({ toxic }) => (toxic.kind === 'timeout' ? [toxic.afterMs] : []));
    const changed = new Promise<'changed'>((resolve) => { this.#waiter = () => resolve('changed'); });
    if (times.length === 0) return void (await changed);
    const timer = new AbortController();
    const outcome = await Promise.race([changed, sleep(Math.min(...times), 'over' as const, { signal: timer.signal }).catch(() => 'changed' as const)]);
    timer.abort();
    if (outcome === 'over') this.#connection.destroy();
  }

  async #delay(at: number): Promise<void> {
    let delay = 0;
    for (const { toxic, random } of this.#toxics()) if (toxic.kind === 'latency') delay += toxic.ms + (random() * 2 - 1) * (toxic.jitterMs ?? 0);
    await this.#wait(at + delay - performance.now());
  }

  async #pass(bytes: Buffer): Promise<void> {
    for (const active of this.#toxics()) {
      if (active.toxic.kind !== 'reset') continue;
      await this.#wait(active.toxic.afterMs);
      return this.#connection.reset();
    }
    const slicer = this.#toxics().find(({ toxic }) => toxic.kind === 'slicer');
    for (let from = 0; from < bytes.length && !this.#gone.aborted;) {
      const size = slicer?.toxic.kind === 'slicer' ? Math.max(1, Math.round(slicer.toxic.bytes * (0.5 + slicer.random()))) : bytes.length;
      const piece = bytes.subarray(from, from + size);
      from += piece.length;
      if (!(await this.#write(piece))) return this.#connection.destroy();
      if (slicer?.toxic.kind === 'slicer' && from < bytes.length) await this.#wait(slicer.toxic.gapMs ?? 0);
    }
  }

  /** Writes a piece at the rate that is allowed; false when a limit is reached. */
  async #write(piece: Buffer): Promise<boolean> {
    let allowed = piece.length;
    for (const active of this.#toxics()) {
      const { toxic } = active;
      if (toxic.kind === 'bandwidth') await this.#wait((piece.length / toxic.bytesPerSecond) * 1000);
      if (toxic.kind !== 'limit') continue;
      const passed = this.#passed.get(active) ?? 0;
      allowed = Math.min(allowed, toxic.bytes - passed);
      this.#passed.set(active, passed + piece.length);
    }
    if (this.#sink.destroyed) return false;
    const more = this.#sink.write(piece.subarray(0, Math.max(0, allowed)));
    if (!more && !this.#sink.destroyed) await once(this.#sink, 'drain', { signal: this.#gone }).catch(() => undefined);
    return allowed >= piece.length;
  }

  async #close(): Promise<void> {
    const wait = this.#toxics().reduce((most, { toxic }) => (toxic.kind === 'slowClose' ? Math.max(most, toxic.ms) : most), 0);
    await this.#wait(wait);
    while (this.#isDark() && !this.#gone.aborted) await this.#dark();
    this.ended = true;
    if (this.#over === 'broken') this.#connection.reset();
    else this.#sink.end();
    this.#connection.ended();
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#gone }).catch(() => undefined);
  }
}
