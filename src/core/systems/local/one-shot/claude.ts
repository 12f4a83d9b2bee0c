import { randomUUID } from 'node:crypto';
import type { Entry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { configFolder } from '../claude/launch.ts';
import { listRunners } from '../claude/runners.ts';
import { parseJsonLine } from '../lines.ts';
import type { Driver, Turn } from './agent.ts';
import { BACKEND_CLAUDE, needUuid, SANDBOX_READ_ONLY } from './types.ts';

const reading = 'Read,Glob,Grep,WebFetch,WebSearch';
/**
 * `--allowedTools` next to `--dangerously-skip-permissions` keeps nothing from writing (seen with Claude Code 2.1.329): what writes, runs commands or
 * starts agents that could is denied by name, which wins over every permission.
 */
const writing = 'Bash,PowerShell,Edit,MultiEdit,NotebookEdit,Write,Agent,Task,Workflow,mcp__*';

/** `claude -p --output-format json`, the prompt on stdin. Workspace-write and full access are one to it. */
export const claudeDriver: Driver = {
  name: BACKEND_CLAUDE,
  label: 'Claude Code',
  program: 'claude',
  install: 'npm install -g @anthropic-ai/claude-code',
  async runBy(sessionId, env) {
    return (await listRunners(configFolder(env))).get(sessionId.toLowerCase())?.name ?? null;
  },
  begin(turn) {
    // Anything else might be read as a flag.
    needUuid(turn.sessionId, 'Claude Code');
    let last: JsonValue = null;
    const base = `one-shot:${randomUUID()}`;
    return Promise.resolve({
      args: argsOf(turn),
      sessionId: null,
      line(line) {
        const value = parseJsonLine(line);
        const result = value === undefined ? null : resultIn(value);
        if (result === null) return [];
        last = result;
        return entriesOf(result, base);
      },
      read(stdout) {
        const result = resultIn(last) ?? resultIn(parseJsonLine(stdout) ?? null);
        if (result === null) return Promise.resolve(null);
        const { session_id: session, result: text, is_error: failed, errors } = result;
        const said = typeof text === 'string' ? text : Array.isArray(errors) ? errors.filter((one: JsonValue): one is string => typeof one === 'string').join('\n') : '';
        return Promise.resolve({ failed: failed === true, finalMessage: said, sessionId: typeof session === 'string' ? session : null, raw: result });
      },
      dispose: () => Promise.resolve(),
    });
  },
};

function argsOf(turn: Turn): readonly string[] {
  const args = ['-p', '--output-format', 'json'];
  if (turn.sessionId !== null) args.push('--resume', turn.sessionId);
  if (turn.model !== null) args.push('--model', turn.model);
  if (turn.sandbox === SANDBOX_READ_ONLY) args.push('--allowedTools', reading, '--disallowedTools', writing);
  args.push('--dangerously-skip-permissions', ...turn.extraArgs);
  return args;
}

/** The result within an output: an object, or the last of a list of events (`--verbose`). */
function resultIn(value: JsonValue): JsonObject | null {
  const candidate: JsonValue = Array.isArray(value) ? (value.findLast((one: JsonValue) => isJsonObject(one) && one['type'] === 'result') as JsonValue | undefined) ?? null : value;
  return isJsonObject(candidate) && candidate['type'] === 'result' ? candidate : null;
}

function entriesOf(result: JsonObject, id: string): readonly Entry[] {
  const { result: text, is_error: failed, duration_ms: duration, total_cost_usd: cost, usage } = result;
  const now = Date.now();
  const shared = { rev: 1, at: now, turn: id, parent: null };
  const tokens: JsonObject = isJsonObject(usage) ? usage : {};
  const count = (key: string): number | null => (typeof tokens[key] === 'number' ? tokens[key] : null);
  const entries: Entry[] = [];
  if (typeof text === 'string' && text !== '' && failed !== true) entries.push({ kind: 'text', id: `${id}/text`, row: `${id}/text`, order: [now, 0], ...shared, text });
  entries.push({
    kind: 'turn', id: `${id}/end`, row: `${id}/end`, order: [now, 1], ...shared, turn: id, phase: 'end', state: failed === true ? 'failed' : 'completed', durationMs: typeof duration === 'number' ? duration : null,
    figures: { inputTokens: count('input_tokens'), outputTokens: count('output_tokens'), cachedTokens: count('cache_read_input_tokens'), costUsd: typeof cost === 'number' ? cost : null, contextTokens: null, contextWindow: null },
    filesChanged: [], error: failed === true ? (typeof text === 'string' ? text : 'The turn failed.') : null,
  });
  return entries;
}
