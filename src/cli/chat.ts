import { randomUUID } from 'node:crypto';
import type { Decision, SessionBackend, SessionHandle } from '../core/model/backend.ts';
import type { DecisionScope, Entry, PermissionEntry, Question, TurnEntry } from '../core/model/entry.ts';
import { describeError, PilothouseError } from '../core/model/errors.ts';
import { sleep, systemClock } from '../core/transport/clock.ts';
import type { CliIo } from './io.ts';
import { exitFailed, exitOk, LineReader, plainLine, plainText } from './io.ts';

interface ChatOptions {
  readonly folder: string;
  readonly model?: string;
  readonly mode?: string;
  readonly effort?: string;
  /** Session to go on with. */
  readonly resume?: string;
  /** Entries as lines of JSON instead of text. */
  readonly json: boolean;
}

/** How long a prompt may take to reach the agent, which may have to be started first. */
const sendMs = 120_000;
const closeMs = 20_000;
/** How long a turn is waited for that the reason of a refusal makes. */
const furtherMs = 3000;
const scopes: Readonly<Record<string, Decision['outcome']>> = { y: 'allow', s: 'allow-session', a: 'allow-always', n: 'deny' };

/**
 * A line of stdin is a prompt; answers stream out; what the agent asks, the next line answers. Ends with the input, with `/quit`, or with Ctrl+C while
 * no turn runs (while one runs, it is interrupted). Gives 1 when the last turn failed.
 */
export async function chat(backend: SessionBackend, options: ChatOptions, io: CliIo): Promise<number> {
  const handle = options.resume === undefined ? backend.session(await spawn(backend, options, io.ending)) : await resumed(backend.session(options.resume), options, io.ending);
  const lines = new LineReader(io.stdin);
  const talk = new Talk(handle, options.json, lines, io);
  const interrupts = io.onInterrupt(() => {
    if (talk.running) talk.interrupt();
    else lines.close();
  });
  const onEnding = (): void => {
    lines.close();
    talk.giveUp();
  };
  io.ending.addEventListener('abort', onEnding, { once: true });
  if (io.ending.aborted) onEnding();
  try {
    if (!options.json) io.err(`Session ${handle.id}\n`);
    for (;;) {
      if (io.interactive && !options.json) io.out('› ');
      const line = await lines.next();
      if (line === null || line.trim() === '/quit') break;
      if (line.trim() !== '') await talk.turn(line);
    }
    return talk.failed ? exitFailed : exitOk;
  } finally {
    interrupts.dispose();
    io.ending.removeEventListener('abort', onEnding);
    lines.close();
    talk.dispose();
  }
}

async function spawn(backend: SessionBackend, options: ChatOptions, ending: AbortSignal): Promise<string> {
  const [machine] = await backend.machines();
  if (machine === undefined) throw new PilothouseError('no_machine', 'This connection has no machine to run the agent on.');
  const { folder, model, mode, effort } = options;
  const chosen = { ...(model === undefined ? {} : { model }), ...(mode === undefined ? {} : { mode }), ...(effort === undefined ? {} : { effort }) };
  return (await backend.spawn({ machineId: machine.id, folder, ...chosen, signal: AbortSignal.any([ending, AbortSignal.timeout(sendMs)]) })).id;
}

/** The session with the settings that were asked for. */
async function resumed(handle: SessionHandle, options: ChatOptions, ending: AbortSignal): Promise<SessionHandle> {
  const { model, mode, effort } = options;
  const signal = AbortSignal.any([ending, AbortSignal.timeout(sendMs)]);
  // What there is to choose is known for certain only where the agent has the session.
  if (model !== undefined || mode !== undefined || effort !== undefined) await handle.resume({ signal });
  if (model !== undefined) await handle.setModel(model, { signal });
  if (mode !== undefined) await handle.setMode(mode, { signal });
  if (effort !== undefined) await handle.setEffort(effort, { signal });
  return handle;
}

/** Prints what one session tells, and asks the person what it asks. */
class Talk {
  failed = false;
  private readonly handle: SessionHandle;
  private readonly json: boolean;
  private readonly lines: LineReader;
  private readonly io: CliIo;
  private readonly stop: () => void;
  private readonly shown = new Set<string>();
  /** Row whose text is being written without a line break as yet. */
  private open: string | null = null;
  private ended: ((end: TurnEntry | null) => void) | null = null;
  private asking: Promise<void> = Promise.resolve();
  /** What waits for a line, by the request's id. */
  private readonly asked = new Map<string, AbortController>();
  /** A refusal was given a reason that the agent gets as a prompt. */
  private refused = false;
  private turnRuns = false;

  constructor(handle: SessionHandle, json: boolean, lines: LineReader, io: CliIo) {
    this.handle = handle;
    this.json = json;
    this.lines = lines;
    this.io = io;
    const live = handle.live((event) => {
      if (event.type === 'entries') for (const entry of event.entries) this.entry(entry);
    });
    this.stop = () => live.dispose();
  }

  get running(): boolean {
    return this.ended !== null;
  }

  async turn(text: string): Promise<void> {
    try {
      const end = this.nextEnd();
      await this.handle.send({ text, attachments: [] }, randomUUID(), { signal: AbortSignal.any([this.io.ending, AbortSignal.timeout(sendMs)]) });
      await this.over(await end);
      while (this.refused) {
        this.refused = false;
        await this.over(await this.furtherTurn());
      }
    } catch (error) {
      this.failed = true;
      this.line();
      // Whoever ends the command says it.
      if (error instanceof PilothouseError && error.personMustAct) throw error;
      this.io.err(`${plainLine(describeError(error))}\n`);
    } finally {
      this.ended = null;
    }
  }

  /** The end of the turn that runs or begins next; null when the command is to end. */
  private nextEnd(): Promise<TurnEntry | null> {
    return new Promise((resolve) => {
      this.ended = resolve;
    });
  }

  /** Where an agent takes no reason with a refusal, the reason makes a turn of its own. Null where it does not after all. */
  private async furtherTurn(): Promise<TurnEntry | null> {
    const end = this.nextEnd();
    const first = await Promise.race([end, sleep(systemClock, furtherMs, this.io.ending).then(() => 'late' as const, () => null)]);
    return first === 'late' ? (this.turnRuns ? end : null) : first;
  }

  private async over(turn: TurnEntry | null): Promise<void> {
    if (turn === null) return;
    const { state, error } = turn;
    await this.asking;
    this.failed = state === 'failed';
    this.line();
    if (state === 'failed') this.io.err(`${plainLine(error ?? 'The turn failed.')}\n`);
    if (state === 'cancelled' && !this.json) this.io.err('Interrupted.\n');
  }

  interrupt(): void {
    this.handle.interrupt({ signal: AbortSignal.timeout(closeMs) }).catch((error: unknown) => this.io.err(`${plainLine(describeError(error))}\n`));
  }

  /** The turn's end is not waited for: the agent is about to be ended. */
  giveUp(): void {
    this.ended?.(null);
  }

  dispose(): void {
    this.stop();
  }

  private entry(entry: Entry): void {
    if (this.json) this.io.out(`${JSON.stringify(entry)}\n`);
    else this.print(entry);
    if (entry.kind === 'permission') this.ask(entry);
    if (entry.kind === 'answer') this.asked.get(entry.requestId)?.abort();
    if (entry.kind !== 'turn') return;
    this.turnRuns = entry.phase === 'start';
    if (entry.phase === 'end') this.ended?.(entry);
  }

  private print(entry: Entry): void {
    if (entry.kind === 'delta') {
      if (entry.channel !== 'text') return;
      this.write(entry.row, plainText(entry.text));
    } else if (entry.kind === 'text') {
      if (!this.shown.has(entry.row ?? entry.id)) this.write(entry.row ?? entry.id, plainText(entry.text));
      this.line();
    } else if (entry.kind === 'tool') this.once(entry.id, `• ${plainLine(entry.title)}`);
    else if (entry.kind === 'result') {
      if (entry.status !== 'ok') this.once(`${entry.id} ${entry.status}`, `  ${entry.status}${entry.exitCode === null ? '' : ` (${entry.exitCode})`}`);
    } else if (entry.kind === 'notice') this.once(`${entry.id} ${entry.text}`, `! ${plainLine(entry.text)}${entry.remedy === null ? '' : ` (${plainLine(entry.remedy)})`}`);
    else if (entry.kind === 'todo') this.once(`${entry.id} ${entry.rev}`, entry.items.map((item) => `${item.status === 'done' ? '☑' : '☐'} ${plainLine(item.text)}`).join('\n'));
  }

  private write(row: string, text: string): void {
    if (this.open !== row) this.line();
    this.open = row;
    this.shown.add(row);
    this.io.out(text);
  }

  private once(key: string, text: string): void {
    if (this.shown.has(key) || text === '') return;
    this.shown.add(key);
    this.line();
    this.io.out(`${text}\n`);
  }

  private line(): void {
    if (this.open !== null && !this.json) this.io.out('\n');
    this.open = null;
  }

  private ask(entry: PermissionEntry): void {
    if (this.shown.has(`ask ${entry.id}`)) return;
    this.shown.add(`ask ${entry.id}`);
    this.asking = this.asking.then(() => this.answer(entry)).catch((error: unknown) => {
      if (!(error instanceof PilothouseError && error.code === 'already_answered')) this.io.err(`${plainLine(describeError(error))}\n`);
    });
  }

  private async answer(entry: PermissionEntry): Promise<void> {
    const over = new AbortController();
    this.asked.set(entry.requestId, over);
    try {
      const decision = entry.ask === 'question' ? await this.questions(entry.questions, over.signal) : await this.permission(entry, over.signal);
      if (over.signal.aborted) return;
      await this.handle.answer(entry.requestId, decision, { signal: AbortSignal.timeout(sendMs) });
      if (decision.reason !== undefined && !entry.takesReason) this.refused = true;
    } finally {
      this.asked.delete(entry.requestId);
    }
  }

  /** At the end of the input nothing is allowed. An agent that takes its request back needs no line: that is the next prompt. */
  private async permission(entry: PermissionEntry, over: AbortSignal): Promise<Decision> {
    this.line();
    const what = entry.ask === 'plan' ? plainText(entry.plan ?? entry.title) : plainLine(entry.command ?? entry.title);
    const offered = (scope: DecisionScope): boolean => entry.options.some((option) => option.scope === scope);
    const choices = `[y]es${offered('session') ? ', for the [s]ession' : ''}${offered('always') ? ', [a]lways' : ''}, [n]o and why: `;
    for (;;) {
      this.io.err(`? ${entry.ask === 'plan' ? 'Plan' : plainLine(entry.tool)}: ${what}${entry.reason === null ? '' : `\n  ${plainLine(entry.reason)}`}\n  ${choices}`);
      const line = (await this.lines.next(over))?.trim() ?? 'n';
      this.io.err('\n');
      const [word = '', ...rest] = line.split(/\s+/);
      const outcome = scopes[word.toLowerCase().slice(0, 1)];
      if (outcome === undefined || !/^(?:y|yes|s|session|a|always|n|no)$/i.test(word)) continue;
      if ((outcome === 'allow-session' && !offered('session')) || (outcome === 'allow-always' && !offered('always'))) continue;
      if (outcome !== 'deny') return { outcome };
      return rest.length === 0 ? { outcome } : { outcome, reason: rest.join(' ') };
    }
  }

  private async questions(questions: readonly Question[], over: AbortSignal): Promise<Decision> {
    const answers: Record<string, readonly string[]> = {};
    for (const question of questions) {
      this.line();
      const options = question.options.map((option, index) => `  ${index + 1}. ${plainLine(option.label)}${option.description === null ? '' : ` — ${plainLine(option.description)}`}\n`).join('');
      this.io.err(`? ${plainLine(question.text)}\n${options}  `);
      const line = await this.lines.next(over);
      this.io.err('\n');
      if (line === null) return { outcome: 'deny' };
      const chosen = line.split(',').map((part) => question.options[Number(part.trim()) - 1]?.label);
      const labels = chosen.filter((label): label is string => label !== undefined);
      answers[question.id] = labels.length > 0 && labels.length === chosen.length ? labels : [line.trim()];
    }
    return { outcome: 'answer', answers };
  }
}
