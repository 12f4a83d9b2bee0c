import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { viewOf } from '../../../src/core/session/view.ts';
import { entriesOfRecording } from './acpRecording.ts';

const recordings = ['claude', 'codex', 'claude-load', 'codex-load', 'cancel-claude', 'cancel-codex', 'claude-resume', 'codex-resume'];

describe('recorded ACP wires give the committed views', () => {
  it.each(recordings)('%s', (name) => {
    const view = `${JSON.stringify(viewOf(entriesOfRecording(name)), null, 1)}\n`;
    const file = fileURLToPath(new URL(`golden/acp-${name}.json`, import.meta.url));
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, view);
    expect(existsSync(file), `${file} is missing: write it with UPDATE_GOLDEN=1`).toBe(true);
    expect(view).toBe(readFileSync(file, 'utf8'));
  });
});
