import type { ProxyRules } from '../core/transport/proxy.ts';
import { exceptionsOf, proxyFromEnv } from '../core/transport/proxy.ts';

/** VS Code's settings below `http.`, as they are written: of any type. */
interface ProxySettings {
  readonly proxy: unknown;
  readonly noProxy: unknown;
  readonly proxyAuthorization: unknown;
  readonly proxyStrictSSL: unknown;
  readonly proxySupport: unknown;
}

const text = (value: unknown): string | null => (typeof value === 'string' && value.trim() !== '' ? value.trim() : null);

/**
 * The proxies that VS Code's settings and the environment name, read as VS Code reads them for extensions: `http.proxySupport` off means none at all; `http.proxy` counts before
 * HTTPS_PROXY and HTTP_PROXY; entries of `http.noProxy` take the place of NO_PROXY. Null where there are none.
 */
export function proxyRules(settings: ProxySettings, env: Readonly<Record<string, string | undefined>>): ProxyRules | null {
  if (settings.proxySupport === 'off') return null;
  const url = text(settings.proxy);
  const fromEnv = proxyFromEnv(env);
  if (url === null && fromEnv === null) return null;
  const own = url === null ? null : { url, named: 'http.proxy' };
  const excepted = Array.isArray(settings.noProxy) ? (settings.noProxy as readonly unknown[]).flatMap((entry) => text(entry) ?? []) : [];
  const named = own?.named ?? fromEnv?.https?.named ?? 'http.proxy';
  return {
    http: own ?? fromEnv?.http ?? null, https: own ?? fromEnv?.https ?? null,
    noProxy: excepted.length > 0 ? excepted : exceptionsOf(env),
    authorization: text(settings.proxyAuthorization), strictTls: settings.proxyStrictSSL !== false,
    remedy: `Put the user and the password into ${named} (http://user:password@host:port), or set http.proxyAuthorization.`,
  };
}
