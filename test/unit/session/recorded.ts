import { readdirSync } from 'node:fs';
import type { Entry } from '../../../src/core/model/entry.ts';
import { entriesOfRecording } from '../local/acpRecording.ts';
import { recording, replay, transcriptEntries } from '../local/claudeRecording.ts';
import { entriesOfFile, entriesOfWire } from '../local/codexRecording.ts';

/** A recorded session: what its system's normaliser made of the wire, of the file on disk, or of both. */
export interface RecordedSession {
  readonly name: string;
  readonly entries: readonly Entry[];
}

function namesIn(folder: string): string[] {
  const files = readdirSync(new URL(`../../fixtures/${folder}/`, import.meta.url));
  return files.flatMap((file) => (file.endsWith('.jsonl') ? [file.slice(0, -'.jsonl'.length)] : []));
}

async function readAll(): Promise<RecordedSession[]> {
  const all: RecordedSession[] = [];
  for (const name of namesIn('acp')) all.push({ name: `acp ${name}`, entries: entriesOfRecording(name) });
  for (const name of namesIn('claude')) all.push({ name: `claude ${name}`, entries: replay(recording(name)).entries });
  const transcript = await transcriptEntries(7);
  all.push({ name: 'claude transcript', entries: transcript }, { name: 'claude wire and transcript', entries: [...replay(recording('whole-wire')).entries, ...transcript] });
  for (const name of namesIn('codex')) {
    all.push({ name: `codex ${name}`, entries: name.startsWith('rollout-') ? entriesOfFile(name) : await entriesOfWire(name) });
  }
  for (const format of ['legacy', 'paginated']) {
    all.push({ name: `codex wire and file, ${format}`, entries: [...entriesOfFile(`rollout-${format}`), ...(await entriesOfWire(`wire-${format}`))] });
  }
  return all.filter(({ entries }) => entries.length > 1);
}

/** Every recorded session of the repository. */
export const recordedSessions: readonly RecordedSession[] = await readAll();
