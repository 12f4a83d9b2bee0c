/** Splits a command line into arguments: quotes group, a backslash takes the next character as it is; nothing is expanded, no shell is used. */
export function splitArguments(line: string): readonly string[] {
  const parts: string[] = [];
  let current: string | null = null;
  let quote: string | null = null;
  for (let index = 0; index < line.length; index += 1) {
    const letter = line.charAt(index);
    if (quote !== null) {
      if (letter === quote) quote = null;
      else if (letter === '\\' && quote === '"' && index + 1 < line.length) current = (current ?? '') + line.charAt((index += 1));
      else current = (current ?? '') + letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      current ??= '';
    } else if (/\s/.test(letter)) {
      if (current !== null) parts.push(current);
      current = null;
    } else if (letter === '\\' && index + 1 < line.length) current = (current ?? '') + line.charAt((index += 1));
    else current = (current ?? '') + letter;
  }
  if (current !== null) parts.push(current);
  return parts;
}

/** The line that `splitArguments` reads back as these arguments. */
export function joinArguments(args: readonly string[]): string {
  return args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `"${arg.replaceAll(/["\\]/g, String.raw`\$&`)}"`)).join(' ');
}
