// @ts-check
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLog } from './cache.mjs';
import { adviceFor, codeOf, SetupFailure } from './failure.mjs';

/** The project's folder. */
export const repoRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

const windows = process.platform === 'win32';

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill();
});

/**
 * The environment for a program of ours: what `npm run` adds for the project's own package is taken out, so that an npm below works on
 * its own folder and VS Code sees the person's own PATH; an optional folder comes first in PATH.
 * @param {{ first?: string, add?: Record<string, string> }} [options]
 * @returns {NodeJS.ProcessEnv}
 */
export function cleanEnv({ first, add = {} } = {}) {
  /** @type {NodeJS.ProcessEnv} */
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (/^(npm_(package|lifecycle|command|execpath|node_execpath|config_(local_prefix|global_prefix|prefix|user_agent|npm_version))|INIT_CWD)/.test(name)) continue;
    env[name] = value;
  }
  const path = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  const folders = (env[path] ?? '').split(delimiter).filter((folder) => !/node_modules[/\\](\.bin|@npmcli|npm)/.test(folder));
  env[path] = [...(first === undefined ? [] : [first]), ...folders].join(delimiter);
  return { ...env, ...add };
}

/**
 * Runs a program to its end with its output in a log file of the cache.
 * @param {object} what
 * @param {string} what.label what failed, for the error's text
 * @param {string} what.log the log's name
 * @param {string} what.command
 * @param {readonly string[]} what.args
 * @param {string} what.cwd
 * @param {NodeJS.ProcessEnv} [what.env]
 * @param {number} [what.timeoutMs]
 * @returns {Promise<void>}
 * @throws {SetupFailure} with the end of the log and what to do, when it fails or takes too long
 */
export async function runLogged({ label, log, command, args, cwd, env = cleanEnv(), timeoutMs = 20 * 60_000 }) {
  const file = openLog(log);
  try {
    const ended = await new Promise((done) => {
      const child = spawn(command, args, { cwd, env, stdio: ['ignore', file.fd, file.fd], timeout: timeoutMs, shell: windows && command.endsWith('.cmd') });
      children.add(child);
      child.on('error', (error) => done(codeOf(error) === 'ENOENT' ? `${command} is not on PATH` : String(error)));
      child.on('close', (code, signal) => {
        children.delete(child);
        done(code === 0 ? '' : signal === null ? `exit code ${code}` : `ended by ${signal}`);
      });
    });
    if (ended === '') return;
    const output = readFileSync(file.path, 'utf8');
    const tail = output.trimEnd().split('\n').filter((line) => !/^\s+at /.test(line)).slice(-20).join('\n');
    throw new SetupFailure([`${label} failed (${ended}).`, tail, `(log: ${file.path})`, adviceFor(output)].filter((part) => part !== '').join('\n'));
  } finally {
    file.close();
  }
}

/**
 * Runs npm in a folder.
 * @param {object} what
 * @param {string} what.label
 * @param {string} what.log
 * @param {readonly string[]} what.args
 * @param {string} what.cwd
 * @param {string} [what.nodeBin] the folder of the Node that npm is to run under; without it, the one on PATH
 * @param {Record<string, string>} [what.env]
 * @returns {Promise<void>}
 */
export function runNpm({ label, log, args, cwd, nodeBin, env = {} }) {
  const quiet = { npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' };
  return runLogged({
    label,
    log,
    command: windows ? 'npm.cmd' : 'npm',
    args,
    cwd,
    env: cleanEnv({ ...(nodeBin === undefined ? {} : { first: nodeBin }), add: { ...quiet, ...env } }),
  });
}
