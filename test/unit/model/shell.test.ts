import { describe, expect, it } from 'vitest';
import { scriptOf, shellScript } from '../../../src/core/model/shell.ts';

describe('a command line', () => {
  it.each<[string, string | null]>([
    ["/bin/bash -lc 'npm test'", 'npm test'], ['/bin/bash -lc ls', 'ls'], ['/bin/bash -lc "echo \'one two\' && ls"', "echo 'one two' && ls"], ['zsh -c "say \\"hi\\""', 'say "hi"'],
    ["bash -lc 'it'\"'\"'s'", "it's"], ['bash -lc ls -la', null], ['bash -lc "echo $HOME"', null], ["bash -lc 'open", null], ['bash script.sh', null], ["evil; /bin/bash -lc 'ls'", null],
    ["/bin/bash -lc 'ls'; rm -rf /", null], ["/bin/bash -lc 'ls' && rm x", null], ['bash -lc ""', null], ['npm test', null],
    ["/tmp/x/bash -lc 'ls'", null], ["./bash -lc 'ls'", null], ["./push -c 'ls'", null], ["/home/ada/web/.cache/bash -lc 'ls'", null], ["node_modules/.bin/bash -ic 'ls'", null],
    ["bash -lc 'it'\\''s'", "it's"], ['bash -c *', null], ['bash -c {a,b}', null], ["/usr/bin/zsh -lc 'ls'", 'ls'], ["/opt/homebrew/bin/bash -lc 'ls'", 'ls'],
  ])('%s runs %j', (line, script) => expect(shellScript(line)).toBe(script));

  it('of words is what its shell runs', () => {
    expect(scriptOf(['/bin/bash', '-lc', 'npm test'])).toBe('npm test');
    for (const words of [['./push', '-c', 'npm test'], ['/tmp/bash', '-lc', 'ls'], ['bash', '-lc', 'ls', 'x'], ['bash', '-xc', 'ls'], ['bash', '-lc'], []]) expect(scriptOf(words)).toBeNull();
  });
});
