import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { Choice, SessionControls, SlashCommand } from '../../../model/session.ts';
import { obj, objects, oneLine, said, texts } from './read.ts';
import { isRig, modelLevels, providerOf, takesPick } from './rig.ts';

const choice = (id: string, label: string, description: string | null = null): Choice => ({ id, label, description });

const bypass = choice('bypassPermissions', 'Bypass Permissions', 'Does everything without asking. Only for sandboxes.');
const claudeModes: readonly Choice[] = [
  choice('default', 'Ask', 'Asks before edits and commands.'),
  choice('acceptEdits', 'Accept Edits', 'Edits files in the folder without asking; asks before commands.'),
  choice('plan', 'Plan', 'Reads and plans; changes nothing until the plan is approved.'),
  choice('dontAsk', "Don't Ask", 'Denies whatever no rule allows.'),
  bypass,
];
const modes: ReadonlyMap<string, readonly Choice[]> = new Map([
  // As happy 1.2.5 hands them to Codex: approval policies untrusted, on-request and three times never, in the sandbox that the words say.
  ['codex', [
    choice('default', 'Ask', 'Changes files in its folder; asks before edits and commands that are not known to be safe.'),
    choice('auto', 'Auto', 'Works in its folder; asks when it wants to go beyond.'),
    choice('read-only', 'Read Only', 'Reads and never asks: whatever would change something fails.'),
    choice('safe-yolo', 'Workspace Write', 'Works in its folder and never asks: whatever goes beyond fails.'),
    choice('yolo', 'Full Access', 'Does anything anywhere on its machine and never asks.'),
  ]],
  ['gemini', [choice('default', 'Ask'), choice('auto_edit', 'Accept Edits'), choice('yolo', 'Full Access', 'Never asks.'), choice('plan', 'Plan')]],
  ['openclaw', [choice('default', 'Ask'), bypass]],
  ['agy', [choice('default', 'Sandbox', 'Runs in a sandbox and never asks.'), bypass]],
  ['rig', []],
]);

const claudeModels: readonly Choice[] = [
  choice('default', 'Default'), choice('claude-opus-5', 'Opus 5'), choice('opus', 'Opus'), choice('fable', 'Fable'), choice('sonnet', 'Sonnet'), choice('haiku', 'Haiku'),
];
const named = (ids: readonly string[]): readonly Choice[] => ids.map((id) => choice(id, id === 'default' ? 'Default' : id));
const models: ReadonlyMap<string, readonly Choice[]> = new Map([
  ['codex', named(['default', 'gpt-5.6-sol', 'gpt-5.6-terra', 'gpt-5.6-luna', 'gpt-5.5', 'gpt-5.4', 'gpt-5.3-codex', 'gpt-5.2-codex', 'gpt-5.1-codex-max', 'gpt-5.2', 'gpt-5.1-codex-mini'])],
  ['gemini', named(['gemini-3.1-pro-preview', 'gemini-3-flash-preview', 'gemini-3.1-flash-lite-preview', 'gemini-2.5-pro', 'gemini-2.5-flash', 'gemini-2.5-flash-lite'])],
  ['openclaw', named(['default'])],
  ['agy', named([
    'Gemini 3.6 Flash (High)', 'Gemini 3.6 Flash (Medium)', 'Gemini 3.6 Flash (Low)', 'Gemini 3.1 Pro (High)', 'Gemini 3.1 Pro (Low)', 'Gemini 3.5 Flash (High)',
    'Gemini 3.5 Flash (Medium)', 'Gemini 3.5 Flash (Low)', 'Claude Opus 4.6 (Thinking)', 'Claude Sonnet 4.6 (Thinking)', 'GPT-OSS 120B (Medium)',
  ])],
  ['rig', []],
]);

const effortLabels: ReadonlyMap<string, string> = new Map([['low', 'Low'], ['medium', 'Medium'], ['high', 'High'], ['xhigh', 'Extra High'], ['max', 'Max']]);
const effort = (id: string): Choice => choice(id, effortLabels.get(id) ?? id);
const claudeEfforts = ['low', 'medium', 'high', 'xhigh', 'max'].map(effort);
const efforts: ReadonlyMap<string, readonly Choice[]> = new Map([['codex', claudeEfforts.slice(0, 4)], ['gemini', []], ['openclaw', []], ['agy', []], ['rig', []]]);

/** What Happy's command line answers itself, whether the agent lists it or not. */
const ownCommands: ReadonlyMap<string, readonly SlashCommand[]> = new Map([['claude', [
  { name: 'clear', description: 'Starts the conversation anew; queued messages are dropped.', argumentHint: null },
  { name: 'compact', description: 'Sums the conversation up to make room.', argumentHint: null },
  { name: 'mcp', description: 'Lists the MCP servers.', argumentHint: null },
  { name: 'skills', description: 'Lists the skills.', argumentHint: null },
]], ['codex', [
  { name: 'clear', description: 'Starts the conversation anew.', argumentHint: null },
  { name: 'goal', description: 'Sets a goal that the agent pursues turn after turn; `clear` ends it.', argumentHint: '<goal> | clear' },
]]]);

/** Flavour of the agent as Happy's metadata names it. Null where it does not say; the app takes that, and any that it does not know, for Claude. */
export function flavourOf(metadata: JsonValue | undefined): string | null {
  return isRig(metadata) ? 'rig' : said(metadata, 'flavor');
}

/**
 * Pickers of a session, or of one that could be made (`metadata` of the machine, or undefined). Lists that the metadata carries come first; else those of the
 * flavour, as slopus/happy at 2c8ecacc1 has them; one that is not known is treated like Claude. `mode` is `default` where nobody chose: never more than the
 * person asked for.
 */
export function controlsOf(metadata: JsonValue | undefined, flavour: string | null): SessionControls {
  const known = flavour !== null && (flavour === 'claude' || modes.has(flavour)) ? flavour : 'claude';
  const rig = known === 'rig';
  const told = toldLists(metadata, rig);
  // Happy's command lines tell modes only where they are the agent's own; the fixed flavours have none of those.
  const fixed = known === 'claude' || known === 'codex' || known === 'openclaw' || known === 'agy';
  const defaults = rig ? obj(metadata, 'defaults') : null;
  const model = rig ? (said(metadata, 'modelMode') ?? rigModel(metadata)) : (said(metadata, 'modelMode') ?? said(metadata, 'currentModelCode'));
  const levels = rig ? modelLevels(metadata, model).map(effort) : [];
  const offered = {
    models: told.models.length > 0 ? withDefault(told.models, known) : (models.get(known) ?? claudeModels),
    modes: !fixed && told.modes.length > 0 ? told.modes : (modes.get(known) ?? claudeModes),
    efforts: levels.length > 0 ? levels : told.efforts.length > 0 ? told.efforts : (efforts.get(known) ?? claudeEfforts),
  };
  const standard = isBypassed(metadata) ? (known === 'codex' ? 'yolo' : 'bypassPermissions') : offered.modes.some((one) => one.id === 'default') ? 'default' : null;
  const mode = said(metadata, 'permissionMode') ?? (fixed ? null : said(metadata, 'currentOperatingModeCode')) ?? said(obj(metadata, 'session'), 'permissionMode') ?? said(defaults, 'permissionMode') ?? standard;
  const level = said(metadata, 'effortLevel') ?? said(metadata, 'currentThoughtLevelCode') ?? said(obj(metadata, 'reasoning'), 'current') ?? said(defaults, 'effort');
  // Levels of another model are none of this one.
  const held = offered.efforts.length === 0 || (levels.length > 0 && levels.every((one) => one.id !== level)) ? null : level;
  // What cannot be picked is shown as it is.
  const picks = (list: readonly Choice[], pick: 'model' | 'mode' | 'effort', current: string | null): readonly Choice[] => withCurrent(takesPick(metadata, pick) ? list : list.filter((one) => one.id === current), current);
  return {
    models: picks(offered.models, 'model', model), model, modes: picks(offered.modes, 'mode', mode), mode, efforts: picks(offered.efforts, 'effort', held), effort: held,
    commands: commandsOf(metadata, known),
  };
}

function isBypassed(metadata: JsonValue | undefined): boolean {
  return (metadata as JsonObject | undefined)?.['dangerouslySkipPermissions'] === true;
}

interface Told {
  readonly models: readonly Choice[];
  readonly modes: readonly Choice[];
  readonly efforts: readonly Choice[];
}
/** Lists `{code, value, description}` of the metadata; Rig's models are named by provider and model. */
function toldLists(metadata: JsonValue | undefined, rig: boolean): Told {
  const options = (key: string): readonly Choice[] => objects(metadata, key).flatMap((option) => {
    const provider = providerOf(option);
    const code = (key === 'models' ? said(option, 'id') : null) ?? said(option, 'code');
    if (code === null || (rig && key === 'models' && provider === null)) return [];
    const label = (key === 'models' ? said(option, 'name') : null) ?? said(option, 'value') ?? code;
    const about = said(option, 'description') ?? (key === 'models' ? said(option, 'providerName') : null);
    return [choice(rig && key === 'models' ? `${provider}:${code}` : code, oneLine(label), about === null ? null : oneLine(about))];
  });
  const levels = options('thoughtLevels');
  return { models: options('models'), modes: options('operatingModes'), efforts: levels.length > 0 ? levels : texts(obj(metadata, 'reasoning'), 'levels').map(effort) };
}

function rigModel(metadata: JsonValue | undefined): string | null {
  const [own, standard] = [obj(metadata, 'model'), obj(metadata, 'defaults')];
  const provider = said(metadata, 'currentModelProviderId') ?? said(own, 'providerId') ?? said(standard, 'providerId');
  const id = said(metadata, 'currentModelCode') ?? said(own, 'id') ?? said(standard, 'modelId');
  return provider === null || id === null ? null : `${provider}:${id}`;
}

function withDefault(list: readonly Choice[], flavour: string): readonly Choice[] {
  return flavour === 'codex' && list.every((one) => one.id !== 'default') ? [choice('default', 'Default'), ...list] : list;
}
function withCurrent(list: readonly Choice[], current: string | null): readonly Choice[] {
  return current === null || list.some((one) => one.id === current) ? list : [...list, choice(current, oneLine(current))];
}

function commandsOf(metadata: JsonValue | undefined, flavour: string): readonly SlashCommand[] {
  const own = ownCommands.get(flavour) ?? [];
  const names = texts(metadata, 'slashCommands').map((name) => name.replace(/^\//, '')).filter((name) => name !== '' && own.every((one) => one.name !== name));
  return [...own, ...[...new Set(names)].map((name) => ({ name, description: '', argumentHint: null }))];
}
