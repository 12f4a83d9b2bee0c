// @ts-check
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cachePath, say } from './cache.mjs';
import { endTree } from './processes.mjs';
import { cleanEnv, repoRoot } from './run.mjs';

const READY_MS = 30_000;
const END_MS = 3_000;

/**
 * A demo fleet that runs. `env` tells the extension where its account's key is; `folder` is what HAPPY_HOME_DIR may name.
 * @typedef {{ url: string, machines: number, sessions: number, folder: string, env: { PILOTHOUSE_DEMO_FLEET: string }, ended: Promise<string>, end: () => Promise<void> }} DemoFleet
 */

/**
 * Starts the demo fleet on loopback. It ends with this process, however that ends.
 * @param {{ node: string, folder?: string }} what the Node 24 that runs it, and where its key is kept
 * @returns {Promise<DemoFleet | undefined>} undefined, and a line that says why, where it did not come up: VS Code is of use without it
 */
export async function startDemoFleet({ node, folder = cachePath('demo-fleet') }) {
  const child = spawn(node, [join(repoRoot, 'test', 'demo', 'fleet.ts'), folder], { cwd: repoRoot, env: cleanEnv(), stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => { output += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { errors = (errors + text).slice(-10_000); });
  child.stdin.on('error', () => undefined);
  /** @type {Promise<string>} */
  const ended = new Promise((done) => {
    child.on('error', (error) => done(String(error)));
    child.on('close', (code, signal) => done(signal === null ? `exit code ${code}` : `ended by ${signal}`));
  });
  const runs = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const end = async () => {
    child.stdin.end();
    await Promise.race([ended, sleep(END_MS, undefined, { ref: false })]);
    if (runs() && child.pid !== undefined) await endTree(child.pid);
  };
  for (const deadline = Date.now() + READY_MS; runs() && Date.now() < deadline; await sleep(25)) {
    const told = standing(output);
    if (told !== undefined) return { ...told, folder, env: { PILOTHOUSE_DEMO_FLEET: folder }, ended, end };
  }
  const why = runs() ? `no word in ${READY_MS / 1000} seconds` : await ended;
  await end();
  say(`the demo fleet did not come up (${why}), so it is left out${errors === '' ? '' : `:\n${errors.trim().split('\n').slice(-5).join('\n')}`}`);
  return undefined;
}

/**
 * @param {string} output
 * @returns {{ url: string, machines: number, sessions: number } | undefined}
 */
function standing(output) {
  const line = output.includes('\n') ? output.slice(0, output.indexOf('\n')) : '';
  return line === '' ? undefined : JSON.parse(line);
}
