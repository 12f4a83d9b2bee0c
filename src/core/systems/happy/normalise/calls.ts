import type { Entry, ResultEntry } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { NormaliseContext } from './input.ts';
import type { Place } from './place.ts';
import { nth, revs, rowOf } from './place.ts';
import { oneLine } from './read.ts';
import { subagentsOf, todosOf, toolFacts } from './tools.ts';

interface Call {
  readonly call: string;
  readonly name: string;
  readonly input: JsonValue;
  /** How the sender names it, where it does. */
  readonly title: string | null;
}

/** A tool call: its row, the rows of subagents that it starts, and the to-do list that it sets. */
export function callEntries(call: Call, place: Place, context: NormaliseContext, rev: number = revs.call.whole): Entry[] {
  const row = rowOf.call(call.call);
  const own: Place = { ...place, parent: place.parent === row ? null : place.parent };
  const entries: Entry[] = [{
    kind: 'tool', id: `${row}/call`, row, ...own, rev, callId: call.call, name: call.name, input: call.input, ...toolFacts(call.name, call.input, context.folder, call.title),
  }];
  for (const subagent of subagentsOf(call.input)) {
    // Claude's command line derives the id from the call; elsewhere a subagent has a row of its own, within that of the call that first names it.
    if (rowOf.subagent(subagent) !== row) entries.push(subagentEntry(subagent, call.title ?? call.name, { ...nth(own, entries.length), parent: row }, context, `by:${call.call}`));
  }
  const todos = todosOf(call.name, call.input);
  if (todos !== null) {
    const list = place.turn === null ? `${row}/todos` : `todo:${place.turn}`;
    entries.push({ kind: 'todo', id: list, row: list, ...nth(own, entries.length), rev: place.at ?? 0, items: todos });
  }
  return entries;
}

/** The row of a subagent, as far as something other than its call tells of it. `by` tells those things apart. */
export function subagentEntry(subagent: string, title: string, place: Place, context: NormaliseContext, by: string): Entry {
  const row = rowOf.subagent(subagent);
  return {
    kind: 'tool', id: by === '' ? `${row}/call` : `${row}/${by}`, row, ...place, parent: place.parent === row ? null : place.parent, rev: revs.call.begun, callId: subagent,
    name: 'Agent', verb: 'agent', title: oneLine(title), input: null, command: null, cwd: context.folder === '' ? null : context.folder, locations: [], diffs: [],
  };
}

/** The result of a call. Without output: all that the session protocol tells is that it ended. */
export function resultEntry(row: string, call: string, place: Place, result: { readonly status: ResultEntry['status']; readonly rev: number } & Partial<Pick<ResultEntry, 'output' | 'exitCode' | 'attachments' | 'diffs'>>): ResultEntry {
  const { status, rev, output = '', exitCode = null, attachments = [], diffs = [] } = result;
  return {
    kind: 'result', id: `${row}/result`, row, ...place, parent: place.parent === row ? null : place.parent, rev, callId: call, status, output, exitCode, durationMs: null, diffs, attachments,
  };
}
