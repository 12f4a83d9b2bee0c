// @ts-check
/**
 * `npm start`: sets up what is missing, builds and packages the extension, and opens VS Code with it in a profile of its own: the `code` on PATH,
 * or VS Code in a browser (code-server) where there is none.
 *
 * A demo fleet, a made-up Happy account on loopback, runs beside it until this command ends.
 *
 *   npm start -- [--browser] [--port N] [--folder DIR] [--no-demo-fleet]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeWhole } from './setup/cache.mjs';
import { startDemoFleet } from './setup/demoFleet.mjs';
import { cleanEnv, ensureCodeServer, ensureDependencies, ensureVsix, onPath, reportFailure, runLogged, serve, SetupFailure } from './setup/index.mjs';
import { sampleWorkspace, startProfile, writeProfileSettings } from './setup/profile.mjs';

const USAGE = 'npm start -- [--browser] [--port N] [--folder DIR] [--no-demo-fleet]';
/** `engines.vscode` of the extension. */
const OLDEST = { major: 1, minor: 105 };

function readOptions() {
  const { values } = parseArgs({ options: { browser: { type: 'boolean' }, port: { type: 'string' }, folder: { type: 'string' }, 'no-demo-fleet': { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) throw new SetupFailure(`--port takes a number from 1 to 65535, not ${values.port}.`);
  const folder = values.folder === undefined ? undefined : resolve(process.env.INIT_CWD ?? '.', values.folder);
  if (folder !== undefined && !(existsSync(folder) && statSync(folder).isDirectory())) throw new SetupFailure(`--folder names no folder: ${folder}`);
  return { help: values.help === true, browser: values.browser === true || port !== undefined, port, folder, demo: values['no-demo-fleet'] !== true };
}

/** The VS Code of this desktop, if one can be opened from here and is not too old for the extension. */
function desktopCode() {
  const remote = process.env.VSCODE_IPC_HOOK_CLI !== undefined || (existsSync('/proc/version') && /microsoft/i.test(readFileSync('/proc/version', 'utf8')));
  const noScreen = process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY;
  const code = remote || noScreen ? undefined : onPath(['code']);
  if (code === undefined) return undefined;
  const { stdout } = spawnSync(code, ['--version'], { encoding: 'utf8', timeout: 20_000, env: cleanEnv(), shell: code.endsWith('.cmd') });
  const [major = 0, minor = 0] = (stdout ?? '').split('.').map(Number);
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return code;
  console.log(`The VS Code on PATH (${(stdout ?? '').split('\n')[0] || 'of unknown version'}) is older than ${OLDEST.major}.${OLDEST.minor}: opening one in the browser instead.`);
  return undefined;
}

/**
 * Installs the extension into a profile, unless it stands there already.
 * @param {{ data: string, extensions: string, stamp: string }} profile
 * @param {{ path: string, key: string }} vsix
 * @param {string} command
 * @param {readonly string[]} args what comes before VS Code's own arguments
 */
async function installExtension(profile, vsix, command, args) {
  if (existsSync(profile.stamp) && readFileSync(profile.stamp, 'utf8') === vsix.key) return;
  await runLogged({
    label: 'The install of the extension',
    log: 'start-extension',
    command,
    args: [...args, '--user-data-dir', profile.data, '--extensions-dir', profile.extensions, '--install-extension', vsix.path, '--force'],
    cwd: profile.data,
    timeoutMs: 120_000,
  });
  writeWhole(profile.stamp, vsix.key);
}

/** Aborted by Ctrl-C and its like. */
const stop = new AbortController();
/** From now on a signal ends what this command runs, and then the command. */
function listenForSignals() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => stop.abort(new SetupFailure('Stopped.')));
}
const stopped = () => new Promise((done) => (stop.signal.aborted ? done('') : stop.signal.addEventListener('abort', () => done(''))));

/** @param {import('./setup/demoFleet.mjs').DemoFleet} fleet */
function tellFleet({ url, machines, sessions, folder }) {
  console.log(`\nA demo fleet runs beside it, as the connection Demo Fleet: a Happy server on ${url} with ${machines} machines and ${sessions} sessions, all made up.
From a terminal: HAPPY_HOME_DIR='${folder}' npx --no-install node dist/cli.js happy sessions
Without it: npm start -- --no-demo-fleet`);
}

/**
 * @param {string} code
 * @param {{ folder: string | undefined, demo: boolean }} options
 */
async function openDesktop(code, { folder, demo }) {
  const { node } = await ensureDependencies();
  const vsix = await ensureVsix();
  const profile = startProfile('desktop');
  writeProfileSettings('desktop', profile.data, node);
  await installExtension(profile, vsix, code, []);
  const fleet = demo ? await startDemoFleet({ node }) : undefined;
  const args = ['--user-data-dir', profile.data, '--extensions-dir', profile.extensions, '--new-window'];
  if (folder === undefined) args.push('--disable-workspace-trust');
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  try {
    await runLogged({ label: 'VS Code', log: 'start-code', command: code, args: [...args, folder ?? sampleWorkspace()], cwd: profile.data, env: { ...cleanEnv(), ...fleet?.env }, timeoutMs: 60_000 });
    console.log('VS Code is open with Pilothouse, in a profile of its own. The Pilothouse icon in the activity bar shows the sessions.');
    if (fleet === undefined) return;
    tellFleet(fleet);
    console.log(`\nCtrl+C ends the demo fleet; VS Code stays open. Without a terminal: kill ${process.pid}`);
    listenForSignals();
    await Promise.race([fleet.ended, stopped()]);
  } finally {
    await fleet?.end();
  }
}

/**
 * @param {number | undefined} port
 * @param {{ folder: string | undefined, demo: boolean }} options
 */
async function openBrowser(port, { folder, demo }) {
  const { node } = await ensureDependencies();
  const [codeServer, vsix] = await Promise.all([ensureCodeServer(), ensureVsix()]);
  const profile = startProfile('browser');
  writeProfileSettings('browser', profile.data, node);
  await installExtension(profile, vsix, codeServer.node, [codeServer.entry, '--config', resolve(profile.data, 'code-server.yaml')]);
  listenForSignals();
  const fleet = demo ? await startDemoFleet({ node }) : undefined;
  try {
    const served = await serve({
      codeServer, userDataDir: profile.data, extensionsDir: profile.extensions, env: { ...cleanEnv(), ...fleet?.env }, trusted: folder === undefined, signal: stop.signal,
      ...(port === undefined ? {} : { port }),
    });
    console.log(`\nVS Code runs with Pilothouse, in a profile of its own. Open this address in a browser:\n\n${served.url}/?folder=${encodeURIComponent(folder ?? sampleWorkspace())}`);
    if (fleet !== undefined) tellFleet(fleet);
    console.log(`\nCtrl+C ends it. Without a terminal: kill ${process.pid}`);
    const ended = await Promise.race([served.ended, stopped()]);
    await served.end();
    if (ended !== '') throw new SetupFailure(`code-server ended by itself (${ended}):\n${served.output().trim().split('\n').slice(-15).join('\n')}`);
    console.log('Stopped.');
  } finally {
    await fleet?.end();
  }
}

try {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
  } else {
    const code = options.browser ? undefined : desktopCode();
    await (code === undefined ? openBrowser(options.port, options) : openDesktop(code, options));
  }
} catch (error) {
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) reportFailure(new SetupFailure(`${error.message}\n${USAGE}`));
  else reportFailure(error);
}
// An install that another part's failure made pointless is given up.
process.exit();
