import type { AnswerEntry, Entry, PermissionEntry } from '../model/entry.ts';
import type { Row, TextRow, ThinkingRow } from '../model/row.ts';
import { foldTool } from './foldTool.ts';
import { soundEntry } from './normalise.ts';
import { joinPieces } from './pieces.ts';
import { RowEntries } from './rowEntries.ts';

/**
 * The row of these entries (versions merged already), which all belong to it, with its child rows; null while there is nothing to show, as for an answer
 * whose permission has not come. Total: what is no entry shows as an unknown row. `waiting` on a tool row tells of a permission among its own
 * entries only; a permission that is a row of its own says so itself.
 */
export function foldRow(key: string, entries: Iterable<Entry>, children: readonly Row[]): Row | null {
  const own = foldOwn(key, [...entries].map(soundEntry));
  return own === null ? null : withChildren(own, children);
}

/** A row with its child rows. One that is no tool row, and so can't hold any, stands first within a tool row made to hold them all. */
export function withChildren(own: Row, children: readonly Row[]): Row {
  if (children.length === 0) return own;
  if (own.kind === 'tool') return { ...own, children };
  return {
    kind: 'tool', key: own.key, at: own.at, turn: own.turn, name: own.kind, verb: 'agent', title: '', status: 'ok', input: null, command: null, cwd: null,
    locations: [], diffs: [], output: '', outputOmitted: 0, exitCode: null, durationMs: null, attachments: [],
    children: [{ ...own, key: `${own.key}#own` }, ...children],
  };
}

/** foldRow for entries that are known to be sound, without children. */
export function foldOwn(key: string, source: Iterable<Entry>): Row | null {
  const entries = new RowEntries(source);
  const base = { key, at: entries.at, turn: entries.turn };
  const kind = entries.kind();
  switch (kind) {
    case 'tool': return foldTool(base, entries);
    case 'permission': return foldPermission(base, entries);
    case 'text':
    case 'thinking': return foldText(base, entries, kind);
    case 'prompt': return foldPrompt(base, entries);
    case 'todo': return { ...base, kind, items: entries.last('todo')?.items ?? [] };
    case 'file': return { ...base, kind, file: entries.last('file')?.file ?? { name: '', mediaType: '', size: null, data: null, path: null } };
    case 'notice': {
      const notice = entries.last('notice');
      return { ...base, kind, level: notice?.level ?? 'info', code: notice?.code ?? '', text: notice?.text ?? '', remedy: notice?.remedy ?? null };
    }
    case 'turn': {
      const end = entries.of('turn').findLast((entry) => entry.phase === 'end');
      return {
        ...base, kind, state: end?.state ?? 'completed', durationMs: end?.durationMs ?? null, figures: end?.figures ?? null,
        filesChanged: end?.filesChanged ?? [], error: end?.error ?? null,
      };
    }
    case 'unknown': {
      const list = entries.of('unknown');
      const [first] = list;
      return { ...base, kind, source: first?.source ?? '', raw: list.length === 1 ? (first?.raw ?? null) : list.map((entry) => entry.raw) };
    }
    default: return null;
  }
}

type Base = Pick<Row, 'key' | 'at' | 'turn'>;

/** A whole block takes the place of its pieces. Several blocks of one row stand one below the other. */
function foldText(base: Base, entries: RowEntries, kind: 'text' | 'thinking'): TextRow | ThinkingRow {
  const whole = entries.of(kind);
  if (whole.length === 0) return { ...base, kind, text: joinPieces(entries.pieces(kind)), streaming: true };
  return { ...base, kind, text: whole.map((entry) => entry.text).join('\n\n'), streaming: false };
}

function foldPrompt(base: Base, entries: RowEntries): Row {
  const prompt = entries.last('prompt');
  const clientId = entries.of('prompt').findLast((entry) => entry.clientId !== null)?.clientId ?? null;
  return { ...base, kind: 'prompt', text: prompt?.text ?? '', attachments: prompt?.attachments ?? [], clientId };
}

function foldPermission(base: Base, entries: RowEntries): Row | null {
  const asked = entries.last('permission');
  if (asked === undefined) return null;
  const answer = answerTo(asked, entries);
  return {
    ...base, kind: 'permission', ...(asked.callId === null ? {} : { callId: asked.callId }), requestId: asked.requestId, ask: asked.ask, tool: asked.tool, title: asked.title, reason: asked.reason, input: asked.input,
    command: asked.command, cwd: asked.cwd, diffs: asked.diffs, plan: asked.plan, questions: asked.questions, options: asked.options,
    takesReason: asked.takesReason, outcome: answer?.outcome ?? null, answerReason: answer?.reason ?? null, answers: answer?.answers ?? {},
  };
}

/** The answer that holds for a permission: the one that stands last. */
function answerTo(asked: PermissionEntry, entries: RowEntries): AnswerEntry | undefined {
  return entries.of('answer').findLast((answer) => answer.requestId === asked.requestId);
}
