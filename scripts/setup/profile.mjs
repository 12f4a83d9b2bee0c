// @ts-check
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachePath, readJson, say, writeWhole } from './cache.mjs';
import { repoRoot } from './run.mjs';
import { quietSettings } from './serve.mjs';

/**
 * The profile that `npm start` opens VS Code with: the person's own stays untouched.
 * @param {'desktop' | 'browser'} kind
 * @returns {{ data: string, extensions: string, stamp: string }}
 */
export function startProfile(kind) {
  const folder = cachePath(`profile-${kind}`);
  const profile = { data: join(folder, 'data'), extensions: join(folder, 'extensions'), stamp: join(folder, 'installed') };
  for (const path of [profile.data, profile.extensions]) mkdirSync(path, { recursive: true });
  return profile;
}

/**
 * Writes the first settings of a profile, keeping what the person changed since, and adds the demo agent as a connection.
 * @param {'desktop' | 'browser'} kind VS Code in a browser reads settings of the scope `machine` from a file of their own
 * @param {string} data the profile's data folder
 * @param {string} node the Node 24 that runs the demo agent
 */
export function writeProfileSettings(kind, data, node) {
  const demo = { name: 'Demo Agent', command: node, args: [join(repoRoot, 'test', 'demo', 'agent.ts')], protocol: 'acp' };
  change(join(data, 'User', 'settings.json'), (settings) => ({ ...quietSettings, ...settings }));
  change(join(data, kind === 'browser' ? 'Machine' : 'User', 'settings.json'), (settings) => {
    const agents = settings['pilothouse.local.agents'];
    const others = Array.isArray(agents) ? agents.filter((agent) => agent?.name !== demo.name) : [];
    return { ...settings, 'pilothouse.local.agents': [...others, demo] };
  });
}

/**
 * @param {string} path
 * @param {(settings: Record<string, unknown>) => Record<string, unknown>} edit
 */
function change(path, edit) {
  const settings = existsSync(path) && readFileSync(path, 'utf8').trim() !== '' ? readJson(path) : {};
  if (settings === undefined) {
    say(`left as it is, because it holds more than plain JSON: ${path}`);
    return;
  }
  mkdirSync(join(path, '..'), { recursive: true });
  writeWhole(path, `${JSON.stringify(edit(settings), null, 2)}\n`);
}

/**
 * A small project to try the agents on: a copy that is the person's to change.
 * @returns {string} its folder
 */
export function sampleWorkspace() {
  const folder = cachePath('sample', 'berths');
  if (!existsSync(folder)) cpSync(join(repoRoot, 'test', 'fixtures', 'workspace'), folder, { recursive: true });
  return folder;
}
