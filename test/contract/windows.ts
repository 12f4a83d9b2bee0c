import type { SessionBackend } from '../../src/core/model/backend.ts';
import type { BackendContext } from '../../src/core/model/context.ts';
import type { Rig } from './types.ts';
import type { World } from './world.ts';

interface OpenWindow {
  readonly backend: SessionBackend;
  close(): Promise<void>;
}

/** The windows of a rig, each with a backend of its own: the first one, which can be closed and opened again, and more beside it. */
export class RigWindows {
  /** Of the window that was opened first. */
  readonly backend: SessionBackend;
  readonly #open: () => Promise<OpenWindow>;
  readonly #windows: OpenWindow[];

  /** Opens the first window. `create` makes a window's backend. */
  static async open(world: World, connectionId: string, create: (context: BackendContext) => SessionBackend | Promise<SessionBackend>): Promise<RigWindows> {
    const open = async (): Promise<OpenWindow> => {
      const window = await world.window(connectionId);
      const backend = await create(window.context);
      return {
        backend,
        async close() {
          await backend[Symbol.asyncDispose]();
          window.end();
        },
      };
    };
    return new RigWindows(open, await open());
  }

  private constructor(open: () => Promise<OpenWindow>, first: OpenWindow) {
    this.#open = open;
    this.#windows = [first];
    this.backend = first.backend;
  }

  /** A rig's `backend`, `restart` and `second`. */
  get parts(): Pick<Rig, 'backend' | 'restart' | 'second'> {
    return {
      backend: this.backend,
      restart: async () => {
        await this.#windows.shift()?.close();
        const next = await this.#open();
        this.#windows.unshift(next);
        return next.backend;
      },
      second: async () => {
        const next = await this.#open();
        this.#windows.push(next);
        return next.backend;
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#windows.splice(0).map((one) => one.close()));
  }
}
