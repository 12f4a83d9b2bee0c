import { diff, permission, prompt, running, text } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';

const plan = '## Plan\n\n1. Pin the bytes of the old endpoint with a golden test\n2. Move `total()` to the ledger\n3. Delete `round2` and its four callers\n\n**Not** part of this: the March figures.';

export const cards: Record<string, Scene> = {
  cards: () => session([
    prompt('Ask me everything.'),
    permission({ command: 'npm publish --access public \u202Etxt.exe', cwd: '/srv/packages/core', reason: 'The release needs the package on the registry first.', options: [{ id: 'a', label: 'Yes', scope: 'once' }, { id: 'b', label: "Yes, and don't ask again for npm publish", scope: 'always' }, { id: 'c', label: 'No', scope: 'reject' }] }),
    permission({ tool: 'Edit', title: 'src/money.ts', diffs: [diff('src/money.ts', '@@ -1,4 +1,5 @@\n import x\n-const a = 1;\n+const a = 2;\n+const b = 3;\n rest\n')] }),
    permission({ tool: 'mcp__tracker__close_issue', title: 'mcp__tracker__close_issue', input: { id: 4711, comment: 'Fixed by the ledger.', labels: ['billing', 'done'] } }),
    permission({ ask: 'plan', tool: 'ExitPlanMode', title: 'Plan', plan }),
  ], running('waiting')),
  questions: () => session([
    prompt('Which way?'),
    permission({
      ask: 'question', tool: 'AskUserQuestion', title: 'Rounding', questions: [{ id: 'q', header: 'Rounding', text: 'How should the totals be rounded?', multiple: false, free: true, options: [{ label: 'Half even', description: 'What the ledger does' }, { label: 'Half up', description: 'What the old endpoint does' }] }],
    }),
    permission({
      ask: 'question', tool: 'AskUserQuestion', title: 'Two things before I go on', questions: [
        { id: 'm', header: 'Modules', text: 'Which modules move?', multiple: true, free: false, options: [{ label: 'invoice', description: null }, { label: 'report', description: null }, { label: 'export', description: 'Used by one customer' }] },
        { id: 'w', header: null, text: 'What is the branch called?', multiple: false, free: true, options: [] },
      ],
    }),
  ], running('waiting')),
  answered: () => session([
    prompt('What did I decide?'),
    permission({ command: 'npm test', outcome: 'allowed' }), permission({ command: 'npm run build', outcome: 'allowed-session' }), permission({ command: 'git status', outcome: 'allowed-always' }),
    permission({ command: 'rm -rf node_modules', outcome: 'denied', answerReason: 'Use npm ci instead.' }), permission({ command: 'curl https://example.com', outcome: 'withdrawn' }), permission({ command: 'make', outcome: 'lost' }),
    permission({ ask: 'question', tool: 'AskUserQuestion', title: 'Rounding', outcome: 'answered', questions: [{ id: 'q', header: null, text: 'How should the totals be rounded?', multiple: false, free: true, options: [] }], answers: { q: ['Half even'] } }),
    permission({ ask: 'plan', tool: 'ExitPlanMode', title: 'Plan', plan, outcome: 'allowed' }), permission({ ask: 'plan', tool: 'ExitPlanMode', title: 'Plan', plan, outcome: 'denied', answerReason: 'Leave the endpoint alone.' }),
    text('Then I go on.'),
  ]),
};
