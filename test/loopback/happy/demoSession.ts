import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/core/model/json.ts';
import type { Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { Scribe, textOf, type Chance } from './conversations.ts';
import type { DemoFiles } from './demoFiles.ts';

/** What a demo session runs on. */
export interface DemoWorld {
  readonly url: string;
  readonly token: string;
  readonly chance: Chance;
  /** Milliseconds between two things that an agent does; heartbeats come every `beatMs`. */
  readonly stepMs: number;
  readonly beatMs: number;
}

export interface DemoSessionStart {
  readonly id: string;
  readonly path: string;
  readonly cipher: Cipher;
  readonly files: DemoFiles;
  readonly metadata: JsonObject;
  readonly metadataVersion: number;
  readonly agentState: JsonObject;
  readonly agentStateVersion: number;
  /** The highest seq that it has seen: what comes after is for it. */
  readonly seq: number;
  /** It works on something that takes for ever. */
  readonly busy: boolean;
  /** The id of the turn that runs or waits. */
  readonly turn: string | null;
  /** A person has it at the terminal of its machine, until somebody takes it over. */
  readonly terminal: boolean;
}

/**
 * A session of a demo machine: what a `happy` process with an agent is to the server. It beats, answers its methods, takes prompts one after the other
 * and does with them what a few rules say; every permission it asks for is one that the person answers. It edits only the files of its demo machine.
 */
export class DemoSession {
  readonly id: string;
  readonly #world: DemoWorld;
  readonly #start: DemoSessionStart;
  readonly #socket: Socket;
  readonly #scribe: Scribe;
  readonly #ended = new AbortController();
  readonly #asked = new Map<string, (decision: JsonObject) => void>();
  readonly #prompts: { readonly text: string; readonly mode: string | null }[] = [];
  readonly #beat: NodeJS.Timeout;
  readonly #gone: () => void;
  #turn: AbortController | null = null;
  #thinking = false;
  #terminal: boolean;
  #mode: string | null = null;
  #metadata: JsonObject;
  #metadataVersion: number;
  #state: JsonObject;
  #stateVersion: number;
  #seq: number;
  #sending: Promise<void> = Promise.resolve();

  /** `gone` is called once, when the session has ended. */
  constructor(world: DemoWorld, start: DemoSessionStart, gone: () => void) {
    this.id = start.id;
    this.#world = world;
    this.#start = start;
    this.#gone = gone;
    this.#metadata = start.metadata;
    this.#metadataVersion = start.metadataVersion;
    this.#state = start.agentState;
    this.#stateVersion = start.agentStateVersion;
    this.#thinking = start.busy;
    this.#terminal = start.terminal;
    this.#scribe = new Scribe(world.chance, Date.now, start.turn);
    this.#seq = start.seq;
    this.#socket = io(world.url, {
      path: '/v1/updates', transports: ['websocket'], forceNew: true, reconnectionDelay: 200, reconnectionDelayMax: 1_000,
      auth: { token: world.token, clientType: 'session-scoped', sessionId: start.id, happyClient: 'cli-coding-session/1.2.5' },
    });
    this.#socket.on('connect', () => {
      for (const method of ['permission', 'abort', 'killSession', 'switch', 'readFile', 'writeFile', 'listDirectory', 'getDirectoryTree', 'bash']) this.#socket.emit('rpc-register', { method: `${this.id}:${method}` });
      this.#alive();
      // An agent says that it is there by having a state.
      if (this.#stateVersion === 0) this.#setState({ ...this.#state, controlledByUser: false, requests: {}, completedRequests: {} }).catch(() => undefined);
      this.#catchUp().catch(() => undefined);
    });
    this.#socket.on('rpc-request', (request: { method: string; params: string }, answer: (result: string) => void) => {
      const params = start.cipher.open(request.params);
      const result = this.#answer(request.method.slice(request.method.indexOf(':') + 1), isJsonObject(params) ? params : {});
      answer(result === undefined ? Buffer.from(start.cipher.sealBytes(new Uint8Array())).toString('base64') : start.cipher.seal(result));
    });
    this.#socket.on('update', (update: { body: JsonObject }) => this.#hear(update.body));
    this.#beat = setInterval(() => this.#alive(), world.beatMs);
    for (const [call, request] of Object.entries(isJsonObject(start.agentState['requests']) ? start.agentState['requests'] : {})) {
      if (isJsonObject(request)) this.#expect(call, (decision) => this.#run(() => this.#afterAnswer(call, decision, 'Then I go on.')));
    }
  }

  /** Ends without a word, as a process that is killed. */
  close(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#turn?.abort();
    clearInterval(this.#beat);
    this.#socket.disconnect();
    this.#gone();
  }

  #alive(): void {
    this.#socket.volatile.emit('session-alive', { sid: this.id, time: Date.now(), thinking: this.#thinking, mode: this.#terminal ? 'local' : 'remote' });
  }

  #hear(body: JsonObject): void {
    const { message, metadata } = body;
    if (body['t'] === 'update-session' && isJsonObject(metadata) && Number(metadata['version']) > this.#metadataVersion) {
      const opened = this.#start.cipher.open(textOf(metadata['value']));
      if (isJsonObject(opened)) [this.#metadata, this.#metadataVersion] = [opened, Number(metadata['version'])];
      if (this.#metadata['lifecycleState'] === 'archiveRequested') this.#kill();
    }
    if (body['t'] === 'new-message' && isJsonObject(message)) this.#take(message);
  }

  /** Takes a message for this agent: each once, in the order in which they come. */
  #take(message: JsonObject): void {
    const seq = Number(message['seq']);
    if (seq <= this.#seq || !isJsonObject(message['content'])) return;
    this.#seq = seq;
    const value = this.#start.cipher.open(textOf(message['content']['c']));
    if (!isJsonObject(value) || value['role'] !== 'user' || !isJsonObject(value['content'])) return;
    const mode = isJsonObject(value['meta']) && typeof value['meta']['permissionMode'] === 'string' ? value['meta']['permissionMode'] : null;
    this.#prompts.push({ text: textOf(value['content']['text']), mode });
    this.#leaveTerminal();
    this.#next();
  }

  /** Taken over: a prompt from elsewhere does that too. */
  #leaveTerminal(): void {
    if (!this.#terminal) return;
    this.#terminal = false;
    this.#setState({ ...this.#state, controlledByUser: false }).catch(() => undefined);
    this.#alive();
  }

  /** Fetches what came while the socket was away. */
  async #catchUp(): Promise<void> {
    const page = await this.#http('GET', `/v3/sessions/${this.id}/messages?after_seq=${this.#seq}&limit=500`);
    if (isJsonObject(page) && Array.isArray(page['messages'])) for (const message of page['messages'] as JsonObject[]) this.#take(message);
  }

  /** Takes the next prompt when nothing runs. */
  #next(): void {
    if (this.#turn !== null || this.#thinking || this.#asked.size > 0) return;
    const prompt = this.#prompts.shift();
    if (prompt === undefined) return;
    this.#mode = prompt.mode ?? this.#mode;
    this.#scribe.begin();
    this.#run(() => this.#follow(prompt.text));
  }

  /** Runs a piece of a turn; an interrupt ends it and the turn. */
  #run(work: () => Promise<void>): void {
    const turn = new AbortController();
    this.#turn = turn;
    this.#busy(true);
    work().catch(() => undefined).then(() => this.#over(turn.signal.aborted)).catch(() => undefined);
  }

  /** A piece of a turn is over. */
  async #over(interrupted: boolean): Promise<void> {
    if (this.#ended.signal.aborted) return;
    if (interrupted && this.#scribe.turn !== null) this.#scribe.end('cancelled');
    this.#turn = null;
    this.#busy(false);
    await this.#flush();
    if (this.#asked.size === 0) await this.#push('done', "It's ready!");
    this.#next();
  }

  /** The rules: what a prompt makes the agent do. */
  async #follow(text: string): Promise<void> {
    const { path, files } = this.#start;
    const scribe = this.#scribe;
    await this.#step(() => scribe.think(`They ask: ${text.slice(0, 200)}`));
    const file = files.names(path).find((name) => text.includes(name)) ?? 'src/retry.ts';
    if (/\bfail\b/i.test(text)) return this.#step(() => scribe.notice('API Error: 529 overloaded_error').end('failed'));
    if (/\bplan\b/i.test(text)) return this.#ask('ExitPlanMode', { plan: `# Plan\n\n1. Read \`${file}\`\n2. Change it\n` }, {}, 'As planned.');
    if (/\b(ask|choose|which)\b/i.test(text)) {
      const args = { questions: [{ question: 'Which one?', header: 'Choice', multiSelect: false, options: [{ label: 'This', description: 'The first' }, { label: 'That', description: 'The second' }] }] };
      return this.#ask('AskUserQuestion', args, args, 'Thank you.');
    }
    if (/\b(edit|fix|change|write)\b/i.test(text)) {
      const before = files.read(`${path}/${file}`)?.split('\n')[0] ?? '';
      const args = { file_path: `${path}/${file}`, old_string: before, new_string: `// Changed in the demo.\n${before}`, replace_all: false };
      await this.#step(() => scribe.tool('Read', { file_path: args.file_path }, { title: `Read ${file}` }));
      return this.#ask('Edit', args, args, `\`${file}\` is changed.`, () => files.write(args.file_path, (files.read(args.file_path) ?? '').replace(before, args.new_string)));
    }
    if (/\b(run|build|test)\b/i.test(text)) return this.#ask('Bash', { command: 'npm test', description: 'Run the tests' }, { command: 'npm test', description: 'Run the tests' }, 'This machine runs nothing: it exists only in the demo.');
    if (/\blong\b/i.test(text)) for (let index = 1; index <= 30; index += 1) await this.#step(() => scribe.say(`## Part ${index}\n\nOne of thirty parts, each its own message.`));
    return this.#step(() => scribe.say(`I am an agent of the demo and follow a few rules. \`${path}\` holds:\n\n${files.names(path).map((name) => `- \`${name}\``).join('\n')}\n\nAsk me to *edit* a file, *run* the tests, *plan*, *ask* you something, write something *long*, or *fail*.`).end());
  }

  /** A tool call that waits for the person, unless nothing needs to be asked. */
  async #ask(tool: string, args: JsonObject, requestArgs: JsonObject, then: string, apply: () => void = () => undefined): Promise<void> {
    await this.#step(() => this.#scribe.tool(tool, args, { open: true }));
    const call = this.#scribe.lastCall;
    const free = this.#mode === 'bypassPermissions' || (this.#mode === 'acceptEdits' && tool === 'Edit');
    if (free && tool !== 'AskUserQuestion' && tool !== 'ExitPlanMode') {
      apply();
      return this.#afterAnswer(call, { approved: true }, then);
    }
    const answered = new Promise<JsonObject>((resolve) => { this.#expect(call, resolve); });
    await this.#setState({ ...this.#state, requests: { ...(isJsonObject(this.#state['requests']) ? this.#state['requests'] : {}), [call]: { tool, arguments: requestArgs, createdAt: Date.now() } } });
    await this.#push(tool === 'AskUserQuestion' ? 'question' : 'permission', tool);
    const decision = await Promise.race([answered, this.#interrupted()]);
    if (decision['approved'] === true) apply();
    return this.#afterAnswer(call, decision, then);
  }

  async #afterAnswer(call: string, decision: JsonObject, then: string): Promise<void> {
    if (decision['approved'] !== true) {
      // After a refusal no end of the turn comes from the real agent either.
      return this.#step(() => (decision['decision'] === 'abort' ? this.#scribe.ended(call).end('cancelled') : this.#scribe.ended(call)));
    }
    await this.#step(() => this.#scribe.ended(call));
    return this.#step(() => this.#scribe.say(then).end());
  }

  #expect(call: string, answered: (decision: JsonObject) => void): void {
    this.#asked.set(call, answered);
  }

  #answer(method: string, params: JsonObject): JsonValue | undefined {
    if (method === 'permission') {
      const id = textOf(params['id']);
      const answered = this.#asked.get(id);
      if (answered === undefined) return undefined;
      this.#asked.delete(id);
      if (typeof params['mode'] === 'string') this.#mode = params['mode'];
      this.#complete(id, params, params['approved'] === true ? 'approved' : 'denied');
      answered(params);
      return undefined;
    }
    if (method === 'abort') {
      for (const id of this.#asked.keys()) this.#complete(id, {}, 'canceled');
      this.#asked.clear();
      if (this.#turn === null && this.#thinking) this.#run(() => Promise.reject(new Error('interrupted')));
      this.#turn?.abort();
      return undefined;
    }
    if (method === 'killSession') {
      this.#kill();
      return { success: true, message: 'Killing happy process' };
    }
    if (method === 'switch') {
      this.#leaveTerminal();
      return true;
    }
    return this.#start.files.answer(method, params, this.#start.path) ?? { error: 'Method not found' };
  }

  #complete(id: string, params: JsonObject, status: 'approved' | 'denied' | 'canceled'): void {
    const { requests, completedRequests, ...rest } = this.#state;
    const { [id]: request, ...left } = isJsonObject(requests) ? requests : {};
    const reason: JsonObject = typeof params['reason'] === 'string' ? { reason: params['reason'] } : {};
    const done: JsonObject = { ...(isJsonObject(request) ? request : {}), completedAt: Date.now(), status, ...reason };
    this.#setState({ ...rest, requests: left, completedRequests: { ...(isJsonObject(completedRequests) ? completedRequests : {}), [id]: done } }).catch(() => undefined);
  }

  #kill(): void {
    const leave = async (): Promise<void> => {
      for (let tries = 0, done = false; tries < 5 && !done; tries += 1) {
        const metadata = { ...this.#metadata, lifecycleState: 'archived', lifecycleStateSince: Date.now() };
        const answer = await this.#request('update-metadata', { sid: this.id, metadata: this.#start.cipher.seal(metadata), expectedVersion: this.#metadataVersion });
        done = answer['result'] === 'success';
        const there = this.#start.cipher.open(textOf(answer['metadata']));
        if (isJsonObject(there)) [this.#metadata, this.#metadataVersion] = [there, Number(answer['version'])];
      }
      this.#socket.emit('session-end', { sid: this.id, time: Date.now() });
      await sleep(20);
    };
    leave().catch(() => undefined).finally(() => this.close());
  }

  /** Writes the state, after those before it: each write names the version that the last one made. */
  async #setState(state: JsonObject): Promise<void> {
    this.#state = state;
    this.#sending = this.#sending.then(() => this.#sendState(state)).catch(() => undefined);
    return this.#sending;
  }

  async #sendState(state: JsonObject): Promise<void> {
    for (let tries = 0, done = false; tries < 5 && !done; tries += 1) {
      const answer = await this.#request('update-state', { sid: this.id, agentState: this.#start.cipher.seal(state), expectedVersion: this.#stateVersion });
      if (typeof answer['version'] === 'number') this.#stateVersion = answer['version'];
      done = answer['result'] === 'success';
    }
  }

  async #request(event: string, data: JsonObject): Promise<JsonObject> {
    return (await this.#socket.timeout(5_000).emitWithAck(event, data)) as JsonObject;
  }

  #busy(thinking: boolean): void {
    this.#thinking = thinking;
    this.#alive();
  }

  #interrupted(): Promise<never> {
    const signal = AbortSignal.any([this.#ended.signal, ...(this.#turn === null ? [] : [this.#turn.signal])]);
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true });
    });
  }

  async #step(write: () => unknown): Promise<void> {
    const signals = [this.#ended.signal, ...(this.#turn === null ? [] : [this.#turn.signal])];
    await sleep(this.#world.stepMs, undefined, { signal: AbortSignal.any(signals) });
    write();
    await this.#flush();
  }

  /** Sends what was written; tries again until the server has it or the session ends. */
  async #flush(): Promise<void> {
    const written = this.#scribe.written.splice(0);
    if (written.length === 0) return;
    const messages = written.map(({ value, localId }) => ({ localId, content: this.#start.cipher.seal(value) }));
    while (!this.#ended.signal.aborted && (await this.#http('POST', `/v3/sessions/${this.id}/messages`, { messages })) === null) await sleep(300, undefined, { signal: this.#ended.signal });
  }

  async #push(kind: 'done' | 'permission' | 'question', title: string): Promise<void> {
    await this.#http('POST', `/v1/sessions/${this.id}/push-event`, { kind, title, body: this.#start.path.slice(this.#start.path.lastIndexOf('/') + 1) });
  }

  /** The answer, whatever its status; null when there was none, or the server failed. */
  async #http(method: string, path: string, body?: unknown): Promise<JsonValue> {
    try {
      const response = await fetch(this.#world.url + path, {
        method, signal: AbortSignal.any([this.#ended.signal, AbortSignal.timeout(5_000)]),
        headers: { authorization: `Bearer ${this.#world.token}`, 'x-happy-client': 'cli-coding-session/1.2.5', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = (await response.json()) as JsonValue;
      return response.status >= 500 ? null : answer;
    } catch {
      return null;
    }
  }
}
