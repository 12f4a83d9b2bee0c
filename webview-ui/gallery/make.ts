import type { Attachment, ChatState, FileDiff, PermissionRow, Row, RowOf, ToolRow } from '../src/types.ts';

/** Makers of rows and states for the gallery, whole but for what a scene sets. */
let made = 0;
const at = Date.UTC(2026, 10, 20, 13, 2);
const base = (): { key: string; at: number; turn: string } => {
  made += 1;
  return { key: `r${made}`, at: at + made * 4_000, turn: 't1' };
};

export const prompt = (text: string, attachments: readonly Attachment[] = []): Row => ({ ...base(), kind: 'prompt', text, attachments, clientId: null });
export const text = (words: string, streaming = false): Row => ({ ...base(), kind: 'text', text: words, streaming });
export const thinking = (words: string, streaming = false): Row => ({ ...base(), kind: 'thinking', text: words, streaming });
export const todo = (...items: [string, RowOf<'todo'>['items'][number]['status']][]): Row => ({ ...base(), kind: 'todo', items: items.map(([words, status]) => ({ text: words, status })) });
export const file = (attachment: Attachment): Row => ({ ...base(), kind: 'file', file: attachment });
export const notice = (level: RowOf<'notice'>['level'], words: string, remedy: string | null = null, code = 'notice'): Row => ({ ...base(), kind: 'notice', level, code, text: words, remedy });
export const turn = (extra: Partial<RowOf<'turn'>> = {}): Row => ({ ...base(), kind: 'turn', state: 'completed', durationMs: 72_000, figures: figures(17_200, 1_000, 0.14), filesChanged: [], error: null, ...extra });
export const unknown = (source: string, raw: RowOf<'unknown'>['raw']): Row => ({ ...base(), kind: 'unknown', source, raw });

export function tool(verb: ToolRow['verb'], title: string, extra: Partial<ToolRow> = {}): ToolRow {
  const path = verb === 'read' || verb === 'edit' ? title : null;
  return {
    ...base(), kind: 'tool', name: verb, verb, title, status: 'ok', input: {}, command: verb === 'execute' ? title : null, cwd: null, locations: path === null ? [] : [{ path, line: null }], diffs: [], output: '', outputOmitted: 0,
    exitCode: verb === 'execute' ? 0 : null, durationMs: 1_000, attachments: [], children: [], ...extra,
  };
}

export function diff(path: string, patch: string, extra: Partial<FileDiff> = {}): FileDiff {
  const lines = patch.split('\n');
  return { path, change: 'modify', oldPath: null, patch, added: lines.filter((line) => line.startsWith('+')).length, removed: lines.filter((line) => line.startsWith('-')).length, before: null, after: null, ...extra };
}

export function permission(extra: Partial<PermissionRow> = {}): PermissionRow {
  const row = base();
  return {
    ...row, at: Date.now() - 12_000, kind: 'permission', requestId: `q${row.key}`, ask: 'tool', tool: 'Bash', title: 'git push', reason: null, input: {}, command: null, cwd: null, diffs: [], plan: null, questions: [], options: [],
    takesReason: true, outcome: null, answerReason: null, answers: {}, ...extra,
  };
}

export function figures(inputTokens: number, outputTokens: number, costUsd: number, contextTokens = 76_000): NonNullable<ChatState['usage']> {
  return { inputTokens, outputTokens, cachedTokens: null, costUsd, contextTokens, contextWindow: 200_000 };
}

const choice = (id: string, label: string, description: string | null = null): { id: string; label: string; description: string | null } => ({ id, label, description });

export function state(extra: Partial<ChatState> = {}): ChatState {
  return {
    title: 'Migrate billing to the ledger', agent: 'claude', agentName: 'Claude Code', machine: 'build-01', folder: '~/billing', branch: 'billing-v2', state: 'idle', activity: null, turnStartedAt: null, turns: 14, owner: 'this', ownerName: null,
    connection: 'online', connectionDetail: null, problem: null,
    controls: {
      models: [choice('opus', 'opus', 'Most capable for complex work'), choice('sonnet', 'sonnet', 'Balanced, for everyday work'), choice('haiku', 'haiku', 'Fastest for quick answers')], model: 'opus',
      modes: [choice('default', 'Ask first', 'Asks before it edits or runs anything'), choice('acceptEdits', 'Accept edits', 'Edits files without asking'), choice('plan', 'Plan', 'Reads and plans, changes nothing'), choice('bypassPermissions', 'Bypass permissions', 'Never asks')], mode: 'default',
      efforts: [choice('low', 'low'), choice('medium', 'medium'), choice('high', 'high')], effort: 'medium',
      commands: [
        { name: 'review', description: 'Review the changes of this branch', argumentHint: null }, { name: 'init', description: 'Write a CLAUDE.md with what an agent should know here', argumentHint: null },
        { name: 'compact', description: 'Shorten the conversation and keep what matters', argumentHint: '[what to keep]' }, { name: 'security-review', description: 'Look for vulnerabilities in the changes', argumentHint: null }, { name: 'pr-comments', description: 'Read the comments of a pull request', argumentHint: '[number]' },
      ],
    },
    traits: { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true },
    usage: figures(17_200, 1_000, 0.14), outbox: [], canRun: true, loading: false, ...extra,
  };
}

export const running = (phase: NonNullable<ChatState['activity']>['phase'], extra: Partial<ChatState> = {}, activity: Partial<NonNullable<ChatState['activity']>> = {}): ChatState => state({
  state: phase === 'waiting' ? 'waiting' : 'running', turnStartedAt: Date.now() - 60_000, activity: { phase, since: Date.now() - 12_400, detail: null, until: null, ...activity }, ...extra,
});

/** A small picture, drawn here: nothing of the gallery is loaded from elsewhere. */
export function picture(name: string, width: number, height: number, hue: number): Attachment {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d');
  if (pen !== null) {
    pen.fillStyle = `hsl(${hue} 30% 92%)`;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = `hsl(${hue} 45% 45%)`;
    for (let bar = 0; bar < 9; bar += 1) pen.fillRect(12 + bar * (width / 10), height - 12 - ((bar * 37) % (height - 30)), width / 16, ((bar * 37) % (height - 30)) + 4);
  }
  const data = canvas.toDataURL('image/png');
  return { name, mediaType: 'image/png', size: Math.round(data.length * 0.75), data: data.slice(data.indexOf(',') + 1), path: null };
}

export const document1 = (name: string, size: number): Attachment => ({ name, mediaType: 'text/plain', size, data: null, path: `/home/me/${name}` });
