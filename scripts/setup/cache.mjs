// @ts-check
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { withLock } from './lock.mjs';

const STAMP = '.pilothouse-installed.json';

/**
 * The folder that holds what the scripts download: `PILOTHOUSE_CACHE`, else `$XDG_CACHE_HOME/pilothouse`, else `~/.cache/pilothouse`.
 * @returns {string} an absolute path; it may not exist yet
 */
export function cacheRoot() {
  if (process.env.PILOTHOUSE_CACHE) return resolve(process.env.PILOTHOUSE_CACHE);
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pilothouse');
}

/**
 * A path below the cache folder; its parent folder exists afterwards.
 * @param {...string} parts
 * @returns {string}
 */
export function cachePath(...parts) {
  const path = join(cacheRoot(), ...parts);
  mkdirSync(join(path, '..'), { recursive: true });
  return path;
}

/**
 * Says in one line what the setup does.
 * @param {string} line
 */
export function say(line) {
  console.log(`[setup] ${line}`);
}

/**
 * @param {string} path
 * @returns {Record<string, unknown> | undefined} the object in a JSON file, or undefined when there is none that can be read
 */
export function readJson(path) {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Writes a file so that a reader sees all of it or nothing.
 * @param {string} path
 * @param {string} text
 */
export function writeWhole(path, text) {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/**
 * Where a kind of thing stands when it is installed.
 * @param {string} name
 * @param {string} key
 */
function placeOf(name, key) {
  return cachePath(`${name}-${key}`);
}

/**
 * The folder of something already installed, without installing it.
 * @param {string} name
 * @param {string} key its version, and whatever else makes two installs differ
 * @returns {string | undefined}
 */
export function installed(name, key) {
  const place = placeOf(name, key);
  return readJson(join(place, STAMP))?.key === key ? place : undefined;
}

/**
 * Installs something into the cache once. The work happens in a temporary folder that is renamed when it is whole and stamped, so an
 * interrupted install never looks finished; a lock keeps two runs from doing the same work.
 * @param {object} what
 * @param {string} what.name the folder's name in the cache, with `key` after it
 * @param {string} what.key its version, and whatever else makes two installs differ
 * @param {string} what.line what is said before the work starts
 * @param {(folder: string) => Promise<void> | void} what.install fills the folder; throws when it cannot
 * @param {(folder: string) => boolean} [what.intact] whether an install that was finished once still stands
 * @returns {Promise<string>} the installed folder
 */
export async function ensureInCache({ name, key, line, install, intact = () => true }) {
  const standing = () => {
    const place = installed(name, key);
    return place !== undefined && intact(place) ? place : undefined;
  };
  return standing() ?? withLock(cachePath('locks', `${name}.lock`), `the install of ${name}`, async () => {
    const already = standing();
    if (already !== undefined) return already;
    const work = cachePath('installing');
    mkdirSync(work, { recursive: true });
    for (const left of readdirSync(work)) if (left.startsWith(`${name}@`)) removeLeft(join(work, left));
    const temporary = join(work, `${name}@${process.pid}`);
    mkdirSync(temporary);
    say(line);
    try {
      await install(temporary);
      if (!intact(temporary)) throw new Error(`${name} ${key} was installed, but does not work as expected: ${temporary}`);
      writeFileSync(join(temporary, STAMP), JSON.stringify({ name, key, at: new Date().toISOString() }));
      const place = placeOf(name, key);
      if (existsSync(place)) {
        const aside = join(work, `${name}@${process.pid}-broken`);
        renameSync(place, aside);
        rmSync(aside, { recursive: true, force: true });
      }
      renameSync(temporary, place);
      return place;
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  });
}

/**
 * Removes what an interrupted install left; what its programs still write to is left for the next time.
 * @param {string} path
 */
function removeLeft(path) {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 100 });
  } catch (error) {
    say(`could not remove what an interrupted install left: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Opens the log file of one install for its programs to write to.
 * @param {string} name
 * @returns {{ path: string, fd: number, close: () => void }}
 */
export function openLog(name) {
  const path = cachePath('logs', `${name}.log`);
  const fd = openSync(path, 'w');
  return { path, fd, close: () => closeSync(fd) };
}
