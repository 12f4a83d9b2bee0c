import type { JsonValue } from '../model/json.ts';
import { isJsonObject } from '../model/json.ts';
import type { Row } from '../model/row.ts';

/** The last thing that an agent said in a turn: its texts behind the last tool, permission or prompt. Null where it said nothing there. */
export function finalAnswer(rows: readonly Row[]): string | null {
  const before = rows.findLastIndex((row) => row.kind === 'tool' || row.kind === 'permission' || row.kind === 'prompt');
  const texts = rows.slice(before + 1).flatMap((row) => (row.kind === 'text' ? [row.text.trim()] : []));
  const answer = texts.filter((text) => text !== '').join('\n\n');
  return answer === '' ? null : answer;
}

/**
 * An answer as it is submitted: the JSON that it is, or that its only fenced block is where nothing else stands; else, where `wantsObject`, the last object in a fenced block; else the text.
 */
export function outputOf(answer: string, wantsObject: boolean): JsonValue {
  const { blocks, outside } = parts(answer);
  const [only] = blocks;
  for (const whole of [answer, outside.trim() === '' && blocks.length === 1 ? only : undefined]) {
    const value = parsed(whole);
    if (value !== undefined) return value;
  }
  return (wantsObject ? blocks.map(parsed).findLast(isJsonObject) : undefined) ?? answer.trim();
}

/** True where an output schema, as a capability may carry one, wants an object. */
export function wantsObject(schema: JsonValue | undefined): boolean {
  if (!isJsonObject(schema)) return false;
  const type = schema['type'];
  return type === 'object' || (type === undefined && isJsonObject(schema['properties']));
}

/** The fenced blocks of a text, and what stands around them: a fence ends at the next one that is as long and bare. */
function parts(text: string): { readonly blocks: readonly string[]; readonly outside: string } {
  const blocks: string[] = [];
  const outside: string[] = [];
  let open: { readonly fence: string; readonly lines: string[] } | null = null;
  for (const line of text.split('\n')) {
    const [, fence = '', rest = ''] = /^\s{0,3}(`{3,})(.*)$/.exec(line) ?? [];
    if (open === null) {
      if (fence === '') outside.push(line);
      else open = { fence, lines: [] };
    } else if (fence.length >= open.fence.length && rest.trim() === '') {
      blocks.push(open.lines.join('\n'));
      open = null;
    } else open.lines.push(line);
  }
  return { blocks, outside: outside.join('\n') };
}

function parsed(text: string | undefined): JsonValue | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
