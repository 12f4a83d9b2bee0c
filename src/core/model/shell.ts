/** A shell where shells are: what another program of such a name is given is shown whole. */
const SHELL = /^(?:\/(?:(?:usr\/(?:local\/)?)?bin|opt\/homebrew\/bin)\/)?(?:ba|z|da|k)?sh$/;

function isShell(program: string): boolean {
  return SHELL.test(program);
}

/** What a shell is told to run, out of a command's words such as `bash`, `-lc`, `npm test`; null for words of which none may be left out. */
export function scriptOf(words: readonly string[]): string | null {
  const [program = '', option = '', script] = words;
  return words.length === 3 && script !== undefined && isShell(program) && /^-l?c$/.test(option) ? script : null;
}

/**
 * The same out of a command line such as `/bin/bash -lc 'npm test'` (Codex since 0.150 tells its commands so, as one text); null where the line is another, or where more than one word follows: then
 * nothing may be left out.
 */
export function shellScript(line: string): string | null {
  const [, program = '', quoted = ''] = /^\s*(\S+)\s+-l?c\s+([\s\S]+)$/.exec(line) ?? [];
  return isShell(program) ? onlyWord(quoted.trimEnd()) : null;
}

/** The one word of POSIX shell that a text is, without its quotes; null for several words, for what is not closed, and for what a shell would put in. */
function onlyWord(text: string): string | null {
  let word = '';
  let at = 0;
  while (at < text.length) {
    const next = text.charAt(at);
    if (next === "'") {
      const end = text.indexOf("'", at + 1);
      if (end < 0) return null;
      word += text.slice(at + 1, end);
      at = end + 1;
    } else if (next === '"') {
      const inner = /^"((?:[^"\\]|\\[\s\S])*)"/.exec(text.slice(at));
      if (inner === null) return null;
      const [whole, body = ''] = inner;
      if (/(?:^|[^\\])(?:\\\\)*[$`]/.test(body)) return null;
      word += body.replaceAll(/\\([\\"$`])/g, '$1');
      at += whole.length;
    } else if (next === '\\' && at + 1 < text.length && text.charAt(at + 1) !== '\n') {
      word += text.charAt(at + 1);
      at += 2;
    } else if (/[\s\\$`;&|<>(){}*?[\]~#!]/.test(next)) {
      return null;
    } else {
      word += next;
      at += 1;
    }
  }
  return word.trim() === '' ? null : word;
}
