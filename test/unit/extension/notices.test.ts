import { describe, expect, it } from 'vitest';
import type { Session } from '../../../src/core/model/session.ts';
import { Notices } from '../../../src/extension/notices.ts';

const permission = { requestId: 'r1', tool: 'Bash', title: '/home/ada/web/run.sh', ask: 'tool' as const, askedAt: 1 };
const session = (over: Partial<Session>): Session => ({
  id: 's1', connectionId: 'local-claude', machineId: 'this-computer', folder: '/home/ada/web', agent: 'claude', title: 'Dark mode', state: 'idle', createdAt: 1, updatedAt: 1,
  archived: false, owner: 'this', ownerName: null, branch: null, activity: null, usage: null, model: null, waiting: [], error: null, ...over,
});
/** What is told as a session goes through these states. */
function told(steps: readonly (Partial<Session> | null)[], how: { readonly quiet?: boolean; readonly done?: boolean } = {}): readonly string[] {
  const notices = new Notices(0);
  return steps.flatMap((step) => notices.take('k', step === null ? null : session(step), { quiet: how.quiet ?? false, done: how.done ?? true })?.text ?? []);
}
const FAILED = { state: 'failed', error: 'It broke.' } as const;

describe('what is told of a session', () => {
  it.each(['starting', 'running', 'waiting'] as const)('that it failed while it was %s', (state) => {
    expect(told([{ state }, FAILED, FAILED], { done: false })).toEqual(['“Dark mode” failed: It broke.']);
  });

  it('that it failed while there was no contact', () => {
    expect(told([{ state: 'running' }, { state: 'unknown' }, { state: 'unknown' }, FAILED])).toEqual(['“Dark mode” failed: It broke.']);
  });

  it('nothing of one that failed before it was seen, or came back idle', () => {
    expect(told([FAILED])).toEqual([]);
    expect(told([{ state: 'unknown' }, FAILED])).toEqual([]);
    expect(told([{ state: 'idle' }, FAILED])).toEqual([]);
    expect(told([{ state: 'running' }, null, FAILED])).toEqual([]);
  });

  it('that it asks, once for as long as it does, and again when it asks anew', () => {
    const asks = { state: 'waiting', waiting: [permission] } as const;
    expect(told([asks, asks, { state: 'running' }, { ...asks, waiting: [{ ...permission, requestId: 'r2', title: 'npm test' }] }])).toEqual(['“Dark mode” asks: run.sh', '“Dark mode” asks: npm test']);
  });

  it('nothing of a request from before this window looked, until another one comes', () => {
    const notices = new Notices(1_000);
    const asks = (requestId: string, askedAt: number): Session => session({ state: 'waiting', waiting: [{ ...permission, requestId, askedAt }] });
    const how = { quiet: false, done: true };
    expect(notices.take('k', asks('r1', 900), how)).toBeNull();
    expect(notices.take('k', asks('r1', 900), how)).toBeNull();
    expect(notices.take('k', asks('r2', 950), how)?.text).toBe('“Dark mode” asks: run.sh');
    expect(notices.take('other', asks('r3', 1_000), how)?.text).toBe('“Dark mode” asks: run.sh');
  });

  it('that it asks for something else when one request takes the place of another', () => {
    const second = { ...permission, requestId: 'r2', title: 'npm test' };
    expect(told([{ state: 'waiting', waiting: [permission] }, { state: 'waiting', waiting: [second] }])).toEqual(['“Dark mode” asks: run.sh', '“Dark mode” asks: npm test']);
  });

  it('nothing of a request that was seen in its chat, when that is left', () => {
    const notices = new Notices(0);
    const asks = session({ state: 'waiting', waiting: [permission] });
    expect(notices.take('k', asks, { quiet: true, done: true })).toBeNull();
    expect(notices.take('k', asks, { quiet: false, done: true })).toBeNull();
  });

  it('that it is done where that is wanted, but not that it has started', () => {
    expect(told([{ state: 'running' }, { state: 'idle' }])).toEqual(['“Dark mode” is done.']);
    expect(told([{ state: 'waiting' }, { state: 'idle' }])).toEqual(['“Dark mode” is done.']);
    expect(told([{ state: 'starting' }, { state: 'idle' }])).toEqual([]);
    expect(told([{ state: 'running' }, { state: 'idle' }], { done: false })).toEqual([]);
  });

  it('nothing while its chat is seen, and nothing of what another window runs', () => {
    expect(told([{ state: 'running' }, FAILED], { quiet: true })).toEqual([]);
    expect(told([{ state: 'running', owner: 'window' }, { ...FAILED, owner: 'window' }])).toEqual([]);
  });
});
