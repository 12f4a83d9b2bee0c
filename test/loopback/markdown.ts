const blocks: readonly ((n: number) => string)[] = [
  (n) => `## Part ${n}\n\n`,
  (n) => `This is paragraph ${n} of a long answer. It has *emphasis*, **strong words**, \`inline code\` and a [link](https://example.com/${n}), `
    + 'and it goes on for some lines, so that wrapping and following the bottom have something to do while it streams in.\n\n',
  (n) => `- item ${n}.1: read the file\n- item ${n}.2: change it\n  - nested: mind the last line\n- item ${n}.3: run the tests\n\n`,
  (n) => `\`\`\`ts\nexport function part${n}(input: readonly number[]): number {\n  // Sums what is above the threshold.\n`
    + `  return input.filter((value) => value > ${n}).reduce((sum, value) => sum + value, 0);\n}\n\`\`\`\n\n`,
  (n) => `| file | lines | state |\n| --- | ---: | --- |\n| part-${n}.ts | ${n * 12} | done |\n| part-${n}.test.ts | ${n * 7} | *running* |\n\n`,
  (n) => `> Note ${n}: quoted text, with “quotes”, an em dash — and some letters beyond ASCII: é, ß, 漢字, 🚢.\n\n`,
  (n) => `1. first of ${n}\n2. second of ${n}\n3. third of ${n}\n\n`,
];

/** Markdown with headings, lists, tables, quotes and code: the same text for the same length (in UTF-16 units; one more where a pair would split). */
export function longMarkdown(chars: number): string {
  const parts: string[] = [];
  let length = 0;
  for (let index = 0; length < chars; index += 1) {
    const part = blocks[index % blocks.length]?.(Math.floor(index / blocks.length) + 1) ?? '';
    parts.push(part);
    length += part.length;
  }
  const text = parts.join('');
  const last = text.charCodeAt(chars - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? chars + 1 : chars);
}
