import { describe, expect, it } from 'vitest';
import { cidrsOf, failureDocument, keptWords, runDocument, runWords, tokenWords } from '../../../src/extension/clawdforge/words.ts';

describe('what a run gave', () => {
  it('is JSON, pretty, where the model answered with JSON; else its text, which is no markdown', () => {
    expect(runDocument({ result: { berths: [12] } })).toEqual({ name: 'clawdforge result.json', text: '{\n  "berths": [\n    12\n  ]\n}\n' });
    expect(runDocument({ result: null })).toEqual({ name: 'clawdforge result.json', text: 'null\n' });
    expect(runDocument({ result: '[x](command:y)' })).toEqual({ name: 'clawdforge result.txt', text: '[x](command:y)' });
    expect([runWords({ stopReason: 'end_turn', durationMs: 3_420 }), runWords({ stopReason: null, durationMs: 12 })]).toEqual(['end_turn · 3.4 s', '0.0 s']);
  });

  it('that failed is all that the server says of it', () => {
    expect(failureDocument({ error: 'exited with 1', stderr: 'line one\nline two', duration_ms: 12, stop_reason: null }).text).toBe('error\nexited with 1\n\nstderr\nline one\nline two\n\nduration_ms\n12\n');
    expect(failureDocument('Bad Gateway').text).toBe('error\nBad Gateway\n');
    expect(failureDocument({ error: { code: 7 } }).text).toContain('"code": 7');
  });
});

describe('a token in the list', () => {
  const now = Date.UTC(2026, 0, 2, 12, 0, 0);
  const token = { name: 'x', ipCidrs: [] as readonly string[], createdAt: null as string | number | null, lastUsed: null as string | number | null, enabled: true };

  it('says whether it is used, and from where', () => {
    expect(tokenWords(token, now)).toEqual({ description: 'enabled · never used', detail: 'from any address' });
    expect(tokenWords({ ...token, enabled: false, ipCidrs: ['10.0.0.0/8', '::1/128'] }, now)).toEqual({ description: 'disabled · never used', detail: 'from 10.0.0.0/8, ::1/128' });
  });

  it.each([['2026-01-02T09:00:00', 'last used 3 h ago'], ['2026-01-02 11:59:50', 'last used just now'], ['2026-01-01T12:00:00+00:00', 'last used 1 d ago'], [now / 1_000 - 7_200, 'last used 2 h ago'], [now - 60_000, 'last used 1 m ago'], ['yesterday', 'last used yesterday']])('reads the server\'s time %s', (lastUsed, words) => {
    expect(tokenWords({ ...token, lastUsed }, now).description).toBe(`enabled · ${words}`);
  });
});

describe('IP ranges', () => {
  it.each([['', []], ['  ', []], ['192.168.0.0/24', ['192.168.0.0/24']], ['10.0.0.1, 127.0.0.0/8 fd00::/8', ['10.0.0.1', '127.0.0.0/8', 'fd00::/8']]])('are read from “%s”', (text, cidrs) => {
    expect(cidrsOf(text)).toEqual({ cidrs, problem: null });
  });

  it.each(['300.0.0.0/8', '10.0.0.0/33', '10.0.0/8', 'fd00::/129', 'fd00:zz::/8', 'harbour', '10.0.0.0/8/8', '10.0.0.0/'])('“%s” is none', (text) => {
    expect(cidrsOf(`127.0.0.1, ${text}`).problem).toContain(text);
  });
});

describe('the time that a file is kept', () => {
  it.each([[600, '10 minutes'], [60, '1 minute'], [3_600, 'an hour'], [86_400, 'a day'], [90, '90 s']])('%d seconds', (seconds, words) => {
    expect(keptWords(seconds)).toBe(words);
  });
});
