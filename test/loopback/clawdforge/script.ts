/** One turn as an agent of the test server sees it. */
export interface AskedTurn {
  readonly prompt: string;
  /** Prompts of the same session before it. */
  readonly before: readonly string[];
  readonly agent: string;
  readonly timeoutSecs: number;
}
/** How the server plays a turn. */
export interface PlayedTurn {
  readonly events: readonly unknown[];
  /** Milliseconds before each event. */
  readonly stepMs?: number;
  readonly stopReason?: string | null;
  readonly ok?: boolean;
  /** In place of an answer. */
  readonly refuse?: { readonly status: number; readonly body: unknown };
  /** The connection is cut: before the answer begins, or behind so many events. The agent works on all the same, unless it is `given up`. */
  readonly cut?: { readonly after: number | 'nothing'; readonly work?: 'counted' | 'given up' };
}
export type ForgeScript = (turn: AskedTurn) => PlayedTurn;

/** Pieces of a text as a model tells it: word by word. */
export function spoken(text: string): { readonly type: 'text'; readonly content: string }[] {
  return (text.match(/\S+\s*/g) ?? []).map((content) => ({ type: 'text', content }));
}

/** What the agent does unless told otherwise: a few words that a prompt asks for, and what it remembers of the prompts before. */
export const plainScript: ForgeScript = ({ prompt, before }) => {
  const [, command] = /^run: (.*)$/s.exec(prompt) ?? [];
  if (command !== undefined) {
    return {
      stepMs: 5,
      events: [
        { type: 'thinking', content: 'A command.' }, { type: 'text', content: 'I run it. ' }, { type: 'tool_call', id: `call-${before.length}`, name: 'Bash', input: { command } },
        { type: 'tool_result', tool_call_id: `call-${before.length}`, content: command.replace(/^echo /, '') }, ...spoken('That was it.'),
      ],
    };
  }
  if (prompt.startsWith('slowly')) return { stepMs: 40, events: spoken('The sea is wide. '.repeat(60)) };
  if (prompt.endsWith('What is it?')) return { events: spoken(`You told me: ${[...before, prompt].join(' / ')}`) };
  return { stepMs: 5, events: spoken(`You said so: ${prompt.slice(0, 200)}`) };
};
