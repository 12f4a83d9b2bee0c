import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { projectRoot } from './rig.ts';
import { until, WAIT_MS } from './wait.ts';

/** The variable that tells the helper extension where to listen. */
export const HELPER_VARIABLE = 'PILOTHOUSE_TEST_HELPER';
const NAME = 'pilothouse-test.test-helper-1.0.0';

/** Adds the helper extension to an extensions folder, and makes the folder's list of extensions true of the place that it was copied to. */
export function installHelper(extensionsDir: string): void {
  cpSync(join(projectRoot, 'test', 'e2e', 'driver', 'helper'), join(extensionsDir, NAME), { recursive: true });
  const list = join(extensionsDir, 'extensions.json');
  const entries = JSON.parse(readFileSync(list, 'utf8')) as { relativeLocation: string; location: unknown }[];
  const helper = { identifier: { id: 'pilothouse-test.test-helper' }, version: '1.0.0', relativeLocation: NAME, location: {}, metadata: {} };
  const located = [...entries, helper].map((entry) => ({ ...entry, location: { $mid: 1, path: join(extensionsDir, entry.relativeLocation), scheme: 'file' } }));
  writeFileSync(list, JSON.stringify(located));
}

/** What can be asked of the helper extension. */
export type HelperRequest =
  | { readonly action: 'execute'; readonly command: string; readonly args: readonly unknown[] }
  | { readonly action: 'isActive'; readonly extension: string }
  | { readonly action: 'settings'; readonly changes: Readonly<Record<string, unknown>> }
  | { readonly action: 'setting'; readonly name: string };

/**
 * Asks the helper extension of one window.
 * @param folder where the helpers of this VS Code listen
 * @param hostPid the process id of the window's extension host
 * @returns the answer: what came through JSON
 * @throws Error with what VS Code said, or when there is no answer
 */
export async function askHelper(folder: string, hostPid: number, request: HelperRequest, timeoutMs: number = WAIT_MS): Promise<unknown> {
  const path = join(folder, `${hostPid}.sock`);
  await until('the helper extension', async () => existsSync(path), { timeoutMs: 60_000 });
  const reply = await new Promise<{ value?: unknown; error?: string }>((done, fail) => {
    const socket = connect(path);
    let text = '';
    const timer = setTimeout(() => socket.destroy(new Error(`the helper extension did not answer ${JSON.stringify(request)} within ${timeoutMs / 1000} s`)), timeoutMs);
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (part) => { text += String(part); });
    socket.on('error', fail);
    socket.on('close', () => {
      clearTimeout(timer);
      try {
        done(JSON.parse(text) as { value?: unknown; error?: string });
      } catch (cause) {
        fail(new Error('the helper extension went away without an answer', { cause }));
      }
    });
  });
  if (reply.error !== undefined) throw new Error(reply.error);
  return reply.value;
}
