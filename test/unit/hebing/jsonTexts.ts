import fc from 'fast-check';

/** A JSON text that was written by hand or by any program: members in any order, also twice, any white space, escapes. */
type Node = { readonly kind: 'object'; readonly members: readonly (readonly [string, Node])[] } | { readonly kind: 'array'; readonly items: readonly Node[] } | { readonly kind: 'leaf'; readonly text: string };

const leaf: fc.Arbitrary<Node> = fc.oneof(fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)), fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)), fc.constantFrom('null', 'true', 'false', '1E+2', '-0', '"\\u0022,}]\\\\"', '"{\\"mcpServers\\":"'))
  .map((text) => ({ kind: 'leaf', text }));
const { tree } = fc.letrec<{ tree: Node; object: Node; array: Node }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3 }, leaf, tie('object'), tie('array')),
  object: fc.array(fc.tuple(fc.oneof(fc.string(), fc.constantFrom('a', 'chaojiyuyan', 'mcpServers', '__proto__', '}', '"')), tie('tree')), { maxLength: 4 }).map((members) => ({ kind: 'object', members })),
  array: fc.array(tie('tree'), { maxLength: 3 }).map((items) => ({ kind: 'array', items })),
}));
const members = fc.array(fc.tuple(fc.oneof(fc.string(), fc.constantFrom('a', 'b', 'numStartups', '__proto__')), tree), { maxLength: 4 });

function print(node: Node, space: () => string): string {
  if (node.kind === 'leaf') return node.text;
  const parts = node.kind === 'array' ? node.items.map((item) => print(item, space)) : node.members.map(([name, inner]) => `${JSON.stringify(name)}${space()}:${space()}${print(inner, space)}`);
  const [head, tail] = node.kind === 'array' ? ['[', ']'] : ['{', '}'];
  return `${head}${space()}${parts.join(`${space()},${space()}`)}${parts.length === 0 ? '' : space()}${tail}`;
}

const spaces = fc.oneof(fc.constant(['']), fc.constant(['\n  ', ' ']), fc.array(fc.constantFrom('', ' ', '\n', '\r\n\t', '\n    ', ' \t'), { minLength: 1, maxLength: 7 }));

/** Objects as texts, with `mcpServers` (an object, at any place, maybe with an entry of ours) or without. */
export const objectTexts: fc.Arbitrary<string> = fc.tuple(members, fc.option(members), fc.option(tree), fc.nat(), spaces).map(([root, servers, ours, place, pattern]) => {
  let count = 0;
  const space = (): string => {
    count += 1;
    return pattern[count % pattern.length] ?? '';
  };
  const own = servers === null ? [] : [...servers];
  if (servers !== null && ours !== null) own.splice(place % (own.length + 1), 0, ['chaojiyuyan', ours]);
  const all = [...root];
  if (servers !== null) all.splice(place % (all.length + 1), 0, ['mcpServers', { kind: 'object', members: own }]);
  return `${space()}${print({ kind: 'object', members: all }, space)}${space()}`;
});

/** Where the members of the object at `open` stand in a text, found by no code of the project: a parser that reads what JSON's grammar says. */
export function membersOf(text: string, open: number): readonly { readonly name: string; readonly from: number; readonly source: string }[] {
  const found: { name: string; from: number; source: string }[] = [];
  let at = open + 1;
  for (;;) {
    const rest = text.slice(at);
    const head = /^[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*/.exec(rest);
    if (head === null) return found;
    const from = at + head[0].length;
    let end = from + 1;
    // The shortest beginning that is a JSON value, and is followed by what ends a value.
    for (; end <= text.length; end += 1) if (/^\s*[,}]/.test(text.slice(end)) && isJson(text.slice(from, end))) break;
    found.push({ name: JSON.parse(head[1] ?? '""') as string, from, source: text.slice(from, end) });
    at = end;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
