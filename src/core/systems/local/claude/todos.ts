import type { ResultEntry, TodoEntry, ToolEntry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { canonicalJson, isJsonObject } from '../../../model/json.ts';
import type { Place } from './normalise.ts';
import { revs, rowOf } from './normalise.ts';
import type { AssistantLine, UserLine } from './wire.ts';
import { list, obj, str } from './wire.ts';

type Item = TodoEntry['items'][number];

const states: Readonly<Record<string, Item['status']>> = { pending: 'pending', in_progress: 'running', completed: 'done', cancelled: 'cancelled' };
const tools: ReadonlySet<string> = new Set(['TodoWrite', 'TaskCreate', 'TaskUpdate', 'TaskList', 'TaskGet']);
/** Lines of a transcript that may change a list: calls of those tools, and results of theirs, which bear no tool's name. */
const mention = /"(?:Task(?:Create|Update|List|Get)|TodoWrite)"|"toolUseResult":\{"(?:tasks?|success|oldTodos)"|"taskId":|Task #\S+ created/;

/** True for a transcript's line that a `TodoBook` must have read; cheap, and now and then true of others. */
export function mentionsTodos(text: string): boolean {
  return mention.test(text);
}

/**
 * The to-do list of one agent as its calls make it: TodoWrite replaces it, TaskCreate (whose task gets its id with the result) and TaskUpdate change one task,
 * TaskList and TaskGet tell what there is. Only calls that succeeded count. It goes on over turns and processes: what a reader has not seen is to be read
 * into it first.
 */
export class TodoBook {
  #items = new Map<string, Item>();
  /** Calls that have no result yet. */
  readonly #calls = new Map<string, { readonly name: string; readonly input: JsonObject }>();

  /** A call of any tool. */
  call(callId: string, name: string, input: JsonValue): void {
    if (tools.has(name)) this.#calls.set(callId, { name, input: isJsonObject(input) ? input : {} });
  }

  /** The result of any call, with the agent's own details; the whole list when it is another one now, else null. */
  result(result: Pick<ResultEntry, 'callId' | 'status' | 'output'>, detail: JsonValue): readonly Item[] | null {
    const call = this.#calls.get(result.callId);
    this.#calls.delete(result.callId);
    if (call === undefined || result.status !== 'ok') return null;
    const before = canonicalJson([...this.#items.values()]);
    this.#apply(call.name, call.input, isJsonObject(detail) ? detail : {}, result.output);
    const after = [...this.#items.values()];
    return canonicalJson(after) === before ? null : after;
  }

  /** One line of the agent's own transcript; lines of other agents within it are passed over. */
  line(line: AssistantLine | UserLine): void {
    if (line.sidechain) return;
    for (const block of line.content) {
      if (line.kind === 'assistant' && block.type === 'tool_use') this.call(str(block, 'id') ?? '', str(block, 'name') ?? '', block['input'] ?? {});
      if (line.kind === 'user' && block.type === 'tool_result') {
        const callId = str(block, 'tool_use_id') ?? '';
        const words = typeof block['content'] === 'string' ? block['content'] : '';
        this.result({ callId, status: block['is_error'] === true ? 'error' : 'ok', output: words }, line.facts(callId).detail);
      }
    }
  }

  #apply(name: string, input: JsonObject, detail: JsonObject, words: string): void {
    switch (name) {
      case 'TodoWrite':
        if (!Array.isArray(input['todos'])) return;
        this.#items = new Map(list(input, 'todos').filter(isJsonObject).map((todo, index) => [`todo:${index}`, { text: str(todo, 'content') ?? '', status: statusOf(todo) }]));
        return;
      case 'TaskCreate': {
        const task = obj(detail, 'task');
        const id = idOf(task, 'id') ?? /Task #(\S+) created/.exec(words)?.[1] ?? null;
        if (id !== null) this.#items.set(id, { text: str(task, 'subject') ?? str(input, 'subject') ?? '', status: 'pending' });
        return;
      }
      case 'TaskUpdate':
        this.#update(input, detail);
        return;
      case 'TaskList':
        if (Array.isArray(detail['tasks'])) this.#items = new Map(list(detail, 'tasks').filter(isJsonObject).map((task) => [idOf(task, 'id') ?? '', taskOf(task)]));
        return;
      default: {
        const task = obj(detail, 'task');
        const id = idOf(task, 'id');
        if (task !== null && id !== null) this.#items.set(id, taskOf(task));
      }
    }
  }

  #update(input: JsonObject, detail: JsonObject): void {
    const id = idOf(input, 'taskId');
    if (id === null || detail['success'] === false) return;
    if (str(input, 'status') === 'deleted') {
      this.#items.delete(id);
      return;
    }
    const known = this.#items.get(id) ?? { text: `Task ${id}`, status: 'pending' as const };
    this.#items.set(id, { text: str(input, 'subject') ?? known.text, status: str(input, 'status') === null ? known.status : statusOf(input) });
  }
}

/** Ids are texts on the wire; a model may call with a number. */
function idOf(value: JsonObject | null, key: string): string | null {
  const id = value?.[key];
  return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
}
function statusOf(value: JsonObject): Item['status'] {
  return states[str(value, 'status') ?? ''] ?? 'pending';
}
function taskOf(task: JsonObject): Item {
  return { text: str(task, 'subject') ?? '', status: statusOf(task) };
}

/** Books of a session's main agent and of its subagents, by the row within which each works. */
export class TodoBooks {
  readonly #books = new Map<string, TodoBook>();

  /** `main`: what is known of the main agent's list. */
  constructor(main: TodoBook = new TodoBook()) {
    this.#books.set('', main);
  }

  called(call: ToolEntry): void {
    this.#of(call.parent).call(call.callId, call.name, call.input);
  }

  /**
   * The list that this result leaves, where it is another one now. A turn has one row for it, at its first change; `place.rev` tells which source it comes
   * from, and the ordinal which of its changes is the last.
   */
  came(result: ResultEntry, detail: JsonValue, place: Place): TodoEntry | null {
    const items = this.#of(result.parent).result(result, detail);
    if (items === null) return null;
    const row = result.turn === null ? rowOf.tool(`${result.callId}:todos`) : `todo:${result.parent === null ? '' : `${result.parent}:`}${result.turn}`;
    const ordinal = result.order[1] ?? 0;
    return { order: result.order, at: result.at, turn: result.turn, parent: result.parent, kind: 'todo', id: row, row, rev: (place.rev >= revs.live ? liveRev : 0) + ordinal, items };
  }

  #of(parent: string | null): TodoBook {
    const known = this.#books.get(parent ?? '');
    if (known !== undefined) return known;
    const book = new TodoBook();
    this.#books.set(parent ?? '', book);
    return book;
  }
}

/** Above every byte offset of a file: the live wire tells of a whole turn, in the order in which things happened. */
const liveRev = 1e15;
