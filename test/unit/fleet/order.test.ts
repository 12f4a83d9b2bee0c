import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SessionOrder } from '../../../src/core/fleet/order.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';

const session = (id: string, connectionId: string, updatedAt: number): Session => ({
  id, connectionId, machineId: 'm', folder: '/', agent: 'a', title: id, state: 'idle', createdAt: 0, updatedAt, archived: false, owner: 'nobody', ownerName: null, branch: null, activity: null, usage: null, model: null,
  waiting: [], error: null,
});

test('whatever changes, the list is what sorting all of it gives, and the same while nothing does', () => {
  const change = fc.record({ id: fc.integer({ min: 0, max: 60 }), connection: fc.constantFrom('a', 'b'), updatedAt: fc.integer({ min: 0, max: 6 }), gone: fc.boolean() });
  fc.assert(fc.property(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 30 }), (rounds) => {
    const held = new Map<string, Session>();
    for (let id = 0; id <= 60; id += 1) for (const connection of ['a', 'b']) held.set(sessionKey({ connectionId: connection, id: `s${id}` }), session(`s${id}`, connection, id % 5));
    const order = new SessionOrder();
    const look = (key: string): Session | null => held.get(key) ?? null;
    order.list(held, look);
    for (const changes of rounds) {
      for (const { id, connection, updatedAt, gone } of changes) {
        const key = sessionKey({ connectionId: connection, id: `s${id}` });
        if (gone) held.delete(key);
        else held.set(key, session(`s${id}`, connection, updatedAt));
        order.touch(key);
      }
      const list = order.list(held, look);
      expect(list).toEqual(new SessionOrder().list(held, look));
      expect(new Set(list).size).toBe(held.size);
      expect(list.every((each, place) => place === 0 || (list[place - 1]?.updatedAt ?? 0) >= each.updatedAt)).toBe(true);
      expect(order.list(held, look)).toBe(list);
    }
  }));
});
