import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { bool, num, obj, objects, said, texts } from './read.ts';

/*
 * What Rig's sessions say of themselves (`rigMetadataVersion` 1, read in slopus/happy at 2c8ecacc1: sync/rig.ts). Rig does only what it advertises; every other agent of Happy does what its
 * command line does.
 */

/** True for a session, or a machine, of Rig. */
export function isRig(metadata: JsonValue | undefined): boolean {
  return said(obj(metadata, 'client'), 'id') === 'rig';
}

function isTold(metadata: JsonValue | undefined): boolean {
  return isRig(metadata) && (num(metadata, 'rigMetadataVersion') ?? 0) >= 1;
}

/** Whether the session answers that call. */
export function answersCall(metadata: JsonValue | undefined, method: string): boolean {
  return !isTold(metadata) || texts(obj(metadata, 'capabilities'), 'rpcMethods').includes(method);
}

/** Whether its turns can be broken off. */
export function takesAbort(metadata: JsonValue | undefined): boolean {
  return !isTold(metadata) || (bool(obj(metadata, 'capabilities'), 'abort') === true && answersCall(metadata, 'abort'));
}

/** Which picks a session takes. One with `modelLocked` keeps the model that it began with. */
export function takesPick(metadata: JsonValue | undefined, pick: 'model' | 'effort' | 'mode'): boolean {
  if (!isTold(metadata)) return true;
  const capabilities = obj(metadata, 'capabilities');
  if (pick === 'model') return bool(obj(metadata, 'session'), 'modelLocked') !== true && bool(capabilities, 'modelSelection') !== false;
  return bool(capabilities, pick === 'mode' ? 'permissionModeSelection' : 'reasoningSelection') !== false;
}

/** `provider:model`, as the pickers name Rig's models; null for any other name. */
export function modelParts(model: string): { readonly providerId: string; readonly modelId: string } | null {
  const at = model.indexOf(':');
  return at <= 0 || at === model.length - 1 ? null : { providerId: model.slice(0, at), modelId: model.slice(at + 1) };
}

/** The levels of thinking that a model has; empty where it tells none. */
export function modelLevels(metadata: JsonValue | undefined, model: string | null): readonly string[] {
  const parts = model === null ? null : modelParts(model);
  const found = parts === null ? undefined : objects(metadata, 'models').find((one) => providerOf(one) === parts.providerId && (said(one, 'id') ?? said(one, 'code')) === parts.modelId);
  return found === undefined ? [] : texts(found, 'thinkingLevels');
}

export function providerOf(model: JsonObject): string | null {
  return said(obj(model, 'provider'), 'id') ?? said(model, 'providerId');
}

/** What goes on in a session beside its turn, in words (`activity`): `2 subagents, 1 queued, 3 tasks`; null for nothing. */
export function activityText(metadata: JsonValue | undefined): string | null {
  if (!isRig(metadata)) return null;
  const activity = obj(metadata, 'activity');
  const count = (of: string, key: string): number => Math.max(0, num(obj(activity, of), key) ?? 0);
  const counted = (number: number, word: string): string[] => (number > 0 ? [`${number} ${word}${number === 1 ? '' : 's'}`] : []);
  const queued = count('subagents', 'queued');
  const parts = [
    ...counted(count('subagents', 'running'), 'subagent'), ...(queued > 0 ? [`${queued} queued`] : []), ...counted(count('workflows', 'running'), 'workflow'), ...counted(count('processes', 'running'), 'command'),
    ...counted(count('tasks', 'pending') + count('tasks', 'inProgress'), 'open task'),
  ];
  return parts.length === 0 ? null : parts.join(', ');
}
