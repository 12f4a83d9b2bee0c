import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  client, methods, ndJsonStream, PROTOCOL_VERSION, type ClientConnection, type CreateElicitationResponse, type InitializeResponse, type NewSessionResponse,
  type RequestPermissionRequest, type SessionUpdate, type StopReason,
} from '@agentclientprotocol/sdk';

const program = fileURLToPath(new URL('../../demo/agent.ts', import.meta.url));

/** Small workspace with something to find, to mend and to run. */
export const workspaceFiles: Readonly<Record<string, string>> = {
  'README.md': '# Ferry\n\nA timetable for a small ferry.\n\n## Use\n\nRun it.\n',
  'package.json': '{ "name": "ferry", "scripts": { "test": "node --test" } }\n',
  'src/time.ts': "/** Times of day, in minutes. */\nimport { pad } from './pad.ts';\n\nexport function clock(minutes: number): string {\n  // TODO: mind midnight\n  return `${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;\n}\n\nexport const noon = 720;\n",
  'src/pad.ts': "export function pad(value: number): string {  \n  return String(value).padStart(2, '0');\n}",
  'node_modules/dep/index.js': 'module.exports = "clock";\n',
  '.hidden/secret.txt': 'clock\n',
};

/** A temporary folder with a workspace and the agent's state; everything in it goes with `dispose`. */
export async function makeFolder(files: Readonly<Record<string, string>> = workspaceFiles): Promise<{ root: string; state: string; dispose(): Promise<void> }> {
  const base = await mkdtemp(join(tmpdir(), 'pilothouse-demo-'));
  const root = join(base, 'ferry');
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return { root, state: join(base, 'state'), dispose: () => rm(base, { recursive: true, force: true }) };
}

/** Waits until a process is dead; one that only waits to be collected is. False when it still lives after `timeoutMs`. */
export async function dies(pid: number, timeoutMs = 2000): Promise<boolean> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    if (/^\d+ \(.*\) Z/s.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))) return true;
  }
  return false;
}

/** The process id that a command of a test wrote to a file. */
export async function pidIn(path: string): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const pid = Number(await readFile(path, 'utf8').catch(() => ''));
    if (pid > 0) return pid;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`No process id in ${path}.`);
}

/** The SDK hands an answer over some microtasks before the notifications that came just ahead of it: waits until those are in. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export type Answer = 'allow' | 'allow-session' | 'reject' | 'dismiss' | 'never';

/** The demo agent as a real process, with a client of the SDK at the other end. */
export class Rig {
  readonly child: ChildProcess;
  readonly connection: ClientConnection;
  readonly updates: { readonly sessionId: string; readonly update: SessionUpdate }[] = [];
  readonly asked: RequestPermissionRequest[] = [];
  readonly #watchers = new Set<() => void>();
  answer: Answer = 'allow';
  form: CreateElicitationResponse = { action: 'decline' };
  /** What happens between a permission that is asked for and its answer. */
  meanwhile: () => Promise<void> = () => Promise.resolve();
  /** Methods of terminals that the agent called, in order; `endless` keeps the command of one running until it is killed. */
  readonly terminals: string[] = [];
  endless = false;
  errors = '';

  constructor(state: string) {
    const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PILOTHOUSE_DEMO_STATE: state } });
    this.child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => { this.errors += text; });
    this.connection = client({ name: 'test' })
      .onRequest(methods.client.session.requestPermission, async ({ params, signal }) => {
        this.asked.push(params);
        this.#changed();
        await this.meanwhile();
        if (this.answer === 'never') {
          await new Promise((resolve) => { signal.addEventListener('abort', resolve, { once: true }); });
          return { outcome: { outcome: 'cancelled' } };
        }
        return { outcome: this.answer === 'dismiss' ? { outcome: 'cancelled' } : { outcome: 'selected', optionId: this.answer } };
      })
      .onRequest(methods.client.elicitation.create, () => this.form)
      .onRequest(methods.client.terminal.create, ({ params }) => {
        this.terminals.push(`create ${params.command} ${params.args?.join(' ') ?? ''}`);
        this.#changed();
        return { terminalId: 'terminal-1' };
      })
      .onRequest(methods.client.terminal.waitForExit, async () => {
        await this.until(() => !this.endless || this.terminals.includes('kill'));
        return this.endless ? { signal: 'SIGTERM' } : { exitCode: 0 };
      })
      .onRequest(methods.client.terminal.output, () => ({ output: 'from the terminal\n', truncated: false }))
      .onRequest(methods.client.terminal.kill, () => {
        this.terminals.push('kill');
        this.#changed();
        return {};
      })
      .onRequest(methods.client.terminal.release, () => {
        this.terminals.push('release');
        return {};
      })
      .onNotification(methods.client.session.update, ({ params }) => {
        this.updates.push(params);
        this.#changed();
      })
      .connect(ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>));
  }

  /** Starts the agent and speaks first; `able`: as a client with forms and terminals. */
  static async start(state: string, able = false): Promise<Rig & { readonly hello: InitializeResponse }> {
    const rig = new Rig(state);
    const hello = await rig.connection.agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION, clientCapabilities: able ? { elicitation: { form: {} }, terminal: true } : {},
    });
    return Object.assign(rig, { hello });
  }

  /** A new session that answers as fast as it can. */
  async session(cwd: string): Promise<NewSessionResponse> {
    const created = await this.connection.agent.request(methods.agent.session.new, { cwd, mcpServers: [] });
    await this.connection.agent.request(methods.agent.session.setConfigOption, { sessionId: created.sessionId, configId: 'model', value: 'quick' });
    return created;
  }

  async prompt(sessionId: string, text: string): Promise<StopReason> {
    const { stopReason } = await this.connection.agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: 'text', text }] });
    await settled();
    return stopReason;
  }

  /** The last update of a kind, of one session. */
  last(sessionId: string, kind: SessionUpdate['sessionUpdate']): SessionUpdate | undefined {
    return this.updates.findLast((one) => one.sessionId === sessionId && one.update.sessionUpdate === kind)?.update;
  }

  /** Runs a turn and gives what it sent. */
  async turn(sessionId: string, text: string): Promise<Seen> {
    const from = this.updates.length;
    const stopReason = await this.prompt(sessionId, text);
    return new Seen(this.updates.slice(from).map((one) => one.update), stopReason);
  }

  /** Waits for something that updates and requests bring about. */
  async until(what: () => boolean, timeoutMs = 4000): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(look);
        reject(new Error(`Not within ${timeoutMs} ms; the last update: ${JSON.stringify(this.updates.at(-1))} ${this.errors}`));
      }, timeoutMs);
      const look = (): void => {
        if (!what()) return;
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  async stop(): Promise<void> {
    const running = this.child.exitCode === null && this.child.signalCode === null;
    const exited = running ? once(this.child, 'exit') : null;
    this.connection.close();
    this.child.stdin?.end();
    if (exited === null) return;
    const hard = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(hard);
  }
}

/** Updates of one turn, by kind. */
export class Seen {
  readonly updates: readonly SessionUpdate[];
  readonly stopReason: StopReason | null;

  constructor(updates: readonly SessionUpdate[], stopReason: StopReason | null = null) {
    this.updates = updates;
    this.stopReason = stopReason;
  }

  kind<Kind extends SessionUpdate['sessionUpdate']>(kind: Kind): Extract<SessionUpdate, { sessionUpdate: Kind }>[] {
    return this.updates.filter((update): update is Extract<SessionUpdate, { sessionUpdate: Kind }> => update.sessionUpdate === kind);
  }

  text(kind: 'agent_message_chunk' | 'agent_thought_chunk' | 'user_message_chunk' = 'agent_message_chunk'): string {
    let text = '';
    let message: string | null | undefined;
    for (const { content, messageId } of this.kind(kind)) {
      if (text !== '' && messageId !== message) text += '\n\n';
      message = messageId;
      text += content.type === 'text' ? content.text : `[${content.type}]`;
    }
    return text;
  }

  /** Text of the contents of all tool calls as they ended. */
  results(): string {
    return this.kind('tool_call_update').flatMap((update) => (update.content ?? []).map((one) => (one.type === 'content' && one.content.type === 'text' ? one.content.text : ''))).join('\n');
  }
}
