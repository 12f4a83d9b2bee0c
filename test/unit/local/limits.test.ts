import { describe, expect, it } from 'vitest';
import { ClaudeReader } from '../../../src/core/systems/local/claude/reader.ts';
import { planLimitsOf } from '../../../src/core/systems/happy/normalise/index.ts';
import { claudeLimit, claudePlan, codexLimit, codexPlan } from '../../../src/core/systems/local/limits.ts';

describe('limits of the plan of Claude Code', () => {
  it('are those that are reached, with when they start anew', () => {
    expect(claudeLimit({ status: 'rejected', resetsAt: 1_790_000_000, rateLimitType: 'five_hour', isUsingOverage: false })).toEqual({ text: 'The five-hour limit of your plan is reached.', until: 1_790_000_000_000 });
    expect(claudeLimit({ status: 'rejected', rateLimitType: 'a new one' })).toEqual({ text: 'The usage limit of your plan is reached.', until: null });
    expect(claudeLimit({ status: 'allowed_warning', resetsAt: 1_790_000_000, rateLimitType: 'seven_day', utilization: 0.9 })).toBeNull();
    expect(claudeLimit({ status: 'rejected', rateLimitType: 'five_hour', overageStatus: 'allowed' })).toBeNull();
    expect(claudeLimit(null)).toBeNull();
  });

  it('are known from its own event on, until another one', () => {
    const nothing = (): void => undefined;
    const reader = new ClaudeReader({ folder: '/w', events: { onTaken: nothing, onAsk: nothing, onTurnEnd: nothing, onTitle: nothing, onMode: nothing, onLoginFailed: nothing, onRefuse: nothing } });
    reader.accept({ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt: 1_790_000_000, rateLimitType: 'seven_day_opus' }, uuid: 'u', session_id: 's' }, 1);
    expect(reader.limit?.text).toBe('The weekly limit for Opus of your plan is reached.');
    expect(reader.plan).toEqual({ at: 1, limits: [{ label: 'Weekly limit for Opus', usedPercent: 100, until: 1_790_000_000_000 }] });
    reader.accept({ type: 'rate_limit_event', rate_limit_info: { status: 'allowed' }, uuid: 'u', session_id: 's' }, 2);
    expect(reader.limit).toBeNull();
    expect(reader.flush()).toEqual([]);
  });
});

describe('limits of the plan of Codex', () => {
  it('are the windows that are used up; of two, the one that lasts longer', () => {
    const window = (usedPercent: number, windowDurationMins: number | null, resetsAt: number | null) => ({ usedPercent, windowDurationMins, resetsAt });
    expect(codexLimit([window(99.9, 300, 10), null])).toBeNull();
    expect(codexLimit([window(100, 300, 1_790_000_000), window(20, 10_080, 1_790_500_000)])).toEqual({ text: 'The 5-hour limit of your plan is reached.', until: 1_790_000_000_000 });
    expect(codexLimit([window(100, 300, 1_790_000_000), window(100, 10_080, 1_790_500_000)])).toEqual({ text: 'The weekly limit of your plan is reached.', until: 1_790_500_000_000 });
    expect(codexLimit([window(100, null, null)])).toEqual({ text: 'The usage limit of your plan is reached.', until: null });
  });
});

describe('what is left of a plan', () => {
  it('is told by Claude Code for each of its windows, as parts of one', () => {
    expect(claudePlan({
      status: 'allowed_warning', rateLimitType: 'seven_day', utilization: 0.8, resetsAt: 1_790_500_000,
      unifiedWindows: { five_hour: { utilization: 0.35, resetsAt: 1_790_000_000 }, seven_day: { utilization: 0.83, resetsAt: 1_790_500_000 }, another: { utilization: 1, resetsAt: 1 } },
    })).toEqual([{ label: 'Five-hour limit', usedPercent: 35, until: 1_790_000_000_000 }, { label: 'Weekly limit', usedPercent: 83, until: 1_790_500_000_000 }]);
    expect(claudePlan({ status: 'allowed', rateLimitType: 'five_hour', resetsAt: 1_790_000_000 })).toEqual([{ label: 'Five-hour limit', usedPercent: null, until: 1_790_000_000_000 }]);
    for (const nothing of [null, {}, { unifiedWindows: 7 }, { unifiedWindows: { five_hour: null } }]) expect(claudePlan(nothing)).toEqual([]);
  });

  it('is told by Codex in percent', () => {
    expect(codexPlan([{ usedPercent: 12.5, windowDurationMins: 300, resetsAt: 1_790_000_000 }, { usedPercent: 130, windowDurationMins: 10_080, resetsAt: null }, { usedPercent: null, windowDurationMins: 1, resetsAt: 1 }, null])).toEqual([
      { label: '5-hour limit', usedPercent: 12.5, until: 1_790_000_000_000 }, { label: 'Weekly limit', usedPercent: 100, until: null },
    ]);
  });

  it('is told through Happy by its newest word', () => {
    const state = (capturedAt: number, utilization: number) => ({ usageLimits: { capturedAt, windows: [{ id: 'five_hour', utilization, status: 'allowed', resetsAt: 5 }, { id: 'x', status: 'allowed' }] } });
    expect(planLimitsOf([null, state(2, 40), {}, state(1, 90)])).toEqual([{ label: 'five hour limit', usedPercent: 40, until: 5 }]);
    expect(planLimitsOf([null, {}])).toEqual([]);
  });
});
