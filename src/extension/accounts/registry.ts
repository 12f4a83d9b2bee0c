import { happyAccounts } from './happy.ts';
import type { AccountSystem } from './system.ts';

/** Every system whose accounts can be added, a line each, in the order in which they are offered. */
export const ACCOUNT_SYSTEMS: readonly AccountSystem[] = [
  happyAccounts(),
];
