import { chromium, type Browser } from 'playwright-core';
import type { Rig } from './rig.ts';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
/** Names of hosts beyond this computer do not resolve, so that a test cannot depend on the network. */
const LOOPBACK_ONLY = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost';

let shared: Promise<Browser> | undefined;
let users = 0;

/** The browser of this process, started for the first user. Each user gives it back with `releaseBrowser`. */
export async function acquireBrowser(rig: Rig): Promise<Browser> {
  users += 1;
  shared ??= chromium.launch({ executablePath: rig.chromium.executable, env: { ...process.env, ...rig.chromium.env }, args: [...FLAGS, LOOPBACK_ONLY] });
  try {
    return await shared;
  } catch (error) {
    users -= 1;
    shared = undefined;
    throw error;
  }
}

/** Gives the browser back; the last user closes it. */
export async function releaseBrowser(): Promise<void> {
  users -= 1;
  if (users > 0 || shared === undefined) return;
  const browser = shared;
  shared = undefined;
  await (await browser).close();
}
