/**
 * The demo fleet: a Happy server on loopback with a made-up account of some machines and many sessions, and agents by rules in those that live. `npm start` runs it:
 * `node test/demo/fleet.ts FOLDER` keeps the account's key in FOLDER/agent.key, as Happy's own agent does, says in one line of JSON what there is, and ends with its stdin.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { animateFleet } from '../loopback/happy/animate.ts';
import { seedFleet } from '../loopback/happy/fleet.ts';
import { startHappyServer } from '../loopback/happy/server.ts';

const [, , folder] = process.argv;
if (folder === undefined) throw new Error('node test/demo/fleet.ts FOLDER');
const server = await startHappyServer();
const fleet = seedFleet(server, { long: 600 });
const animation = await animateFleet(server.url, fleet);

const file = path.join(folder, 'agent.key');
const key = JSON.stringify({ token: fleet.token, secret: toBase64(fleet.master), serverUrl: server.url });
mkdirSync(folder, { recursive: true, mode: 0o700 });
// A file that stands keeps its mode when it is written over.
rmSync(file, { force: true });
writeFileSync(file, key, { mode: 0o600 });
process.stdout.write(`${JSON.stringify({ url: server.url, machines: fleet.machines.length, sessions: fleet.sessions.length })}\n`);

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  // Another fleet may have put its own key there meanwhile.
  if (read() === key) rmSync(file, { force: true });
  animation.close();
  await server.close();
  process.exit();
}
function read(): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
process.stdin.on('end', () => void end()).on('error', () => void end()).resume();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end());
