import { diff, prompt, running, text, tool, turn } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';
import type { Row, ToolRow } from '../src/types.ts';

/** Quiet kinds stand between others, so that each has its own line. */
const VERBS: readonly (readonly [ToolRow['verb'], string])[] = [
  ['read', 'src/ledger/round.ts'], ['edit', 'src/invoice.ts'], ['search', 'round2\\('], ['execute', 'npm run build'], ['fetch', 'https://example.com/docs/rounding'], ['delete', 'src/old.ts'], ['move', 'src/money.ts'],
  ['think', 'Weigh half even against half up'], ['agent', 'Find the callers of round2'], ['todo', 'To-do'], ['other', 'list_issues'],
];

function every(status: ToolRow['status'], extra: Partial<ToolRow> = {}): Row[] {
  return VERBS.map(([verb, title]) => {
    const place = verb === 'delete' || verb === 'move' ? { locations: [{ path: title, line: null }] } : {};
    const name = verb === 'other' ? { name: 'mcp__tracker__list_issues' } : {};
    return tool(verb, title, { status, exitCode: null, ...place, ...name, ...(status === 'ok' || status === 'error' ? {} : { durationMs: null }), ...extra });
  });
}

const moved = (): Row => tool('move', 'src/cash.ts', { diffs: [diff('src/cash.ts', '', { change: 'rename', oldPath: 'src/money.ts', added: 0, removed: 0 })] });

/** Every kind of tool in every status. */
export const verbs: Record<string, Scene> = {
  'verbs-running': () => session([prompt('Do one of each.'), ...every('running')], running('tool', {}, { detail: 'npm run build' })),
  'verbs-done': () => session([prompt('Do one of each.'), ...every('ok'), moved(), turn({ state: 'completed', filesChanged: ['src/invoice.ts', 'src/old.ts', 'src/cash.ts'] })]),
  'verbs-failed': () => session([prompt('Do one of each.'), ...every('error', { output: 'ENOENT: no such file or directory' }), turn({ state: 'failed', error: 'The agent gave up after eleven failures.' })]),
  'verbs-refused': () => session([prompt('Do one of each.'), ...every('denied'), text('Then only these.'), ...every('waiting'), text('And these were stopped.'), ...every('cancelled'), turn({ state: 'cancelled' })]),
};
