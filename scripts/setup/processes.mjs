// @ts-check
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, startOf } from './lock.mjs';

/**
 * A process of this machine. `marked` tells whether its environment carries the marker that was asked for; where the system does not
 * show environments, no process is marked.
 * @typedef {{ pid: number, parent: number, start: string, command: string, marked: boolean }} Process
 */

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/**
 * @param {string} marker `NAME=value` of an environment variable, or ''
 * @returns {Process[]}
 */
function allProcesses(marker) {
  if (process.platform === 'linux') {
    const found = [];
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (!Number.isInteger(pid)) continue;
      const stat = readText(`/proc/${pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (stat === '' || fields[0] === 'Z') continue;
      const marked = marker !== '' && `\0${readText(`/proc/${pid}/environ`)}`.includes(`\0${marker}\0`);
      found.push({ pid, parent: Number(fields[1]), start: fields[19] ?? '', command: readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim(), marked });
    }
    return found;
  }
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    return match === null ? [] : [{ pid: Number(match[1]), parent: Number(match[2]), start: '', command: match[3] ?? '', marked: false }];
  });
}

/**
 * A process, its descendants, and every process that carries the marker: what left its parent is found too.
 * @param {number} pid
 * @param {string} [marker] `NAME=value` of an environment variable that only these processes have
 * @returns {Process[]}
 */
export function processTree(pid, marker = '') {
  const all = allProcesses(marker).filter((one) => one.pid !== process.pid);
  const mine = new Set([pid]);
  for (let size = 0; size !== mine.size;) {
    size = mine.size;
    for (const one of all) if (one.marked || mine.has(one.parent)) mine.add(one.pid);
  }
  return all.filter((one) => mine.has(one.pid));
}

/** @param {Process} one */
function stillRuns(one) {
  return isAlive(one.pid) && startOf(one.pid) === one.start;
}

/**
 * @param {Process} one
 * @param {NodeJS.Signals} signal
 */
function signalTo(one, signal) {
  try {
    if (stillRuns(one)) process.kill(one.pid, signal);
  } catch {
    // It ended between the look and the signal.
  }
}

/**
 * Ends a process with its descendants and what carries the marker, by id: asked first, then killed.
 * @param {number} pid
 * @param {{ marker?: string, graceMs?: number }} [options]
 * @returns {Promise<void>} settles when none of them runs any more
 */
export async function endTree(pid, { marker = '', graceMs = 3000 } = {}) {
  const seen = processTree(pid, marker);
  const root = seen.find((one) => one.pid === pid);
  if (root !== undefined) {
    signalTo(root, 'SIGTERM');
    const deadline = Date.now() + graceMs;
    while (Date.now() < deadline && stillRuns(root)) await sleep(50);
  }
  for (let round = 0; round < 20; round += 1) {
    const left = [...seen, ...processTree(pid, marker)].filter((one) => (one.marked || seen.includes(one) || one.pid === pid) && stillRuns(one));
    if (left.length === 0) return;
    for (const one of left) signalTo(one, round === 0 ? 'SIGTERM' : 'SIGKILL');
    await sleep(round === 0 ? 300 : 50);
  }
}

/**
 * The same at once, for a process that is itself about to end.
 * @param {number} pid
 * @param {string} marker
 */
export function endTreeNow(pid, marker) {
  for (const one of processTree(pid, marker)) signalTo(one, 'SIGKILL');
}
