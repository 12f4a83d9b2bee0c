// @ts-check
/**
 * `npm test`: every check and test of the project, each suite even when one before it failed.
 *
 *   npm test -- [--long] [--update] [types] [lint] [checks] [unit] [contract] [gallery] [e2e]
 *
 * `--update`: what the gallery shows now is what it should show from now on. Look at the pictures in test-results/gallery first.
 * The last line is `N passed, N failed`, with `, N skipped` when some were.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readJson } from './setup/cache.mjs';
import { cleanEnv, endTree, ensureDependencies, repoRoot, reportFailure, SetupFailure } from './setup/index.mjs';

const MINUTE = 60_000;
/**
 * In the order in which they run: an npm script, which counts as one, or a project of vitest.
 * @typedef {{ title: string, script?: string, project?: string, minutes: number }} Suite
 * @type {ReadonlyMap<string, Suite>}
 */
const SUITES = new Map(Object.entries({
  types: { title: 'Types', script: 'types', minutes: 10 },
  lint: { title: 'Lint', script: 'lint', minutes: 10 },
  checks: { title: 'Floors, parity and the core\'s bundle', script: 'check', minutes: 10 },
  unit: { title: 'Unit tests', project: 'unit', minutes: 30 },
  contract: { title: 'Contract tests', project: 'contract', minutes: 30 },
  gallery: { title: 'The chat page, in every state and theme, in a browser', project: 'gallery', minutes: 30 },
  e2e: { title: 'End-to-end tests, in VS Code in a browser', project: 'e2e', minutes: 60 },
}));

/**
 * Runs a program in the open.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {number} timeoutMs
 * @returns {Promise<boolean>} whether it succeeded
 */
function run(command, args, env, timeoutMs) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: repoRoot, env, stdio: 'inherit', shell: command.endsWith('.cmd') });
    const timer = setTimeout(() => {
      console.error(`ended after ${timeoutMs / MINUTE} minutes`);
      void endTree(child.pid ?? 0);
    }, timeoutMs);
    child.on('error', (error) => {
      console.error(error.message);
      done(false);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      done(code === 0);
    });
  });
}

/**
 * The counts of a vitest report. A file that failed outside of a test, and a run that failed outside of a file, count as one failure each.
 * @param {string} path
 * @param {boolean} succeeded
 */
function countsOf(path, succeeded) {
  const report = readJson(path);
  const files = Array.isArray(report?.testResults) ? report.testResults : [];
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    const tests = Array.isArray(file.assertionResults) ? file.assertionResults : [];
    const failed = tests.filter((/** @type {{ status: string }} */ test) => test.status === 'failed').length;
    const passed = tests.filter((/** @type {{ status: string }} */ test) => test.status === 'passed').length;
    counts.passed += passed;
    counts.skipped += tests.length - passed - failed;
    counts.failed += file.status === 'failed' ? Math.max(failed, 1) : failed;
  }
  if (!succeeded && counts.failed === 0) counts.failed = 1;
  return counts;
}

/**
 * @param {string} name
 * @param {Suite} suite
 * @param {string} node
 * @param {NodeJS.ProcessEnv} env
 */
async function runSuite(name, { title, script, project, minutes }, node, env) {
  console.log(`\n== ${title} ==\n`);
  if (script !== undefined) {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const succeeded = await run(npm, ['run', '--silent', script], env, minutes * MINUTE);
    console.log(succeeded ? 'passed' : 'FAILED');
    return { passed: succeeded ? 1 : 0, failed: succeeded ? 0 : 1, skipped: 0 };
  }
  const report = join(repoRoot, 'test-results', `${name}.json`);
  rmSync(report, { force: true });
  const args = [join('node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', project ?? name, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const succeeded = await run(node, args, env, minutes * MINUTE * (env.PILOTHOUSE_LONG === '1' ? 4 : 1));
  return countsOf(report, succeeded && existsSync(report));
}

/** @returns {Promise<{ passed: number, failed: number, skipped: number }>} */
async function main() {
  const { values, positionals } = parseArgs({ options: { long: { type: 'boolean' }, update: { type: 'boolean' } }, allowPositionals: true });
  const unknown = positionals.filter((name) => !SUITES.has(name));
  if (unknown.length > 0) throw new SetupFailure(`There is no suite ${unknown.join(', ')}. The suites are ${[...SUITES.keys()].join(', ')}.`);
  const { node } = await ensureDependencies();
  mkdirSync(join(repoRoot, 'test-results'), { recursive: true });
  const env = cleanEnv({ first: join(repoRoot, 'node_modules', '.bin'), add: { ...(values.long === true ? { PILOTHOUSE_LONG: '1' } : {}), ...(values.update === true ? { PILOTHOUSE_UPDATE: '1' } : {}) } });
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, suite] of SUITES) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const counts = await runSuite(name, suite, node, env);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  return total;
}

/** @type {{ passed: number, failed: number, skipped: number }} */
let total;
try {
  total = await main();
} catch (error) {
  reportFailure(error);
  total = { passed: 0, failed: 1, skipped: 0 };
}
console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed > 0 ? 1 : 0;
