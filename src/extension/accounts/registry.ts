import type { ProxySource } from '../../core/transport/proxy.ts';
import { catsyphonAccounts } from './catsyphon.ts';
import { forgeAccounts } from './clawdforge.ts';
import { happyAccounts } from './happy.ts';
import { hebingAccounts } from './hebing.ts';
import type { AccountSystem } from './system.ts';

/** Every system whose accounts can be added, a line each, in the order in which they are offered. `proxy` tells the proxies on the way to their servers. */
export function accountSystems(proxy?: ProxySource): readonly AccountSystem[] {
  return [
    happyAccounts(process.env, proxy),
    forgeAccounts(process.env, proxy),
    hebingAccounts(process.env, proxy),
    catsyphonAccounts(process.env, proxy),
  ];
}
