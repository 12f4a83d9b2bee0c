import { describe, expect, it } from 'vitest';
import type { PermissionRequest } from '../../../src/core/model/entry.ts';
import { waitingOf } from '../../../src/core/model/whole.ts';

const REQUEST: PermissionRequest = {
  requestId: 'r1', ask: 'tool', tool: 'Bash', title: 'npm test', reason: null, input: { command: 'npm test', description: 'Run the tests' }, command: 'npm test', cwd: '/home/ada/web', diffs: [], plan: null, questions: [],
  options: [{ id: 'a', label: 'Allow', scope: 'once' }, { id: 'd', label: 'Deny', scope: 'reject' }], takesReason: true,
};
const wholeOf = (over: Partial<PermissionRequest>): string | undefined => waitingOf({ ...REQUEST, ...over }, '/home/ada/web', 5).whole;
const command = (text: string, input: PermissionRequest['input'] = { command: text }): string | undefined => wholeOf({ command: text, input, title: text.split('\n')[0] ?? '' });

it('a waiting permission names what it asks, and when', () => {
  expect(waitingOf(REQUEST, '/home/ada/web', 5)).toEqual({ requestId: 'r1', tool: 'Bash', title: 'npm test', ask: 'tool', askedAt: 5, whole: 'npm test' });
});

describe('what is shown whole in one line', () => {
  it('is a short command, and where it runs if that is elsewhere', () => {
    expect(command('npm test')).toBe('npm test');
    expect(wholeOf({ cwd: '/srv' })).toBe('npm test (in /srv)');
    expect(wholeOf({ cwd: null, input: { command: 'npm test', workdir: '/tmp' } })).toBe('npm test (in /tmp)');
    expect(wholeOf({ cwd: '/srv', input: { command: 'npm test', workdir: '/tmp' } })).toBeUndefined();
  });

  it('is no command of which a part would not be seen', () => {
    expect(command('npm test\nrm -rf ~')).toBeUndefined();
    expect(command(`echo ${'x'.repeat(194)}`)).toHaveLength(199);
    expect(command(`echo ${'x'.repeat(195)}`)).toBeUndefined();
    expect(command('echo safe\u202e ~ fr- mr')).toBeUndefined();
    expect(command('echo a\u200bb')).toBeUndefined();
    expect(command(`true${' '.repeat(50)}; rm -rf ~`)).toBeUndefined();
    expect(command('true\t; rm -rf ~')).toBeUndefined();
    expect(command('true\u2028; rm -rf ~')).toBeUndefined();
    for (const blank of ['\u2800', '\u3164', '\u115F', '\u1160', '\uFFA0', '\u034F', '\uFE0F', '\uFE00', '\u{E0100}', '\u180B']) expect(command(`true${blank.repeat(40)}; rm -rf ~`)).toBeUndefined();
  });

  it('is no command with a setting beside it, such as one outside of the sandbox', () => {
    expect(command('npm test', { command: 'npm test', dangerouslyDisableSandbox: true })).toBeUndefined();
    expect(command('npm test', { command: 'npm test', dangerouslyDisableSandbox: false, network: null })).toBe('npm test');
    expect(command('curl x', { command: 'curl x', network: 'example.org' })).toBeUndefined();
    expect(command('git status', { command: 'git status', cmd: 'rm -rf ~' })).toBeUndefined();
    expect(command('git status', { command: null, cmd: 'git status' })).toBe('git status');
  });

  it('is no command and no folder that says itself where it would run', () => {
    expect(command('rm -rf build # (in /tmp)')).toBeUndefined();
    expect(wholeOf({ command: 'rm -rf build # (IN\u00a0/tmp)', cwd: '/srv' })).toBeUndefined();
    expect(wholeOf({ cwd: '/srv) (in /tmp' })).toBeUndefined();
    expect(command('for x in *; do (echo $x); done')).toBe('for x in *; do (echo $x); done');
  });

  it('is a tool with all that it is given, where that is a few short words', () => {
    const tool = (name: string, input: PermissionRequest['input'], title = name): string | undefined => wholeOf({ tool: name, title, command: null, cwd: null, input });
    expect(tool('Read', { file_path: '/home/ada/web/src/a.ts' })).toBe('Read src/a.ts');
    expect(tool('WebFetch', { url: 'https://example.org', prompt: 'Sum it up' })).toBe('WebFetch url: https://example.org, prompt: Sum it up');
    expect(tool('ListAll', {})).toBe('ListAll');
    expect(tool('mcp__notes__listAll', { page: null }, 'Notes: list all')).toBe('mcp__notes__listAll');
    for (const title of ['ListAll and send it to example.org', 'List *', 'Deploy to production']) expect(tool('ListAll', {}, title)).toBeUndefined();
    expect(tool('Write', { file_path: '/home/ada/.profile', content: 'one\ntwo' })).toBeUndefined();
    expect(tool('Post', { headers: { a: 'b' } })).toBeUndefined();
    expect(tool('Mystery', null)).toBeUndefined();
    for (const nameless of ['', 'tool']) expect(tool(nameless, { command: 'git status' }, 'Run on the server')).toBeUndefined();
  });

  it('is no question, no plan, no change of a file, and nothing that cannot be allowed once', () => {
    expect(wholeOf({ ask: 'question' })).toBeUndefined();
    expect(wholeOf({ ask: 'plan' })).toBeUndefined();
    expect(wholeOf({ diffs: [{ path: 'a', change: 'modify', oldPath: null, patch: '+x', added: 1, removed: 0, before: null, after: null }] })).toBeUndefined();
    expect(wholeOf({ options: [{ id: 'a', label: 'Always', scope: 'always' }, { id: 'd', label: 'Deny', scope: 'reject' }] })).toBeUndefined();
    expect(wholeOf({ options: [] })).toBe('npm test');
  });
});
