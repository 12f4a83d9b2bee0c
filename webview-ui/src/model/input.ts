import type { Json, ToolRow } from '../types.ts';

/** True while the JSON of a call is still on its way: then its input is a text that is no JSON yet, which nobody can read. */
export function isStreaming(row: Pick<ToolRow, 'input' | 'status'>): boolean {
  return row.status === 'running' && typeof row.input === 'string' && /^\s*["[{]/.test(row.input);
}

/** What a tool was called with, where there is something to show; else null. */
export function shownInput(row: Pick<ToolRow, 'input' | 'status'>): Exclude<Json, null> | null {
  const { input } = row;
  if (input === null || input === '' || isStreaming(row)) return null;
  return typeof input === 'object' && Object.keys(input).length === 0 ? null : input;
}
