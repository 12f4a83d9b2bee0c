import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../../../src/core/model/json.ts';
import { draftText, editorSchema, inputOfDraft, schemaAddress, skeleton, targetAt, targetOfDraft } from '../../../../src/extension/hebing/draft.ts';
import { formOf, initialValues, typed, typedProblem } from '../../../../src/extension/hebing/form.ts';
import { complaintLine, complaints } from '../../../../src/extension/hebing/schema.ts';

const CAMPAIGN: JsonObject = {
  type: 'object', required: ['prompt', 'count'], additionalProperties: false,
  properties: {
    style: { type: 'string', enum: ['photo', 'drawing'], default: 'photo' }, prompt: { type: 'string', title: 'Prompt', description: 'What to draw.', minLength: 3, maxLength: 40 },
    count: { type: 'integer', minimum: 1, maximum: 4 }, weight: { type: 'number' }, loud: { type: 'boolean', default: 'not a boolean' }, mail: { type: ['string', 'null'], format: 'email' },
  },
};

describe('a form of a flat schema', () => {
  const fields = formOf(CAMPAIGN) ?? [];
  const field = (name: string) => {
    const found = fields.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no field ${name}`);
    return found;
  };

  it('asks for what is needed first, each in its own way, with the defaults that the schema itself accepts', () => {
    expect(fields.map(({ name, kind, required, title, about }) => [name, kind, required, title, about])).toEqual([
      ['prompt', 'text', true, 'Prompt', 'What to draw.'], ['count', 'integer', true, 'count', ''], ['style', 'choice', false, 'style', ''], ['weight', 'number', false, 'weight', ''], ['loud', 'boolean', false, 'loud', ''],
      ['mail', 'text', false, 'mail', ''],
    ]);
    expect(initialValues(fields)).toEqual({ style: 'photo' });
    expect(field('style').choices).toEqual(['photo', 'drawing']);
  });

  it('says what is wrong with a typed value, and takes numbers as numbers', () => {
    expect([typed(field('count'), ' 3 '), typed(field('weight'), '1e3'), typed(field('prompt'), ' a b '), typed(field('mail'), ''), typed(field('count'), 'three')]).toEqual([3, 1000, ' a b ', undefined, 'three']);
    expect(typedProblem(field('count'), '9')).toBe('At most 4.');
    expect(typedProblem(field('count'), '1.5')).toBe('It must be a whole number.');
    expect(typedProblem(field('count'), 'three')).toBe('It must be a whole number.');
    expect(typedProblem(field('count'), '')).toBe('count is needed.');
    expect(typedProblem(field('prompt'), 'ab')).toBe('At least 3 characters.');
    expect(typedProblem(field('mail'), 'nobody')).toContain('email');
    expect([typedProblem(field('count'), '4'), typedProblem(field('mail'), ''), typedProblem(field('prompt'), 'a boat')]).toEqual([null, null, null]);
  });

  it('is none for what no row of boxes can ask for', () => {
    const object = (properties: JsonValue, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });
    const none: JsonValue[] = [
      null, true, [], 'x', { type: 'array' }, { type: 'object' }, object({ a: { type: 'object' } }), object({ a: { type: 'array', items: { type: 'string' } } }), object({ a: { oneOf: [{ type: 'string' }] } }),
      object({ a: { $ref: '#/x' } }), object({ a: { type: ['string', 'number'] } }), object({ a: {} }), object({ a: true }), object({}, { anyOf: [{ required: ['a'] }] }), object({ a: { type: 'string' } }, { if: {} }),
      object({ a: { type: 'string' } }, { required: ['b'] }), object({}, { additionalProperties: { type: 'string' } }), object({ a: { enum: [{ deep: 1 }] } }), object({ a: { type: 'string' } }, { patternProperties: {} }),
      object(Object.fromEntries(Array.from({ length: 31 }, (_, at) => [`f${at}`, { type: 'string' }]))),
    ];
    expect(none.map(formOf)).toEqual(none.map(() => null));
    expect(formOf(object({}))).toEqual([]);
  });

  it('never throws, whatever a server calls a schema, and neither does the check', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 3 }), (schema, input) => {
      const wrapped = { type: 'object', properties: schema, required: input } as JsonObject;
      for (const one of [schema as JsonValue, wrapped]) {
        formOf(one)?.map((each) => typedProblem(each, '1'));
        complaints(one, input as JsonValue);
        skeleton(one);
        editorSchema(one);
      }
    }), { numRuns: 500 });
  });
});

describe('an input that is held against its schema', () => {
  const lines = (input: JsonValue): readonly string[] => complaints(CAMPAIGN, input).map(complaintLine);
  it('is told of by the field, in words', () => {
    expect(lines({ prompt: 'a boat', count: 2 })).toEqual([]);
    expect(lines({})).toEqual(['prompt: It is needed.', 'count: It is needed.']);
    expect(lines({ prompt: 7, count: 0, style: 'oil', extra: 1 })).toEqual(['style: One of "photo", "drawing".', 'prompt: It must be a text.', 'count: At least 1.', 'extra: The capability takes no such field.']);
    const deep: JsonObject = { type: 'object', properties: { layout: { type: 'object', required: ['rows'], properties: { columns: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } } } } };
    expect(complaints(deep, { layout: { columns: 'x', tags: ['a', 1] } }).map(complaintLine)).toEqual(['layout.rows: It is needed.', 'layout.columns: It must be a whole number.', 'layout.tags.1: It must be a text.']);
  });

  it('is left to hebing where the schema makes no sense', () => {
    expect([complaints({ type: 'object', properties: { a: { pattern: '(' } } }, { a: 'x' }), complaints({ $ref: '#/nowhere' }, {}), complaints(null, {}), complaints('x', {})]).toEqual([[], [], [], []]);
  });
});

describe('a draft', () => {
  const target = { connectionId: 'hebing-1a', capabilityKey: 'odd key/with ~ %20 and 字' };
  it('says in its text what it is for, and sends nothing of that', () => {
    const text = draftText(target, { prompt: 'a boat' });
    expect(targetOfDraft(text)).toEqual(target);
    expect(inputOfDraft(text)).toEqual({ prompt: 'a boat' });
    expect(schemaAddress(target)).not.toContain('%');
    expect(targetAt(new URL(schemaAddress(target)).pathname)).toEqual(target);
    expect([targetOfDraft('{"$schema": "https://example.org/x"}'), targetOfDraft('{}'), targetAt('/x')]).toEqual([null, null, null]);
  });

  it('that is no JSON object is refused with what to mend', () => {
    expect(() => inputOfDraft('{"a": }')).toThrow(/not valid JSON/);
    expect(() => inputOfDraft('[1]')).toThrow(/must be a JSON object/);
  });

  it('begins with defaults and places for what is needed, and its editor allows the line that names the schema', () => {
    expect(skeleton({ type: 'object', required: ['a', 'b', 'c', 'd'], properties: { a: { type: 'string' }, b: { type: 'object', required: ['n'], properties: { n: { type: 'integer', minimum: 2 }, m: { type: 'string' } } }, c: { enum: ['x', 'y'] }, d: { type: 'array' }, e: { type: 'number', default: 4 }, f: { type: 'string' } } }))
      .toEqual({ a: '', b: { n: 2 }, c: 'x', d: [], e: 4 });
    expect(complaints(editorSchema(CAMPAIGN), { $schema: 'x', prompt: 'a boat', count: 1 })).toEqual([]);
  });
});
