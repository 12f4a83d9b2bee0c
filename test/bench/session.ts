import type { Entry } from '../../src/core/model/entry.ts';

/** A believable session of `count` entries: turns with a prompt, thinking, quiet reads, a command with output, an edit, an answer and a footer. */
export function* sessionEntries(count: number, session = 's'): Generator<Entry> {
  let made = 0;
  let clock = 1_700_000_000_000;
  for (let turn = 0; made < count; turn += 1) {
    const turnId = `${session}-t${turn}`;
    for (const entry of turnEntries(turnId, turn, () => (clock += 400))) {
      if (made >= count) return;
      made += 1;
      yield entry;
    }
  }
}

function turnEntries(turn: string, index: number, tick: () => number): Entry[] {
  const base = (id: string, row: string | null = id) => {
    const at = tick();
    return { id: `${turn}/${id}`, row: row === null ? null : `${turn}/${row}`, order: [at, 0], rev: 1, at, turn, parent: null };
  };
  const tool = { command: null, cwd: null, diffs: [], locations: [] };
  const figures = { inputTokens: 12_000 + index, outputTokens: 800, cachedTokens: 9_000, costUsd: 0.04, contextTokens: 40_000, contextWindow: 200_000 };
  const entries: Entry[] = [
    { ...base('start', null), kind: 'turn', phase: 'start', state: 'running', durationMs: null, figures: null, filesChanged: [], error: null },
    { ...base('prompt'), kind: 'prompt', text: `Step ${index}: move the totals of invoice ${index * 7} to the ledger and keep the endpoint's bytes.`, attachments: [], clientId: null },
    { ...base('think'), kind: 'thinking', text: 'The rounding happens per line in one place and per sum in the other. Reading both before I touch anything. '.repeat(2) },
  ];
  for (let read = 0; read < 3; read += 1) {
    entries.push(
      { ...base(`read${read}`), kind: 'tool', callId: `read${read}`, name: 'Read', verb: 'read', title: `src/part${read}.ts`, input: { file_path: `src/part${read}.ts` }, ...tool },
      { ...base(`read${read}-result`, `read${read}`), kind: 'result', callId: `read${read}`, status: 'ok', output: 'export const x = 1;\n'.repeat(20), exitCode: null, durationMs: 12, diffs: [], attachments: [] },
    );
  }
  entries.push(
    { ...base('text1'), kind: 'text', text: `The totals are computed in two places: \`invoice.ts\` rounds per line, \`report.ts\` rounds the sum.\n\n- one\n- two\n\n\`\`\`ts\nconst cents = toCents(${index});\n\`\`\`\n` },
    {
      ...base('edit'), kind: 'tool', callId: 'edit', name: 'Edit', verb: 'edit', title: 'src/invoice.ts', input: { file_path: 'src/invoice.ts' }, ...tool,
      diffs: [{ path: 'src/invoice.ts', change: 'modify', oldPath: null, patch: '@@ -1,2 +1,3 @@\n const a = 1;\n-return sum;\n+const cents = toCents(sum);\n+return cents;\n', added: 2, removed: 1, before: null, after: null }],
    },
    { ...base('edit-result', 'edit'), kind: 'result', callId: 'edit', status: 'ok', output: '', exitCode: null, durationMs: 9, diffs: [], attachments: [] },
    { ...base('run'), kind: 'tool', callId: 'run', name: 'Bash', verb: 'execute', title: 'npm test -- invoice', input: { command: 'npm test -- invoice' }, ...tool, command: 'npm test -- invoice' },
    { ...base('run-result', 'run'), kind: 'result', callId: 'run', status: 'ok', output: ' ✓ test/invoice.test.ts (3 tests) 4ms\n'.repeat(30), exitCode: 0, durationMs: 4_100, diffs: [], attachments: [] },
    { ...base('text2'), kind: 'text', text: 'All pass, and the golden bytes did not move. Next is the branch on the server. '.repeat(3) },
    { ...base('end'), kind: 'turn', phase: 'end', state: 'completed', durationMs: 72_000, figures, filesChanged: ['src/invoice.ts'], error: null },
  );
  return entries;
}
