import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { RpcId } from '../rpc.ts';
import { readTextFile, writeTextFile } from './files.ts';
import type { SessionHost } from './host.ts';
import type { Link } from './link.ts';
import { internalError, notFound } from './outcome.ts';
import type { TerminalEvents } from './terminals.ts';
import { Terminals } from './terminals.ts';

const methodNotFound = -32601;

/** What a session does for its agent: `fs/*` and `terminal/*` (schema v1), within the session's folder. */
export class ClientMethods {
  private readonly host: SessionHost;
  private readonly folder: () => string;
  private readonly events: TerminalEvents & { wrote(path: string): void };
  private terminals: Terminals | null = null;

  constructor(host: SessionHost, folder: () => string, events: TerminalEvents & { wrote(path: string): void }) {
    this.host = host;
    this.folder = folder;
    this.events = events;
  }

  /** Commands that run. */
  get active(): number {
    return this.terminals?.active ?? 0;
  }

  /** Answers a request, when it is done. Never rejects. */
  async handle(method: string, params: JsonObject, rpcId: RpcId, link: Link): Promise<void> {
    try {
      const result = await this.act(method, params);
      if (result === undefined) link.refuse(rpcId, methodNotFound, `"Method not found": ${method}`);
      else link.respond(rpcId, result);
    } catch (error) {
      const missing = error instanceof PilothouseError && (error.code === 'file_not_found' || error.code === 'terminal_not_found');
      link.refuse(rpcId, missing ? notFound : internalError, describeError(error));
    }
  }

  /** Ends all commands with what they have started; resolves when they are dead. */
  async endCommands(): Promise<void> {
    await this.terminals?.killAll();
  }

  private async act(method: string, params: JsonObject): Promise<JsonValue | undefined> {
    switch (method) {
      case 'fs/read_text_file':
        return { ...(await readTextFile(this.folder(), params)) };
      case 'fs/write_text_file':
        this.events.wrote(await writeTextFile(this.folder(), params));
        return {};
      case 'terminal/create':
        return { ...(await this.commands().create(params)) };
      case 'terminal/output': {
        const { output, truncated, exitStatus } = this.commands().output(params);
        return { output, truncated, ...(exitStatus === undefined ? {} : { exitStatus: { ...exitStatus } }) };
      }
      case 'terminal/wait_for_exit':
        return { ...(await this.commands().waitForExit(params)) };
      case 'terminal/kill':
        await this.commands().kill(params);
        return {};
      case 'terminal/release':
        await this.commands().release(params);
        return {};
      default:
        return undefined;
    }
  }

  private commands(): Terminals {
    const { context, env, ledger, label } = this.host;
    this.terminals ??= new Terminals({ folder: this.folder(), env, clock: context.clock, log: context.log, ledger, label, events: this.events });
    return this.terminals;
  }
}
