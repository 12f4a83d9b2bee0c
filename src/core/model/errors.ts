/**
 * Root of every error that the core raises on purpose. `code` is stable and made for programs; `message` is one line for a person and
 * says what to do next; `cause` is what lies beneath. `personMustAct` is true when nothing but the person can mend it (sign in, install).
 */
export class PilothouseError extends Error {
  readonly code: string;
  readonly personMustAct: boolean;

  constructor(code: string, message: string, options: { cause?: unknown; personMustAct?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.personMustAct = options.personMustAct ?? false;
  }
}

/** True for the rejection of an aborted call: never reported to the person. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'AbortSignalError');
}

/** One line for a log or a notice: the message and the messages of its causes, no stack. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < 4 && current !== undefined && current !== null; depth += 1) {
    const text = current instanceof Error ? current.message : typeof current === 'string' ? current : 'unknown error';
    if (text !== '' && !parts.includes(text)) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  // What is a sentence already is followed by the next one.
  return parts.reduce((line, part) => `${line}${/[.!?:]$/.test(line) ? ' ' : ': '}${part}`, parts.shift() ?? '');
}
