// @ts-check
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupFailure } from './failure.mjs';
import { endTree } from './processes.mjs';

const LISTENS = /HTTP server listening on (http:\/\/\S+?)\/?\s/;
const READY_MS = 60_000;

/** What every VS Code that these scripts open has among its settings: no page of its own on top, nothing that calls out. */
export const quietSettings = Object.freeze({
  'workbench.startupEditor': 'none',
  'chat.disableAIFeatures': true,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'workbench.enableExperiments': false,
  'remote.autoForwardPorts': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
});

/**
 * A running code-server.
 * @typedef {{ url: string, pid: number, ended: Promise<string>, output: () => string, end: () => Promise<void> }} Served
 */

/**
 * Starts code-server on loopback and waits until it answers.
 * @param {object} what
 * @param {{ node: string, entry: string }} what.codeServer from `ensureCodeServer`
 * @param {string} what.userDataDir
 * @param {string} what.extensionsDir
 * @param {NodeJS.ProcessEnv} what.env
 * @param {number} [what.port] a free one without it
 * @param {boolean} [what.trusted] whether every folder is trusted without asking
 * @param {readonly string[]} [what.args] more arguments
 * @param {AbortSignal} [what.signal] gives up while it starts
 * @param {string} [what.marker] `NAME=value` of a variable in `env` by which all its processes are known
 * @returns {Promise<Served>} `url` without a slash at its end; `ended` tells how it ended
 * @throws {SetupFailure} when it does not come up
 */
export async function serve({ codeServer, userDataDir, extensionsDir, env, port = 0, trusted = false, args = [], signal, marker = '' }) {
  mkdirSync(userDataDir, { recursive: true });
  const config = join(userDataDir, 'code-server.yaml');
  writeFileSync(config, 'auth: none\n');
  const child = spawn(codeServer.node, [
    codeServer.entry, '--config', config, '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, '--user-data-dir', userDataDir, '--extensions-dir', extensionsDir,
    '--disable-telemetry', '--disable-update-check', '--disable-getting-started-override', '--ignore-last-opened', ...(trusted ? ['--disable-workspace-trust'] : []), ...args,
  ], { env: codeServerEnv(env), stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { output = (output + text).slice(-100_000); });
  /** @type {Promise<string>} */
  const ended = new Promise((done) => {
    child.on('error', (error) => done(String(error)));
    child.on('close', (code, signal) => done(signal === null ? `exit code ${code}` : `ended by ${signal}`));
  });
  const pid = child.pid ?? 0;
  const runs = () => pid !== 0 && child.exitCode === null && child.signalCode === null && signal?.aborted !== true;
  const end = () => endTree(pid, { marker });
  const deadline = Date.now() + READY_MS;
  while (runs() && Date.now() < deadline) {
    const url = LISTENS.exec(output)?.[1];
    if (url !== undefined && await answers(url)) return { url, pid, ended, output: () => output, end };
    await sleep(50);
  }
  await end();
  signal?.throwIfAborted();
  if (/EADDRINUSE/.test(output)) throw new SetupFailure(`Port ${port} is in use by another program. Choose another with --port, or leave it out for a free one.`);
  if (/EACCES/.test(output)) throw new SetupFailure(`Port ${port} may not be opened. Choose one above 1023.`);
  throw new SetupFailure(`code-server did not come up (${!runs() ? await ended : `no answer in ${READY_MS / 1000} seconds`}):\n${output.trim().split('\n').slice(-15).join('\n')}`);
}

/** @param {string} url */
async function answers(url) {
  try {
    const response = await fetch(`${url}/`, { signal: AbortSignal.timeout(10_000) });
    return response.ok && (await response.text()).includes('vscode');
  } catch {
    return false;
  }
}

/**
 * The environment without what would change code-server's address, its login or the VS Code that this script may itself run in.
 * @param {NodeJS.ProcessEnv} env
 */
function codeServerEnv(env) {
  const kept = Object.entries(env).filter(([name]) => !/^(PORT|PASSWORD|HASHED_PASSWORD|GITHUB_TOKEN|CODE_SERVER_.*|CS_.*|VSCODE_.*|ELECTRON_.*)$/.test(name));
  // With this variable VS Code takes the environment as it is, instead of asking a login shell, which may set another PATH.
  return { ...Object.fromEntries(kept), VSCODE_CLI: '1' };
}
