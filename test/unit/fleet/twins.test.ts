import { describe, expect, it } from 'vitest';
import type { Session } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { SessionTable } from '../../../src/core/fleet/table.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';

const base: Session = {
  id: '', connectionId: '', machineId: 'here', folder: '/work', agent: 'claude', title: 'One', state: 'idle', createdAt: 1, updatedAt: 2, archived: false, owner: 'nobody', ownerName: null, branch: null,
  activity: null, usage: null, model: null, waiting: [], error: null,
};
const own: Session = { ...base, id: 'uuid-1', connectionId: 'local-claude' };
const hosted: Session = { ...base, id: 'happy-1', connectionId: 'happy', machineId: 'm1', agentSession: { agent: 'claude', id: 'uuid-1', host: 'lab' } };

function table(): { readonly table: SessionTable; readonly changed: string[]; shown(): readonly string[] } {
  const changed: string[] = [];
  const made = new SessionTable({
    store: { saveSessions: () => Promise.resolve(), removeSession: () => Promise.resolve() }, clock: systemClock, log: silentLogger, host: 'lab',
    changed: (key, structure) => void (structure && changed.push(key)), doubt: () => undefined,
  });
  return { table: made, changed, shown: () => made.all().map(({ id }) => id) };
}

describe('a session of an agent of this computer that a system hosts', () => {
  it.each([['the agent’s own first', [own, hosted]], ['the hosted one first', [hosted, own]]])('is listed once, as that system’s: %s', (_name, order) => {
    const one = table();
    for (const session of order) one.table.merge([session]);
    expect(one.shown()).toEqual(['happy-1']);
    expect(one.table.get(sessionKey(own))).toMatchObject({ id: 'uuid-1' });
  });

  it('comes back when the connection goes, when the session is removed and when it turns to another; each is a change of the list', () => {
    const one = table();
    one.table.merge([own, hosted]);
    expect(one.changed).toContain(sessionKey(own));
    one.changed.length = 0;
    one.table.removeConnection('happy');
    expect(one.shown()).toEqual(['uuid-1']);
    expect(one.changed).toContain(sessionKey(own));
    one.table.merge([hosted]);
    one.table.remove(sessionKey(hosted));
    expect(one.shown()).toEqual(['uuid-1']);
    one.table.merge([hosted]);
    one.changed.length = 0;
    one.table.merge([{ ...hosted, agentSession: { agent: 'claude', id: 'uuid-2', host: 'lab' } }]);
    expect(new Set(one.shown())).toEqual(new Set(['uuid-1', 'happy-1']));
    expect(one.changed).toContain(sessionKey(own));
  });

  it('stays while another system hosts it still', () => {
    const one = table();
    one.table.merge([own, hosted, { ...hosted, id: 'happy-2', connectionId: 'other' }]);
    one.table.remove(sessionKey(hosted));
    expect(one.shown()).toEqual(['happy-2']);
  });

  it('is another session on another computer, of another agent, and where we run it ourselves', () => {
    const one = table();
    one.table.merge([own, { ...hosted, agentSession: { agent: 'claude', id: 'uuid-1', host: 'elsewhere' } }]);
    expect(one.shown()).toHaveLength(2);
    one.table.merge([{ ...hosted, agentSession: { agent: 'codex', id: 'uuid-1', host: 'lab' } }]);
    expect(one.shown()).toHaveLength(2);
    one.table.merge([hosted]);
    expect(one.shown()).toHaveLength(1);
    one.table.merge([{ ...own, owner: 'this', state: 'running' }]);
    expect(one.shown()).toHaveLength(2);
    one.table.merge([own]);
    expect(one.shown()).toHaveLength(1);
  });
});
