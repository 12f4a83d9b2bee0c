// @ts-check
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachePath, ensureInCache } from './cache.mjs';
import { ensureNode } from './node.mjs';
import { cleanEnv, runLogged, runNpm } from './run.mjs';
import { versions } from './versions.mjs';

const windows = process.platform === 'win32';

/**
 * Installs one agent's npm package under Node 24 (npm on an older Node picks an older release of Claude Code without saying so).
 * @param {object} agent
 * @param {string} agent.name
 * @param {string} agent.title
 * @param {string} agent.package
 * @param {string} agent.version
 * @param {string} agent.size what it takes, for the line that is said
 * @param {Record<string, string>} [agent.probeEnv] what keeps its `--version` from writing outside the cache
 * @param {(folder: string, node: string) => Promise<void>} [agent.finish] what the package's own install script would do
 * @returns {Promise<string>} the executable's path
 */
async function ensureAgent({ name, title, package: spec, version, size, probeEnv = {}, finish }) {
  const executable = (/** @type {string} */ folder) => join(folder, 'node_modules', '.bin', windows ? `${name}.cmd` : name);
  const folder = await ensureInCache({
    name,
    key: version,
    line: `${title} ${version}: installing (${size})`,
    intact: (place) => existsSync(executable(place)),
    install: async (place) => {
      const node = await ensureNode();
      writeFileSync(join(place, 'package.json'), '{"private":true}\n');
      const label = `The install of ${title} ${version}`;
      await runNpm({ label, log: name, cwd: place, nodeBin: node.bin, args: ['install', '--ignore-scripts', '--no-package-lock', '--include=optional', `${spec}@${version}`] });
      await finish?.(place, node.executable);
      await runLogged({ label: `${title} ${version}`, log: `${name}-version`, command: executable(place), args: ['--version'], cwd: place, env: cleanEnv({ first: node.bin, add: probeEnv }), timeoutMs: 60_000 });
    },
  });
  return executable(folder);
}

/**
 * The real agents that the end-to-end tests drive, in the cache.
 * @returns {Promise<{ claude: string, codex: string, happy: string }>} the executables' paths
 */
export async function ensureAgents() {
  await ensureNode();
  const [claude, codex, happy] = await Promise.all([
    ensureAgent({
      name: 'claude',
      title: 'Claude Code',
      package: '@anthropic-ai/claude-code',
      version: versions.claude,
      size: '400 MB',
      finish: (place, node) => runLogged({
        label: 'The install script of Claude Code',
        log: 'claude-script',
        command: node,
        args: ['install.cjs'],
        cwd: join(place, 'node_modules', '@anthropic-ai', 'claude-code'),
      }),
    }),
    ensureAgent({ name: 'codex', title: 'Codex', package: '@openai/codex', version: versions.codex, size: '400 MB' }),
    ensureAgent({ name: 'happy', title: 'Happy', package: 'happy', version: versions.happy, size: '900 MB', probeEnv: { HAPPY_HOME_DIR: cachePath('logs', 'happy') } }),
  ]);
  return { claude, codex, happy };
}
