import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { controlsOf, flavourOf, localSessionOf, sessionOf } from '../../../src/core/systems/happy/normalise/index.ts';
import { entriesOfRecording, readRecording, recordings } from './normaliseRecording.ts';

function golden(name: string, value: unknown): void {
  const text = `${JSON.stringify(value, null, 1)}\n`;
  const file = fileURLToPath(new URL(`golden/${name}.json`, import.meta.url));
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  expect(existsSync(file), `${file} is missing: write it with UPDATE_GOLDEN=1`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

describe('recorded sessions of Happy give the committed views', () => {
  it.each(recordings)('%s', (name) => golden(name, viewOf(entriesOfRecording(readRecording(name)))));
});

describe('recorded rows and metadata give the committed sessions', () => {
  it.each(['07-turn-text', '13-ask-plan-task-todo-title', '16-rename', '25-legacy-variant', '26-terminal-local-mode', '30-codex-turn', '32-codex-edits', '40-acp', '42-gemini'])('%s', (name) => {
    const { messages, states, metadata, context } = readRecording(name);
    const at = messages.at(-1)?.createdAt ?? 0;
    const row = { id: name, createdAt: messages[0]?.createdAt ?? 0, updatedAt: at, active: true, activeAt: at };
    const presence = { connectedAt: at - 60_000, heardAt: at, thinking: false };
    // The last metadata of some recordings is that of the archived session: while its states came in, it ran.
    const running = { ...(metadata as JsonObject), lifecycleState: 'running' };
    const listed = states.map(({ agentState, version }) => ({ version, session: sessionOf({ connectionId: 'happy', row, metadata: running, agentState, presence, now: at + 1000 }) }));
    listed.push({ version: -1, session: sessionOf({ connectionId: 'happy', row, metadata, agentState: states.at(-1)?.agentState, presence, now: at + 1000 }) });
    const flavour = flavourOf(metadata);
    golden(`session-${name}`, { listed, local: localSessionOf(metadata), controls: controlsOf(metadata, flavour), folder: context.folder });
  });
});
