/** What a prompt asks for, as far as rules can tell. Paths and texts are as the person wrote them. */
export type Intent =
  | { readonly kind: 'help' }
  | { readonly kind: 'thanks' }
  | { readonly kind: 'overview' }
  | { readonly kind: 'files'; readonly within: string | null }
  | { readonly kind: 'search'; readonly text: string }
  | { readonly kind: 'explain'; readonly file: string | null }
  | { readonly kind: 'show'; readonly file: string | null }
  | { readonly kind: 'tidy'; readonly file: string | null }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly file: string | null }
  | { readonly kind: 'comment'; readonly file: string | null; readonly text: string | null }
  | { readonly kind: 'todo'; readonly file: string | null; readonly text: string | null }
  | { readonly kind: 'test'; readonly file: string | null }
  | { readonly kind: 'append'; readonly file: string; readonly text: string }
  | { readonly kind: 'create'; readonly file: string; readonly text: string | null }
  | { readonly kind: 'delete'; readonly file: string | null }
  | { readonly kind: 'run'; readonly command: string | null }
  | { readonly kind: 'terminal'; readonly command: string }
  | { readonly kind: 'long'; readonly words: number; readonly perSecond: number | null }
  | { readonly kind: 'think'; readonly about: string | null }
  | { readonly kind: 'plan'; readonly task: string | null }
  | { readonly kind: 'tools' }
  | { readonly kind: 'ask' }
  | { readonly kind: 'fail' }
  | { readonly kind: 'job'; readonly prompt: string }
  | { readonly kind: 'unclear'; readonly text: string };

type Groups = Readonly<Record<string, string | undefined>>;
interface Rule {
  readonly pattern: RegExp;
  readonly intent: (groups: Groups) => Intent;
}

const mostWords = 50_000;
/** Characters of a prompt that the rules look at. */
const longestRead = 20_000;

/** A file as written: in backticks or quotes, with @ before it, or bare. */
const file = String.raw`(?:the\s+)?(?:file\s+)?@?(?:\x60(?<f1>[^\x60]+)\x60|"(?<f2>[^"]+)"|'(?<f3>[^']+)'|(?<f4>[^\s\x60"']+?))`;
/** Like `file`, for other texts of a rule; what stands in quotes may be empty where `least` is 0. */
const quoted = (name: string, least: 0 | 1 = 1): string => {
  const inner = (not: string): string => String.raw`[^${not}]{${least},}`;
  return String.raw`(?:\x60(?<${name}1>${inner(String.raw`\x60`)})\x60|"(?<${name}2>${inner('"')})"|'(?<${name}3>${inner("'")})'|(?<${name}4>\S+?))`;
};
const end = String.raw`\s*[.!?]?$`;

const rule = (source: string, intent: Rule['intent']): Rule => ({ pattern: new RegExp(`^${source}`, 'isu'), intent });
const pick = (groups: Groups, name: string): string | null => groups[`${name}1`] ?? groups[`${name}2`] ?? groups[`${name}3`] ?? groups[`${name}4`] ?? null;
/** Words such as "it" mean the file that was last spoken of. */
const named = (groups: Groups): string | null => {
  const said = pick(groups, 'f');
  return said === null || /^(?:it|this|that|something|anything|code|file)$/i.test(said) ? null : said;
};
const text = (groups: Groups): string | null => {
  const said = groups['text']?.trim() ?? '';
  return said === '' ? null : said.replace(/^(["'`])([\s\S]*)\1$/, '$2');
};

const rules: readonly Rule[] = [
  // A prompt of a worker says first how it marks data.
  rule(String.raw`(?<text>Blocks that begin with \x60\x60\x60data\b.+)$`, (groups) => ({ kind: 'job', prompt: groups['text'] ?? '' })),
  rule(String.raw`(?:/help|help(?:\s+me)?|hi|hello|hey|good (?:morning|day|evening)|what (?:can|do) you do|who are you|how does this work|\?)(?:\s+there)?[\s,.!?]*$`, () => ({ kind: 'help' })),
  rule(String.raw`(?:/overview|(?:explain|describe|summari[sz]e|what(?:'s|\s+is|\s+does)|tell\s+me\s+about|give\s+me|show\s+me)\s+(?:an?\s+|the\s+|this\s+)*(?:overview|summary|project|workspace|repo(?:sitory)?|codebase|code|folder)(?:\s+(?:do|about|of\s+.+))?|overview)${end}`, () => ({ kind: 'overview' })),
  rule(String.raw`(?:thanks|thank you|thx|great|nice|cool|ok|okay|bye)\b[^\n]{0,20}$`, () => ({ kind: 'thanks' })),
  rule(String.raw`(?:/run|run|execute|\$|!)\s+(?:the\s+)?tests?${end}`, () => ({ kind: 'run', command: null })),
  rule(String.raw`(?:/terminal|run\s+in\s+(?:a|the)\s+terminal:?)\s+(?<text>.+)$`, (groups) => ({ kind: 'terminal', command: text(groups) ?? '' })),
  rule(String.raw`(?:/run\s+|run\s+|execute\s+|\$\s*|!\s*)(?:the\s+command\s+)?(?<text>.+)$`, (groups) => ({ kind: 'run', command: text(groups) })),
  rule(String.raw`/run${end}`, () => ({ kind: 'run', command: null })),
  rule(String.raw`(?:/tools|(?:show|try)\s+(?:me\s+)?(?:the\s+|your\s+|some\s+)?tools?(?:\s+calls?)?)${end}`, () => ({ kind: 'tools' })),
  rule(String.raw`(?:/files|ls|(?:list|show)\s+(?:me\s+)?(?:all\s+)?(?:the\s+)?files|(?:what|which)\s+files(?:\s+are\s+(?:there|here))?)(?:\s+(?:in\s+|under\s+|of\s+)?(?<text>\S+?))?${end}`, (groups) => ({ kind: 'files', within: text(groups) })),
  rule(String.raw`(?:/search|search(?:\s+for)?|grep(?:\s+for)?|find(?:\s+all)?(?:\s+(?:uses|occurrences)\s+of)?|look\s+for)\s+(?<text>.+?)${end}`, (groups) => ({ kind: 'search', text: text(groups) ?? '' })),
  rule(String.raw`where\s+(?:is|are)\s+(?<text>.+?)(?:\s+(?:used|defined|called))?${end}`, (groups) => ({ kind: 'search', text: text(groups) ?? '' })),
  rule(String.raw`(?:/explain|explain|describe|summari[sz]e)(?:\s+${file})?${end}`, (groups) => ({ kind: 'explain', file: named(groups) })),
  rule(String.raw`what\s+(?:does|is\s+in|is)\s+${file}(?:\s+do)?${end}`, (groups) => ({ kind: 'explain', file: named(groups) })),
  rule(String.raw`(?:show|read|open|print|cat)(?:\s+me)?\s+${file}${end}`, (groups) => ({ kind: 'show', file: named(groups) })),
  rule(String.raw`(?:/rename|rename|replace|change)\s+${quoted('a')}\s+(?:to|with|by|into)\s+${quoted('b', 0)}(?:\s+in\s+${file})?${end}`,
    (groups) => ({ kind: 'rename', from: pick(groups, 'a') ?? '', to: pick(groups, 'b') ?? '', file: named(groups) })),
  rule(String.raw`(?:edit|fix|change|update)\s+${file}\s*(?:[:,]|\s+and)\s*(?:rename|replace|change)\s+${quoted('a')}\s+(?:to|with|by|into)\s+${quoted('b', 0)}${end}`,
    (groups) => ({ kind: 'rename', from: pick(groups, 'a') ?? '', to: pick(groups, 'b') ?? '', file: named(groups) })),
  rule(String.raw`(?:/todo|add\s+an?\s+todo)(?:\s+comment)?(?:\s+(?:(?:to|in)\s+)?${file})?(?:\s*:\s*(?<text>.+))?${end}`, (groups) => ({ kind: 'todo', file: named(groups), text: text(groups) })),
  rule(String.raw`(?:/test|(?:add|write)\s+(?:an?\s+)?(?:unit\s+)?tests?)(?:\s+(?:(?:for|to)\s+)?${file})?${end}`, (groups) => ({ kind: 'test', file: named(groups) })),
  rule(String.raw`(?:/comment|add\s+(?:an?\s+)?(?:header\s+)?(?:comment|docstring|doc\s*comment)s?)(?:\s+(?:(?:to|in)\s+)?${file})?(?:\s*:\s*(?<text>.+))?${end}`, (groups) => ({ kind: 'comment', file: named(groups), text: text(groups) })),
  rule(String.raw`(?:append|add)\s+(?<text>.+?)\s+to\s+${file}${end}`, (groups) => ({ kind: 'append', file: pick(groups, 'f') ?? '', text: text(groups) ?? '' })),
  rule(String.raw`(?:create|make|write)\s+(?:an?\s+)?(?:new\s+)?(?:empty\s+)?file\s+(?:called\s+|named\s+)?${file}(?:\s*:\s*|\s+(?:with|containing)\s+(?:the\s+)?(?:content|text|contents)?\s*:?\s*)(?<text>.+)$`,
    (groups) => ({ kind: 'create', file: pick(groups, 'f') ?? '', text: text(groups) })),
  rule(String.raw`(?:create|make)\s+(?:an?\s+)?(?:new\s+)?(?:empty\s+)?file\s+(?:called\s+|named\s+)?${file}${end}`, (groups) => ({ kind: 'create', file: pick(groups, 'f') ?? '', text: null })),
  rule(String.raw`(?:delete|remove)\s+${file}${end}`, (groups) => ({ kind: 'delete', file: named(groups) })),
  rule(String.raw`(?:/long|(?:stream|write|give me)\s+(?:me\s+)?(?:about\s+)?)\s*(?<n>[\d.,_]+)\s*(?<k>k)?(?:\s*words?)?(?:\s+(?:at|with)\s+(?<rate>\d+)(?:\s*words?)?(?:\s*(?:/|a|per)\s*s(?:ec(?:ond)?)?)?)?${end}`, (groups) => ({
    kind: 'long', words: words(groups), perSecond: groups['rate'] === undefined ? null : Math.max(1, Number(groups['rate'])),
  })),
  rule(String.raw`(?:/long|(?:write|give|stream|tell)\s+(?:me\s+)?(?:an?\s+)?(?:very\s+|really\s+)?long\s+(?:answer|text|story|message|reply)|long answer)${end}`, () => ({ kind: 'long', words: 600, perSecond: null })),
  rule(String.raw`(?:/think|think)(?:\s+(?:hard|deeply|a bit|aloud|first))*(?:\s+(?:about|of|on))?(?:\s+(?<text>.+?))?${end}`, (groups) => ({ kind: 'think', about: text(groups) })),
  rule(String.raw`(?:/plan|(?:make|draw up|write)\s+(?:me\s+)?a\s+plan|plan)(?:\s+(?:for|to|how to))?(?:\s+(?<text>.+?))?${end}`, (groups) => ({ kind: 'plan', task: text(groups) })),
  rule(String.raw`(?:/ask|ask\s+me(?:\s+(?:something|a\s+question))?)${end}`, () => ({ kind: 'ask' })),
  rule(String.raw`(?:/fail|fail)(?:\s+(?:on purpose|now|please))?${end}`, () => ({ kind: 'fail' })),
  rule(String.raw`(?:/fix|fix|edit|tidy(?:\s+up)?|clean(?:\s+up)?|improve)(?:\s+(?:the\s+)?(?:typos?|whitespace|spelling)(?:\s+(?:in|of))?)?(?:\s+(?:an?\s+)?${file})?${end}`, (groups) => ({ kind: 'tidy', file: named(groups) })),
];

/** Reads a prompt. Never throws: what no rule fits is `unclear`. */
export function read(prompt: string): Intent {
  const said = prompt.slice(0, longestRead).trim()
    .replace(/\b(?:this|that|the same|the current)\s+file\b/giu, 'it')
    .replace(/^(?:please|could you|can you|would you)\s+(?=\S)/iu, '')
    .replace(/,?\s+please\s*[.!?]?$/iu, '');
  for (const { pattern, intent } of rules) {
    const found = pattern.exec(said);
    if (found !== null) return intent(found.groups ?? {});
  }
  return { kind: 'unclear', text: said };
}

function words(groups: Groups): number {
  const count = Number((groups['n'] ?? '').replaceAll(/[,_]/g, '')) * (groups['k'] === undefined ? 1 : 1000);
  return Number.isFinite(count) ? Math.min(mostWords, Math.max(1, Math.round(count))) : 600;
}
