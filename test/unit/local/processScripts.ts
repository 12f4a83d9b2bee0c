import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Logger } from '../../../src/core/model/context.ts';

/** A logger that keeps what it is told. */
export function memoryLog(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const add = (message: string, data?: Readonly<Record<string, unknown>>): void => {
    lines.push(data === undefined ? message : `${message} ${JSON.stringify(data)}`);
  };
  const log = { lines, trace: add, debug: add, info: add, warn: add, error: add, child: () => log };
  return log;
}

export async function tempFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-local-'));
  return { path: folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Writes a Node script and gives its path. */
export async function script(folder: string, name: string, code: string): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, code);
  return file;
}

/** Resolves when `check` gives a value; fails after `ms`. */
export async function until<T>(check: () => T | undefined | false | Promise<T | undefined | false>, ms = 5000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error('what was waited for did not come');
    await new Promise((resolve) => {
      setTimeout(resolve, 15);
    });
  }
}
