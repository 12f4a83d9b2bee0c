import type { PermissionOption } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { objects, oneLine, str } from './read.ts';

const scopes: Readonly<Record<string, PermissionOption['scope']>> = { allow_once: 'once', allow_always: 'always', reject_once: 'reject', reject_always: 'reject-always' };

/** Options of a permission request with the agent's own names (schema v1, PermissionOption). An option of unknown kind is left out: nobody could say what it does. */
export function optionsOf(params: JsonObject): PermissionOption[] {
  return objects(params, 'options').flatMap((one) => {
    const id = str(one, 'optionId');
    const scope = scopes[str(one, 'kind') ?? ''];
    return id === null || scope === undefined ? [] : [{ id, label: oneLine(str(one, 'name') ?? id), scope }];
  });
}

/** claude-agent-acp asks for a plan's approval with the plan in its raw input. */
export function planOf(input: JsonValue): string {
  return isJsonObject(input) ? (str(input, 'plan') ?? '') : '';
}
