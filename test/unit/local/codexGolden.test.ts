import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { entriesOfFile, entriesOfWire } from './codexRecording.ts';

const wires = ['appserver', 'codemode', 'noauth', 'midexec-interrupt-workspace-write', 'midexec-SIGKILL-workspace-write', 'compat-0.73.0', 'compat-0.111.0', 'compat-0.150.0', 'compat-0.169.0', 'wire-paginated', 'wire-legacy'];
const files = ['rollout-paginated', 'rollout-legacy'];

function golden(name: string, view: readonly Row[]): void {
  const text = `${JSON.stringify(view, null, 1)}\n`;
  const file = fileURLToPath(new URL(`golden/codex-${name}.json`, import.meta.url));
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  expect(existsSync(file), `${file} is missing: write it with UPDATE_GOLDEN=1`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

describe('recorded wires and files of Codex give the committed views', () => {
  it.each(wires)('%s', async (name) => golden(name, viewOf(await entriesOfWire(name))));
  it.each(files)('%s', (name) => golden(name, viewOf(entriesOfFile(name))));
});

/** What both sides tell of a row; requests for permission are the wire's alone. */
function told(rows: readonly Row[]): unknown[] {
  return rows.filter((row) => row.kind !== 'permission').map((row) => {
    if (row.kind === 'tool') return [row.key, row.kind, row.turn, row.name, row.command, row.status, row.output, row.diffs, row.exitCode];
    if (row.kind === 'turn') return [row.key, row.kind, row.state, row.filesChanged, row.figures, row.error, row.durationMs];
    if (row.kind === 'text' || row.kind === 'thinking' || row.kind === 'prompt') return [row.key, row.kind, row.turn, row.text];
    return [row.key, row.kind, row.turn];
  });
}

describe('the wire and the file of one thread are one transcript', () => {
  it('row by row, where the file holds finished items', async () => {
    const [wire, file] = [viewOf(await entriesOfWire('wire-paginated')), viewOf(entriesOfFile('rollout-paginated'))];
    expect(told(file)).toEqual(told(wire));
  });

  it.each(['paginated', 'legacy'])('%s: together they have the rows of the wire, in its order', async (format) => {
    const wire = await entriesOfWire(`wire-${format}`);
    const both = viewOf([...entriesOfFile(`rollout-${format}`), ...wire]);
    const keys = (rows: readonly Row[]): readonly string[] => rows.map((row) => row.key);
    const alone = keys(viewOf(wire));
    // Prompts that another client sent have no id in a file of the old format: these are two, and only these.
    const extra = keys(both).filter((key) => !alone.includes(key));
    expect(extra.every((key) => format === 'legacy' && key.startsWith('@'))).toBe(true);
    expect(keys(both).filter((key) => !extra.includes(key))).toEqual(alone);
  });

  it.each([...wires, ...files])('%s: any order of the entries, any of them twice, is the same view', async (name) => {
    const entries = files.includes(name) ? entriesOfFile(name) : await entriesOfWire(name);
    const view = JSON.stringify(viewOf(entries));
    fc.assert(
      fc.property(fc.shuffledSubarray([...entries], { minLength: entries.length }), fc.array(fc.nat(Math.max(0, entries.length - 1)), { maxLength: 20 }), (mixed, again) => {
        const repeated = again.flatMap((index) => entries.slice(index, index + 1));
        expect(JSON.stringify(viewOf([...mixed, ...repeated]))).toBe(view);
      }),
      { numRuns: 10 },
    );
  });
});
