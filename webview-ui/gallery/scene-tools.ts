import { diff, document1, file, notice, picture, prompt, running, state, text, thinking, todo, tool, turn, unknown } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';

const ESC = '\u001B';
const ANSI = `${ESC}[1m${ESC}[30m${ESC}[46m RUN ${ESC}[0m v4.1.11\n ${ESC}[32m✓${ESC}[39m invoice.test.ts ${ESC}[2m(41 tests)${ESC}[22m ${ESC}[33m412ms${ESC}[39m\n ${ESC}[31m❯${ESC}[39m report.test.ts ${ESC}[2m(12 tests | ${ESC}[22m${ESC}[31m1 failed${ESC}[39m${ESC}[2m)${ESC}[22m\n   ${ESC}[31m×${ESC}[39m rounds the sum\n     AssertionError: expected ${ESC}[32m1200${ESC}[39m to be ${ESC}[31m1201${ESC}[39m\n      at test/report.test.ts:14:21\n\n ${ESC}[1m${ESC}[31m1 failed${ESC}[39m${ESC}[22m | ${ESC}[32m52 passed${ESC}[39m\n`;
const LONG = Array.from({ length: 40 }, (_, line) => (line % 7 === 3 ? `-  removed line ${line}` : line % 3 === 0 ? ` same line ${line}` : `+  const added${line} = compute(${line}, 'a value'); // with a comment that makes it longer than a narrow page`)).join('\n');

export const tools: Record<string, Scene> = {
  tools: () => session([
    prompt('Go through all tools.'),
    tool('read', 'src/core/session/transcript.ts', { locations: [{ path: 'src/core/session/transcript.ts', line: 120 }] }),
    text('Running ones first.'),
    tool('read', 'src/a.ts', { status: 'running', durationMs: null }),
    tool('execute', 'npm run build', { status: 'running', exitCode: null, durationMs: null, output: 'building dist/extension.cjs\nbuilding dist/webview/chat.js\n' }),
    tool('execute', 'npm test', { status: 'error', exitCode: 1, durationMs: 4_200, output: ANSI }),
    tool('execute', 'sleep 600', { status: 'cancelled', exitCode: null, durationMs: 31_000 }),
    tool('execute', 'rm -rf /tmp/build', { status: 'denied', exitCode: null, durationMs: null }),
    tool('execute', 'git push', { status: 'waiting', exitCode: null, durationMs: null }),
    tool('edit', 'src/view.ts', { diffs: [diff('src/view.ts', `@@ -1,30 +1,40 @@\n${LONG}\n`)] }),
    tool('edit', 'two files', { diffs: [diff('src/one.ts', '@@ -1 +1 @@\n-a\n+b\n'), diff('src/two.ts', '@@ -4,3 +4,4 @@\n same\n+added\n same\n@@ -90,2 +91,2 @@\n-x\n+y\n')] }),
    tool('edit', 'src/new.ts', { diffs: [diff('src/new.ts', '@@ -0,0 +1,3 @@\n+export const one = 1;\n+export const two = 2;\n+\n', { change: 'create' })] }),
    tool('delete', 'src/old.ts', { locations: [{ path: 'src/old.ts', line: null }] }),
    tool('fetch', 'https://example.com/docs'),
    text('Then the others.'),
    tool('search', 'toCents\\(', { output: 'src/invoice.ts:12\nsrc/report.ts:4' }),
    text('Now a tool that is not known.'),
    tool('other', 'list_issues', { name: 'mcp__tracker__list_issues', input: { state: 'open', limit: 20 }, output: '[{"id":1}]', durationMs: 800 }),
    tool('execute', 'for each in src/*.ts; do\n  wc -l "$each"\ndone', { output: '12 src/a.ts\n90 src/b.ts\n', cwd: '~/billing/packages/core' }),
    turn({ state: 'failed', error: 'The model is overloaded (529). It was tried 10 times.', filesChanged: ['src/view.ts'] }),
  ], running('tool', {}, { detail: 'npm run build' })),
  calls: () => session([
    prompt('Write it down, then list the issues.'),
    tool('edit', 'notes/plan.md', { key: 'w1', name: 'Write', status: 'running', durationMs: null, input: '{"file_path": "notes/plan.md", "content": "# Pl' }),
    tool('execute', 'Bash', { key: 'w2', name: 'Bash', status: 'running', durationMs: null, exitCode: null, command: null, input: '{"comm' }),
    tool('execute', 'for each in src/*.ts; do', { key: 'w3', name: 'Bash', status: 'running', durationMs: null, exitCode: null, command: 'for each in src/*.ts; do\n  wc -l "$each"\ndone', input: '{"command": "for each in src/*.ts; do\\n  wc -l \\"$each\\"\\ndone", "descr' }),
    tool('other', 'tracker: list_issues', { key: 'w4', name: 'mcp__tracker__list_issues', status: 'running', durationMs: null, input: '{"state": "op' }),
  ], running('tool')),
  outputs: () => session([
    prompt('What is in it?'),
    tool('execute', 'ls -la', { durationMs: null, exitCode: null }),
    text('Then the figures.'),
    tool('execute', 'wc -l src/*.ts', { key: 'o1', durationMs: null, exitCode: null }),
    text('And the log, of which `src/report.ts` knows.'),
    tool('execute', 'cat server.log', { key: 'o2', durationMs: null, exitCode: null }),
    tool('edit', 'src/view.ts', { diffs: [diff('src/view.ts', '@@ -1 +1 @@\n-a\n+b\n')] }),
    text('Done.'),
  ], state({ machine: 'build-01', files: 'none', traits: { ...state().traits, outputOnRequest: true } }), {
    answer: (body) => {
      if (body.ask === 'fetch-output' && body.row === 'o2') throw new Error('build-01 is offline. Start its daemon there: happy daemon start');
      return null;
    },
  }),
  kinds: () => session([
    prompt('Here is the screenshot and the log.\n\nPlease compare them:\n  1. the totals\n  2. the dates', [picture('before.png', 200, 120, 210), document1('server.log', 12_400)]),
    thinking('**Comparing the totals**\n\nThe first picture shows the sum before rounding.'),
    todo(['Read the log', 'done'], ['Compare the totals', 'running'], ['Write the report', 'pending'], ['Ask for the March figures', 'cancelled']),
    tool('agent', 'Find every caller of round2', {
      children: [tool('read', 'src/a.ts'), tool('search', 'round2'), text('There are four callers.'), tool('execute', 'grep -rn round2 src', { output: 'src/a.ts:1\nsrc/b.ts:7\n' })], durationMs: 34_000, output: 'Four callers.',
    }),
    tool('agent', 'Check the migrations', { status: 'running', durationMs: null, children: [tool('read', 'migrations/001.sql'), tool('execute', 'psql -c "\\d ledger"', { status: 'running' })] }),
    file(picture('chart.png', 480, 240, 150)),
    file(document1('report.pdf', 3_565_158)),
    notice('info', 'The conversation was compacted: 182k tokens became 24k.'),
    notice('warning', 'The model changed from opus to sonnet: the weekly limit is near.'),
    notice('error', 'Claude Code is not signed in.', 'claude /login', 'login_failed'),
    unknown('claude system:new_thing', { type: 'system', subtype: 'new_thing', payload: [1, 2, 3] }),
    text('Done.'),
    turn({ state: 'cancelled', durationMs: 12_000, figures: null }),
  ]),
  long: () => session([
    prompt(`${'A prompt with a lot of text in it, which is folded after ten lines. '.repeat(20)}\n${'line\n'.repeat(10)}`),
    ...Array.from({ length: 8 }, (_, place) => tool('read', `src/file${place}.ts`)),
    thinking('A thought without a title.'),
    tool('read', 'src/last.ts', { status: 'error' }),
    tool('search', 'x'),
    text('All of them are read.'),
  ]),
};
