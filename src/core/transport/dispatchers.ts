import type * as Undici from 'undici';
import type { Dispatcher } from 'undici';
import type { ProxyRoute, ProxySource } from './proxy.ts';
import { ProxyError, proxyRefusal, proxyUnreachable, routeKey, routeTo } from './proxy.ts';
import { isOfOpenConnection } from './reason.ts';

const CONNECT_MS = 10_000;
const POOL = { connections: 8, keepAliveTimeout: 4_000, connect: { timeout: CONNECT_MS } } as const;

/** Connections of one client: a pool for each way that its servers are reached by. A way that nothing leads by any more is closed when its requests have ended. */
export class Dispatchers {
  readonly #proxy: ProxySource | null;
  readonly #pools = new Map<string, Dispatcher>();
  /** Origin → key of its way. */
  readonly #ways = new Map<string, string>();

  constructor(proxy: ProxySource | null) {
    this.#proxy = proxy;
  }

  /** The way to an address, asked anew each time, and its pool. Throws ProxyError. */
  to(undici: typeof Undici, url: string): { readonly route: ProxyRoute | null; readonly dispatcher: Dispatcher } {
    const route = routeTo(url, this.#proxy?.() ?? null);
    const key = routeKey(route);
    this.#ways.set(new URL(url).origin, key);
    this.#prune();
    let dispatcher = this.#pools.get(key);
    if (dispatcher === undefined) {
      dispatcher = route === null ? new undici.Agent(POOL) : new undici.ProxyAgent({
        ...POOL, uri: route.url.href, connectTimeout: CONNECT_MS, ...(route.authorization === null ? {} : { token: route.authorization }),
        // Plain http takes the way that its socket must take, so that a proxy lets through both or neither.
        proxyTunnel: true, proxyTls: { rejectUnauthorized: route.strictTls }, ...(route.strictTls ? {} : { requestTls: { rejectUnauthorized: false } }),
      });
      this.#pools.set(key, dispatcher);
    }
    return { route, dispatcher };
  }

  /** Drops every open connection; requests under way fail. */
  async destroy(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    this.#ways.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #prune(): void {
    const used = new Set(this.#ways.values());
    for (const [key, pool] of this.#pools) {
      if (used.has(key)) continue;
      this.#pools.delete(key);
      pool.close().catch(() => undefined);
    }
  }
}

const UNREACHABLE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_PRX_CONN', 'UND_ERR_PRX_TLS']);

/** What the proxy of a way has to do with a failed request, from undici's codes and its words for a refusal; null where nothing, as once the way is open: the server behind it may have the request. */
export function proxyTrouble(error: unknown, route: ProxyRoute | null): ProxyError | null {
  if (error instanceof ProxyError) return error;
  if (route === null || !(error instanceof Error)) return null;
  const status = /Proxy response \((\d{3})\)/.exec(error.message)?.[1];
  if (status !== undefined) return proxyRefusal(route, Number(status));
  const code = (error as { readonly code?: unknown }).code;
  return typeof code === 'string' && UNREACHABLE.has(code) && !isOfOpenConnection(error) ? proxyUnreachable(route, code) : null;
}
