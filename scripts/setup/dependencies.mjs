// @ts-check
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachePath, readJson, say } from './cache.mjs';
import { SetupFailure } from './failure.mjs';
import { withLock } from './lock.mjs';
import { ensureNode } from './node.mjs';
import { repoRoot, runNpm } from './run.mjs';

const modules = join(repoRoot, 'node_modules');
const lockFile = join(repoRoot, 'package-lock.json');
const stampFile = join(modules, '.pilothouse-stamp');
const packagedNode = join(modules, 'node', 'bin', 'node');
const linkedNode = join(modules, '.bin', 'node');
const windows = process.platform === 'win32';

/** What node_modules must have been installed from. */
function wantedStamp() {
  if (!existsSync(lockFile)) throw new SetupFailure('package-lock.json is missing: check the repository out again.');
  return `${createHash('sha256').update(readFileSync(lockFile)).digest('hex')} ${process.platform} ${process.arch}`;
}

function standingStamp() {
  return existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';
}

/**
 * The packages that a lock file lists, by their folder.
 * @param {string} path
 * @returns {Map<string, Record<string, unknown>> | undefined}
 */
function packagesOf(path) {
  const { packages } = readJson(path) ?? {};
  return typeof packages === 'object' && packages !== null ? new Map(Object.entries(packages).filter(([folder]) => folder !== '')) : undefined;
}

/** Whether node_modules, however it was installed, holds what the lock file says: npm's own record of it and the folders are compared. */
function matchesLock() {
  const wanted = packagesOf(lockFile);
  const standing = packagesOf(join(modules, '.package-lock.json'));
  if (wanted === undefined || standing === undefined) return false;
  for (const [folder, entry] of wanted) {
    const has = standing.get(folder);
    if (has === undefined ? entry.optional !== true : has.version !== entry.version || has.integrity !== entry.integrity || !existsSync(join(repoRoot, folder, 'package.json'))) return false;
  }
  return [...standing.keys()].every((folder) => wanted.has(folder));
}

/** Puts the Node that the project runs on where npm looks for it: the `node` package would do so by an install script. */
async function ensureLinkedNode() {
  if (windows || (existsSync(packagedNode) && existsSync(linkedNode))) return;
  const { executable } = await ensureNode();
  mkdirSync(join(packagedNode, '..'), { recursive: true });
  rmSync(packagedNode, { force: true });
  try {
    linkSync(executable, packagedNode);
  } catch {
    copyFileSync(executable, packagedNode);
  }
  rmSync(linkedNode, { force: true });
  symlinkSync('../node/bin/node', linkedNode);
}

/** Whether everything the project's programs need is in place, without changing anything. */
export function dependenciesStand() {
  return standingStamp() === wantedStamp() && (windows || (existsSync(packagedNode) && existsSync(linkedNode)));
}

/**
 * The project's dependencies, as package-lock.json has them: `npm ci` where node_modules differs. Install scripts do not run: none of
 * the packages needs its own here, and one would compile a module that is not used.
 * @returns {Promise<{ node: string }>} the Node 24 that the project runs on
 */
export async function ensureDependencies() {
  if (!dependenciesStand()) {
    const id = createHash('sha256').update(repoRoot).digest('hex').slice(0, 8);
    await withLock(cachePath('locks', `dependencies-${id}.lock`), 'the install of the dependencies', async () => {
      const wanted = wantedStamp();
      if (standingStamp() !== wanted) {
        if (!matchesLock()) {
          say('dependencies: npm ci (1 minute)');
          await runNpm({ label: 'npm ci', log: `dependencies-${id}`, cwd: repoRoot, args: ['ci', ...(windows ? [] : ['--ignore-scripts'])] });
        }
        writeFileSync(stampFile, wanted);
      }
      await ensureLinkedNode();
    });
  }
  return { node: windows ? join(modules, 'node', 'bin', 'node.exe') : packagedNode };
}
