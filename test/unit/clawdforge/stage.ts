import { randomUUID } from 'node:crypto';
import type { SessionBackend } from '../../../src/core/model/backend.ts';
import type { BackendContext } from '../../../src/core/model/context.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { forgeConnection } from '../../../src/core/systems/clawdforge/connection.ts';
import { Observer } from '../../contract/observer.ts';
import { World } from '../../contract/world.ts';
import type { ForgeServerOptions } from '../../loopback/clawdforge/server.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';

interface Window {
  readonly backend: SessionBackend;
  readonly context: BackendContext;
  /** Its process is gone: nothing is closed, its leases are free. */
  readonly die: () => void;
  close(): Promise<void>;
}

/** A server, a store in memory that windows share, and windows on one token of it. */
export class Stage {
  readonly server: ForgeTestServer;
  readonly world: World;
  readonly token: string;
  readonly #windows: Window[] = [];
  readonly #observers: Observer[] = [];

  static async make(options: ForgeServerOptions = {}): Promise<Stage> {
    return new Stage(await new ForgeTestServer(options).start(), await World.make());
  }

  private constructor(server: ForgeTestServer, world: World) {
    this.server = server;
    this.world = world;
    this.token = server.token('mine');
  }

  get machineId(): string {
    return `clawdforge:${new URL(this.server.url).host}`;
  }

  /** `change`: the context as the window has it, such as with a store that fails. */
  async window(token = this.token, change: (context: BackendContext) => BackendContext = (context) => context): Promise<Window> {
    const { context, end } = await this.world.window('forge');
    const changed = change(context);
    const backend = forgeConnection({ connectionId: 'forge', name: 'Forge', serverUrl: this.server.url, token }).create(changed);
    const window: Window = {
      backend, context: changed, die: end,
      async close() {
        await backend[Symbol.asyncDispose]();
        end();
      },
    };
    this.#windows.push(window);
    return window;
  }

  /** A window that is connected, and a session of it that is watched. */
  async chat(title?: string): Promise<{ readonly window: Window; readonly chat: Observer }> {
    const window = await this.window();
    await window.backend.connect();
    const session = await window.backend.spawn({ machineId: this.machineId, folder: '', ...(title === undefined ? {} : { title }) });
    return { window, chat: this.observe(window.backend, session.id) };
  }

  observe(backend: SessionBackend, id: string): Observer {
    const observer = new Observer(backend, id);
    this.#observers.push(observer);
    return observer;
  }

  async dispose(): Promise<void> {
    for (const observer of this.#observers) observer.dispose();
    await Promise.all(this.#windows.map((window) => window.close()));
    await this.server.close();
    await this.world.dispose();
  }
}

export function say(chat: Observer, text: string, clientId: string = randomUUID()): Promise<void> {
  return chat.handle.send({ text, attachments: [] }, clientId);
}

export async function listed(backend: SessionBackend, id: string): Promise<Session | undefined> {
  return (await backend.sessions({ limit: 50 })).items.find((session) => session.id === id);
}
