import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { ForgeSession } from '../../core/systems/clawdforge/session.ts';
import type { TurnResult } from '../../core/systems/clawdforge/types.ts';
import type { ForgeEvent } from '../../core/systems/clawdforge/types.ts';
import { flag, parsed, text } from '../args.ts';
import type { CliIo } from '../io.ts';
import { exitFailed, exitOk, LineReader, plainLine, plainText } from '../io.ts';
import type { Call } from './call.ts';
import { common, onServer, wholeSeconds } from './call.ts';

/** Sessions that can't take another turn. */
const over: ReadonlySet<string> = new Set(['session_closed', 'session_not_found', 'authentication_failed']);

/** A line of stdin is a turn; what the agent says streams out. A session that was made for it is closed at the end, unless `--keep`; one that was named is left as it is. */
export function chat(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, session: text, agent: text, timeout: text, keep: flag }, 0);
  const timeoutSecs = wholeSeconds(values.timeout, '--timeout');
  return onServer(values, io, async (call) => {
    const { forge } = call;
    const start = AbortSignal.any([io.ending, call.signal]);
    // Asked for, so that one which is not there is said to be so before somebody writes.
    if (values.session !== undefined) await forge.getSession(values.session, { signal: start });
    const session = values.session === undefined ? await forge.createSession({ agent: values.agent ?? 'claude', meta: { caller: 'pilothouse-cli' }, signal: start }) : forge.attach(values.session);
    if (!call.json) io.err(`Session ${plainLine(session.sessionId)}\n`);
    const talk = new Talk(session, call, timeoutSecs);
    try {
      return await talk.run();
    } finally {
      if (values.session === undefined && values.keep !== true) await session.close({ signal: AbortSignal.timeout(10_000) }).catch((error: unknown) => io.err(`The session could not be closed: ${plainLine(describeError(error))}\n`));
    }
  });
}

class Talk {
  readonly #session: ForgeSession;
  readonly #call: Call;
  readonly #timeoutSecs: number | undefined;
  #turn: AbortController | null = null;
  #failed = false;
  #over = false;

  constructor(session: ForgeSession, call: Call, timeoutSecs: number | undefined) {
    this.#session = session;
    this.#call = call;
    this.#timeoutSecs = timeoutSecs;
  }

  /** Until the input ends, `/quit`, Ctrl+C while no turn runs (one that runs is left), or a session that is over. Gives 1 where the last turn failed. */
  async run(): Promise<number> {
    const { io, json } = this.#call;
    const lines = new LineReader(io.stdin);
    const interrupts = io.onInterrupt(() => {
      if (this.#turn === null) lines.close();
      else this.#turn.abort();
    });
    const onEnding = (): void => {
      lines.close();
      this.#turn?.abort();
    };
    io.ending.addEventListener('abort', onEnding, { once: true });
    if (io.ending.aborted) onEnding();
    try {
      while (!this.#over) {
        if (io.interactive && !json) io.out('› ');
        const line = await lines.next();
        if (line === null || line.trim() === '/quit') break;
        if (line.trim() !== '') await this.#say(line);
      }
      return this.#failed ? exitFailed : exitOk;
    } finally {
      interrupts.dispose();
      io.ending.removeEventListener('abort', onEnding);
      lines.close();
    }
  }

  async #say(prompt: string): Promise<void> {
    const { io, json } = this.#call;
    const turn = new AbortController();
    this.#turn = turn;
    let spoke = '';
    try {
      const result = await this.#session.turn(prompt, {
        signal: turn.signal, ...(this.#timeoutSecs === undefined ? {} : { timeoutSecs: this.#timeoutSecs }),
        onEvent: (event) => {
          if (!json) spoke = show(event, spoke, io);
        },
      });
      this.#failed = !result.ok || result.stopReason === 'error' || result.stopReason === 'timeout';
      if (json) io.out(`${JSON.stringify({ ...result, text: result.text() })}\n`);
      else if (spoke !== '' && !spoke.endsWith('\n')) io.out('\n');
      if (this.#failed && !json) io.err(`${plainLine(endOf(result))}\n`);
    } catch (error) {
      this.#failed = true;
      this.#over = error instanceof PilothouseError && over.has(error.code);
      if (!json && spoke !== '' && !spoke.endsWith('\n')) io.out('\n');
      io.err(`${plainLine(lineOf(error))}\n`);
    } finally {
      this.#turn = null;
    }
  }
}

/** Text goes to stdout as it comes; a line on stderr tells of anything else but thoughts. Gives what stands at the end of stdout. */
function show(event: ForgeEvent, spoke: string, io: CliIo): string {
  if (event.type === 'text' && typeof event['content'] === 'string') {
    const said = plainText(event['content']);
    io.out(said);
    return said === '' ? spoke : said;
  }
  if (event.type === 'thinking') return spoke;
  const name = ['name', 'tool', 'title', 'content'].map((field) => event[field]).find((field) => typeof field === 'string');
  io.err(`${spoke === '' || spoke.endsWith('\n') ? '' : '\n'}[${plainLine(event.type)}${typeof name === 'string' ? ` ${plainLine(name).slice(0, 120)}` : ''}]\n`);
  return '';
}

function endOf({ stopReason }: TurnResult): string {
  return stopReason === 'timeout' ? 'The server\'s time for the turn was over: send another message to go on.' : 'The agent ended the turn with an error.';
}

function lineOf(error: unknown): string {
  if (isAbort(error)) return 'Not waited for any more. The server cannot be told to stop: it may work on.';
  return error instanceof PilothouseError ? `${error.code}: ${describeError(error)}` : describeError(error);
}
