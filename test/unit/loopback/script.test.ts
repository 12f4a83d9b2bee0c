import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longMarkdown } from '../../loopback/markdown.ts';
import { pieces } from '../../loopback/pace.ts';
import { Attempts, markedSteps, nextStep, readConversation, scripted, ScriptError, settle, withoutMarker, type Part } from '../../loopback/script.ts';

/** No half of a surrogate pair stands alone. */
const whole = (text: string): boolean => !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text);
const talk = (...parts: Part[]) => readConversation('s', 'm', parts);
const prompt = (text: string, steered = false): Part => ({ kind: 'prompt', text, steered });
const assistant: Part = { kind: 'assistant' };
const outcome: Part = { kind: 'outcome', id: 't', text: 'out' };

describe('marker', () => {
  it('carries steps through a prompt and leaves the words', () => {
    const text = scripted('fix it', { text: 'one', chunkMs: 2 }, { tools: [{ name: 'Bash', input: { command: 'ls' } }] });
    expect(markedSteps(text)).toEqual([{ text: 'one', chunkMs: 2 }, { tools: [{ name: 'Bash', input: { command: 'ls' } }] }]);
    expect(withoutMarker(text)).toBe('fix it');
    expect(markedSteps('no marker here')).toBeNull();
  });

  it('says what is wrong with steps that cannot be played', () => {
    expect(() => markedSteps('@@FAKE[{"text":]EKAF@@')).toThrow(/no JSON/);
    expect(() => markedSteps('@@FAKE[{"txet":"a"}]EKAF@@')).toThrow(/txet/);
    expect(() => markedSteps('@@FAKE[]EKAF@@')).toThrow(ScriptError);
    expect(() => markedSteps('@@FAKE[{"error":{"status":200}}]EKAF@@')).toThrow(/status/);
  });
});

describe('conversation', () => {
  it('counts the answers since the prompt, a run of parts of one answer as one', () => {
    expect(talk(prompt('a'), assistant, prompt('b'))).toMatchObject({ prompt: 'b', answered: 0, prompts: ['a', 'b'] });
    expect(talk(prompt('a'), assistant, assistant, outcome, assistant, outcome)).toMatchObject({ prompt: 'a', answered: 2, outcomes: [{ id: 't' }, { id: 't' }] });
  });

  it('keeps the steps of a turn that a prompt was added to, unless the prompt brings its own', () => {
    expect(talk(prompt('a'), assistant, outcome, prompt('also', true))).toMatchObject({ prompt: 'a', answered: 1, steered: ['also'] });
    const own = scripted('own', { text: 'x' });
    expect(talk(prompt('a'), assistant, outcome, prompt(own, true))).toMatchObject({ prompt: own, answered: 0, steered: [] });
  });
});

describe('next step', () => {
  it('prefers the marker, then the script, then echoes', async () => {
    expect(await nextStep([{ text: 'script' }], talk(prompt(scripted('x', { text: 'marker' }))))).toEqual({ text: 'marker' });
    expect(await nextStep([{ text: 'script' }], talk(prompt('x')))).toEqual({ text: 'script' });
    expect(await nextStep((conversation) => ({ text: `${conversation.prompt}!` }), talk(prompt('x')))).toEqual({ text: 'x!' });
    expect(await nextStep(null, talk(prompt('x')))).toEqual({ text: 'You said: x' });
    expect((await nextStep([{ text: 'only' }], talk(prompt('x'), assistant, outcome))).text).toMatch(/no step 2/);
  });

  it('refuses a script that gives no step', async () => {
    const wrong = JSON.parse('{"hang":"sometimes"}') as { text: string };
    await expect(nextStep(() => wrong, talk(prompt('x')))).rejects.toThrow(ScriptError);
  });
});

describe('times', () => {
  it('breaks off only the first attempts, counted by conversation', () => {
    const attempts = new Attempts();
    const first = talk(prompt('a'));
    expect([attempts.count(first), attempts.count(first), attempts.count(talk(prompt('b')))]).toEqual([0, 1, 0]);
    const step = { text: 'ok', error: { status: 529, times: 1 } };
    expect(settle(step, 0).error?.status).toBe(529);
    expect(settle(step, 1)).toEqual({ text: 'ok' });
    expect(settle({ error: { status: 400 } }, 9).error?.status).toBe(400);
    expect(settle({ cut: true, times: 2 }, 1)).toEqual({ cut: true });
    expect(settle({ cut: true, hang: 'mid', times: 2 }, 2)).toEqual({});
  });
});

describe('pieces', () => {
  it('join to the text and never split a character', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 9 }), (text, size) => {
      const cut = pieces(text, size);
      expect(cut.join('')).toBe(text);
      for (const piece of cut) expect(whole(piece)).toBe(true);
    }));
  });
});

it('long markdown has the length asked for and is the same every time', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 6000 }), (chars) => {
    const text = longMarkdown(chars);
    expect(text.length - chars).toBeLessThanOrEqual(1);
    expect(whole(text)).toBe(true);
    expect(longMarkdown(chars + 500).startsWith(text)).toBe(true);
  }), { numRuns: 50 });
});
