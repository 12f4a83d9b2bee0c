/** What a person can do about a state. */
export interface Remedy {
  /** One sentence. */
  readonly text: string;
  /** The command for a terminal that does it; null where none does. */
  readonly command: string | null;
}

/** A remedy on one line: `Sign in in a terminal: codex login`. */
export function remedyLine({ text, command }: Remedy): string {
  return command === null ? text : `${text.replace(/[.:]$/, '')}: ${command}`;
}
