import { pathToFileURL, fileURLToPath } from 'node:url';
import {
  methods, RequestError, type AgentContext, type AvailableCommand, type ClientCapabilities, type ContentBlock, type SessionConfigOption, type SessionModeState,
  type StopReason,
} from '@agentclientprotocol/sdk';
import * as changing from './changing.ts';
import * as doing from './doing.ts';
import { job } from './jobs.ts';
import * as reading from './reading.ts';
import { read, type Intent } from './rules.ts';
import type { Facts, Store } from './store.ts';
import { told } from './story.ts';
import { Cancelled, Turn, type Grants } from './turn.ts';
import { Workspace, WorkspaceError } from './workspace.ts';

const modes = [
  { id: 'ask', name: 'Ask first', description: 'Ask before every edit and command' },
  { id: 'accept-edits', name: 'Accept edits', description: 'Write edits at once; ask before commands and deletions' },
  { id: 'plan', name: 'Plan only', description: 'Read and propose; write and run nothing' },
] as const;
const models = [
  { value: 'steady', name: 'Steady', description: 'Answers stream at a pace that one can read' },
  { value: 'quick', name: 'Quick', description: 'Answers stream as fast as they can' },
] as const;
const thinking = [
  { value: 'on', name: 'Think aloud', description: 'Says what it makes of the prompt before it answers' },
  { value: 'off', name: 'Answer only', description: 'Thinks aloud only when asked to' },
] as const;

/** What the person can type after a slash. */
export const commands: readonly AvailableCommand[] = [
  { name: 'help', description: 'What this agent can do' },
  { name: 'overview', description: 'What this workspace is about' },
  { name: 'files', description: 'List the files', input: { hint: 'folder (optional)' } },
  { name: 'search', description: 'Find a text in all files', input: { hint: 'text' } },
  { name: 'explain', description: 'Summarise a file', input: { hint: 'file' } },
  { name: 'fix', description: 'Tidy a file: spaces, line breaks, misspelt words', input: { hint: 'file (optional)' } },
  { name: 'rename', description: 'Replace a name or text', input: { hint: 'old to new in file' } },
  { name: 'comment', description: 'Put a comment at the head of a file', input: { hint: 'file: text' } },
  { name: 'todo', description: 'Put a TODO at the end of a file', input: { hint: 'file: text' } },
  { name: 'test', description: 'Write a first test for a file', input: { hint: 'file' } },
  { name: 'run', description: 'Run a command', input: { hint: 'command (none: the tests)' } },
  { name: 'terminal', description: "Run a command in the editor's terminal", input: { hint: 'command' } },
  { name: 'plan', description: 'Work through a plan', input: { hint: 'task' } },
  { name: 'think', description: 'Think aloud first', input: { hint: 'about what' } },
  { name: 'long', description: 'Stream a long answer', input: { hint: 'number of words' } },
  { name: 'tools', description: 'Make several tool calls' },
  { name: 'ask', description: 'Be asked a question' },
];

interface Open {
  readonly facts: Facts;
  readonly workspace: Workspace;
  readonly grants: Grants;
  turn: { readonly stop: AbortController; readonly over: Promise<unknown> } | null;
}

/** Modes and options of a session, as the protocol tells them. */
export interface Settings {
  readonly modes: SessionModeState;
  readonly configOptions: SessionConfigOption[];
}

/** The sessions of one connection: at most one turn each at a time. Methods reject with the protocol's RequestError. */
export class Sessions {
  readonly #store: Store;
  readonly #open = new Map<string, Open>();
  capabilities: ClientCapabilities = {};

  constructor(store: Store) {
    this.#store = store;
  }

  async create(cwd: string): Promise<{ readonly sessionId: string } & Settings> {
    const workspace = await openWorkspace(cwd);
    const facts = await this.#store.create(cwd);
    this.#open.set(facts.id, { facts, workspace, grants: new Set(), turn: null });
    return { sessionId: facts.id, ...settings(facts) };
  }

  /** Opens a session of this or an earlier process; with `replay` every update of it is sent again first. */
  async reopen(id: string, cwd: string, client: AgentContext, replay: boolean): Promise<Settings> {
    const before = this.#open.get(id);
    if (before?.turn != null) throw RequestError.invalidRequest(undefined, 'A turn of this session is running; cancel it before the session is loaded again.');
    const facts = before?.facts ?? (await this.#store.facts(id));
    if (facts === null) throw RequestError.sessionNotFound(id);
    facts.cwd = cwd;
    this.#open.set(id, { facts, workspace: await openWorkspace(cwd), grants: before?.grants ?? new Set(), turn: null });
    if (replay) await this.#replay(id, client);
    return settings(facts);
  }

  async #replay(id: string, client: AgentContext): Promise<void> {
    const unfinished = new Set<string>();
    for await (const update of this.#store.updates(id)) {
      if (update.sessionUpdate === 'tool_call') unfinished.add(update.toolCallId);
      if (update.sessionUpdate === 'tool_call_update' && (update.status === 'completed' || update.status === 'failed')) unfinished.delete(update.toolCallId);
      await client.notify(methods.client.session.update, { sessionId: id, update });
    }
    for (const toolCallId of unfinished) {
      const update = { sessionUpdate: 'tool_call_update' as const, toolCallId, status: 'failed' as const };
      await client.notify(methods.client.session.update, { sessionId: id, update });
    }
  }

  async setMode(id: string, modeId: string, client: AgentContext): Promise<void> {
    const mode = modes.find((one) => one.id === modeId);
    if (mode === undefined) throw RequestError.invalidParams(undefined, `There is no mode ${modeId}; there are ${modes.map((one) => one.id).join(', ')}.`);
    const { facts } = this.#need(id);
    facts.mode = mode.id;
    await this.#store.save(facts);
    await client.notify(methods.client.session.update, { sessionId: id, update: { sessionUpdate: 'config_option_update', configOptions: settings(facts).configOptions } });
  }

  async setOption(id: string, option: string, value: unknown, client: AgentContext): Promise<SessionConfigOption[]> {
    const { facts } = this.#need(id);
    const mode = modes.find((one) => one.id === value);
    const model = models.find((one) => one.value === value);
    const thought = thinking.find((one) => one.value === value);
    if (option === 'mode' && mode !== undefined) {
      facts.mode = mode.id;
      await client.notify(methods.client.session.update, { sessionId: id, update: { sessionUpdate: 'current_mode_update', currentModeId: mode.id } });
    } else if (option === 'model' && model !== undefined) facts.model = model.value;
    else if (option === 'thinking' && thought !== undefined) facts.thinking = thought.value;
    else throw RequestError.invalidParams(undefined, `There is no option ${option} with the value ${String(value)}.`);
    await this.#store.save(facts);
    return settings(facts).configOptions;
  }

  /** Runs a turn. Resolves when it is over, also when it was cancelled. */
  async prompt(id: string, blocks: readonly ContentBlock[], client: AgentContext): Promise<StopReason> {
    const session = this.#need(id);
    if (session.turn !== null) throw RequestError.invalidRequest(undefined, 'A turn of this session is running. Wait for its end, or cancel it.');
    const stop = new AbortController();
    const over = this.#turn(session, blocks, client, stop.signal);
    session.turn = { stop, over: over.catch(() => undefined) };
    try {
      return await over;
    } finally {
      session.turn = null;
    }
  }

  async #turn(session: Open, blocks: readonly ContentBlock[], client: AgentContext, signal: AbortSignal): Promise<StopReason> {
    const { facts, workspace, grants } = session;
    for (const content of blocks) await this.#store.append(facts.id, { sessionUpdate: 'user_message_chunk', content });
    const said = blocks.map((block) => (block.type === 'text' ? block.text : '')).join('\n').trim();
    facts.chars += said.length;
    facts.updatedAt = new Date().toISOString();
    const turn = new Turn({ facts, workspace, signal, grants, client, store: this.#store });
    try {
      if (facts.title === null) {
        facts.title = titleOf(said);
        await turn.send({ sessionUpdate: 'session_info_update', title: facts.title, updatedAt: facts.updatedAt }, false);
      }
      await this.#store.save(facts);
      await this.#answer(turn, said, blocks, client);
      return 'end_turn';
    } catch (error) {
      if (error instanceof Cancelled || signal.aborted) return 'cancelled';
      if (!(error instanceof WorkspaceError)) throw error;
      await turn.say(error.message);
      return 'end_turn';
    } finally {
      await turn.close(signal.aborted ? 'Stopped by you.' : 'It did not come to its end.');
      facts.updatedAt = new Date().toISOString();
      await this.#store.save(facts);
      await turn.usage();
    }
  }

  async #answer(turn: Turn, said: string, blocks: readonly ContentBlock[], client: AgentContext): Promise<void> {
    const pictures = blocks.filter((block) => block.type === 'image');
    if (pictures.length > 0) await doing.images(turn, pictures);
    const linked = await linkedFile(turn, blocks);
    if (linked !== null) turn.facts.focus = linked;
    for (const block of blocks) {
      if (block.type === 'resource' && 'text' in block.resource && linked === null) await turn.say(told(block.resource.uri, block.resource.text));
    }
    if (said === '') {
      if (linked !== null) await reading.explain(turn, linked);
      else if (blocks.every((block) => block.type === 'text')) await reading.help(turn);
      return;
    }
    const intent = read(said);
    if (intent.kind === 'unclear' && linked !== null) return reading.explain(turn, linked);
    if (intent.kind === 'unclear' && pictures.length > 0) return;
    await perform(turn, intent, client, this.capabilities);
  }

  /** Stops the running turn, if there is one. */
  cancel(id: string): void {
    this.#open.get(id)?.turn?.stop.abort();
  }

  /** Stops the running turn, waits for its end and forgets the session. */
  async close(id: string): Promise<void> {
    const session = this.#open.get(id);
    session?.turn?.stop.abort();
    await session?.turn?.over;
    this.#open.delete(id);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.close(id)));
  }

  async remove(id: string): Promise<void> {
    await this.close(id);
    await this.#store.remove(id);
  }

  #need(id: string): Open {
    const session = this.#open.get(id);
    if (session === undefined) throw RequestError.sessionNotFound(id);
    return session;
  }
}

async function openWorkspace(cwd: string): Promise<Workspace> {
  try {
    return await Workspace.open(cwd);
  } catch (error) {
    throw error instanceof WorkspaceError ? RequestError.invalidParams({ cwd }, error.message) : error;
  }
}

function settings(facts: Facts): Settings {
  return {
    modes: { currentModeId: facts.mode, availableModes: modes.map((mode) => ({ ...mode })) },
    configOptions: [
      {
        id: 'mode', name: 'Mode', category: 'mode', type: 'select', currentValue: facts.mode,
        options: modes.map(({ id, name, description }) => ({ value: id, name, description })),
      },
      { id: 'model', name: 'Model', category: 'model', type: 'select', currentValue: facts.model, options: models.map((model) => ({ ...model })) },
      { id: 'thinking', name: 'Thinking', category: 'thought_level', type: 'select', currentValue: facts.thinking, options: thinking.map((one) => ({ ...one })) },
    ],
  };
}

function titleOf(said: string): string {
  const line = said.split('\n')[0]?.replaceAll(/\s+/g, ' ').trim() ?? '';
  if (line === '') return 'Without words';
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/** The first file of the workspace that came along as a link or as a resource; null where there is none. */
async function linkedFile(turn: Turn, blocks: readonly ContentBlock[]): Promise<string | null> {
  for (const block of blocks) {
    const uri = block.type === 'resource_link' ? block.uri : block.type === 'resource' ? block.resource.uri : null;
    if (uri === null) continue;
    try {
      const url = new URL(uri, pathToFileURL(`${turn.workspace.root}/`));
      if (url.protocol === 'file:') return await turn.workspace.within(fileURLToPath(url));
    } catch {
      // A link that leads elsewhere is none of ours.
    }
  }
  return null;
}

async function perform(turn: Turn, intent: Intent, client: AgentContext, capabilities: ClientCapabilities): Promise<void> {
  switch (intent.kind) {
    case 'help': return reading.help(turn);
    case 'thanks': return turn.say('You are welcome. Say `help` to see what else I can do.');
    case 'overview': return reading.overview(turn);
    case 'files': return reading.files(turn, intent.within);
    case 'search': return reading.search(turn, intent.text);
    case 'explain': return reading.explain(turn, intent.file);
    case 'show': return reading.show(turn, intent.file);
    case 'tools': return reading.tools(turn);
    case 'job': return job(turn, intent.prompt);
    case 'unclear': return reading.unclear(turn, intent.text);
    case 'tidy': return changing.tidy(turn, intent.file);
    case 'rename': return changing.rename(turn, intent.from, intent.to, intent.file);
    case 'comment': return changing.comment(turn, intent.file, intent.text);
    case 'todo': return changing.todo(turn, intent.file, intent.text);
    case 'test': return changing.test(turn, intent.file);
    case 'append': return changing.append(turn, intent.file, intent.text);
    case 'create': return changing.create(turn, intent.file, intent.text);
    case 'delete': return changing.remove(turn, intent.file);
    case 'run': return doing.run(turn, intent.command);
    case 'terminal': return doing.terminal(turn, intent.command, client, capabilities.terminal === true);
    case 'long': return doing.long(turn, intent.words, intent.perSecond);
    case 'think': return doing.think(turn, intent.about);
    case 'plan': return doing.plan(turn, intent.task);
    case 'ask': return doing.ask(turn, client, capabilities.elicitation?.form != null);
    case 'fail': throw RequestError.internalError(undefined, 'You asked me to fail, so this turn fails. Nothing else is wrong.');
  }
}
