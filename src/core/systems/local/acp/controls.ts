import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Choice, SessionControls, SlashCommand } from '../../../model/session.ts';
import { obj, objects, oneLine, str } from './read.ts';

export const noControls: SessionControls = { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] };

/** Pickers as they were kept; none where they cannot be read. */
export function readControls(text: string | null): SessionControls {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return isJsonObject(value) ? { ...noControls, ...(value as Partial<SessionControls>) } : noControls;
  } catch {
    return noControls;
  }
}

type Picker = 'model' | 'mode' | 'effort';
/** Schema v1, SessionConfigOptionCategory. */
const categories: Readonly<Record<Picker, string>> = { model: 'model', mode: 'mode', effort: 'thought_level' };

interface Select {
  readonly id: string;
  readonly category: string;
  readonly current: string | null;
  readonly choices: readonly Choice[];
}

function choice(id: string | null, name: string | null, description: string | null): Choice[] {
  return id === null ? [] : [{ id, label: oneLine(name ?? id, 120), description: description === null ? null : oneLine(description) }];
}

/** Options of a select, in groups or not. */
function selectOf(option: JsonObject): Select[] {
  const id = str(option, 'id');
  if (id === null || option['type'] !== 'select') return [];
  const values = objects(option, 'options').flatMap((one) => (Array.isArray(one['options']) ? objects(one, 'options') : [one]));
  const choices = values.flatMap((one) => choice(str(one, 'value'), str(one, 'name'), str(one, 'description')));
  return [{ id, category: str(option, 'category') ?? id, current: str(option, 'currentValue'), choices }];
}

/** The request that sets a picker. */
interface SetRequest {
  readonly method: 'session/set_config_option' | 'session/set_mode' | 'session/set_model';
  readonly params: JsonObject;
}

/**
 * Pickers of one ACP session: config options by category (schema v1), and in their absence `modes`, and `models` as codex-acp 2.6 and older agents
 * give them. Where both are there, the config options count (the schema says so).
 */
export class ControlState {
  private selects: readonly Select[] = [];
  private modes: readonly Choice[] = [];
  private mode: string | null = null;
  private models: readonly Choice[] = [];
  private model: string | null = null;
  private commands: readonly SlashCommand[] = [];

  /** Takes what a `session/new`, `load`, `resume`, `fork` or `set_config_option` answered. */
  take(result: JsonValue): void {
    if (!isJsonObject(result)) return;
    if (Array.isArray(result['configOptions'])) this.selects = objects(result, 'configOptions').flatMap(selectOf);
    const modes = obj(result, 'modes');
    if (modes !== null) {
      this.modes = objects(modes, 'availableModes').flatMap((one) => choice(str(one, 'id'), str(one, 'name'), str(one, 'description')));
      this.mode = str(modes, 'currentModeId');
    }
    const models = obj(result, 'models');
    if (models !== null) {
      this.models = objects(models, 'availableModels').flatMap((one) => choice(str(one, 'modelId'), str(one, 'name'), str(one, 'description')));
      this.model = str(models, 'currentModelId');
    }
  }

  /** Takes a session update; true when it changed the pickers. */
  update(update: JsonObject): boolean {
    switch (update['sessionUpdate']) {
      case 'available_commands_update':
        this.commands = objects(update, 'availableCommands').flatMap((one) => {
          const name = str(one, 'name');
          return name === null ? [] : [{ name: name.replace(/^\//, ''), description: oneLine(str(one, 'description') ?? ''), argumentHint: str(obj(one, 'input') ?? {}, 'hint') }];
        });
        return true;
      case 'current_mode_update': {
        this.mode = str(update, 'currentModeId') ?? this.mode;
        const select = this.select('mode');
        if (select !== null) this.selects = this.selects.map((one) => (one === select ? { ...one, current: this.mode } : one));
        return true;
      }
      case 'config_option_update':
        this.take(update);
        return true;
      default:
        return false;
    }
  }

  controls(): SessionControls {
    const [model, mode, effort] = [this.select('model'), this.select('mode'), this.select('effort')];
    return {
      models: model?.choices ?? this.models, model: model === null ? this.model : model.current,
      modes: mode?.choices ?? this.modes, mode: mode === null ? this.mode : mode.current,
      efforts: effort?.choices ?? [], effort: effort?.current ?? null,
      commands: this.commands,
    };
  }

  /** The request that sets `picker` to `id`. Throws `invalid_argument` when the agent does not offer that. */
  set(picker: Picker, id: string, sessionId: string): SetRequest {
    const select = this.select(picker);
    const choices = select?.choices ?? (picker === 'mode' ? this.modes : picker === 'model' ? this.models : []);
    if (!choices.some((one) => one.id === id)) {
      const offered = choices.map((one) => one.id).join(', ');
      throw new PilothouseError('invalid_argument', offered === '' ? `This agent offers no choice of ${picker}.` : `This agent does not offer the ${picker} "${oneLine(id, 60)}". It offers: ${oneLine(offered)}.`);
    }
    if (select !== null) return { method: 'session/set_config_option', params: { sessionId, configId: select.id, value: id } };
    return picker === 'mode' ? { method: 'session/set_mode', params: { sessionId, modeId: id } } : { method: 'session/set_model', params: { sessionId, modelId: id } };
  }

  /** After a `set` that was answered without the options. */
  wasSet(picker: Picker, id: string): void {
    const select = this.select(picker);
    if (select !== null) this.selects = this.selects.map((one) => (one === select ? { ...one, current: id } : one));
    else if (picker === 'mode') this.mode = id;
    else if (picker === 'model') this.model = id;
  }

  private select(picker: Picker): Select | null {
    return this.selects.find((one) => one.category === categories[picker] && one.choices.length > 0) ?? null;
  }
}
