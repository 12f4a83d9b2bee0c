import { accessSync, constants, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { quietSettings } from '../../../scripts/setup/index.mjs';
import { projectRoot, type Rig } from './rig.ts';

/** An agent that a test can ask for: the real programs by their names on PATH, and the demo agent by the setting `pilothouse.local.agents`. */
export type AgentName = 'claude' | 'codex' | 'demo';

/** Settings of every test's VS Code: nothing that calls out, nothing that moves by itself. */
const TEST_SETTINGS: Readonly<Record<string, unknown>> = {
  ...quietSettings,
  'workbench.colorTheme': 'Dark Modern',
  'workbench.reduceMotion': 'on',
  'workbench.tips.enabled': false,
  'window.autoDetectColorScheme': false,
  'window.autoDetectHighContrast': false,
  'json.schemaDownload.enable': false,
  'npm.fetchOnlinePackageInfo': false,
  'npm.autoDetect': 'off',
  'typescript.disableAutomaticTypeAcquisition': true,
  'js/ts.tsserver.automaticTypeAcquisition.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
  'files.simpleDialog.enable': true,
};

/** Settings that VS Code reads from the remote machine's file only, because their scope is `machine`. */
const MACHINE_SCOPED = /^pilothouse\.local\./;

/** The setting that adds the demo agent as a connection. */
export function demoAgentSetting(rig: Rig): readonly Record<string, unknown>[] {
  return [{ name: 'Demo Agent', command: rig.node, args: [join(projectRoot, 'test', 'demo', 'agent.ts')], protocol: 'acp' }];
}

function readSettings(path: string): Record<string, unknown> {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>) : {};
}

/** Writes settings into a profile whose VS Code does not run: one that runs in a browser does not look at the file again. */
export function writeSettings(userDataDir: string, changes: Readonly<Record<string, unknown>>): void {
  for (const [folder, machine] of [['User', false], ['Machine', true]] as const) {
    const mine = Object.entries(changes).filter(([name]) => MACHINE_SCOPED.test(name) === machine);
    const path = join(userDataDir, folder, 'settings.json');
    mkdirSync(join(userDataDir, folder), { recursive: true });
    if (mine.length === 0 && existsSync(path)) continue;
    writeFileSync(path, JSON.stringify({ ...readSettings(path), ...Object.fromEntries(mine) }, null, 2));
  }
}

/** The settings that a test's VS Code starts with. */
export function firstSettings(rig: Rig, agents: readonly AgentName[], settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...TEST_SETTINGS, ...(agents.includes('demo') ? { 'pilothouse.local.agents': demoAgentSetting(rig) } : {}), ...settings };
}

/** Copies the sample workspace, so that a test may change it. */
export function copySampleWorkspace(folder: string): string {
  cpSync(join(projectRoot, 'test', 'fixtures', 'workspace'), folder, { recursive: true });
  return folder;
}

function holdsAgent(folder: string): boolean {
  return ['claude', 'codex'].some((name) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * The environment of a test's VS Code, and so of its extension host and its agents: a home folder of its own, no credentials and no
 * settings of the person who runs the test, and on PATH only the agents that the test asked for.
 * @param bin an empty folder that comes first on PATH
 */
export function testEnvironment(rig: Rig, home: string, bin: string, agents: readonly AgentName[], extra: Readonly<Record<string, string | undefined>>): Record<string, string> {
  mkdirSync(home, { recursive: true });
  mkdirSync(bin, { recursive: true });
  symlinkSync(rig.node, join(bin, 'node'));
  if (agents.includes('claude')) symlinkSync(rig.agents.claude, join(bin, 'claude'));
  if (agents.includes('codex')) symlinkSync(rig.agents.codex, join(bin, 'codex'));
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '' && !folder.includes('node_modules') && (/^\/(usr\/)?bin$/.test(folder) || !holdsAgent(folder)));
  const env: Record<string, string> = { HOME: home, PATH: [bin, ...folders].join(delimiter), LANG: 'C.UTF-8', TZ: 'UTC', SHELL: '/bin/sh', EXTENSIONS_GALLERY: '{"serviceUrl":""}' };
  for (const name of ['USER', 'LOGNAME', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  return env;
}
