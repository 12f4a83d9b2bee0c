import { openAll, press, scrollUp, write } from './acts.ts';
import { diff, document1, permission, picture, prompt, running, state, text, thinking, tool, turn, unknown } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';

const plain = [prompt('Move the totals.'), text('They are moved.'), turn({ filesChanged: ['src/invoice.ts', 'src/report.ts'] })];
const many = Array.from({ length: 30 }, (_, place) => [prompt(`Prompt ${place + 1}`), text('Done as you said. The totals are rounded once, at the edge.')]).flat();

/** What opens, and what a person is in the middle of. */
export const opened: Record<string, Scene> = {
  'opened': () => session([
    prompt('Go through it, and open everything.'),
    ...['src/invoice.ts', 'src/report.ts'].map((path) => tool('read', path, { output: 'export function total() {}\n' })),
    tool('search', 'round2', { output: 'src/invoice.ts:12\nsrc/report.ts:4\n' }),
    text('Then the others.'),
    thinking('**Finding the callers**\n\nThe totals come from two places. I look at `src/report.ts` first, since it rounds the *sum*.'),
    tool('execute', 'for each in src/*.ts; do\n  wc -l "$each"\ndone', { output: '12 src/a.ts\n90 src/b.ts\n', cwd: '~/billing/packages/core' }),
    tool('other', 'list_issues', { name: 'mcp__tracker__list_issues', input: { state: 'open', limit: 20 }, output: '[{"id":1}]' }),
    tool('other', 'screenshot', { name: 'mcp__browser__screenshot', attachments: [picture('page.png', 320, 160, 210)] }),
    tool('agent', 'Find every caller of round2', {
      durationMs: 34_000, output: 'Four callers.',
      children: [prompt('Find every caller of round2, and say which of them rounds twice.'), tool('search', 'round2', { output: 'src/a.ts:1' }), text('There are **four** callers.'), tool('agent', 'Check the migrations', { children: [tool('execute', 'psql -c "\\d ledger"', { output: 'Table "ledger"\n' }), text('The column is an integer.')] })],
    }),
    tool('execute', 'true', { output: '' }),
    unknown('claude system:new_thing', { type: 'system', subtype: 'new_thing', payload: [1, 2, 3] }),
    permission({ command: 'npm publish', cwd: '/srv/core', outcome: 'allowed' }),
    permission({ ask: 'question', tool: 'AskUserQuestion', title: 'Rounding', outcome: 'answered', questions: [{ id: 'q', header: null, text: 'How should the totals be rounded?', multiple: false, free: true, options: [] }], answers: { q: ['Half even'] } }),
    permission({ ask: 'plan', tool: 'ExitPlanMode', title: 'Plan', plan: '1. Pin the bytes\n2. Move `total()`', outcome: 'denied', answerReason: 'Leave the endpoint alone.' }),
    turn({ filesChanged: ['src/invoice.ts', 'test/golden/invoice.json'] }),
  ], state(), { after: openAll }),
  'deny-reason': () => session([prompt('Publish it.'), permission({ command: 'npm publish --access public' })], running('waiting'), { after: async () => {
    await press('.card .buttons .button.text');
    await write('.card .text-area', 'Use the staging registry first.');
  } }),
  'answering': () => session([prompt('Publish it.'), permission({ command: 'npm publish --access public' })], running('waiting'), { after: () => press('.card .button.default') }),
  'answer-refused': () => session([prompt('Publish it.'), permission({ command: 'npm publish --access public' })], running('waiting'), {
    answer: () => {
      throw new Error('build-01 is offline. Start its daemon there: happy daemon start');
    },
    after: () => press('.card .button.default'),
  }),
  'plan-comment': () => session([prompt('Plan it.'), permission({ ask: 'plan', tool: 'ExitPlanMode', title: 'Plan', plan: '## Plan\n\n1. Pin the bytes\n2. Move `total()`' })], running('waiting'), { after: () => write('.card .text-area', 'Leave the endpoint alone.') }),
  'question-other': () => session([prompt('Which way?'), permission({
    ask: 'question', tool: 'AskUserQuestion', title: 'Rounding', questions: [{ id: 'q', header: 'Rounding', text: 'How should the totals be rounded?', multiple: true, free: true, options: [{ label: 'Half even', description: 'What the ledger does' }, { label: 'Half up', description: null }] }],
  })], running('waiting'), { after: async () => {
    await press('.card .option input');
    await write('.card .text-area', 'Half even, but for March');
  } }),
  'mode-picker': () => session(plain, state(), { after: () => press('.picker-button[aria-label="Permission Mode"]') }),
  'model-picker': () => session(plain, state(), { after: () => press('.picker-button[aria-label="Model"]') }),
  'commands': () => session(plain, state(), { after: () => write('textarea.message', '/') }),
  'mentions': () => session(plain, state(), { after: () => write('textarea.message', 'Look at @re') }),
  'not-sent': () => session(plain, state(), {
    draft: 'Go on with the report.',
    answer: (body) => {
      if (body.ask === 'send') throw new Error('The store of this window is full: 12 MB are needed. Free some space, then send again.');
      return null;
    },
    after: () => press('.sending .send'),
  }),
  'enter-newline': () => session(plain, state(), { config: { enterKey: 'newline', thinking: 'collapsed' }, draft: 'Go on with\nthe report.' }),
  'edit-queued': () => session(plain, running('answering', { outbox: [{ clientId: 'a', text: 'Then write the changelog entry.', attachments: [document1('notes.md', 2_100)], delivery: 'pending', error: null, steer: false }] }), { after: () => press('.outbox-actions [aria-label^="Edit"]') }),
  'long-draft': () => session(plain, state(), { draft: Array.from({ length: 30 }, (_, line) => `Line ${line + 1} of a long message that is being written`).join('\n') }),
  'reading-back-asked': () => session([...many, permission({ command: 'npm publish', diffs: [diff('src/a.ts', '@@ -1 +1 @@\n-a\n+b\n')] })], running('waiting'), { after: () => scrollUp(900) }),
};
