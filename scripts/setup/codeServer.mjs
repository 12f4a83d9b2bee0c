// @ts-check
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInCache } from './cache.mjs';
import { ensureNode } from './node.mjs';
import { runNpm } from './run.mjs';
import { versions } from './versions.mjs';

/** The modules of VS Code that are compiled for the machine; their scripts are the only ones that run. */
const NATIVE = ['@vscode/spdlog', '@vscode/native-watchdog', '@vscode/sqlite3'];

/**
 * code-server, which is VS Code in a browser, in the cache.
 * @returns {Promise<{ node: string, entry: string }>} run it as `<node> <entry> …`
 */
export async function ensureCodeServer() {
  const entryIn = (/** @type {string} */ folder) => join(folder, 'node_modules', 'code-server', 'out', 'node', 'entry.js');
  const vscodeIn = (/** @type {string} */ folder) => join(folder, 'node_modules', 'code-server', 'lib', 'vscode');
  const node = await ensureNode();
  const folder = await ensureInCache({
    name: 'code-server',
    key: `${versions.codeServer}-node${versions.node}`,
    line: `code-server ${versions.codeServer} (VS Code in a browser): installing (600 MB, about 3 minutes)`,
    intact: (place) => existsSync(entryIn(place)) && existsSync(join(vscodeIn(place), 'extensions', 'node_modules', 'typescript')) && existsSync(join(vscodeIn(place), 'node_modules', '@vscode', 'spdlog', 'build', 'Release', 'spdlog.node')),
    install: async (place) => {
      writeFileSync(join(place, 'package.json'), '{"private":true}\n');
      const label = `The install of code-server ${versions.codeServer}`;
      const common = { label, nodeBin: node.bin };
      await runNpm({ ...common, log: 'code-server', cwd: place, args: ['install', '--ignore-scripts', '--no-package-lock', `code-server@${versions.codeServer}`] });
      const cwd = vscodeIn(place);
      await runNpm({ ...common, log: 'code-server-vscode', cwd, args: ['install', '--omit=dev', '--ignore-scripts'] });
      // The TypeScript of VS Code's own extensions: without it a notification covers the corner of every window that shows a TypeScript file.
      await runNpm({ ...common, log: 'code-server-extensions', cwd: join(cwd, 'extensions'), args: ['install', '--omit=dev', '--ignore-scripts'] });
      await runNpm({ ...common, log: 'code-server-native', cwd, args: ['rebuild', '--ignore-scripts=false', ...NATIVE], env: { npm_config_nodedir: node.home } });
    },
  });
  return { node: node.executable, entry: entryIn(folder) };
}
