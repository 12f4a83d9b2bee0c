import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import { Replay } from '../../../src/core/systems/local/acp/loading.ts';
import { SessionLog } from '../../../src/core/systems/local/acp/normalise.ts';
import { failedTurn, turnEndOf } from '../../../src/core/systems/local/acp/outcome.ts';
import { optionsOf } from '../../../src/core/systems/local/acp/permission.ts';
import { str } from '../../../src/core/systems/local/acp/read.ts';
import { RpcError } from '../../../src/core/systems/local/rpc.ts';

interface Line {
  /** Milliseconds since the start of the recording. */
  readonly t: number;
  readonly dir: 'in' | 'out';
  readonly line: JsonObject;
}

/** When all recordings begin, in milliseconds since the epoch. */
const start = 1_800_000_000_000;

export function readRecording(name: string): readonly Line[] {
  const file = fileURLToPath(new URL(`../../fixtures/acp/${name}.jsonl`, import.meta.url));
  return readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Line);
}

const object = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {});

/** Plays a recorded wire into the normaliser as a client would have met it. */
export function entriesOfRecording(name: string): Entry[] {
  const log = new SessionLog({ scope: 'run:recorded' });
  const entries: Entry[] = [];
  const methods = new Map<JsonValue, string>();
  const asks = new Map<JsonValue, { readonly requestId: string; readonly params: JsonObject }>();
  let replay = null as Replay | null;
  let prompts = 0;
  for (const { t, dir, line } of readRecording(name)) {
    const now = start + t;
    const { method, id } = line;
    const params = object(line['params']);
    if (dir === 'in' && typeof method === 'string') {
      if (id !== undefined) methods.set(id, method);
      if (method === 'session/load') replay = new Replay();
      if (method === 'session/cancel') log.cancelling();
      if (method === 'session/prompt' && params['sessionId'] !== 'nope') {
        prompts += 1;
        const [block] = params['prompt'] as readonly JsonObject[];
        entries.push(...log.beginTurn({ clientId: `prompt-${prompts}`, text: str(object(block), 'text') ?? '', attachments: [] }, now));
      } else if (method === 'session/prompt') {
        methods.delete(id ?? null);
      }
    } else if (dir === 'in' && id !== undefined) {
      const ask = asks.get(id);
      const outcome = object(object(line['result'])['outcome']);
      const option = optionsOf(ask?.params ?? {}).find((one) => one.id === outcome['optionId']);
      const said = option === undefined ? 'withdrawn' : option.scope === 'once' ? 'allowed' : option.scope === 'always' ? 'allowed-always' : 'denied';
      if (ask !== undefined) entries.push(...log.answered(ask.requestId, { outcome: said, by: 'person', reason: null, answers: {} }, now));
    } else if (method === 'session/update') {
      if (replay?.take(params['update']) !== true) entries.push(...log.update(params['update'], now));
    } else if (method === 'session/request_permission') {
      const asked = log.asked(params, now);
      asks.set(id ?? null, { requestId: asked.requestId, params });
      entries.push(...asked.entries);
    } else if (id !== undefined && method === undefined) {
      const answered = methods.get(id);
      if (answered === 'session/load' && replay !== null) {
        replay.end();
        entries.push(...replay.entries);
        replay = null;
      }
      const error = line['error'];
      if (answered === 'session/prompt') entries.push(...log.endTurn(isJsonObject(error) ? failedTurn(new RpcError('session/prompt', error)) : turnEndOf(line['result'] ?? null), now));
    }
  }
  return [...entries, ...log.flush()];
}
