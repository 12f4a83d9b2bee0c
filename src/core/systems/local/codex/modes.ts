import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Choice, SessionControls } from '../../../model/session.ts';
import { oneLine } from './entries.ts';
import type { ThreadAnswer, WireModel } from './wire.ts';
import { word } from './wire.ts';

interface Mode {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly approval: string;
  /** Word of `sandbox` in thread/start. */
  readonly sandbox: string;
  /** `sandboxPolicy` of turn/start. */
  readonly policy: JsonObject;
  readonly plan: boolean;
}
const readOnly = { sandbox: 'read-only', policy: { type: 'readOnly', networkAccess: false } } as const;
const modes: readonly Mode[] = [
  { id: 'ask', label: 'Ask First', description: 'Codex reads, and asks before it changes a file or runs a command that could.', approval: 'on-request', ...readOnly, plan: false },
  {
    id: 'workspace', label: 'Workspace Write', description: 'Codex changes files and runs commands in its folder without network, and asks before anything beyond.', approval: 'on-request',
    sandbox: 'workspace-write', policy: { type: 'workspaceWrite', writableRoots: [], networkAccess: false, excludeTmpdirEnvVar: false, excludeSlashTmp: false }, plan: false,
  },
  { id: 'full', label: 'Full Access', description: 'Codex does anything anywhere on this computer and never asks.', approval: 'never', sandbox: 'danger-full-access', policy: { type: 'dangerFullAccess' }, plan: false },
  { id: 'plan', label: 'Plan', description: 'Codex reads and makes a plan, and changes nothing.', approval: 'on-request', ...readOnly, plan: true },
];
/** What config.toml says and none of the modes is. */
const configured = 'configured';

export function modeOf(id: string): Mode | null {
  return modes.find((mode) => mode.id === id) ?? null;
}

/** The modes to offer; `current` is one of them or `configured`. */
function modeChoices(current: string | null): readonly Choice[] {
  const own = modes.map(({ id, label, description }) => ({ id, label, description }));
  return current === configured ? [...own, { id: configured, label: 'As Configured', description: 'Approval and sandbox as config.toml has them.' }] : own;
}

/** The mode that a thread is in by what thread/start or thread/resume answered. */
export function modeOfThread(answer: Pick<ThreadAnswer, 'approvalPolicy' | 'sandbox'>): string {
  const sandbox: JsonObject = isJsonObject(answer.sandbox) ? answer.sandbox : {};
  const roots = sandbox['writableRoots'];
  const plain = sandbox['networkAccess'] !== true && !(Array.isArray(roots) && roots.length > 0);
  const found = modes.find((mode) => !mode.plan && mode.approval === answer.approvalPolicy && word(mode.policy['type']) === word(sandbox['type']) && (plain || mode.id === 'full'));
  return found?.id ?? configured;
}

/** Fields of turn/start for what is set; they hold for the turns that follow too. `model` must be known to change the collaboration mode. */
export function turnSettings(set: { readonly model: string | null; readonly mode: string | null; readonly effort: string | null }, planned: boolean): JsonObject {
  const mode = set.mode === null ? null : modeOf(set.mode);
  const settings: Record<string, JsonValue> = {};
  if (set.model !== null) settings['model'] = set.model;
  if (set.effort !== null) settings['effort'] = set.effort;
  if (mode === null) return settings;
  settings['approvalPolicy'] = mode.approval;
  settings['sandboxPolicy'] = mode.policy;
  // Takes precedence over model and effort, so it is sent only where plan mode begins or ends.
  if ((mode.plan || planned) && set.model !== null) {
    settings['collaborationMode'] = { mode: mode.plan ? 'plan' : 'default', settings: { model: set.model, reasoning_effort: set.effort, developer_instructions: null } };
  }
  return settings;
}

/** What can be set, for the models of this installation. */
export function controlsOf(models: readonly WireModel[], current: { readonly model: string | null; readonly mode: string | null; readonly effort: string | null }): SessionControls {
  const shown = models.filter((model) => !model.hidden || model.id === current.model);
  const choices: Choice[] = shown.map((model) => ({ id: model.id, label: oneLine(model.displayName ?? model.id), description: model.description === null ? null : oneLine(model.description) }));
  if (current.model !== null && choices.every((choice) => choice.id !== current.model)) choices.push({ id: current.model, label: current.model, description: null });
  const model = models.find((one) => one.id === current.model) ?? models.find((one) => one.isDefault);
  const efforts = (model?.supportedReasoningEfforts ?? []).map((one) => ({ id: one.reasoningEffort, label: one.reasoningEffort === 'xhigh' ? 'Extra High' : capital(one.reasoningEffort), description: one.description === null ? null : oneLine(one.description) }));
  return {
    models: choices, model: current.model ?? model?.id ?? null, modes: modeChoices(current.mode), mode: current.mode, efforts, effort: current.effort ?? model?.defaultReasoningEffort ?? null,
    commands: [{ name: 'compact', description: 'Sums the conversation up to make room.', argumentHint: null }],
  };
}

function capital(value: string): string {
  return value.slice(0, 1).toUpperCase() + value.slice(1);
}
