import type { Mention, SlashCommand } from '../types.ts';

/** What is being completed: `@` a file, a symbol or a selection, `/` a command of the agent. `from`: offset of the sign. */
export interface Trigger {
  readonly kind: 'mention' | 'command';
  readonly from: number;
  readonly query: string;
}
export interface Candidate {
  readonly insert: string;
  readonly label: string;
  readonly detail: string;
  readonly icon: string;
}

/** What the cursor stands in: `@…` or `@"…` (with spaces) at the beginning of a word, or `/…` at the beginning of the message. Null for neither. */
export function triggerAt(text: string, caret: number): Trigger | null {
  const before = text.slice(0, caret);
  const command = /^\/([\w:.-]*)$/.exec(before);
  if (command !== null) return { kind: 'command', from: 0, query: command[1] ?? '' };
  const file = /(?:^|[\s([{"'])(@(?:"([^"\n]{0,200})|([^\s@"']{0,200})))$/.exec(before);
  return file === null ? null : { kind: 'mention', from: caret - (file[1] ?? '').length, query: file[2] ?? file[3] ?? '' };
}

/** Commands whose name has the query's letters in order: those that begin with it first, then by name. */
export function matchCommands(commands: readonly SlashCommand[], query: string): Candidate[] {
  const letters = query.toLowerCase();
  const scored = commands.map((command) => ({ command, score: score(command.name.toLowerCase(), letters) })).filter((each) => each.score > 0);
  scored.sort((a, b) => b.score - a.score || (a.command.name < b.command.name ? -1 : 1));
  return scored.slice(0, 50).map(({ command }) => ({
    insert: `/${command.name} `, label: `/${command.name}${command.argumentHint === null ? '' : ` ${command.argumentHint}`}`, detail: command.description, icon: '',
  }));
}

function score(name: string, query: string): number {
  if (name.startsWith(query)) return 3;
  if (name.includes(query)) return 2;
  let at = 0;
  for (const letter of query) {
    at = name.indexOf(letter, at) + 1;
    if (at === 0) return 0;
  }
  return 1;
}

const ICONS = { file: 'file', symbol: 'symbol-method', selection: 'list-selection' } as const;

export function mentionCandidates(mentions: readonly Mention[]): Candidate[] {
  return mentions.map(({ kind, insert, label, detail }) => ({ insert, label, detail, icon: ICONS[kind] }));
}

/** The message with the candidate in the place of what was typed, and the cursor behind it. */
export function complete(text: string, caret: number, trigger: Trigger, candidate: Candidate): { readonly text: string; readonly caret: number } {
  const typed = text.slice(trigger.from, caret);
  const end = typed.startsWith('@"') && text.charAt(caret) === '"' ? caret + 1 : caret;
  const rest = text.slice(end);
  const insert = rest.startsWith(' ') ? candidate.insert.trimEnd() : candidate.insert;
  return { text: text.slice(0, trigger.from) + insert + rest, caret: trigger.from + insert.length + (rest.startsWith(' ') ? 1 : 0) };
}

/** Stretches of a message, for marking what it mentions. */
export function mentions(text: string): { readonly text: string; readonly mention: boolean }[] {
  const parts: { text: string; mention: boolean }[] = [];
  let at = 0;
  for (const match of text.matchAll(/(^|[\s([{"'])(@"[^"\n]+"|@[^\s@"']*[\w/])|^(\/[\w:.-]+)(?=\s|$)/g)) {
    const start = match.index + (match[1]?.length ?? 0);
    if (start > at) parts.push({ text: text.slice(at, start), mention: false });
    at = match.index + match[0].length;
    parts.push({ text: text.slice(start, at), mention: true });
  }
  if (at < text.length) parts.push({ text: text.slice(at), mention: false });
  return parts;
}
