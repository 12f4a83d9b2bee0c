import { diff, permission, prompt, running, state, text, thinking, tool, turn } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';

const PATCH = '@@ -12,5 +12,6 @@\n export function total(lines: Line[]) {\n-  return lines.reduce((s, l) => s + round2(l.price * l.qty), 0)\n+  const cents = lines.reduce((s, l) => s + toCents(l.price) * l.qty, 0)\n+  return fromCents(cents)\n }\n';

const MARKDOWN = `# What I found

The totals are computed in **two places**, and they *disagree* by a cent in ~~some~~ three cases. See src/invoice.ts:42 and \`src/report.ts\`, or [the ledger's notes](https://example.com/ledger).

## Steps

1. Round once, at the edge
2. Pin the bytes:
   - \`invoice.golden.json\`
   - \`report.golden.json\`
3. Move the callers

- [x] read the callers
- [ ] write the golden test
- [ ] move the endpoint

> The old endpoint must answer the same bytes until June.

| Module | Rounds | Cases | Note |
|:--|:-:|--:|---|
| \`invoice.ts\` | per line | 41 | half up |
| \`report.ts\` | the sum | 12 | half even |
| \`ledger.ts\` | never | 7 | integers only |

\`\`\`ts
import { toCents } from './money.ts';

/** Sum of the lines, in cents. */
function total(lines: readonly Line[]): number {
  const cents = lines.reduce((sum, line) => sum + toCents(line.price) * line.quantity, 0);
  if (cents < 0) throw new RangeError(\`negative total \${cents}\`);
  return cents; // an integer
}
\`\`\`

\`\`\`bash
npm test -- --run invoice && git push --force-with-lease origin billing-v2   # a line that is longer than the page is wide, and so scrolls in its own box
\`\`\`

### Smaller heading

---

עברית: השורה הזאת נכתבת מימין לשמאל עם \`code\` באמצע.

日本語の段落。長い文章でも折り返しが自然であることを確かめるために、少し長めに書いています。金額は整数のセントで保持します。

A_very_long_word_without_any_place_to_break_it_${'abcdefghij'.repeat(14)}

![a diagram](https://example.com/diagram.png) is a link, and <b>HTML</b> stays text.`;

export const conversations: Record<string, Scene> = {
  turn: () => session([
    prompt('Move the invoice totals to the new ledger and keep the old endpoint answering the same bytes.'),
    ...['src/invoice.ts', 'src/report.ts', 'src/ledger.ts', 'src/money.ts', 'test/invoice.test.ts', 'package.json'].map((path) => tool('read', path, { durationMs: 800 })),
    ...['round2', 'toCents', 'fromCents'].map((query) => tool('search', query, { durationMs: 1_400 })),
    text("The totals are computed in two places: `invoice.ts` rounds per line, `report.ts` rounds the sum. The ledger keeps cents as integers, so I'll round once, at the edge, and pin the old bytes with a golden test first."),
    tool('edit', 'src/invoice.ts', { diffs: [diff('src/invoice.ts', PATCH, { added: 12, removed: 3 })] }),
    tool('execute', 'npm test -- invoice', { output: ' Test Files  3 passed (3)\n      Tests  41 passed (41)\n', durationMs: 4_000 }),
    text('All 41 pass, and the golden bytes did not move. Next is the branch on the server.'),
    permission({ command: 'git push --force-with-lease origin billing-v2' }),
  ], running('waiting', { outbox: [{ clientId: 'a', text: 'Then write the changelog entry.', attachments: [], delivery: 'pending', error: null, steer: false }] }), { draft: 'Also check @src/report.ts for the same rounding' }),
  finished: () => session([
    prompt('Move the invoice totals to the new ledger and keep the old endpoint answering the same bytes.'),
    thinking('**Finding the callers**\n\nThe totals come from two places.'),
    tool('read', 'src/invoice.ts'),
    text('The totals are computed in two places, and the ledger keeps cents as integers.'),
    tool('edit', 'src/invoice.ts', { diffs: [diff('src/invoice.ts', PATCH, { added: 12, removed: 3 })] }),
    permission({ command: 'npm test -- invoice', outcome: 'allowed-session' }),
    tool('execute', 'npm test -- invoice', { output: ' Test Files  3 passed (3)\n      Tests  41 passed (41)\n', durationMs: 4_000 }),
    text('All 41 pass, and the golden bytes did not move.'),
    turn({ filesChanged: ['src/invoice.ts', 'src/report.ts', 'test/golden/invoice.json'] }),
    prompt('Now the report.'),
    text('`report.ts` rounds the sum, so its golden file changes by one cent in three cases. I left it as it is and wrote them down in docs/rounding.md:14.'),
    turn({ durationMs: 9_000, figures: null }),
  ]),
  streaming: () => session([
    prompt('Explain the rounding.'),
    text('Rounding happens at two places.\n\n- per **line**, in `invoice.ts`\n- over the sum, in `report.ts`\n\n```ts\nconst cents = lines.reduce((sum, line) =>', true),
  ], running('answering')),
  markdown: () => session([prompt('Show everything that markdown can do.'), text(MARKDOWN), turn()]),
  empty: () => session([], state({ turns: 0, usage: null })),
  loading: () => session([], state({ turns: 0, usage: null, loading: true })),
};
