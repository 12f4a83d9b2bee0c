import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BackendEvent, SessionBackend, SessionHandle } from '../../../src/core/model/backend.ts';
import type { BackendContext, Keep, Leases, Logger } from '../../../src/core/model/context.ts';
import type { Entry, EntryKind } from '../../../src/core/model/entry.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';

/** Values that live as long as the map does: two rigs over one map are two windows over one store. */
export function keepOver(values: Map<string, string>): Keep {
  return {
    get: (key) => Promise.resolve(values.get(key) ?? null),
    set: (key, value) => {
      if (value === null) values.delete(key);
      else values.set(key, value);
      return Promise.resolve();
    },
    list: (prefix) => Promise.resolve(new Map([...values].filter(([key]) => key.startsWith(prefix)))),
  };
}

/** Leases of one window among others that share the map (name → window). */
export function leasesOver(held: Map<string, string>, window: string): Leases {
  return {
    acquire: (name) => {
      const owner = held.get(name) ?? window;
      if (owner === window) held.set(name, window);
      return Promise.resolve(owner === window);
    },
    release: (name) => {
      if (held.get(name) === window) held.delete(name);
      return Promise.resolve();
    },
    holder: (name) => {
      const owner = held.get(name);
      return Promise.resolve(owner === undefined ? 'nobody' : owner === window ? 'this' : 'other');
    },
  };
}

export interface RigOptions {
  readonly values?: Map<string, string>;
  readonly held?: Map<string, string>;
  readonly window?: string;
  readonly log?: Logger;
}

/** What the fleet would hand to a backend, in memory and in a folder of its own. */
export function contextIn(folder: string, options: RigOptions = {}): BackendContext {
  const window = options.window ?? 'one';
  return {
    connectionId: 'local-test', log: options.log ?? silentLogger, clock: systemClock, keep: keepOver(options.values ?? new Map()), leases: leasesOver(options.held ?? new Map(), window),
    stateDir: path.join(folder, 'state', window),
  };
}

/** A folder of its own that is gone afterwards. */
export async function temporary(): Promise<{ readonly path: string; folder(name: string): Promise<string>; remove(): Promise<void> }> {
  const base = await mkdtemp(path.join(tmpdir(), 'pilothouse-local-'));
  return {
    path: base,
    async folder(name) {
      const made = path.join(base, name);
      await mkdir(made, { recursive: true });
      return made;
    },
    remove: () => rm(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}

type Of<K extends EntryKind> = Extract<Entry, { kind: K }>;

/** Everything that one session tells, and waits on it. */
export class Heard {
  readonly entries: Entry[] = [];
  private readonly waiting = new Set<() => void>();
  private readonly stop: () => void;

  constructor(handle: SessionHandle) {
    const heard = handle.live((event) => {
      if (event.type === 'entries') this.entries.push(...event.entries);
      for (const check of this.waiting) check();
    });
    this.stop = () => heard.dispose();
  }

  of<K extends EntryKind>(kind: K): Of<K>[] {
    return this.entries.filter((entry): entry is Of<K> => entry.kind === kind);
  }

  /** The first entry of that kind that fits, heard already or to come. */
  async until<K extends EntryKind>(kind: K, fits: (entry: Of<K>) => boolean = () => true, timeoutMs = 20_000): Promise<Of<K>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(check);
        reject(new Error(`no such ${kind} within ${timeoutMs} ms; heard: ${this.entries.map((entry) => entry.id).slice(-30).join(' ')}`));
      }, timeoutMs);
      const check = (): void => {
        const found = this.of(kind).find(fits);
        if (found === undefined) return;
        clearTimeout(timer);
        this.waiting.delete(check);
        resolve(found);
      };
      this.waiting.add(check);
      check();
    });
  }

  /** The end of the turn that is the `nth` to end (1 is the first). */
  turnEnd(nth = 1, timeoutMs = 20_000): Promise<Of<'turn'>> {
    return this.until('turn', (entry) => entry.phase === 'end' && this.of('turn').filter((one) => one.phase === 'end').indexOf(entry) === nth - 1, timeoutMs);
  }

  dispose(): void {
    this.stop();
  }
}

/** The states that a backend tells of, as they come. */
export class Watched {
  readonly events: BackendEvent[] = [];
  private readonly waiting = new Set<() => void>();
  private readonly stop: () => void;

  constructor(backend: SessionBackend) {
    const heard = backend.watch((event) => {
      this.events.push(event);
      for (const check of this.waiting) check();
    });
    this.stop = () => heard.dispose();
  }

  async session(id: string, fits: (session: Session) => boolean, timeoutMs = 15_000): Promise<Session> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(check);
        reject(new Error(`no such session within ${timeoutMs} ms; last: ${JSON.stringify(this.events.filter((one) => one.type === 'session' && one.session.id === id).at(-1))}`));
      }, timeoutMs);
      const check = (): void => {
        for (const event of this.events) {
          if (event.type !== 'session' || event.session.id !== id || !fits(event.session)) continue;
          clearTimeout(timer);
          this.waiting.delete(check);
          resolve(event.session);
          return;
        }
      };
      this.waiting.add(check);
      check();
    });
  }

  dispose(): void {
    this.stop();
  }
}

/** The latest version of each entry, as the session log would keep it; pieces of blocks that ended are left out. */
export function settled(entries: readonly Entry[]): Entry[] {
  const byId = new Map<string, Entry>();
  for (const entry of entries) {
    const known = byId.get(entry.id);
    if (known === undefined || entry.rev >= known.rev) byId.set(entry.id, entry);
  }
  return [...byId.values()].filter((entry) => entry.kind !== 'delta');
}
