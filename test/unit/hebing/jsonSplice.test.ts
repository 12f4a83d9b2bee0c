import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spliced } from '../../../src/core/systems/hebing/jsonSplice.ts';
import { membersOf, objectTexts } from './jsonTexts.ts';

const entry = { command: '/usr/bin/node', args: ['/x/cli.mjs'], env: { KEY: 'a "key"\n' } };
const set = (text: string, value: unknown = entry): string => spliced(text, ['mcpServers'], 'chaojiyuyan', value);
const unset = (text: string): string => spliced(text, ['mcpServers'], 'chaojiyuyan', undefined);
type Bag = Record<string, unknown>;

describe('an entry in a JSON text', () => {
  it.each([
    ['a root without members', '{}', '{\n  "mcpServers": {\n    "x": {\n      "k": [\n        1\n      ]\n    }\n  }\n}'],
    ['a file without servers', '{\n    "a": 1\n}\n', '{\n    "a": 1,\n    "mcpServers": {\n        "x": {\n            "k": [\n                1\n            ]\n        }\n    }\n}\n'],
    ['servers without members', '{\n\t"mcpServers": {}\n}', '{\n\t"mcpServers": {\n\t\t"x": {\n\t\t\t"k": [\n\t\t\t\t1\n\t\t\t]\n\t\t}\n\t}\n}'],
    ['other servers', '{\r\n  "mcpServers": {\r\n    "o": {}\r\n  },\r\n  "z": 0\r\n}', '{\r\n  "mcpServers": {\r\n    "o": {},\r\n    "x": {\r\n      "k": [\r\n        1\r\n      ]\r\n    }\r\n  },\r\n  "z": 0\r\n}'],
    ['one line', '{"a":1,"mcpServers":{"o":{}}}', '{"a":1,"mcpServers":{"o":{},"x":{"k":[1]}}}'],
    ['one line without servers', '{ "a" : 1 }', '{ "a" : 1, "mcpServers" : {"x":{"k":[1]}} }'],
    ['one line with servers that are empty', '{"mcpServers":{ }}', '{"mcpServers":{"x":{"k":[1]}}}'],
    ['an entry that is there', '{"mcpServers": {"x" :  [], "y": 1}}', '{"mcpServers": {"x" :  {"k":[1]}, "y": 1}}'],
  ])('goes into %s in its style', (_, before, after) => {
    expect(spliced(before, ['mcpServers'], 'x', { k: [1] })).toBe(after);
  });

  it.each([
    ['between others', '{"mcpServers": {\n "a": 1,\n "x": 2,\n "b": 3\n}}', '{"mcpServers": {\n "a": 1,\n "b": 3\n}}'], ['the last', '{"mcpServers": {\n "a": 1,\n "x": {}\n}}', '{"mcpServers": {\n "a": 1\n}}'],
    ['the only', '{"mcpServers": {\n "x": 1\n}, "z": 1}', '{"mcpServers": {}, "z": 1}'], ['twice', '{"mcpServers": {"x": 1, "a": 0, "x": 2}}', '{"mcpServers": {"a": 0}}'], ['nowhere', '{"mcpServers": {"a": 0}}', '{"mcpServers": {"a": 0}}'],
    ['without servers', '{ "a": 0 }', '{ "a": 0 }'],
  ])('is taken out where it is %s', (_, before, after) => {
    expect(spliced(before, ['mcpServers'], 'x', undefined)).toBe(after);
  });

  it('counts where it stands last, as JSON.parse has it', () => {
    expect(spliced('{"mcpServers": {"x": 1}, "mcpServers": {"x": 2, "x": 3}}', ['mcpServers'], 'x', 4)).toBe('{"mcpServers": {"x": 1}, "mcpServers": {"x": 2, "x": 4}}');
    expect(spliced(String.raw`{"mcp\u0053ervers": {"\u0078": 1}}`, ['mcpServers'], 'x', 2)).toBe(String.raw`{"mcp\u0053ervers": {"\u0078": 2}}`);
  });
});

describe('for any JSON object', () => {
  it('what is parsed is the same but for the entry, with the order of all that was there', () => {
    fc.assert(fc.property(objectTexts, (text) => {
      const before = JSON.parse(text) as Bag;
      const after = JSON.parse(set(text)) as Bag;
      expect(after).toEqual({ ...before, mcpServers: { ...(before['mcpServers'] as Bag | undefined), chaojiyuyan: entry } });
      expect(Object.keys(after)).toEqual([...new Set([...Object.keys(before), 'mcpServers'])]);
      const gone = JSON.parse(unset(text)) as Bag;
      const { chaojiyuyan: _, ...others } = { ...(before['mcpServers'] as Bag | undefined) };
      expect(gone).toEqual(Object.hasOwn(before, 'mcpServers') ? { ...before, mcpServers: others } : before);
    }), { numRuns: 3_000 });
  });

  it('every other member is the same byte for byte, and so is all that stands around', () => {
    fc.assert(fc.property(objectTexts, (text) => {
      const after = set(text);
      // What the two begin and end with in common leaves nothing of the old text out but an entry of ours, or white space of an empty object.
      let head = 0;
      while (head < text.length && head < after.length && text[head] === after[head]) head += 1;
      let tail = 0;
      while (tail < text.length - head && tail < after.length - head && text.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
      const lost = text.slice(head, text.length - tail);
      const root = membersOf(text, text.indexOf('{'));
      const servers = root.findLast(({ name }) => name === 'mcpServers');
      const inner = servers === undefined ? [] : membersOf(text, servers.from);
      const ours = inner.findLast(({ name }) => name === 'chaojiyuyan');
      if (ours === undefined) expect(lost.trim()).toBe('');
      else expect([head >= ours.from, text.length - tail <= ours.from + ours.source.length]).toEqual([true, true]);
      const rest = membersOf(after, after.indexOf('{'));
      expect(rest.filter(({ name }) => name !== 'mcpServers').map(({ name, source }) => [name, source])).toEqual(root.filter(({ name }) => name !== 'mcpServers').map(({ name, source }) => [name, source]));
      const written = rest.findLast(({ name }) => name === 'mcpServers');
      const others = written === undefined ? [] : membersOf(after, written.from);
      expect(others.filter(({ name }) => name !== 'chaojiyuyan').map(({ name, source }) => [name, source])).toEqual(inner.filter(({ name }) => name !== 'chaojiyuyan').map(({ name, source }) => [name, source]));
    }), { numRuns: 1_000 });
  });

  it('setting it twice is setting it once, and what was put in beside others comes out without a trace', () => {
    fc.assert(fc.property(objectTexts, (text) => {
      expect(set(set(text))).toBe(set(text));
      const { mcpServers } = JSON.parse(text) as Bag;
      const beside = typeof mcpServers === 'object' && mcpServers !== null && Object.keys(mcpServers).length > 0 && !Object.hasOwn(mcpServers, 'chaojiyuyan');
      if (beside) expect(unset(set(text))).toBe(text);
    }), { numRuns: 2_000 });
  });
});
