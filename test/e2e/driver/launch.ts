import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Browser, BrowserContext } from 'playwright-core';
import { endTree, endTreeNow, processTree, serve } from '../../../scripts/setup/index.mjs';
import { HELPER_VARIABLE, installHelper } from './helper.ts';
import { acquireBrowser, releaseBrowser } from './browser.ts';
import { copySampleWorkspace, firstSettings, testEnvironment, writeSettings, type AgentName } from './profile.ts';
import { currentRig, resultsFolder } from './rig.ts';
import { until } from './wait.ts';
import { VSCodeWindow, type Theme } from './window.ts';

/** How a VS Code is started; everything has a default. */
export interface LaunchOptions {
  /** The workspace's folder. Without it: a copy of the sample workspace, removed at the end. */
  readonly folder?: string;
  /** Added to the environment of the extension host and of its agents; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The agents that this computer has: none without it. */
  readonly agents?: readonly AgentName[];
  /** A profile that outlives this VS Code, to start another one on it. Without it: a private one, removed at the end. */
  readonly userDataDir?: string;
  /** A home folder that outlives this VS Code. Without it: a private one, removed at the end. */
  readonly home?: string;
  /** The port, for a VS Code that comes back at the same address (a browser's storage belongs to an address). */
  readonly port?: number;
  /** Whether folders are trusted without asking: true without it. */
  readonly trusted?: boolean;
  readonly viewport?: { readonly width: number; readonly height: number };
}

/** How another window on the same VS Code is opened. */
export interface WindowOptions {
  readonly folder?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** A browser of its own, with nothing stored: as if from another computer. Without it: another tab of the same browser. */
  readonly isolated?: boolean;
}

const VIEWPORT = { width: 1280, height: 800 };
const running = new Set<VSCode>();

process.once('exit', () => {
  for (const code of running) code.endNow();
});

interface Started {
  readonly url: string;
  readonly pid: number;
  readonly marker: string;
  readonly output: () => string;
  readonly browser: Browser;
  readonly root: string;
  readonly helperFolder: string;
  readonly folder: string;
  readonly home: string;
  readonly userDataDir: string;
}

/** A running VS Code with the extension, and its windows. Close it with `close()`, or by `await using`. */
export class VSCode implements AsyncDisposable {
  /** The workspace's folder. */
  readonly folder: string;
  /** The home folder of the extension host and of its agents. */
  readonly home: string;
  readonly userDataDir: string;
  /** The address, without a slash at its end. */
  readonly url: string;
  readonly windows: VSCodeWindow[] = [];
  readonly #started: Started;
  readonly #contexts: BrowserContext[] = [];
  readonly #claimed = new Set<number>();
  #closed: Promise<void> | undefined;

  constructor(started: Started) {
    this.#started = started;
    this.folder = started.folder;
    this.home = started.home;
    this.userDataDir = started.userDataDir;
    this.url = started.url;
    running.add(this);
  }

  /** The first window. */
  get window(): VSCodeWindow {
    const [first] = this.windows;
    if (first === undefined) throw new Error('this VS Code has no window');
    return first;
  }

  async openWindow(options: WindowOptions = {}): Promise<VSCodeWindow> {
    const viewport = options.viewport ?? VIEWPORT;
    let [context] = this.#contexts;
    if (context === undefined || options.isolated === true) {
      context = await this.#started.browser.newContext({ viewport, permissions: ['clipboard-read', 'clipboard-write'] });
      this.#contexts.push(context);
    }
    const page = await context.newPage();
    await page.setViewportSize(viewport);
    const window = new VSCodeWindow(page, () => this.#claimHost(), this.#started.helperFolder);
    this.windows.push(window);
    page.on('close', () => this.windows.splice(this.windows.indexOf(window), 1));
    await window.open(`${this.url}/?folder=${encodeURIComponent(options.folder ?? this.folder)}`);
    return window;
  }

  /** The process ids of the extension hosts that run now. */
  extensionHostPids(): readonly number[] {
    return processTree(this.#started.pid, this.#started.marker).filter((one) => one.command.includes('--type=extensionHost')).map((one) => one.pid);
  }

  /** Every process that this VS Code started and that still runs, agents among them, whoever their parent is now. */
  processes(): readonly { readonly pid: number; readonly parent: number; readonly command: string }[] {
    return processTree(this.#started.pid, this.#started.marker);
  }

  async #claimHost(): Promise<number> {
    const pid = await until('an extension host', async () => this.extensionHostPids().find((one) => !this.#claimed.has(one)));
    this.#claimed.add(pid);
    return pid;
  }

  /** Changes user settings in all windows; null removes one. */
  async updateSettings(changes: Readonly<Record<string, unknown>>): Promise<void> {
    for (const window of this.windows) await window.updateSettings(changes);
  }

  /** Changes the colour theme of all windows, and waits until they show it. */
  async setTheme(theme: Theme): Promise<void> {
    for (const window of this.windows) await window.setTheme(theme);
  }

  /** The log files of VS Code and of the extension, by their path below the logs folder. */
  logs(): ReadonlyMap<string, string> {
    const folder = join(this.userDataDir, 'logs');
    const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log')) : [];
    return new Map([['code-server.log', this.#started.output()], ...names.map((name): [string, string] => [name, readFileSync(join(folder, name), 'utf8')])]);
  }

  /** Writes pictures of the windows, their errors and the logs below `test-results/failures/<name>/`. */
  async dump(name: string): Promise<string> {
    const folder = join(resultsFolder, 'failures', name.replaceAll(/[^\w.-]+/g, '-').slice(0, 120));
    mkdirSync(folder, { recursive: true });
    for (const [index, window] of this.windows.entries()) {
      writeFileSync(join(folder, `window-${index + 1}-errors.txt`), window.errors.join('\n'));
      await window.page.screenshot({ path: join(folder, `window-${index + 1}.png`), timeout: 10_000 }).catch(() => undefined);
    }
    for (const [path, text] of this.logs()) if (text !== '') writeFileSync(join(folder, path.replaceAll(/[/\\]+/g, '_')), text);
    writeFileSync(join(folder, 'processes.txt'), this.processes().map((one) => `${one.pid} (parent ${one.parent}) ${one.command}`).join('\n'));
    return folder;
  }

  /** Ends this VS Code with every process that it started, and removes what is private to it. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    running.delete(this);
    for (const context of this.#contexts) await context.close().catch(() => undefined);
    await releaseBrowser();
    await endTree(this.#started.pid, { marker: this.#started.marker });
    rmSync(this.#started.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** Kills every process at once, when this process ends without having closed it. */
  endNow(): void {
    endTreeNow(this.#started.pid, this.#started.marker);
    rmSync(this.#started.root, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts a VS Code with the extension in a profile of its own, and opens its first window.
 * @throws Error when it does not come up; its logs are then below test-results/failures
 */
export async function launchVSCode(options: LaunchOptions = {}): Promise<VSCode> {
  const rig = await currentRig();
  const agents = options.agents ?? [];
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'pilothouse-e2e-')));
  const home = options.home ?? join(root, 'home');
  const userDataDir = options.userDataDir ?? join(root, 'data');
  const folder = options.folder ?? copySampleWorkspace(join(root, 'berths'));
  const extensionsDir = join(root, 'extensions');
  cpSync(rig.extensions, extensionsDir, { recursive: true });
  installHelper(extensionsDir);
  const helperFolder = join(root, 'helper');
  writeSettings(userDataDir, firstSettings(rig, agents, options.settings ?? {}));
  const id = randomUUID();
  const marker = `PILOTHOUSE_TEST_RUN=${id}`;
  const env = { ...testEnvironment(rig, home, join(root, 'bin'), agents, options.env ?? {}), PILOTHOUSE_TEST_RUN: id, [HELPER_VARIABLE]: helperFolder };
  const browser = await acquireBrowser(rig);
  let code: VSCode | undefined;
  try {
    const served = await serve({
      codeServer: rig.codeServer, userDataDir, extensionsDir, env, marker, trusted: options.trusted ?? true,
      ...(options.port === undefined ? {} : { port: options.port }),
      args: ['--reconnection-grace-time', '10', '--idle-timeout-seconds', '600'],
    });
    code = new VSCode({ ...served, marker, browser, root, helperFolder, folder, home, userDataDir });
    await code.openWindow(options.viewport === undefined ? {} : { viewport: options.viewport });
    return code;
  } catch (error) {
    const place = await code?.dump('launch').catch(() => undefined);
    if (code === undefined) {
      await releaseBrowser();
      rmSync(root, { recursive: true, force: true });
    } else {
      await code.close();
    }
    throw new Error(`VS Code did not start${place === undefined ? '' : `; see ${relative(process.cwd(), place)}`}`, { cause: error });
  }
}

/** Every VS Code of this process that runs now. */
export function runningVSCodes(): readonly VSCode[] {
  return [...running];
}
