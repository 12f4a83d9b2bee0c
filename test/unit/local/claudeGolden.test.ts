import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { viewOf } from '../../../src/core/session/view.ts';
import { canonicalJson } from '../../../src/core/model/json.ts';
import { assertOrderFree } from '../session/properties.ts';
import { recording, replay, told, transcriptEntries } from './claudeRecording.ts';

const wires = [
  'whole-wire', 'multiturn', 'permissions', 'interrupt', 'pgroups', 'always-local', 'image', 'noauth', 'err-401', 'err-400', 'err-529-then-ok', 'err-stall', 'err-sse', 'resume-missing',
  'kill-SIGKILL', 'kill-SIGKILL-resume', 'kill-SIGTERM', 'garbage', 'hang-idle5s', 'compat-1.0.123', 'compat-2.1.59', 'compat-2.1.197', 'compat-2.1.329',
];

function golden(name: string, value: unknown): void {
  const text = `${JSON.stringify(value, null, 1)}\n`;
  const file = fileURLToPath(new URL(`golden/claude-${name}.json`, import.meta.url));
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  expect(existsSync(file), `${file} is missing: write it with UPDATE_GOLDEN=1`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

describe('recorded wires of Claude Code give the committed views', () => {
  it.each(wires)('%s', (name) => {
    const { entries, told } = replay(recording(name));
    golden(name, { told, rows: viewOf(entries) });
  });

  it('the transcript of the whole session', async () => golden('whole-transcript', viewOf(await transcriptEntries(1000))));

  it.each(wires)('%s: the view depends on the set of its entries alone', async (name) => {
    const { entries } = replay(recording(name));
    await assertOrderFree(entries, { runs: 3 });
  });
});

describe('the wire and the transcript of one session are one', () => {
  it('row by row', async () => {
    const wire = viewOf(replay(recording('whole-wire')).entries);
    const disk = viewOf(await transcriptEntries(1000));
    expect(told(disk)).toEqual(told(wire));
  });

  it('together they have the rows of the wire, in its order, whatever the pages', async () => {
    const { entries } = replay(recording('whole-wire'));
    const wire = viewOf(entries).map((row) => row.key);
    for (const limit of [1, 3, 7, 1000]) expect(viewOf([...(await transcriptEntries(limit)), ...entries]).map((row) => row.key)).toEqual(wire);
    await assertOrderFree([...entries, ...(await transcriptEntries(5))], { runs: 3 });
  });

  it('pages of any size hold the same entries', async () => {
    const sorted = async (limit: number): Promise<string[]> => [...new Set((await transcriptEntries(limit)).map((entry) => canonicalJson(entry)))].sort();
    const whole = await sorted(1000);
    for (const limit of [1, 2, 3, 5, 8, 13]) expect(await sorted(limit)).toEqual(whole);
  });
});
