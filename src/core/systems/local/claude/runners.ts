import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { identify } from '../processTree.ts';
import { num, str } from './wire.ts';

/** A Claude Code process that says it runs a session. */
export interface Runner {
  readonly sessionId: string;
  readonly pid: number;
  readonly busy: boolean;
  /** What it is, in a person's words. */
  readonly name: string;
}

function nameOf(entrypoint: string | null, kind: string | null, pid: number): string {
  if (kind === 'background' || kind === 'bg') return `Claude Code in the background (process ${pid})`;
  if (entrypoint === 'cli') return `Claude Code in a terminal (process ${pid})`;
  if (entrypoint === 'claude-vscode') return `the Claude Code extension (process ${pid})`;
  return `another Claude Code process (${pid})`;
}

/**
 * Who runs which session, from `<configDir>/sessions/<pid>.json`, which the agent (2.1.329; not 2.1.59) writes while it runs. Files of processes that are
 * gone are left behind by a kill: the process must be there, with the start time of the note.
 */
export async function listRunners(configDir: string): Promise<ReadonlyMap<string, Runner>> {
  const folder = path.join(configDir, 'sessions');
  const runners = new Map<string, Runner>();
  for (const file of await readdir(folder).catch(() => [])) {
    if (!/^\d+\.json$/.test(file)) continue;
    try {
      const note = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as JsonValue;
      if (!isJsonObject(note)) continue;
      const pid = num(note, 'pid');
      const sessionId = str(note, 'sessionId');
      if (pid === null || sessionId === null) continue;
      const found = await identify(pid);
      const start = str(note, 'procStart');
      if (found === null || (process.platform === 'linux' && start !== null && found.start !== start)) continue;
      runners.set(sessionId.toLowerCase(), { sessionId: sessionId.toLowerCase(), pid, busy: str(note, 'status') === 'busy', name: nameOf(str(note, 'entrypoint'), str(note, 'kind'), pid) });
    } catch {
      // A note that is being written: the next look finds it.
    }
  }
  return runners;
}
