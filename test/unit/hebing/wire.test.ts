import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { HebingError } from '../../../src/core/systems/hebing/errors.ts';
import { camelCase, readAvailable, readBid, readCapability, readDevice, readEvent, readJob, readLease, readList } from '../../../src/core/systems/hebing/wire.ts';

describe('what hebing sends', () => {
  it('is handed on in camelCase at the top, and untouched below', () => {
    const inside = { snake_case: [{ deep_er: null }], camelCase: 1 };
    const job = readJob({
      id: 'j1', capability_key: 'media.echo.v1', status: 'succeeded', input_payload: inside, output: inside, artifacts: [{ file_name: 'a.png', meta_data: inside }],
      created_at: '2026-05-25T00:00:00Z', cost_nc: 3, x_2_y: inside,
    });
    expect(job).toEqual({
      id: 'j1', capabilityKey: 'media.echo.v1', status: 'succeeded', inputPayload: inside, output: inside, error: null, artifacts: [{ file_name: 'a.png', meta_data: inside }],
      createdAt: '2026-05-25T00:00:00Z', updatedAt: null, costNc: 3, x2Y: inside,
    });
    expect(readEvent({ seq: 4, type: 'bid_accepted', created_at: 12, data: inside, task_run_id: 't' })).toEqual({ seq: 4, type: 'bid_accepted', createdAt: 12, data: inside, taskRunId: 't' });
    expect(readCapability({ capability_key: 'a.b', input_schema: inside })).toEqual({ capabilityKey: 'a.b', name: 'a.b', description: null, inputSchema: inside });
    expect(readAvailable({ id: 7, capability_key: 'a.b', max_budget_nc: '2.5' })).toEqual({ id: '7', capabilityKey: 'a.b', maxBudgetNc: 2.5 });
    expect(readBid({ accepted: true, task_run_id: 'r', input_envelope: inside, lease_expires_at: 5 })).toEqual({ accepted: true, reason: null, taskRunId: 'r', inputEnvelope: inside, leaseExpiresAt: 5 });
    expect(readBid({ accepted: false, reason: 'lost_race' })).toMatchObject({ accepted: false, reason: 'lost_race', taskRunId: null });
    expect(readLease({})).toEqual({ leaseExpiresAt: null });
    expect(readDevice({ device_code: 'd', user_code: 'WXYZ-1234', verification_uri: 'https://x/activate' })).toEqual({
      deviceCode: 'd', userCode: 'WXYZ-1234', verificationUri: 'https://x/activate', verificationUriComplete: null, expiresIn: null, interval: null,
    });
  });

  it('may be a list, bare or under items, or nothing at all', () => {
    const row = { capability_key: 'a', name: 'A' };
    for (const list of [[row], { items: [row], next_cursor: null }]) expect(readList(list, readCapability)).toMatchObject([{ capabilityKey: 'a' }]);
    expect(readList(null, readCapability)).toEqual([]);
    expect(readList([{ id: 'j', status: 'queued' }], readJob)).toMatchObject([{ id: 'j', capabilityKey: '', inputPayload: null, artifacts: [] }]);
    for (const none of ['x', 3, {}, { items: null }]) expect(() => readList(none, readCapability)).toThrow(HebingError);
  });

  it('is refused with a code where it is none of the contract', () => {
    for (const value of [null, [], 'x', {}, { id: 'j' }, { id: 'j', capability_key: 'a', status: 3 }]) {
      expect(() => readJob(value)).toThrow(expect.objectContaining({ code: 'bad_answer' }) as Error);
    }
    expect(() => readBid({ accepted: 'yes' })).toThrow(/an answer to a bid \(accepted\)/);
  });

  it('has one name for each field, the contract\'s own where both are there', () => {
    expect(camelCase({ inputSchema: 1, input_schema: 2, _private: 3, a__b: 4, 'x-y_z': 5 })).toEqual({ inputSchema: 2, _private: 3, a__b: 4, 'x-yZ': 5 });
    expect(camelCase({ input_schema: 2, inputSchema: 1 })).toEqual({ inputSchema: 2 });
  });

  it('never makes a reader throw anything but HebingError, and never changes what is inside', () => {
    fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (any, inside) => {
      for (const one of [readJob, readEvent, readCapability, readAvailable, readBid, readLease, readDevice]) {
        try {
          one(any as JsonValue);
        } catch (error) {
          if (!(error instanceof HebingError)) throw error;
        }
      }
      const job = readJob({ id: 'j', capability_key: 'a', status: 'queued', output: inside as JsonValue, more_of_it: inside as JsonValue });
      expect(job.output).toEqual(inside);
      expect(job['moreOfIt']).toEqual(inside);
    }), { numRuns: 500 });
  });
});
