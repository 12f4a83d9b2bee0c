// @ts-check
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cachePath, cacheRoot, ensureInCache, say } from './cache.mjs';
import { ensureCodeServer } from './codeServer.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { SetupFailure } from './failure.mjs';
import { withLock } from './lock.mjs';
import { cleanEnv, repoRoot, runLogged } from './run.mjs';

const repoId = createHash('sha256').update(repoRoot).digest('hex').slice(0, 8);

/**
 * The extension as a .vsix: the one that `PILOTHOUSE_VSIX` names, else the project's own, built and packaged. A package of the same content
 * is not made again.
 * @returns {Promise<{ path: string, key: string }>} the .vsix in the cache; `key` is a hash of what is in it
 */
export async function ensureVsix() {
  const given = process.env.PILOTHOUSE_VSIX;
  if (given !== undefined && given !== '') {
    if (!existsSync(given)) throw new SetupFailure(`PILOTHOUSE_VSIX names no file: ${given}`);
    return { path: resolve(given), key: createHash('sha256').update(readFileSync(given)).digest('hex').slice(0, 16) };
  }
  const { node } = await ensureDependencies();
  return withLock(cachePath('locks', `build-${repoId}.lock`), 'the build', async () => {
    say('building the extension');
    await runLogged({ label: 'The build', log: `build-${repoId}`, command: node, args: [join('scripts', 'build.mjs')], cwd: repoRoot, env: cleanEnv({ first: join(repoRoot, 'node_modules', '.bin') }) });
    const { listFiles, PackageManager } = await import('@vscode/vsce');
    const files = (await listFiles({ cwd: repoRoot, packageManager: PackageManager.None })).sort();
    const hash = createHash('sha256');
    for (const file of files) hash.update(file).update('\0').update(readFileSync(join(repoRoot, file))).update('\0');
    const key = hash.digest('hex').slice(0, 16);
    const path = cachePath('vsix', `pilothouse-${key}.vsix`);
    if (existsSync(path)) return { path, key };
    say('packaging the extension');
    pruneBuilds();
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      const args = [join('node_modules', '@vscode', 'vsce', 'vsce'), 'package', '--no-dependencies', '--allow-missing-repository', '--skip-license', '--no-rewrite-relative-links', '--out', temporary];
      await runLogged({ label: 'Packaging the extension', log: `package-${repoId}`, command: node, args, cwd: repoRoot });
      renameSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
    return { path, key };
  });
}

/** Removes packages and installed copies of them that no run of the last day made. */
function pruneBuilds() {
  const old = Date.now() - 24 * 60 * 60_000;
  const candidates = [...readdirSync(cachePath('vsix', '.')).map((name) => cachePath('vsix', name)), ...readdirSync(cacheRoot()).filter((name) => name.startsWith('extensions-')).map((name) => cachePath(name))];
  for (const path of candidates) if (statSync(path).mtimeMs < old) rmSync(path, { recursive: true, force: true });
}

/**
 * An extensions folder in which VS Code itself installed a .vsix: copied for each run, so that only the first pays for the install.
 * @param {{ path: string, key: string }} vsix
 * @returns {Promise<string>}
 */
export async function ensureExtensionsFolder({ path, key }) {
  const { node, entry } = await ensureCodeServer();
  const folder = await ensureInCache({
    name: 'extensions',
    key,
    line: 'installing the extension into VS Code',
    install: async (place) => {
      const args = [entry, '--config', join(place, 'config.yaml'), '--user-data-dir', join(place, 'data'), '--extensions-dir', join(place, 'extensions'), '--install-extension', path, '--force'];
      await runLogged({ label: 'The install of the extension', log: 'extension-install', command: node, args, cwd: place, timeoutMs: 120_000 });
      rmSync(join(place, 'data'), { recursive: true, force: true });
    },
    intact: (place) => existsSync(join(place, 'extensions', 'extensions.json')),
  });
  return join(folder, 'extensions');
}
