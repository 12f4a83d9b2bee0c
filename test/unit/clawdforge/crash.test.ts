import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { spoken } from '../../loopback/clawdforge/script.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { LONG, WORKER } from '../store/support.ts';
import type { CrashLook, CrashOrder } from './crashChild.ts';

/** How much later each life is said to be, so that the leases of the one before are late; milliseconds. */
const RESTART = 60_000;

let folder: string;
let program: string;
let server: ForgeTestServer;
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-forge-crash-'));
  program = path.join(folder, 'child.mjs');
  await esbuild.build({
    entryPoints: [fileURLToPath(new URL('./crashChild.ts', import.meta.url))], outfile: program, bundle: true, platform: 'node', format: 'esm', target: 'node22', logLevel: 'error',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  server = await new ForgeTestServer().start();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Life {
  readonly lines: readonly string[];
  /** Null where it was killed. */
  readonly look: CrashLook | null;
}

function live(order: CrashOrder): Promise<Life> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--disable-warning=ExperimentalWarning', program, JSON.stringify(order)], { timeout: 25_000, killSignal: 'SIGTERM' }, (error, stdout, stderr) => {
      if (error !== null && error.signal !== 'SIGKILL') {
        reject(new Error(`${error.message}\n${stdout}${stderr}`));
        return;
      }
      const lines = stdout.trim().split('\n');
      resolve({ lines, look: error === null ? (JSON.parse(lines.at(-1) ?? '') as CrashLook) : null });
    });
  });
}

/** A session of its own with one turn, then a second that a crash may hit, then a life that only looks. */
async function scene(name: string, die: CrashOrder['die']): Promise<{ readonly first: Life; readonly after: CrashLook; readonly asked: number; readonly answer: string }> {
  const token = server.token(name);
  const forge = new Forge({ baseUrl: server.url, token });
  const { sessionId } = await forge.createSession();
  await forge.close();
  const answer = `Answer of ${name}.`;
  server.script = ({ prompt }) => ({ events: prompt === 'Look' ? spoken('Looked.') : spoken(answer), stepMs: 15 });
  const base = { folder: path.join(folder, name), workerUrl: WORKER, url: server.url, token, sessionId };
  const first = await live({ ...base, ahead: 0, die, prompt: `Prompt of ${name}` });
  // A server whose client is gone finds that out, or ends its turn.
  await expect.poll(() => server.sessions.get(sessionId)?.busy).toBe(false);
  const { look } = await live({ ...base, ahead: RESTART, die: null, prompt: null });
  if (look === null) throw new Error('It should have lived.');
  return { first, after: look, asked: server.prompts().filter((prompt) => prompt === `Prompt of ${name}`).length, answer };
}

it('wherever a window is killed: a prompt is sent at most once, is shown once or waits, and an answer that was told is there', { timeout: 280_000 }, async () => {
  const whole = await scene('whole', null);
  const writes = whole.first.look?.writes ?? 0;
  expect(writes).toBeGreaterThan(8);
  expect(whole.after.rows.map((row) => row.kind)).toEqual(['prompt', 'text', 'turn']);
  const points = Array.from({ length: writes }, (_, index) => index + 1).flatMap((nth) => [{ nth, after: false }, { nth, after: true }]);
  const step = LONG ? 1 : Math.ceil(points.length / 6);
  const offset = Math.floor(Math.random() * step);
  for (const point of points.filter((_, index) => index % step === offset)) {
    const name = `${point.after ? 'behind' : 'before'}-${point.nth}`;
    const { first, after, asked, answer } = await scene(name, point);
    const seen = `${name}: ${JSON.stringify({ first: first.lines, after, asked })}`;
    expect(asked, seen).toBeLessThanOrEqual(1);
    const prompts = after.rows.filter((row) => row.kind === 'prompt').length;
    expect(prompts, seen).toBeLessThanOrEqual(1);
    // What the window accepted is never lost: it is shown, or waits for the person.
    if (first.lines.some((line) => line.startsWith('accepted'))) expect(prompts + after.outbox.length, seen).toBe(1);
    if (asked === 1) expect(prompts, seen).toBe(1);
    expect(after.rows.filter((row) => row.kind === 'turn').length, seen).toBe(prompts);
    expect(after.rows.some((row) => row.state === 'streaming' || row.state === 'running'), seen).toBe(false);
    // Told as done: all of it is there.
    if (first.lines.some((line) => /^told \S+ completed$/.test(line))) expect(after.rows.filter((row) => row.kind === 'text').map((row) => row.text), seen).toEqual([answer]);
    else if (prompts === 1 && after.rows.at(-1)?.state !== 'completed') expect(after.rows.at(-1), seen).toMatchObject({ kind: 'turn', state: 'failed' });
  }
});
