import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { Traits } from '../../../src/core/model/session.ts';
import { hoverLines, lastPrompt } from '../../../src/extension/tree/hover.ts';
import { sessionRow } from './sessionRow.ts';

const TRAITS: Traits = { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'ours', archive: 'ours', remove: true, images: true, permissions: true };
const connection: Connection = { connectionId: 'happy-1', name: 'Work', system: 'happy', state: { status: 'ready', message: null, remedy: null, version: null }, traits: TRAITS, more: false, canSignIn: false, dormant: false, lastContactAt: null };
const machine = { id: 'm1', connectionId: 'happy-1', name: 'studio', state: 'online' as const, seenAt: 1, home: '/root' };
const usage = { inputTokens: 11_000, outputTokens: 1_300, cachedTokens: null, costUsd: 0.4231, contextTokens: null, contextWindow: null };

describe('the hover of a session', () => {
  it('says what it does, what was asked last, where it is, what it used and whose it is', () => {
    const session = sessionRow({ state: 'running', branch: 'menu', model: 'opus', usage, pinned: true, owner: 'window', updatedAt: 0 });
    expect(hoverLines(session, 'Fix\nthe [menu](command:x)', { connection, machine, now: 240_000 })).toEqual([
      'Claude Code · running · changed 4 m ago · pinned', '“Fix the [menu](command:x)”', '/srv/web', 'branch menu', 'studio · Work', 'opus · $0.42 · 12 k tokens', 'in another window',
    ]);
  });

  it('leaves out what is not known, and says why it cannot be', () => {
    const away = { ...machine, state: 'offline' as const, seenAt: null };
    expect(hoverLines(sessionRow({ state: 'failed', error: 'Broke' }), null, { connection, machine: away, now: 1 })).toEqual(['Claude Code · failed · changed just now', '/srv/web', 'studio · Work', 'Broke', 'machine “studio” offline']);
    expect(hoverLines(sessionRow({ folder: '', state: 'unknown' }), null, { connection: { ...connection, dormant: true }, machine: undefined, now: 1 })[0]).toBe('Claude Code · changed just now');
  });

  it('has the last prompt of the stored rows, or none', async () => {
    const prompt = (id: string, text: string): Entry => ({ kind: 'prompt', id, row: id, order: [1], rev: 1, at: 1, turn: null, parent: null, text, attachments: [], clientId: null });
    const said: Entry = { kind: 'text', id: 't', row: 't', order: [3], rev: 1, at: 1, turn: null, parent: null, text: 'Done' };
    const store = (entries: readonly Entry[]) => ({ rows: () => Promise.resolve({ start: 0, total: entries.length, entries }) });
    expect(await lastPrompt(store([prompt('a', 'first'), prompt('b', 'second'), said]), 'k')).toBe('second');
    expect(await lastPrompt(store([said]), 'k')).toBeNull();
    expect(await lastPrompt({ rows: () => Promise.reject(new Error('closed')) }, 'k')).toBeNull();
  });
});
