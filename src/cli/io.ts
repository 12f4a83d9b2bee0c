import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import type { Disposable } from '../core/model/backend.ts';

/** The outside world of a command: `main.ts` gives the process's own, tests give theirs. */
export interface CliIo {
  readonly stdin: NodeJS.ReadableStream;
  /** True where a person types. */
  readonly interactive: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** How the person calls the command: `pilothouse`, or `node dist/cli.js` where that is how they did. */
  readonly program: string;
  readonly cwd: string;
  out(text: string): void;
  err(text: string): void;
  /** Ctrl+C. Once somebody listens, it ends nothing by itself. */
  onInterrupt(listener: () => void): Disposable;
  /** Aborted when the process is to end soon (SIGTERM, Ctrl+C again): what runs is given up, and agents are ended. */
  readonly ending: AbortSignal;
}

export const exitOk = 0;
export const exitFailed = 1;
export const exitUsage = 2;

/** A command line that makes no sense: one line, and exit code 2. */
export class UsageError extends Error {}

/** Everything that comes by stdin, as UTF-8. */
export async function readAll(stdin: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stdin) parts.push(typeof part === 'string' ? Buffer.from(part, 'utf8') : part);
  return Buffer.concat(parts).toString('utf8');
}

/** Lines of stdin, one at a time, to whoever asks next. */
export class LineReader {
  private readonly lines: string[] = [];
  private readonly waiting: ((line: string | null) => void)[] = [];
  private ended = false;
  private readonly reader;

  constructor(stdin: NodeJS.ReadableStream) {
    this.reader = createInterface({ input: stdin, terminal: false, crlfDelay: Infinity });
    this.reader.on('line', (line) => {
      const next = this.waiting.shift();
      if (next === undefined) this.lines.push(line);
      else next(line);
    });
    this.reader.on('close', () => this.end());
  }

  /** The next line; null at the end of the input, and when nobody wants it any more: it is somebody else's then. */
  next(signal?: AbortSignal): Promise<string | null> {
    if (signal?.aborted === true) return Promise.resolve(null);
    const line = this.lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.ended) return Promise.resolve(null);
    return new Promise((resolve) => {
      const onAbort = (): void => {
        this.waiting.splice(this.waiting.indexOf(given), 1);
        resolve(null);
      };
      const given = (found: string | null): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(found);
      };
      this.waiting.push(given);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  close(): void {
    this.reader.close();
    this.end();
  }

  private end(): void {
    this.ended = true;
    for (const next of this.waiting.splice(0)) next(null);
  }
}

/**
 * Text of an agent as a terminal may show it: without escape sequences, control characters (but line breaks and tabs) and the marks that turn the
 * direction of writing, all of which could make a line look like another one, or do things to the terminal.
 */
export function plainText(text: string): string {
  const bare = stripVTControlCharacters(text).replaceAll('\r\n', '\n');
  return bare.replaceAll(/(?![\n\t])\p{Cc}|[\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu, '');
}

/** The same on one line. */
export function plainLine(text: string): string {
  return plainText(text).replaceAll(/\s+/g, ' ').trim();
}

/** A text that names the command, as the person calls it. */
export function asCalled(text: string, { program }: Pick<CliIo, 'program'>): string {
  return text.replaceAll(/\bpilothouse(?= (?:local|happy|clawdforge|hebing|catsyphon|--help|--version|<))/g, () => program);
}
