import type { Choice, SessionControls } from '../../../model/session.ts';
import type { Initialized } from './wire.ts';

/** How a session is set; what is null is the agent's own choice. */
interface Settings {
  readonly model: string | null;
  readonly mode: string;
  readonly effort: string | null;
}
export const defaultSettings: Settings = { model: null, mode: 'default', effort: null };

const modes: readonly Choice[] = [
  { id: 'default', label: 'Ask', description: 'Asks before edits and commands' },
  { id: 'acceptEdits', label: 'Accept edits', description: 'Edits files in the folder without asking; asks before commands' },
  { id: 'plan', label: 'Plan', description: 'Reads and plans; changes nothing until the plan is approved' },
  { id: 'auto', label: 'Auto', description: 'Claude judges what is safe to do without asking' },
  { id: 'dontAsk', label: "Don't ask", description: 'Denies whatever is not allowed by a rule' },
  { id: 'bypassPermissions', label: 'Bypass permissions', description: 'Does everything without asking. Only for sandboxes' },
];
const effortLabels: Readonly<Record<string, string>> = { low: 'Low', medium: 'Medium', high: 'High', xhigh: 'Extra high', max: 'Max' };

/** Pickers from what the agent said at `initialize`; before that (null) only the modes that every version has. */
export function controlsOf(known: Initialized | null, settings: Settings, runningModel: string | null): SessionControls {
  const models = known?.models ?? [];
  const chosen = models.find((model) => model.value === (settings.model ?? 'default')) ?? models.find((model) => model.value === settings.model);
  const auto = models.some((model) => model.supportsAutoMode);
  const levels = chosen?.supportedEffortLevels ?? [];
  return {
    models: models.map((model) => ({ id: model.value, label: model.displayName ?? model.value, description: model.description })),
    model: settings.model ?? chosen?.value ?? runningModel,
    modes: modes.filter((mode) => auto || mode.id !== 'auto'), mode: settings.mode,
    efforts: levels.map((level) => ({ id: level, label: effortLabels[level] ?? level, description: null })), effort: levels.length === 0 ? null : settings.effort,
    commands: (known?.commands ?? []).map((command) => ({
      name: command.name, description: command.description ?? '', argumentHint: command.argumentHint === null || command.argumentHint === '' ? null : command.argumentHint,
    })),
  };
}
