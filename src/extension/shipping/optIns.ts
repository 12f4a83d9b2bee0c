import { z } from 'zod';
import type { ShipRoute } from '../../core/fleet/shipper.ts';
import type { Disposable } from '../../core/model/backend.ts';
import type { Logger } from '../../core/model/context.ts';
import { WatchedFolder } from '../watchedFolder.ts';

const schema = z.object({ account: z.string().min(1).max(200), since: z.number().min(0) });

/** Which connections’ sessions the person wants to be shipped, and where to: a file each, by the connection’s id, in a folder that every window watches. None is there before the person says so. */
export class ShipOptIns implements Disposable {
  private readonly folder: WatchedFolder;
  private read: { readonly of: ReadonlyMap<string, string>; readonly routes: ReadonlyMap<string, ShipRoute> } | null = null;

  /** `changed` is called when this window or another one turned something on or off. */
  constructor(folder: string, log: Logger, changed: () => void) {
    this.folder = new WatchedFolder({ folder, what: 'connections that are shipped', code: 'not_saved', log, changed });
  }

  /** Null for a connection that is not shipped, and for a file that is none of ours. */
  get(connectionId: string): ShipRoute | null {
    return this.routes().get(connectionId) ?? null;
  }

  /** Accounts that something is shipped to. */
  accounts(): readonly string[] {
    return [...new Set([...this.routes().values()].map(({ account }) => account))];
  }

  /** Throws `not_saved`. */
  set(connectionId: string, route: ShipRoute): void {
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
  private routes(): ReadonlyMap<string, ShipRoute> {
    const entries = this.folder.entries();
    if (this.read?.of !== entries) this.read = { of: entries, routes: new Map([...entries].flatMap(([connectionId, text]): [string, ShipRoute][] => routeOf(text).map((route) => [connectionId, route]))) };
    return this.read.routes;
  }
}

function routeOf(text: string): readonly ShipRoute[] {
  try {
    const { data } = schema.safeParse(JSON.parse(text));
    return data === undefined ? [] : [data];
  } catch {
    return [];
  }
}
