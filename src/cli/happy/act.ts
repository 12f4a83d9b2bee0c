import { HappyError, MachineOfflineError, TimeoutError } from '../../core/systems/happy/errors.ts';
import { isJsonObject } from '../../core/model/json.ts';
import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import type { HappyMachine } from '../../core/systems/happy/client.ts';
import { said } from '../../core/systems/happy/normalise/read.ts';
import { flag, parsed, text } from '../args.ts';
import type { CliIo } from '../io.ts';
import { LineReader, plainLine, plainText, UsageError } from '../io.ts';
import type { Call } from './call.ts';
import { common, idIn, inAccount, machineOf, promptOf, required, secondsOf, sessionOf, show } from './call.ts';
import { askLine, asksOf, sessionFacts } from './print.ts';
import { rowsOf, spoken } from './transcript.ts';

const one = 'One id is enough.';

export function spawn(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, machine: text, directory: text, agent: text, 'create-dir': flag, name: text }, 0);
  required(values.machine, '--machine');
  required(values.directory, '--directory');
  return inAccount(values, io, async (call) => {
    const sessionId = await call.client.spawnSession({ ...(await placeOf(call, values)), ...(values.name === undefined ? {} : { name: values.name }), signal: call.signal });
    show(call, { sessionId }, sessionId);
  });
}

export function send(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, 'permission-mode': text, wait: flag, timeout: text }, 2, 'Put the text in quotes.');
  const [id, given] = [idIn(positionals), positionals[1]];
  if (given === undefined) throw new UsageError('There is no text. Give one, or - to read it from stdin.');
  const wait = secondsOf(values.timeout);
  if (values.timeout !== undefined && values.wait !== true) throw new UsageError('--timeout goes with --wait.');
  return inAccount(values, io, async (call) => {
    const prompt = await promptOf(given, call);
    const session = await sessionOf(call, id);
    const mode = values['permission-mode'];
    const { seq, localId } = await call.client.sendMessage(session.id, prompt, { signal: call.signal, ...(mode === undefined ? {} : { permissionMode: mode }) });
    if (values.wait !== true) return show(call, { sessionId: session.id, seq, localId }, 'Delivered.');
    await waited(call, session.id, call.client.waitForTurnCompletion(session.id, { ...wait, signal: call.signal }));
    const answer = await answerAfter(call, session.id, seq);
    show(call, { sessionId: session.id, seq, localId, answer }, answer);
  });
}

export function wait(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, idle: flag, timeout: text }, 1, one);
  const id = idIn(positionals);
  const options = secondsOf(values.timeout);
  const idle = values.idle === true;
  return inAccount(values, io, async (call) => {
    const { id: sessionId } = await sessionOf(call, id);
    const { client, signal } = call;
    await waited(call, sessionId, idle ? client.waitForIdle(sessionId, { ...options, signal }) : client.waitForTurnCompletion(sessionId, { ...options, signal }));
    show(call, { sessionId, waitedFor: idle ? 'idle' : 'turn' }, idle ? 'It is idle.' : 'The turn has ended.');
  });
}

export function runTask(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals: [given] } = parsed(args, { ...common, machine: text, directory: text, agent: text, 'create-dir': flag, name: text, 'permission-mode': text, timeout: text }, 1);
  required(values.machine, '--machine');
  required(values.directory, '--directory');
  if (given === undefined) throw new UsageError('There is no prompt. Give one, or - to read it from stdin.');
  const options = secondsOf(values.timeout);
  return inAccount(values, io, async (call) => {
    const prompt = await promptOf(given, call);
    const mode = values['permission-mode'];
    const sessionId = await call.client.runTask({
      ...(await placeOf(call, values)), prompt, ...options, ...(values.name === undefined ? {} : { name: values.name }), ...(mode === undefined ? {} : { permissionMode: mode }), signal: call.signal,
    });
    if (!call.json) io.err(`Session ${sessionId}\n`);
    const answer = await answerAfter(call, sessionId, 0);
    show(call, { sessionId, answer }, answer);
  });
}

export function interrupt(args: readonly string[], io: CliIo): Promise<number> {
  return simply(args, io, async ({ client, signal }, id) => client.interrupt(id, { signal }), 'interrupted', 'Interrupted.');
}

export function stop(args: readonly string[], io: CliIo): Promise<number> {
  return simply(args, io, async ({ client, signal }, id) => client.stopSession(id, { signal }), 'stopped', 'Stopped.');
}

export function rename(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, common, 2, 'Put the name in quotes.');
  const [id, title] = [idIn(positionals), required(positionals[1], 'The name')];
  return inAccount(values, io, async (call) => {
    const session = await call.client.setSessionName((await sessionOf(call, id)).id, title, { signal: call.signal });
    show(call, session, `Renamed to ${plainLine(title)}.`);
  });
}

export function metadata(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, set: text }, Infinity);
  const [id, changes] = [idIn(positionals), changesOf(positionals.slice(1), values.set)];
  return inAccount(values, io, async (call) => {
    const found = await sessionOf(call, id);
    const session = changes === null ? found : await call.client.updateSessionMetadata(found.id, changes, { signal: call.signal });
    // Words that turn the direction of writing are as dangerous in JSON as elsewhere.
    show(call, session.metadata, plainText(JSON.stringify(session.metadata, null, 2)));
  });
}

/** Asks the person first, unless `--yes` says it; and again where the session's machine is away, unless `--unconfirmed` says it. */
export function remove(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, yes: flag, unconfirmed: flag }, 1, one);
  const id = idIn(positionals);
  if (values.yes !== true && !io.interactive) throw new UsageError('What is deleted is gone from the account: say so with --yes.');
  return inAccount(values, io, async (call) => {
    const session = await sessionOf(call, id);
    if (values.yes !== true && !(await agreed(call, `${sessionFacts(session, call.io)}\nStop this session and delete it from the account, for good? [y/N] `))) {
      return show(call, { sessionId: session.id, deleted: false }, 'Nothing was deleted.');
    }
    try {
      await call.client.deleteSession(session.id, { signal: call.signal, removeUnconfirmed: values.unconfirmed === true });
    } catch (error) {
      if (!(error instanceof MachineOfflineError)) throw error;
      if (!io.interactive) throw new HappyError(error.code, `${error.message} With --unconfirmed it is deleted all the same.`, { cause: error });
      if (!(await agreed(call, `${plainLine(error.message)}\nDelete it all the same? Its process may live on. [y/N] `))) return show(call, { sessionId: session.id, deleted: false }, 'Nothing was deleted.');
      await call.client.deleteSession(session.id, { signal: call.signal, removeUnconfirmed: true });
    }
    show(call, { sessionId: session.id, deleted: true }, 'Deleted.');
  });
}

async function agreed({ io, signal }: Call, question: string): Promise<boolean> {
  const lines = new LineReader(io.stdin);
  try {
    io.err(question);
    const line = await lines.next(signal);
    signal.throwIfAborted();
    return /^y(?:es)?$/i.test(line?.trim() ?? '');
  } finally {
    lines.close();
  }
}

function simply(args: readonly string[], io: CliIo, act: (call: Call, sessionId: string) => Promise<void>, done: string, human: string): Promise<number> {
  const { values, positionals } = parsed(args, common, 1, one);
  const id = idIn(positionals);
  return inAccount(values, io, async (call) => {
    const { id: sessionId } = await sessionOf(call, id);
    await act(call, sessionId);
    show(call, { sessionId, [done]: true }, human);
  });
}

/** What keeps a wait from its end may be the person: a time-out says so. */
async function waited({ client, signal, io }: Call, id: string, turn: Promise<void>): Promise<void> {
  try {
    await turn;
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    const session = await client.getSession(id, { signal }).catch(() => null);
    const asks = session === null ? [] : asksOf(session).map((ask) => askLine(session, ask, io));
    throw asks.length === 0 ? error : new TimeoutError(`${error.message} It waits for an answer: ${asks.join('; ')}`, { cause: error.cause });
  }
}

async function answerAfter({ client, signal }: Call, id: string, after: number): Promise<string> {
  const [session, messages] = [await client.getSession(id, { signal }), await client.getMessages(id, { after, signal })];
  return spoken(rowsOf(session, messages));
}

interface PlaceValues {
  readonly machine?: string | undefined;
  readonly directory?: string | undefined;
  readonly agent?: string | undefined;
  readonly 'create-dir'?: boolean | undefined;
}

/** Where to start which agent. A leading `~` is the machine's home, not this computer's. Throws UsageError for a folder that is not absolute. */
async function placeOf(call: Call, values: PlaceValues): Promise<{ readonly machineId: string; readonly directory: string; readonly agent?: string; readonly createDir: boolean }> {
  const machine = await machineOf(call, values.machine);
  return { machineId: machine.id, directory: folderOn(machine, values.directory ?? ''), createDir: values['create-dir'] === true, ...(values.agent === undefined ? {} : { agent: values.agent }) };
}

function folderOn(machine: HappyMachine, given: string): string {
  if (/^~(?=$|[\\/])/.test(given)) {
    const home = said(machine.metadata, 'homeDir');
    if (home === null) throw new UsageError('This machine does not tell its home folder: give --directory whole.');
    return home.replace(/[\\/]+$/, '') + given.slice(1);
  }
  if (given.startsWith('/') || /^[A-Za-z]:[\\/]/.test(given) || given.startsWith('\\\\')) return given;
  throw new UsageError(`--directory is a folder of that machine, absolute or from ~ on, not ${JSON.stringify(plainLine(given))}.`);
}

/** Changes of metadata: `key=value` sets a text, `--set` merges a JSON object; null where there are none. */
function changesOf(pairs: readonly string[], set: string | undefined): JsonObject | null {
  const changes: Record<string, JsonValue> = {};
  if (set !== undefined) {
    let value: JsonValue;
    try {
      value = JSON.parse(set) as JsonValue;
    } catch {
      throw new UsageError('--set takes a JSON object, such as {"stage": 2}.');
    }
    if (!isJsonObject(value)) throw new UsageError('--set takes a JSON object, such as {"stage": 2}.');
    Object.assign(changes, value);
  }
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`${JSON.stringify(plainLine(pair))} is no key=value.`);
    changes[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return Object.keys(changes).length === 0 ? null : changes;
}
