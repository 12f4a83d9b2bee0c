import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { deviceLogin } from '../../../src/core/systems/hebing/device.ts';
import { DeviceFlowError, DeviceFlowTimeout, HebingError } from '../../../src/core/systems/hebing/errors.ts';
import type { PollAnswer } from './deviceRig.ts';
import { DEVICE_CODE, DeviceRig, error, granted, pending } from './deviceRig.ts';

/** The seconds between the polls, the first counted from the beginning. */
const gaps = ({ polls }: DeviceRig): number[] => polls.map((at, index) => at - (polls[index - 1] ?? 0));

describe('a device sign-in (RFC 8628), case by case', () => {
  it('1: authorization_pending goes on, at the first poll and later ones, whatever its status', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([pending, error('authorization_pending', 428), { status: 400, body: { error: 'authorization_pending' } }, { status: 428, body: '' }, granted])).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 5, 5, 5, 5]);
    expect(rig.bodies[0]).toBe(JSON.stringify({ device_code: DEVICE_CODE }));
  });

  it('2: slow_down adds 5 s to this and all later polls', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([error('slow_down'), pending, pending, granted])).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 10, 10, 10]);
  });

  it('3: slow_down twice adds 10 s', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([pending, error('slow_down'), error('slow_down', 429), pending, granted])).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 5, 10, 15, 15]);
  });

  it.each([[0], [3]])('4: access_denied ends it, after %i polls', async (before) => {
    const rig = new DeviceRig();
    const ended = await rig.signIn([...Array<PollAnswer>(before).fill(pending), error('access_denied'), granted]);
    expect(ended).toBeInstanceOf(DeviceFlowError);
    expect(ended).toMatchObject({ code: 'access_denied', personMustAct: true });
    expect(rig.polls).toHaveLength(before + 1);
  });

  it.each([[0, error('expired_token')], [2, error('expired_token')], [0, { status: 410, body: {} }], [2, { status: 410, body: 'Gone' }]])('5: expired_token or 410 ends it, after %i polls', async (before, answer) => {
    const rig = new DeviceRig();
    const ended = await rig.signIn([...Array<PollAnswer>(before).fill(pending), answer, granted]);
    expect(ended).toBeInstanceOf(DeviceFlowError);
    expect(ended).toMatchObject({ code: 'expired_token' });
    expect(rig.polls).toHaveLength(before + 1);
  });

  it('6: without an interval it is 5 s', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([pending, granted], { authorize: { interval: undefined } })).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 5]);
  });

  it.each([[0], [-7], [0.2]])('7: an interval of %d makes no hot loop', async (interval) => {
    const rig = new DeviceRig();
    expect(await rig.signIn([pending, pending, granted], { authorize: { interval } })).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([1, 1, 1]);
  });

  it('8: an interval of a million seconds is a minute', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([pending, granted], { authorize: { interval: 1e6 } })).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([60, 60]);
  });

  it('9: Retry-After in seconds is kept, for that once, and only where it is longer', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([error('authorization_pending', 400, { 'retry-after': '12' }), error('authorization_pending', 400, { 'retry-after': '2' }), granted])).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 12, 5]);
  });

  it('10: Retry-After as a date too', async () => {
    const rig = new DeviceRig();
    const at = new Date(Math.ceil((rig.clock.now() + 30_000) / 1_000) * 1_000).toUTCString();
    expect(await rig.signIn([error('too_many', 429, { 'retry-after': at }), granted])).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 25]);
  });

  it('11: 429 is waited out', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([{ status: 429, body: '' }, pending, { status: 429, body: {} }, granted])).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 5, 5, 5]);
  });

  it.each([[500], [501], [502], [503], [504]])('12: %i is waited out, JSON or not', async (status) => {
    const rig = new DeviceRig();
    expect(await rig.signIn([{ status, body: '<html>' }, { status, body: { detail: 'x' } }, granted])).toBe('nxt_ag_granted');
    expect(rig.polls).toHaveLength(3);
  });

  it('13: a connection that breaks is tried half as often each time, and as before when it is back', async () => {
    const rig = new DeviceRig();
    expect(await rig.signIn([pending, 'reset', 'reset', 'reset', 'reset', 'reset', pending, granted])).toBe('nxt_ag_granted');
    expect(gaps(rig)).toEqual([5, 5, 10, 20, 40, 60, 60, 5]);
  });

  it('14: an abort ends it at once, between polls and during one, with the signal\'s reason', async () => {
    const waiting = new DeviceRig();
    const reason = new Error('enough');
    expect(await waiting.signIn([pending], { at: (second) => second === 7 && waiting.stop.abort(reason) })).toBe(reason);
    expect(waiting.polls).toEqual([5]);
    expect(waiting.clock.waiting).toBe(0);
    const asking = new DeviceRig();
    expect(await asking.signIn([pending, { ...granted, first: () => asking.stop.abort(reason) }])).toBe(reason);
    const before = new DeviceRig();
    before.stop.abort(reason);
    expect(await before.signIn([granted])).toBe(reason);
    expect([before.polls, before.prompts]).toEqual([[], []]);
  });

  it('15: it stops when the code expires, or the time that was given is over, and takes a key that came late', async () => {
    const expired = new DeviceRig();
    const ended = await expired.signIn([], { authorize: { expires_in: 23 } });
    expect(ended).toBeInstanceOf(DeviceFlowTimeout);
    expect(ended).toMatchObject({ code: 'device_flow_timeout', message: expect.stringContaining('while its code was good') as string });
    expect(expired.polls).toEqual([5, 10, 15, 20]);
    expect((expired.clock.now() - 1_000_000) / 1_000).toBe(23);
    const impatient = new DeviceRig();
    expect(await impatient.signIn([], { timeoutSeconds: 12 })).toBeInstanceOf(DeviceFlowTimeout);
    expect(impatient.polls).toEqual([5, 10]);
    const forever = new DeviceRig();
    expect(await forever.signIn([], { authorize: { expires_in: 1e12 }, timeoutSeconds: 7 })).toBeInstanceOf(DeviceFlowTimeout);
    const late = new DeviceRig();
    expect(await late.signIn([pending, { ...granted, first: () => late.clock.advance(4_000) }], { authorize: { expires_in: 12 } })).toBe('nxt_ag_granted');
    const race = new DeviceRig();
    expect(await race.signIn([pending, { ...pending, first: () => race.clock.advance(4_000) }, granted], { authorize: { expires_in: 12 } })).toBeInstanceOf(DeviceFlowTimeout);
    expect(race.polls).toHaveLength(2);
    const patient = new DeviceRig();
    expect(await patient.signIn([error('slow_down', 429, { 'retry-after': '999999999' })], { authorize: { expires_in: 40 } })).toBeInstanceOf(DeviceFlowTimeout);
    expect(patient.polls).toEqual([5]);
  });

  it.each([['<!doctype html>'], [''], [{}], [{ api_key: '' }], [{ api_key: 5 }], ['[]']])('16: %j in place of a key ends it, with nothing of it in the error', async (body) => {
    const rig = new DeviceRig();
    const ended = await rig.signIn([pending, { status: 200, body }, granted]);
    expect(ended).toBeInstanceOf(DeviceFlowError);
    expect(ended).toMatchObject({ code: 'bad_answer' });
    expect(rig.polls).toHaveLength(2);
  });
});

describe('a device sign-in', () => {
  it('takes access_token as well', async () => {
    expect(await new DeviceRig().signIn([{ status: 200, body: { access_token: ' nxt_ag_other ' } }])).toBe('nxt_ag_other');
  });

  it('shows the code and where to go, never the device code, in no error either', async () => {
    const rig = new DeviceRig();
    const ended = await rig.signIn([{ status: 400, body: { code: 'invalid_grant', detail: `${DEVICE_CODE} is none` } }], { authorize: { verification_uri_complete: 'https://hebing.example.org/activate?code=WXYZ-1234' } });
    expect(ended).toMatchObject({ code: 'device_flow_failed', message: expect.stringContaining('[redacted] is none') as string });
    expect(inspect(ended, { depth: 9, showHidden: true })).not.toContain(DEVICE_CODE);
    expect(rig.prompts).toEqual([{
      userCode: 'WXYZ-1234', verificationUri: 'https://hebing.example.org/activate', verificationUriComplete: 'https://hebing.example.org/activate?code=WXYZ-1234', expiresAt: 1_000_000 + 600_000,
    }]);
  });

  it('sends nobody to an address that is not of the web', async () => {
    const rig = new DeviceRig();
    const ended = await rig.signIn([granted], { authorize: { verification_uri: 'command:workbench.action.quit' } });
    expect(ended).toBeInstanceOf(HebingError);
    expect(ended).toMatchObject({ code: 'bad_answer' });
    expect([rig.prompts, rig.polls]).toEqual([[], []]);
    const half = new DeviceRig();
    await half.signIn([granted], { authorize: { verification_uri_complete: 'javascript:alert(1)' } });
    expect(half.prompts).toMatchObject([{ verificationUriComplete: null }]);
  });

  it('says at once what keeps it from beginning', async () => {
    const options = { clientName: 'a test', env: {}, onPrompt: () => undefined, retry: { tries: 1 } };
    const failure = (work: Promise<unknown>): Promise<unknown> => work.then(() => null, (reason: unknown) => reason);
    expect(await failure(deviceLogin({ ...options, baseUrl: 'http://127.0.0.1:9/api' }))).toMatchObject({ code: 'connection_failed' });
    expect(await failure(deviceLogin({ ...options, baseUrl: 'http://hebing.example.org' }))).toMatchObject({ code: 'plain_http_refused' });
    expect(await failure(deviceLogin({ ...options, clientName: ' ' }))).toMatchObject({ code: 'invalid_argument' });
    expect(await failure(deviceLogin({ ...options, timeoutSeconds: 0 }))).toMatchObject({ code: 'invalid_argument' });
    expect(await new DeviceRig().signIn([], { authorize: { device_code: undefined } })).toMatchObject({ code: 'bad_answer' });
  });
});
