import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { read, type Intent } from '../../demo/rules.ts';

const cases: readonly (readonly [string, Intent])[] = [
  ['Hello!', { kind: 'help' }], ['/help', { kind: 'help' }], ['what can you do?', { kind: 'help' }], ['thanks a lot', { kind: 'thanks' }],
  ['explain this project', { kind: 'overview' }], ['Give me an overview of the code', { kind: 'overview' }], ['what does this code do?', { kind: 'overview' }],
  ['list files', { kind: 'files', within: null }], ['ls src', { kind: 'files', within: 'src' }], ['list the files in src/a.', { kind: 'files', within: 'src/a' }],
  ['/files', { kind: 'files', within: null }], ['what files are there?', { kind: 'files', within: null }],
  ['search for “foo bar”', { kind: 'search', text: '“foo bar”' }], ['grep `x => y`', { kind: 'search', text: 'x => y' }], ['find all uses of Turn', { kind: 'search', text: 'Turn' }],
  ['Where is clock defined?', { kind: 'search', text: 'clock' }],
  ['explain src/a.ts.', { kind: 'explain', file: 'src/a.ts' }], ['Explain it', { kind: 'explain', file: null }], ['explain this file', { kind: 'explain', file: null }],
  ['what does the file "a b.ts" do?', { kind: 'explain', file: 'a b.ts' }], ['please summarize @README.md', { kind: 'explain', file: 'README.md' }],
  ['show me src/a.ts', { kind: 'show', file: 'src/a.ts' }], ['cat ../x', { kind: 'show', file: '../x' }],
  ['rename foo to bar in src/a.ts', { kind: 'rename', from: 'foo', to: 'bar', file: 'src/a.ts' }], ['replace "a b" with "" in x', { kind: 'rename', from: 'a b', to: '', file: 'x' }],
  ['replace `<=` with `<` in src/h.ts.', { kind: 'rename', from: '<=', to: '<', file: 'src/h.ts' }], ['rename foo to bar', { kind: 'rename', from: 'foo', to: 'bar', file: null }],
  ['edit src/a.ts: rename foo to bar', { kind: 'rename', from: 'foo', to: 'bar', file: 'src/a.ts' }],
  ['add a comment to src/a.ts', { kind: 'comment', file: 'src/a.ts', text: null }], ['/comment a.ts: mind the gap', { kind: 'comment', file: 'a.ts', text: 'mind the gap' }],
  ['add a comment', { kind: 'comment', file: null, text: null }], ['add a todo to it: fix the fees', { kind: 'todo', file: null, text: 'fix the fees' }],
  ['add a test for src/a.ts', { kind: 'test', file: 'src/a.ts' }], ['add tests', { kind: 'test', file: null }],
  ['append "last line" to notes.md', { kind: 'append', file: 'notes.md', text: 'last line' }],
  ['create file notes.md: one\ntwo', { kind: 'create', file: 'notes.md', text: 'one\ntwo' }], ['create a new file a/b.txt with the content hi', { kind: 'create', file: 'a/b.txt', text: 'hi' }],
  ['create an empty file x', { kind: 'create', file: 'x', text: null }], ['delete old.txt', { kind: 'delete', file: 'old.txt' }],
  ['run npm test', { kind: 'run', command: 'npm test' }], ['$ ls -la | wc', { kind: 'run', command: 'ls -la | wc' }], ['run `echo a.b!`', { kind: 'run', command: 'echo a.b!' }],
  ['run the tests', { kind: 'run', command: null }], ['/run', { kind: 'run', command: null }], ['run in the terminal: ls', { kind: 'terminal', command: 'ls' }],
  ['stream 2,000 words', { kind: 'long', words: 2000, perSecond: null }], ['write 2k words at 500 words a second', { kind: 'long', words: 2000, perSecond: 500 }],
  ['write a long answer', { kind: 'long', words: 600, perSecond: null }], ['/long 100', { kind: 'long', words: 100, perSecond: null }], ['stream 9999999 words', { kind: 'long', words: 50_000, perSecond: null }],
  ['think hard about the fees', { kind: 'think', about: 'the fees' }], ['/think', { kind: 'think', about: null }],
  ['plan a migration', { kind: 'plan', task: 'a migration' }], ['make a plan', { kind: 'plan', task: null }],
  ['show tools', { kind: 'tools' }], ['show me the tools', { kind: 'tools' }], ['ask me something', { kind: 'ask' }], ['fail on purpose', { kind: 'fail' }],
  ['fix', { kind: 'tidy', file: null }], ['fix src/a.ts please', { kind: 'tidy', file: 'src/a.ts' }], ['fix the typos in README.md', { kind: 'tidy', file: 'README.md' }], ['fix something', { kind: 'tidy', file: null }],
  ['why is the sky blue?', { kind: 'unclear', text: 'why is the sky blue?' }],
];

describe('rules', () => {
  it.each(cases)('read %j', (prompt, intent) => {
    expect(read(prompt)).toEqual(intent);
  });

  it('read any text, fast', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
      expect(read(text).kind).toBeTypeOf('string');
    }));
    const started = performance.now();
    for (const start of ['rename ', 'explain ', 'add ', 'create file ', 'run ', '', 'stream ', 'plan ']) read(start + 'a b "` to '.repeat(4000));
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
