import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { readMail, requestOf } from '../../../src/core/fleet/mail.ts';

const mail = (body: JsonValue, createdAt = 1_000_000) => ({ id: 'm', session: 'fake\u0000a', body, createdAt });

describe('a request of another window', () => {
  it('is read back as it was written', () => {
    const bodies: readonly JsonValue[] = [
      { do: 'interrupt' }, { do: 'stop' }, { do: 'remove' }, { do: 'set', what: 'mode', value: 'plan' }, { do: 'rename', title: 'T' }, { do: 'archive', archived: false },
      { do: 'answer', requestId: 'r', decision: { outcome: 'answer', answers: { q: ['one', 'two'] } } }, { do: 'answer', requestId: 'r', decision: { outcome: 'deny', reason: 'no' } },
    ];
    expect(bodies.map(readMail)).toEqual(bodies);
  });

  it('that is none, or one of a later version, is nothing', () => {
    const bodies: readonly JsonValue[] = [null, 1, 'stop', [], {}, { do: 'dance' }, { do: 'answer', requestId: 'r' }, { do: 'set', what: 'colour', value: 'red' }, { do: 'archive', archived: 'yes' }];
    expect(bodies.map(readMail)).toEqual(bodies.map(() => null));
  });

  it('lapses after a minute', () => {
    expect(requestOf(mail({ do: 'stop' }), 1_060_000, true)).toEqual({ do: 'stop' });
    expect(requestOf(mail({ do: 'stop' }), 1_060_001, true)).toBe(null);
  });

  it('outlives the window that ran the session only where it still means something', () => {
    const kept = ['interrupt', 'stop', 'remove'].map((what) => requestOf(mail({ do: what }), 1_000_001, false));
    expect(kept).toEqual([null, null, null]);
    expect(requestOf(mail({ do: 'answer', requestId: 'r', decision: { outcome: 'allow' } }), 1_000_001, false)).toBe(null);
    expect(requestOf(mail({ do: 'rename', title: 'T' }), 1_000_001, false)).toEqual({ do: 'rename', title: 'T' });
  });
});
