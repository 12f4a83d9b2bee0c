import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { SessionBackend } from '../../src/core/model/backend.ts';
import type { Entry } from '../../src/core/model/entry.ts';
import { PilothouseError } from '../../src/core/model/errors.ts';
import type { Row } from '../../src/core/model/row.ts';
import type { Session } from '../../src/core/model/session.ts';

export const machineId = 'this-computer';
export const nobody = '00000000-0000-4000-8000-000000000000';

/** Rows without what only one of two sources can know: times, figures, permissions and notices. */
export function essence(rows: readonly Row[], keys: boolean): unknown[] {
  return rows.flatMap((row): unknown[] => {
    const key = keys ? { key: row.key } : {};
    if (row.kind === 'prompt') return [{ ...key, kind: row.kind, text: row.text.trim() }];
    if (row.kind === 'text') return [{ ...key, kind: row.kind, text: row.text.trim(), streaming: row.streaming }];
    if (row.kind === 'tool') return [{ ...key, kind: row.kind, title: row.title, status: row.status, output: row.output.trim(), files: row.diffs.map((diff) => diff.path) }];
    return [];
  });
}

export async function rejection(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('It did not reject.');
}
export async function code(work: Promise<unknown>): Promise<string> {
  const error = await rejection(work);
  expect(error).toBeInstanceOf(PilothouseError);
  return (error as PilothouseError).code;
}

export async function pidIn(file: string): Promise<number> {
  for (let tries = 0; tries < 400; tries += 1) {
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).trim());
    if (pid > 0) return pid;
    await new Promise((resolve) => {
      setTimeout(resolve, 25);
    });
  }
  throw new Error(`No process id was written to ${file}.`);
}

export async function everySession(backend: SessionBackend, folder?: string): Promise<readonly Session[]> {
  const found: Session[] = [];
  let cursor: string | undefined;
  do {
    const page = await backend.sessions({ limit: 3, ...(cursor === undefined ? {} : { cursor }), ...(folder === undefined ? {} : { folder }) });
    found.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return found;
}

export async function wholeHistory(backend: SessionBackend, id: string, stored?: number): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  let cursor: string | undefined;
  do {
    const page = await backend.session(id).history({ limit: 7, ...(cursor === undefined ? {} : { cursor }), ...(stored === undefined ? {} : { stored }) });
    found.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return found;
}
