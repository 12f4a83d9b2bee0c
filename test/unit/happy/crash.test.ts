import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { plainContext, SessionNormaliser } from '../../../src/core/systems/happy/normalise/index.ts';
import type { Chance } from '../../loopback/happy/conversations.ts';
import { chanceOf } from '../../loopback/happy/conversations.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { until, WORKER } from '../store/support.ts';
import type { CrashLook, CrashOrder, OwnPoint } from './crashChild.ts';
import { OWN_POINTS } from './crashChild.ts';
import type { FakeAgent } from './fakeDaemon.ts';
import { FakeDaemon } from './fakeDaemon.ts';

/** Points at which the process is killed from outside, as the server sees what it did. */
const SEEN_POINTS = ['key asked for', 'POST sent', 'POST taken', 'rename sent', 'rename taken', 'approval sent', 'approval taken'] as const;
type Point = OwnPoint | (typeof SEEN_POINTS)[number];
const POINTS: readonly Point[] = [...OWN_POINTS, ...SEEN_POINTS];
const LIVES = process.env['PILOTHOUSE_LONG'] === undefined ? 2 : 100;
const FIRST_SEED = Number(process.env['PILOTHOUSE_SEED'] ?? Math.floor(Math.random() * 1e6));
const HASTE = 10;
/** How much later each life is said to be, so that the leases of the one before count as late; milliseconds. */
const RESTART = 11_000;
const CLIENT = 'pilothouse/0';
/** Prompts and texts that a chat holds ready at its end. */
const AT_LEAST = 60;
const MESSAGES = /^\/v3\/sessions\/[^/]+\/messages$/;

let folder: string;
let program: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-crash-'));
  program = path.join(folder, 'child.mjs');
  // In one file it starts in a third of the time.
  await esbuild.build({
    entryPoints: [fileURLToPath(new URL('./crashChild.ts', import.meta.url))], outfile: program, bundle: true, platform: 'node', format: 'esm', target: 'node22', logLevel: 'error',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One process of a window. */
class Life {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #looks = 0;

  constructor(order: CrashOrder) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.#exit = once(child, 'exit');
    createInterface({ input: child.stdout }).on('line', (line) => void this.lines.push(line));
    createInterface({ input: child.stderr }).on('line', (line) => void this.errors.push(line));
    child.stdin.on('error', () => undefined);
  }

  get dead(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode;
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** What it shows now; null when it is dead. */
  async look(): Promise<CrashLook | null> {
    const before = this.#looks;
    this.tell('look');
    const answers = (): readonly string[] => this.lines.filter((line) => line.startsWith('look '));
    await until(() => this.dead || answers().length > before);
    this.#looks = answers().length;
    const answer = answers().at(before);
    return answer === undefined ? null : (JSON.parse(answer.slice(5)) as CrashLook);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }
  async end(): Promise<void> {
    this.tell('end');
    await until(() => this.dead, 10_000);
  }
}

/** A person's window through one death at every point, in an order by chance; each process settles what the one before left, works, and dies. */
class Story implements AsyncDisposable {
  readonly accepted: string[] = [];
  readonly wanted: string[] = [];
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #server: HappyTestServer;
  readonly #daemon: FakeDaemon;
  readonly #agent: FakeAgent;
  readonly #token: string;
  readonly #place: string;
  readonly #answers = new Map<string, number>();
  #life: Life | null = null;
  #now = '';
  #lives = 0;

  static async make(seed: number): Promise<Story> {
    const server = await startHappyServer({ times: happyTimes(1, { rpcGrace: 300, rpcGracePoll: 20, rpcPresencePoll: 60, rpcAnswer: 1_000, stoppedFor: 300, presenceThreshold: 100, presenceFlush: 50 }) });
    const master = Uint8Array.from(randomBytes(32));
    const daemon = new FakeDaemon(server, master, server.tokenFor(master).token);
    await daemon.online();
    return new Story(seed, server, daemon, await daemon.start('/work', { summary: { text: 'The chat', updatedAt: 1 } }), server.tokenFor(master).token);
  }

  private constructor(seed: number, server: HappyTestServer, daemon: FakeDaemon, agent: FakeAgent, token: string) {
    this.#seed = seed;
    this.#chance = chanceOf(seed);
    this.#server = server;
    this.#daemon = daemon;
    this.#agent = agent;
    this.#token = token;
    this.#place = mkdtempSync(path.join(folder, 'life-'));
    agent.turn = (text) => agent.speak(`You said ${text}`).catch(() => undefined);
  }

  async tell(): Promise<void> {
    const order = POINTS.map((point) => ({ point, at: this.#chance() })).toSorted((one, two) => one.at - two.at);
    for (const { point } of order) {
      this.#now = point;
      await this.#die(point);
    }
    this.#now = 'the end';
    const last = this.#start(null);
    await this.#truth(last);
    last.tell('go');
    await until(() => last.dead || last.lines.includes('worked'));
    this.#heed(last);
    await this.#truth(last);
    expect(last.lines.filter((line) => line.startsWith('accepted '))).toHaveLength(3);
    expect((await last.look())?.outbox).toEqual([]);
    await last.end();
    expect(last.signal).toBeNull();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#life?.dead === false) await this.#life.kill();
    this.#daemon.close();
    await this.#server.close();
    rmSync(this.#place, { recursive: true, force: true });
  }

  /** Where it stands, for a failure. */
  where(): string {
    return `seed ${this.#seed} (PILOTHOUSE_SEED=${FIRST_SEED}), ${this.#now}\n${this.#life?.lines.filter((line) => !line.startsWith('look ')).join('\n')}\n${this.#life?.errors.slice(-15).join('\n')}`;
  }

  #start(die: CrashOrder['die']): Life {
    const number = this.wanted.length;
    this.#lives += 1;
    const life = new Life({
      folder: this.#place, workerUrl: WORKER, url: this.#server.url, token: this.#token, secret: toBase64(this.#daemon.master), sessionId: this.#agent.id, haste: HASTE, ahead: this.#lives * RESTART, die,
      prompts: [0, 1, 2].map((index) => `prompt ${number + index}: ${this.#now}`), title: `Named after ${number}`,
    });
    this.#life = life;
    return life;
  }

  async #die(point: Point): Promise<void> {
    this.#says();
    const own = OWN_POINTS.find((one) => one === point);
    const early = point === 'key cached' || point === 'key asked for' || point === 'lease taken' || point.startsWith('watermark');
    await this.#ask(point);
    if (point === 'key asked for') this.#server.faults.http({ client: CLIENT, path: '/v2/sessions' }, { kind: 'delay', ms: 300 });
    const asked = this.#server.requests.length;
    const life = this.#start(own === undefined ? null : { at: own, nth: early ? 1 : 1 + Math.floor(this.#chance() * (point.startsWith('rename') || point.startsWith('approval') ? 1 : 3)) });
    if (point === 'key asked for') {
      await this.#server.until(() => this.#server.requests.slice(asked).some((call) => call.client === CLIENT && call.path === '/v2/sessions'), 'the lists');
      await life.kill();
    } else if (!early) await this.#truth(life);
    const seen = this.#prepare(point, life);
    // A lease is taken with the first prompt at the latest.
    if (!life.dead && point !== 'key cached') life.tell('go');
    await Promise.all([seen, until(() => life.dead, 15_000)]);
    expect(life.signal, `${point} was reached`).toBe('SIGKILL');
    this.#server.faults.clear();
    this.#heed(life);
    if (this.#chance() < 0.7) this.#says();
  }

  /** What the person was told, which holds from then on. */
  #heed(life: Life): void {
    for (const line of life.lines) {
      if (line.startsWith('wanted ')) this.wanted.push(line.slice(7));
      if (line.startsWith('accepted ')) this.accepted.push(line.slice(9));
      if (line.startsWith('failed')) throw new Error(line);
    }
  }

  /** Kills it from outside as soon as the server sees what it waits for. */
  async #prepare(point: Point, life: Life): Promise<void> {
    const { faults } = this.#server;
    const posts = { client: CLIENT, method: 'POST', path: MESSAGES };
    const count = this.#server.messages(this.#agent.id).length;
    const kill = async (seen: () => boolean): Promise<void> => {
      await this.#server.until(seen, point, 15_000);
      await life.kill();
    };
    switch (point) {
      case 'POST sent': {
        // It takes effect when whoever sent it is dead.
        const fault = faults.http(posts, { kind: 'delay', ms: 150 + this.#chance() * 300, when: 'before' });
        return kill(() => fault.hits > 0);
      }
      case 'POST taken': {
        faults.http(posts, { kind: 'delay', ms: 5_000, when: 'after' });
        return kill(() => this.#server.messages(this.#agent.id).length > count);
      }
      case 'rename sent':
      case 'rename taken': {
        const fault = faults.acks({ event: 'update-metadata' }, point === 'rename taken');
        return kill(() => fault.hits > 0);
      }
      case 'approval sent':
      case 'approval taken': {
        const killed = Promise.withResolvers<void>();
        const answer = this.#agent.handlers.get('permission');
        this.#agent.on('permission', async (params) => {
          if (point === 'approval taken') await answer?.(params);
          await life.kill();
          if (point === 'approval sent') await answer?.(params);
          this.#agent.on('permission', (next) => answer?.(next));
          killed.resolve();
          return undefined;
        });
        return killed.promise;
      }
      default:
    }
  }

  /** Something that others say while nobody, or somebody, looks. */
  #says(): void {
    for (let count = Math.floor(this.#chance() * 4); count > 0; count -= 1) {
      const said = { role: 'session', content: { id: randomUUID(), time: Date.now(), role: 'agent', ev: { t: 'text', text: `said before ${this.#now}` } }, meta: { sentFrom: 'cli' } };
      this.#server.append(this.#agent.id, this.#agent.cipher.seal(said), randomUUID());
      if (this.#chance() < 0.3) this.#server.burnSeq(this.#agent.id);
    }
  }

  /** The agent asks for something, for whoever lives next to answer. */
  async #ask(point: Point): Promise<void> {
    if (!point.startsWith('approval') && this.#chance() < 0.5) return;
    const requests = this.#agent.agentState['requests'];
    const id = `request ${this.#answers.size}`;
    this.#answers.set(id, 0);
    await this.#agent.setState({ ...this.#agent.agentState, requests: { ...(isJsonObject(requests) ? requests : {}), [id]: { tool: 'Bash', arguments: { command: 'ls' }, createdAt: Date.now() } } });
  }

  #metadata(): JsonObject {
    const value = this.#agent.cipher.open(this.#server.rows().sessions.find(({ id }) => id === this.#agent.id)?.metadata ?? '');
    return isJsonObject(value) ? value : {};
  }

  /** Waits until what the process shows and stores is what the server has. */
  async #truth(life: Life): Promise<void> {
    let differs: readonly string[] = [];
    for (const end = performance.now() + 15_000; ;) {
      const look = await life.look();
      if (look === null) throw new Error(`the process has ended: ${life.errors.slice(-5).join('\n')}`);
      differs = this.#differs(look);
      if (differs.length === 0) return;
      if (performance.now() > end) throw new Error(differs.join('\n'));
      await sleep(25);
    }
  }

  #differs(look: CrashLook): readonly string[] {
    const differs: string[] = [];
    const messages = this.#server.messages(this.#agent.id).map((row): MessageInput => ({ id: row.id, seq: row.seq, localId: row.localId, createdAt: row.createdAt, content: this.#agent.cipher.open(row.content) }));
    const rows = viewOf(new SessionNormaliser({ ...plainContext, folder: '/work', agent: 'claude', clockLagMs: look.clockLagMs }).messages(messages));
    const expected = rows.flatMap((row) => (row.kind === 'prompt' || row.kind === 'text' ? [[row.kind, row.key, row.text]] : []));
    if (!look.ready) differs.push('it is not ready');
    // What is shown at once is the end of it.
    const end = expected.slice(-Math.max(look.shown.length, AT_LEAST));
    for (const [verb, list, wanted] of [['shows', look.shown, end], ['stores', look.stored, expected]] as const) if (JSON.stringify(list) !== JSON.stringify(wanted)) differs.push(`it ${verb} ${difference(list, wanted)}`);
    const { requests } = this.#agent.agentState;
    const waiting = isJsonObject(requests) ? Object.keys(requests) : [];
    // A prompt waits for the end of the turn, and that for the person.
    for (const { text, delivery, error } of look.outbox) if (delivery !== 'pending' || waiting.length === 0) differs.push(`“${text}” is ${delivery} (${error ?? 'no error'})`);
    const prompts = rows.flatMap((row) => (row.kind === 'prompt' ? [row.text] : []));
    for (const text of this.wanted) {
      const count = [...prompts, ...look.outbox.map((item) => item.text)].filter((one) => one === text).length;
      if (count > 1 || (count === 0 && this.accepted.includes(text))) differs.push(`“${text}” is there ${count} times`);
    }
    if (prompts.filter((text) => this.wanted.includes(text)).join('|') !== this.wanted.filter((text) => prompts.includes(text)).join('|')) differs.push(`the prompts stand as ${prompts.join(', ')}`);
    const { summary, path: where, machineId } = this.#metadata();
    const title = isJsonObject(summary) ? summary['text'] : null;
    if (look.title !== title) differs.push(`its title is ${String(look.title)}, not ${JSON.stringify(title)}`);
    if (where !== '/work' || machineId !== this.#daemon.machineId) differs.push('what others wrote into the metadata is lost');
    if (look.waiting.toSorted().join() !== waiting.toSorted().join()) differs.push(`${look.waiting.join()} wait, not ${waiting.join()}`);
    return differs;
  }
}

/** What one list has and the other has not, or where their orders part. */
function difference(list: readonly unknown[], wanted: readonly unknown[]): string {
  const [has, needs] = [list, wanted].map((each) => each.map((one) => JSON.stringify(one))) as [string[], string[]];
  const [extra, missing] = [has.filter((one) => !needs.includes(one)), needs.filter((one) => !has.includes(one))];
  const at = has.findIndex((one, index) => one !== needs[index]);
  return `${has.length} rows, not ${needs.length}; too many: ${extra.join(', ') || 'none'}; missing: ${missing.join(', ') || 'none'}; from ${at} on: ${has.slice(Math.max(0, at - 1), at + 4).join(', ')}, not ${needs.slice(Math.max(0, at - 1), at + 4).join(', ')}`;
}

describe(`a process that is killed at each of ${POINTS.length} points, from seed ${FIRST_SEED}`, () => {
  it.concurrent.each(Array.from({ length: LIVES }, (_, index) => FIRST_SEED + index))('loses and doubles nothing (seed %i)', async (seed) => {
    const story = await Story.make(seed);
    try {
      await story.tell();
    } catch (error) {
      throw new Error(`${story.where()}\n${error instanceof Error ? error.message : String(error)}`, { cause: error });
    } finally {
      await story[Symbol.asyncDispose]();
    }
  }, 300_000);
});
