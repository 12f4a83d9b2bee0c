import type { ToolRow, ToolStatus } from '../model/row.ts';
import { cutOutput } from './cut.ts';
import { joinPieces } from './pieces.ts';
import type { RowEntries } from './rowEntries.ts';

/** A tool call with its result, or what there is of the two: a result without its call, or pieces of its input or output alone, are a row too. */
export function foldTool(base: Pick<ToolRow, 'key' | 'at' | 'turn'>, entries: RowEntries): ToolRow {
  const call = entries.last('tool');
  const result = entries.last('result');
  const output = result?.output ?? joinPieces(entries.pieces('output'));
  const callId = callOf(entries);
  return {
    ...base,
    kind: 'tool',
    ...(callId === null ? {} : { callId }),
    name: call?.name ?? 'tool',
    verb: call?.verb ?? 'other',
    title: call?.title ?? '',
    status: result?.status ?? (isWaiting(entries) ? 'waiting' : ('running' satisfies ToolStatus)),
    // While the call itself is not here whole, the pieces of its input as text.
    input: call === undefined || call.stage === 'streaming' ? joinPieces(entries.pieces('input')) || null : call.input,
    command: call?.command ?? null,
    cwd: call?.cwd ?? null,
    locations: call?.locations ?? [],
    diffs: result !== undefined && result.diffs.length > 0 ? result.diffs : (call?.diffs ?? []),
    ...cutOutput(output),
    exitCode: result?.exitCode ?? null,
    durationMs: result?.durationMs ?? null,
    attachments: result?.attachments ?? [],
    children: [],
  };
}

/** The whole output of a tool row's entries; null where they are no tool row. */
export function wholeOutput(entries: RowEntries): string | null {
  if (entries.kind() !== 'tool') return null;
  return entries.last('result')?.output ?? joinPieces(entries.pieces('output'));
}

/** The system's id of a tool row's call; null where the entries are no tool row, or tell none. */
export function callOf(entries: RowEntries): string | null {
  if (entries.kind() !== 'tool') return null;
  return entries.last('tool')?.callId ?? entries.last('result')?.callId ?? null;
}

function isWaiting(entries: RowEntries): boolean {
  const answered = new Set(entries.of('answer').map((answer) => answer.requestId));
  return entries.of('permission').some((asked) => !answered.has(asked.requestId));
}

