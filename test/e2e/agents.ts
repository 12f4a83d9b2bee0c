import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claudeVariables, codexVariables } from '../loopback/agent-env.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { startOpenAi } from '../loopback/openai.ts';
import type { Conversation, Step } from '../loopback/script.ts';
import type { AgentName } from './driver/index.ts';

/** Prompts that the flow of test/e2e/flow.ts types, and what it looks for after each. */
export interface Prompts {
  readonly hello: string;
  /** Makes `allowed.txt` by a command, after a permission. */
  readonly allowed: string;
  /** Would make `denied.txt` by a command. */
  readonly denied: string;
  /** Changes WEEK_DISCOUNT in src/fees.ts from 0.1 to 0.15. */
  readonly edit: string;
  /** Runs WAITING. */
  readonly wait: string;
  readonly again: string;
  /** Streams a long answer, slowly. */
  readonly long: string;
}

/** An agent as the flow drives it: what to start, with which environment, and what to type. */
export interface AgentCase {
  readonly agent: AgentName;
  /** Name of its connection. */
  readonly name: string;
  readonly prompts: Prompts;
  /** What its answers hold. */
  readonly sees: { readonly hello: RegExp; readonly allowed: RegExp; readonly edit: RegExp; readonly again: RegExp; readonly long: RegExp };
  /** True where every session has a process of its own. */
  readonly ownProcess: boolean;
  env(): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

const PROMPTS: Prompts = {
  hello: 'Say hello and tell me what this project does',
  allowed: 'Write the word allowed into allowed.txt',
  denied: 'Write the word denied into denied.txt',
  edit: 'Raise the week discount',
  wait: 'Wait for a long time',
  again: 'And what did I ask first?',
  long: 'Write a long answer',
};

const SEES: AgentCase['sees'] = {
  hello: /bookings of a harbour/, allowed: /It is written\./, edit: /The week discount is 15 % now\./, again: /The first was whether I can say hello\./, long: /Here is a long answer\./,
};

/** A command that does not end by itself. Claude Code refuses a plain `sleep`. */
export const WAITING = 'i=0; while [ $i -lt 32100 ]; do i=$((i+1)); sleep 0.1; done';

const HELLO: Step = {
  think: 'A harbour with berths. The README says what it does; the fees stand in src/fees.ts.',
  text: 'Hello. This project keeps the **bookings of a harbour**: who lies at which berth, and what it costs.\n\n- `src/booking.ts` reads bookings\n- `src/fees.ts` computes the price\n\n```ts\nexport function fee(booking: Booking): number {\n  return nights(booking) * booking.lengthMetres * 2.4;\n}\n```\n\nAsk me to change a file, and I will ask you first.',
  chunkMs: 4,
};
const LONG = (tokensPerSecond: number): Step => ({ text: 'Here is a long answer.\n\n', big: { chars: 12_000, tokensPerSecond } });

/** The model's side of the flow, by the prompt that runs. `command` and `edit` say how this agent's model calls its tools. */
function script(tools: { command(line: string): NonNullable<Step['tools']>; edit(): readonly NonNullable<Step['tools']>[] }): (conversation: Conversation) => Step {
  return ({ prompt, answered, prompts }) => {
    const has = (text: string): boolean => prompt.includes(text);
    if (has(PROMPTS.hello)) return HELLO;
    if (has(PROMPTS.allowed)) return answered === 0 ? { text: 'I will write it with a command.', tools: tools.command('echo allowed > allowed.txt && cat allowed.txt') } : { text: 'It is written.' };
    if (has(PROMPTS.denied)) return answered === 0 ? { text: 'I will write that one too.', tools: tools.command('echo denied > denied.txt') } : { text: 'Then I leave it.' };
    if (has(PROMPTS.edit)) {
      const calls = tools.edit();
      const next = calls[answered];
      return next === undefined ? { text: 'The week discount is 15 % now.' } : { ...(answered === 0 ? { text: 'I look at the fees first.' } : {}), tools: next };
    }
    if (has(PROMPTS.wait)) return answered === 0 ? { text: 'I wait.', tools: tools.command(WAITING) } : { text: 'I stopped waiting.' };
    if (has(PROMPTS.long)) return LONG(400);
    if (has(PROMPTS.again)) return { text: `You asked ${prompts.length} things so far. The first was whether I can say hello.` };
    return { text: 'Done.' };
  };
}

export async function claudeCase(): Promise<AgentCase> {
  const endpoint = await startAnthropic({
    script: script({
      command: (command) => [{ name: 'Bash', input: { command, description: 'Runs a command' } }],
      edit: () => [
        [{ name: 'Read', input: { file_path: join(folderOf.current, 'src/fees.ts') } }],
        [{ name: 'Edit', input: { file_path: join(folderOf.current, 'src/fees.ts'), old_string: 'const WEEK_DISCOUNT = 0.1;', new_string: 'const WEEK_DISCOUNT = 0.15;' } }],
      ],
    }),
  });
  const dir = mkdtempSync(join(tmpdir(), 'pilothouse-claude-'));
  return {
    agent: 'claude', name: 'Claude Code', prompts: PROMPTS, ownProcess: true, sees: SEES,
    env: () => claudeVariables(endpoint.url, dir),
    close: async () => {
      await endpoint.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export async function codexCase(): Promise<AgentCase> {
  const endpoint = await startOpenAi({
    script: script({
      command: (cmd) => [{ name: 'exec_command', input: { cmd, sandbox_permissions: 'require_escalated', justification: 'It has to run outside the sandbox.' } }],
      edit: () => [[{
        name: 'apply_patch', custom: true,
        input: '*** Begin Patch\n*** Update File: src/fees.ts\n@@\n const PER_METRE_AND_NIGHT = 2.4;\n-const WEEK_DISCOUNT = 0.1;\n+const WEEK_DISCOUNT = 0.15;\n \n*** End Patch\n',
      }]],
    }),
  });
  const dir = mkdtempSync(join(tmpdir(), 'pilothouse-codex-'));
  return {
    agent: 'codex', name: 'Codex', prompts: PROMPTS, ownProcess: false, sees: SEES,
    env: () => codexVariables(endpoint.url, dir),
    close: async () => {
      await endpoint.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The demo agent needs no model: the same steps in its own words. */
export function demoCase(): Promise<AgentCase> {
  const state = mkdtempSync(join(tmpdir(), 'pilothouse-demo-'));
  return Promise.resolve({
    agent: 'demo', name: 'Demo Agent', ownProcess: false,
    prompts: {
      hello: 'overview', allowed: 'run echo allowed > allowed.txt', denied: 'run echo denied > denied.txt', edit: 'replace "WEEK_DISCOUNT = 0.1" with "WEEK_DISCOUNT = 0.15" in src/fees.ts',
      wait: `run ${WAITING}`, again: 'help', long: 'stream 2000 words at 60 a second',
    },
    sees: { hello: /berths/i, allowed: /./, edit: /1 file changed/, again: /help|can do|try/i, long: /./ },
    env: () => Promise.resolve({ PILOTHOUSE_DEMO_STATE: state }),
    close: () => Promise.resolve(rmSync(state, { recursive: true, force: true })),
  });
}

/** The workspace of the VS Code that runs, for tools whose model names absolute paths. */
export const folderOf = { current: '' };
