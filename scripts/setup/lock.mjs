// @ts-check
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, SetupFailure } from './failure.mjs';

const WAIT_MS = 30 * 60_000;
const TAKEOVER_STALE_MS = 10_000;

/**
 * When a process was started, in the kernel's ticks, so that a reused process id is not taken for its former owner.
 * @param {number} pid
 * @returns {string} '' where the system does not tell
 */
export function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/**
 * @param {number} pid
 * @returns {boolean} whether a process with that id exists
 */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {string} path */
function ownerOf(path) {
  try {
    const text = readFileSync(path, 'utf8');
    const [pid = '', start = ''] = text.trim().split(' ');
    return { text, pid: Number(pid), alive: Number(pid) > 0 && isAlive(Number(pid)) && startOf(Number(pid)) === start };
  } catch {
    return undefined;
  }
}

/**
 * @param {string} path
 * @param {string} text
 * @returns {boolean} whether this call made the file
 */
function make(path, text) {
  try {
    writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes the lock of an owner that is dead. Only one waiter at a time may, so that none removes the lock that another has just taken.
 * @param {string} path
 * @param {string} seen the content that was judged to be a dead owner's
 */
function removeStale(path, seen) {
  const guard = `${path}.takeover`;
  if (!make(guard, String(process.pid))) {
    try {
      if (Date.now() - statSync(guard).mtimeMs > TAKEOVER_STALE_MS) rmSync(guard, { force: true });
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    return;
  }
  try {
    if (ownerOf(path)?.text === seen) rmSync(path, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/**
 * Runs work that only one process of this machine may do at a time. The lock of a process that died is taken over.
 * @template T
 * @param {string} path the lock file
 * @param {string} what what the lock guards, for the line that says that another run is waited for
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @throws {SetupFailure} when another process has held the lock for half an hour
 */
export async function withLock(path, what, work) {
  mkdirSync(dirname(path), { recursive: true });
  const mine = `${process.pid} ${startOf(process.pid)} ${Math.random().toString(36).slice(2)}\n`;
  const deadline = Date.now() + WAIT_MS;
  let told = false;
  while (!make(path, mine)) {
    const owner = ownerOf(path);
    if (owner === undefined) continue;
    if (!owner.alive) {
      // A file that is still empty belongs to an owner that is writing it; one second later it does not.
      if (owner.text === '') await sleep(1000);
      removeStale(path, owner.text);
      continue;
    }
    if (Date.now() > deadline) throw new SetupFailure(`Process ${owner.pid} has been busy with ${what} for half an hour. End it, or remove ${path}.`);
    if (!told) console.log(`[setup] waiting for ${what} by process ${owner.pid}`);
    told = true;
    await sleep(500);
  }
  try {
    return await work();
  } finally {
    if (ownerOf(path)?.text === mine) rmSync(path, { force: true });
  }
}
