import type { JsonObject } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { TaskEnd } from './normalise.ts';
import { taskState } from './normalise.ts';
import { list, num, obj, str } from './wire.ts';

interface Task {
  /** True: it goes on behind the turns. */
  behind: boolean;
  readonly callId: string | null;
  /** What a subagent is to do, in a few words; null for what is no subagent. */
  readonly agent: string | null;
}

/** Tasks of one process: subagents and commands, of which some go on behind the turns. */
export class Behind {
  readonly #tasks = new Map<string, Task>();

  /** True while something goes on behind the turns. */
  get busy(): boolean {
    return [...this.#tasks.values()].some((task) => task.behind);
  }

  /** `task_started`. */
  started(value: JsonObject): void {
    const agent = str(value, 'task_type') === 'local_agent' ? (str(value, 'description') ?? 'subagent') : null;
    this.#tasks.set(str(value, 'task_id') ?? '', { behind: value['is_backgrounded'] === true, callId: str(value, 'tool_use_id'), agent });
  }

  /** `background_tasks_changed`. */
  changed(value: JsonObject): void {
    for (const one of list(value, 'tasks').filter(isJsonObject)) {
      const id = str(one, 'task_id') ?? '';
      const known = this.#tasks.get(id);
      if (known !== undefined) known.behind = true;
      else this.#tasks.set(id, { behind: true, callId: null, agent: str(one, 'task_type') === 'local_agent' ? (str(one, 'description') ?? 'subagent') : null });
    }
  }

  /** `task_notification`: the end of what went on behind the turns; null for the others, of which their results tell. */
  ended(value: JsonObject): TaskEnd | null {
    const taskId = str(value, 'task_id') ?? '';
    const task = this.#tasks.get(taskId);
    this.#tasks.delete(taskId);
    if (task?.behind !== true) return null;
    const summary = str(value, 'summary') ?? 'A background task ended.';
    const report = value['summary_is_report'] === true ? summary : str(obj(value, 'handback_report'), 'text');
    return {
      taskId, callId: task.callId ?? str(value, 'tool_use_id'), state: taskState(str(value, 'status')), summary,
      agent: task.agent === null ? null : { name: task.agent, report }, durationMs: num(obj(value, 'usage'), 'duration_ms'),
    };
  }

  clear(): void {
    this.#tasks.clear();
  }
}
