import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Entry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { entriesOf } from '../codex/entries.ts';
import { readItem } from '../codex/item.ts';
import { todoEntry, turnEnd } from '../codex/turns.ts';
import { parseJsonLine } from '../lines.ts';
import type { Driver, Turn } from './agent.ts';
import { BACKEND_CODEX, needUuid } from './types.ts';

/** `codex exec --json -o FILE`, the prompt on stdin; its sandbox is Codex's own. */
export const codexDriver: Driver = {
  name: BACKEND_CODEX,
  label: 'Codex',
  program: 'codex',
  install: 'npm install -g @openai/codex',
  // Codex itself refuses a second one.
  runBy: () => Promise.resolve(null),
  async begin(turn) {
    // Codex takes an unknown name for a wish to begin anew, and says nothing.
    needUuid(turn.sessionId, 'Codex');
    const folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-codex-'));
    const last = path.join(folder, 'last-message.txt');
    const events: JsonObject[] = [];
    const log = new ExecLog(turn.number);
    return {
      args: argsOf(turn, last),
      get sessionId() {
        return log.thread;
      },
      line(line) {
        const event = parseJsonLine(line);
        if (event === undefined || !isJsonObject(event)) return [];
        events.push(event);
        return log.event(event, Date.now());
      },
      async read(stdout) {
        // Each line is an event; anything else among them is not its format.
        const whole = stdout.trim().split('\n').every((line) => isJsonObject(parseJsonLine(line)));
        if (!whole || log.thread === null) return null;
        // After a failure Codex leaves the file empty.
        const written = await readFile(last, 'utf8').catch(() => '');
        return { failed: log.error !== null || !log.completed, finalMessage: written === '' ? (log.said ?? log.error ?? '') : written, sessionId: log.thread, raw: events };
      },
      dispose: () => rm(folder, { recursive: true, force: true }),
    };
  },
};

function argsOf(turn: Turn, last: string): readonly string[] {
  const shared = ['--json', '--skip-git-repo-check', '-o', last, ...(turn.model === null ? [] : ['-m', turn.model]), ...turn.extraArgs];
  const resumed = turn.sessionId === null ? shared : ['resume', ...shared, turn.sessionId];
  return ['exec', '-s', turn.sandbox, ...resumed, '-'];
}

const types: Readonly<Record<string, string>> = {
  agent_message: 'agentMessage', reasoning: 'reasoning', command_execution: 'commandExecution', file_change: 'fileChange', mcp_tool_call: 'mcpToolCall', web_search: 'webSearch',
};

/** Events of `codex exec --json` (0.73 to 0.169) → entries. Items have ids of their turn only (`item_0` …). */
class ExecLog {
  thread: string | null = null;
  said: string | null = null;
  error: string | null = null;
  completed = false;
  readonly #turn: string;
  #ordinal = 0;
  readonly #begun = new Map<string, number>();

  constructor(number: number) {
    this.#turn = `one-shot-${number}`;
  }

  event(event: JsonObject, now: number): readonly Entry[] {
    this.#ordinal += 1;
    const place = { order: [now, this.#ordinal], at: now, turn: this.#turn, parent: null };
    switch (event['type']) {
      case 'thread.started':
        this.thread = typeof event['thread_id'] === 'string' ? event['thread_id'] : null;
        return [];
      case 'item.started':
      case 'item.updated':
      case 'item.completed':
        return this.#item(isJsonObject(event['item']) ? event['item'] : {}, event['type'] === 'item.completed', now);
      case 'turn.completed': {
        this.completed = true;
        this.error = null;
        const usage: JsonObject = isJsonObject(event['usage']) ? event['usage'] : {};
        const count = (key: string): number | null => (typeof usage[key] === 'number' ? usage[key] : null);
        const figures = { inputTokens: count('input_tokens'), outputTokens: count('output_tokens'), cachedTokens: count('cached_input_tokens'), costUsd: null, contextTokens: null, contextWindow: null };
        return turnEnd(this.#turn, place, { state: 'completed', durationMs: null, figures, filesChanged: [], error: null });
      }
      case 'turn.failed': {
        const failure = isJsonObject(event['error']) ? event['error']['message'] : null;
        this.error = typeof failure === 'string' ? failure : (this.error ?? 'The turn failed.');
        return turnEnd(this.#turn, place, { state: 'failed', durationMs: null, figures: null, filesChanged: [], error: { message: this.error, codexErrorInfo: null, additionalDetails: null } });
      }
      case 'error': {
        const message = typeof event['message'] === 'string' ? event['message'] : 'Codex told of an error.';
        this.error = message;
        const id = `notice:${this.#turn}:retrying`;
        return [{ kind: 'notice', id, row: id, ...place, order: [now, 0], rev: this.#ordinal, level: 'warning', code: 'retrying', text: message, remedy: null }];
      }
      default: return [];
    }
  }

  #item(raw: JsonObject, ended: boolean, now: number): readonly Entry[] {
    const { id: own, type, text, message } = raw;
    if (typeof own !== 'string') return [];
    const id = `${this.thread ?? ''}:${this.#turn}:${own}`;
    const began = this.#begun.get(id) ?? now;
    this.#begun.set(id, began);
    const place = { order: [began, Number(own.replace(/\D/g, '')) || 0], at: began, turn: this.#turn, parent: null };
    if (type === 'agent_message' && ended && typeof text === 'string') this.said = text;
    if (type === 'error') return typeof message === 'string' ? [{ kind: 'notice', id, row: id, ...place, rev: 1, level: 'warning', code: 'warning', text: message, remedy: null }] : [];
    if (type === 'todo_list') {
      const items = Array.isArray(raw['items']) ? raw['items'] : [];
      const steps = items.flatMap((one: JsonValue) => (isJsonObject(one) && typeof one['text'] === 'string' ? [{ step: one['text'], status: one['completed'] === true ? 'completed' : 'pending' }] : []));
      return [todoEntry(this.#turn, steps, place, this.#ordinal)];
    }
    const known = types[typeof type === 'string' ? type : ''];
    const changes = Array.isArray(raw['changes']) ? raw['changes'].map((one: JsonValue) => (isJsonObject(one) ? { path: one['path'] ?? '', kind: { type: one['kind'] ?? 'update', move_path: null }, diff: one['diff'] ?? '' } : one)) : [];
    const item = readItem(
      known === undefined ? { ...raw, id } : { ...raw, id, type: known, summary: typeof text === 'string' ? [text] : [], commandActions: [], aggregatedOutput: raw['aggregated_output'] ?? null, exitCode: raw['exit_code'] ?? null, changes },
    );
    return entriesOf(item, place, { ended, aborted: false });
  }
}
