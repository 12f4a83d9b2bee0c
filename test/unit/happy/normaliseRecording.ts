import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import type { MessageInput, NormaliseContext } from '../../../src/core/systems/happy/normalise/index.ts';
import { flavourOf, SessionNormaliser } from '../../../src/core/systems/happy/normalise/index.ts';

export interface Recording {
  readonly messages: readonly MessageInput[];
  readonly states: readonly { readonly agentState: JsonValue; readonly version: number }[];
  readonly metadata: JsonValue | undefined;
  readonly context: NormaliseContext;
}
type Line = { readonly message: MessageInput } | { readonly agentState: JsonValue; readonly version: number } | { readonly metadata: JsonValue; readonly version: number };

const folder = fileURLToPath(new URL('../../fixtures/happy/', import.meta.url));
export const recordings: readonly string[] = readdirSync(folder).filter((file) => file.endsWith('.jsonl')).map((file) => file.slice(0, -'.jsonl'.length)).sort();

/** The prompts of the recordings were sent by `lab`: here it is us. */
const context: NormaliseContext = { folder: '/home/dev/work/p2', agent: 'claude', sentFrom: 'lab', clockLagMs: 0 };

export function readRecording(name: string): Recording {
  const lines = readFileSync(`${folder}${name}.jsonl`, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Line);
  const metadata = lines.flatMap((line) => ('metadata' in line ? [line.metadata] : [])).at(-1);
  return {
    metadata, context: { ...context, agent: flavourOf(metadata) },
    messages: lines.flatMap((line) => ('message' in line ? [line.message] : [])),
    states: lines.flatMap((line) => ('agentState' in line ? [line] : [])),
  };
}

/** Entries of a recording as they come when it is followed from its beginning: all messages, then every version of the agent's state. */
export function entriesOfRecording({ messages, states, context: of }: Recording): Entry[] {
  const log = new SessionNormaliser(of);
  return [...log.messages(messages), ...states.flatMap(({ agentState, version }) => log.agentState(agentState, version))];
}
