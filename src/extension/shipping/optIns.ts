import { z } from 'zod';
import type { Disposable } from '../../core/model/backend.ts';
import type { Logger } from '../../core/model/context.ts';
import { WatchedFolder } from '../watchedFolder.ts';

const schema = z.object({ account: z.string().min(1).max(200), server: z.string().min(1).max(2_000), since: z.number().min(0) });
/** `server`: the address that the person agreed to; when the account moves to another one, nothing goes there before it is turned on anew. */
type OptIn = z.infer<typeof schema>;

/** Which connections’ sessions the person wants to be shipped, and where to: a file each, by the connection’s id, in a folder that every window watches. None is there before the person says so. */
export class ShipOptIns implements Disposable {
  private readonly folder: WatchedFolder;
  private read: { readonly of: ReadonlyMap<string, string>; readonly routes: ReadonlyMap<string, OptIn> } | null = null;

  /** `changed` is called when this window or another one turned something on or off. */
  constructor(folder: string, log: Logger, changed: () => void) {
    this.folder = new WatchedFolder({ folder, what: 'connections that are shipped', code: 'not_saved', log, changed });
  }

  /** Null for a connection that is not shipped, and for a file that is none of ours. */
  get(connectionId: string): OptIn | null {
    return this.routes().get(connectionId) ?? null;
  }

  /** All of them, by connection. */
  all(): ReadonlyMap<string, OptIn> {
    return this.routes();
  }

  /** Accounts that something is shipped to. */
  accounts(): readonly string[] {
    return [...new Set([...this.routes().values()].map(({ account }) => account))];
  }

  /** Throws `not_saved`. */
  set(connectionId: string, route: OptIn): void {
    this.folder.set(connectionId, JSON.stringify(route));
  }

  /** Throws `not_saved`. */
  delete(connectionId: string): void {
    this.folder.delete(connectionId);
  }

  dispose(): void {
    this.folder.dispose();
  }

  /** Asked for with each session that is shown: read once for each reading of the folder. */
  private routes(): ReadonlyMap<string, OptIn> {
    const entries = this.folder.entries();
    if (this.read?.of !== entries) this.read = { of: entries, routes: new Map([...entries].flatMap(([connectionId, text]): [string, OptIn][] => routeOf(text).map((route) => [connectionId, route]))) };
    return this.read.routes;
  }
}

function routeOf(text: string): readonly OptIn[] {
  try {
    const { data } = schema.safeParse(JSON.parse(text));
    return data === undefined ? [] : [data];
  } catch {
    return [];
  }
}
