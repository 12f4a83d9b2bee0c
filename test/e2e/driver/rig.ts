import { resolve } from 'node:path';
import { ensureAgents, ensureChromium, ensureCodeServer, ensureExtensionsFolder, ensureNode, ensureVsix, repoRoot } from '../../../scripts/setup/index.mjs';

/** What the driver runs: every path is absolute, everything is installed. */
export interface Rig {
  readonly codeServer: { readonly node: string; readonly entry: string };
  readonly chromium: { readonly executable: string; readonly env: Record<string, string> };
  readonly agents: { readonly claude: string; readonly codex: string };
  /** Node 24: what the demo agent and scripts of tests run on. */
  readonly node: string;
  /** An extensions folder that VS Code itself installed the extension into; each run gets a copy. */
  readonly extensions: string;
}

const VARIABLE = 'PILOTHOUSE_RIG';

/** The project's folder. */
export const projectRoot: string = repoRoot;

/** The folder for what a run leaves behind to be looked at. */
export const resultsFolder: string = resolve(repoRoot, 'test-results');

/** Installs and builds what is missing, and leaves it for the worker processes of this run to find. */
export async function prepareRig(): Promise<Rig> {
  const [codeServer, chromium, agents, node, vsix] = await Promise.all([ensureCodeServer(), ensureChromium(), ensureAgents(), ensureNode(), ensureVsix()]);
  const rig: Rig = { codeServer, chromium, agents, node: node.executable, extensions: await ensureExtensionsFolder(vsix) };
  process.env[VARIABLE] = JSON.stringify(rig);
  return rig;
}

let prepared: Promise<Rig> | undefined;

/** The rig of this run: the one that the run's setup prepared, else (in a script of its own) one prepared now. */
export function currentRig(): Promise<Rig> {
  const text = process.env[VARIABLE];
  prepared ??= text === undefined ? prepareRig() : Promise.resolve(JSON.parse(text) as Rig);
  return prepared;
}
