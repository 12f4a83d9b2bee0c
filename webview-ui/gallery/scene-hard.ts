import { openAll } from './acts.ts';
import { diff, document1, permission, picture, prompt, running, state, text, thinking, todo, tool, turn } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';

const HEBREW = 'העבר את סכומי החשבוניות לספר החדש, והשאר את `src/invoice.ts` כמו שהוא.';
const ARABIC = 'انقل مجاميع الفواتير إلى الدفتر الجديد، ثم شغّل الاختبارات (41 اختبارًا) وأخبرني بالنتيجة.';
const JAPANESE = '請求書の合計を新しい台帳に移し、古いエンドポイントは同じバイトを返すようにしてください。丸めは一度だけ、端で行います。';
const UNBROKEN = 'https://example.com/a/very/long/address/without/any/space/that/goes/on/and/on/until/it/is/longer/than/any/page/of/three/hundred/pixels?with=queries&and=more#and-an-anchor';
const LINES = Array.from({ length: 60 }, (_, line) => `line ${line + 1} of a log that goes on`).join('\n');

const WIDE = `| Module | Rounds | Cases | Who calls it | Since | Until | What happens to it in the new ledger |
|:--|:-:|--:|---|---|---|---|
| \`src/billing/invoice/totals.ts\` | per line | 41 | the old endpoint | 2019 | June | moves |
| \`src/billing/report/quarterly.ts\` | the sum | 12 | the report | 2021 | never | stays as it is |

${UNBROKEN}

- one
  - two
    - three
      - four, with \`${'a'.repeat(90)}\`
        1. five
        2. six

#### A heading of the fourth level that is so long that it does not fit into one line of a narrow page

> A quote
>
> > within a quote, with **bold**, *italic*, ~~gone~~ and a [link](https://example.com)

\`\`\`
${'a line of code that is much longer than the page and so scrolls by itself '.repeat(4)}
\`\`\``;

const TASKS = `- [x] read the callers
- [ ] write the golden test
  - [x] for invoices
  - [ ] for reports, whose totals are rounded twice: once for each line and once more for the sum of them
- [ ] move the endpoint`;

/** Content that breaks pages. */
export const hard: Record<string, Scene> = {
  'right-to-left': () => session([
    prompt(HEBREW), text(`${ARABIC}\n\n1. ${HEBREW}\n2. \`npm test -- invoice\`\n\n> ${ARABIC}\n\n| עמודה | ערך |\n|---|---|\n| סכום | 41 |`), tool('edit', 'src/חשבונית.ts', { diffs: [diff('src/חשבונית.ts', `@@ -1,2 +1,2 @@\n-const name = 'שלום';\n+const name = 'مرحبا';\n`)] }),
    tool('execute', 'echo "שלום"', { output: 'שלום\nمرحبا\n' }), todo([HEBREW, 'running'], [ARABIC, 'pending']), thinking(`**${HEBREW}**\n\n${ARABIC}`), permission({ tool: 'Write', title: 'הערות.md', reason: ARABIC, command: 'rm -rf "שלום"' }),
  ], running('waiting', { title: HEBREW, folder: '~/פרויקטים/חשבוניות', branch: 'ענף', outbox: [{ clientId: 'a', text: ARABIC, attachments: [], delivery: 'pending', error: null, steer: false }] }), { draft: HEBREW }),
  'japanese': () => session([
    prompt(JAPANESE), text(`## 台帳\n\n${JAPANESE}\n\n- **丸め**は一度だけ\n- \`src/台帳.ts\` を見る\n\n| 項目 | 値 |\n|---|--:|\n| 合計 | 41 |`), tool('execute', 'grep -rn 合計 src', { output: 'src/台帳.ts:12: 合計\n' }), todo([JAPANESE, 'done'], ['端で丸める', 'running']),
    turn({ filesChanged: ['src/台帳.ts'] }),
  ], state({ folder: '~/請求書', branch: '台帳' }), { draft: JAPANESE }),
  'long-lines': () => session([
    prompt(`Look at ${UNBROKEN} and at ${'0123456789abcdef'.repeat(12)}.`, [document1(`${'a-very-long-name-of-a-file-'.repeat(4)}.txt`, 12_000), picture('wide.png', 900, 60, 20)]),
    tool('read', 'packages/billing/src/modules/invoices/rounding/strategies/half-even/implementation.ts', { locations: [{ path: 'packages/billing/src/modules/invoices/rounding/strategies/half-even/implementation.ts', line: 1042 }] }),
    text('Then the rest.'),
    tool('execute', `curl -s ${UNBROKEN} | jq '.items[] | select(.state == "open") | .title' | sort | uniq -c | sort -rn | head`, { output: `${UNBROKEN}\n${'x'.repeat(400)}\n`, status: 'error', exitCode: 22 }),
    tool('other', 'find', { name: 'mcp__a_server_with_a_long_name__a_tool_with_a_name_that_is_longer_still_and_does_not_end' }),
    tool('edit', 'packages/billing/src/modules/invoices/rounding/strategies/half-even/implementation.ts', { diffs: [diff('packages/billing/src/modules/invoices/rounding/strategies/half-even/implementation.ts', `@@ -1 +1 @@\n-${'a long line of code; '.repeat(12)}\n+${'a longer line of code; '.repeat(12)}\n`)] }),
    permission({ command: `rm -rf ${UNBROKEN.replaceAll('/', '\\/')}`, cwd: '/home/somebody/projects/billing/packages/core/src/modules/invoices', reason: `It is in the way: ${'0123456789abcdef'.repeat(8)}` }),
  ], running('waiting', { machine: 'a-machine-with-a-long-name.internal.example.com', folder: '~/projects/of/this/year/billing/packages/core', branch: 'feature/4711-move-the-invoice-totals-to-the-new-ledger', outbox: [{ clientId: 'a', text: UNBROKEN, attachments: [document1('log.txt', 12)], delivery: 'pending', error: null, steer: false }] }), { draft: UNBROKEN }),
  'wide-tables': () => session([prompt('Show me everything at once.'), text(WIDE), text(TASKS), turn()]),
  'long-output': () => session([prompt('Run it.'), tool('execute', 'npm test', { key: 'long-output', output: LINES, outputOmitted: 812_000 }), turn()], state(), { after: openAll }),
};
