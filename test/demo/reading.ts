import { languageOf, outline } from './language.ts';
import { count, languages, packageScripts, told } from './story.ts';
import { fence, type Turn } from './turn.ts';
import { WorkspaceError, type Hit } from './workspace.ts';

const mostShown = 200;
const mostHits = 100;

/** The file that is meant: the one named, else the one last spoken of. Remembers it. Rejects with a WorkspaceError. */
export async function meant(turn: Turn, said: string | null): Promise<string> {
  const named = said ?? turn.facts.focus;
  if (named === null) throw new WorkspaceError('missing', 'Which file? Name one, or say `list files` to see what there is.');
  const path = await turn.workspace.find(named, turn.signal);
  turn.facts.focus = path;
  return path;
}

/** Reads a file by a tool call that the person sees. */
export async function readFile(turn: Turn, path: string): Promise<string> {
  const tool = await turn.tool({ title: `Read ${path}`, name: 'read', kind: 'read', input: { path }, locations: [{ path: turn.workspace.absolute(path) }] });
  try {
    const text = await turn.workspace.read(path);
    turn.facts.chars += text.length;
    await tool.done(fence(text.split('\n').slice(0, mostShown).join('\n'), languageOf(path).fence));
    return text;
  } catch (error) {
    if (error instanceof WorkspaceError) await tool.failed(error.message);
    throw error;
  }
}

export async function listFiles(turn: Turn, within: string | null): Promise<readonly string[]> {
  const folder = within === null ? '' : (await turn.workspace.within(within)).replace(/\/$/, '');
  const tool = await turn.tool({ title: folder === '' ? 'List files' : `List files in ${folder}`, name: 'list', kind: 'search', input: { folder: folder === '' ? '.' : folder } });
  const all = await turn.workspace.files(turn.signal);
  const files = folder === '' ? all : all.filter((path) => path.startsWith(`${folder}/`) || path === folder);
  await tool.done(files.length === 0 ? 'No files.' : fence(files.slice(0, mostShown).join('\n')), { count: files.length });
  return files;
}

export async function searchFor(turn: Turn, text: string): Promise<{ readonly hits: readonly Hit[]; readonly more: boolean }> {
  const tool = await turn.tool({ title: `Search for “${text}”`, name: 'search', kind: 'search', input: { text } });
  const { hits, searched, more } = await turn.workspace.search(text, mostHits, turn.signal);
  await turn.send({
    sessionUpdate: 'tool_call_update', toolCallId: tool.id,
    locations: hits.slice(0, 20).map((hit) => ({ path: turn.workspace.absolute(hit.path), line: hit.line })),
  });
  const shown = hits.map((hit) => `${hit.path}:${hit.line}: ${hit.text}`).join('\n');
  await tool.done(hits.length === 0 ? `Nothing found in ${count(searched, 'file')}.` : fence(shown), { hits: hits.length, searched });
  return { hits, more };
}

export async function help(turn: Turn): Promise<void> {
  const files = await turn.workspace.files(turn.signal);
  const example = files.find((path) => /\.[mc]?[jt]s$/.test(path) && !path.includes('test')) ?? files[0] ?? 'README.md';
  await turn.say(`Hello! I am the **demo agent** of Pilothouse. I answer by rules, not by a language model, but what I do is real: I read this workspace, \
**${turn.workspace.name}** (${count(files.length, 'file')}), change files only when you allow it, and run commands only when you allow it.

Try one of these:

| say | and I |
| --- | --- |
| \`list files\` | show what is here |
| \`give me an overview\` | tell what this workspace is about |
| \`explain ${example}\` | summarise a file |
| \`search for TODO\` | find a text in all files |
| \`rename old to new in ${example}\` | propose an edit, and ask you |
| \`fix ${example}\` | tidy a file: spaces, line breaks, misspelt words |
| \`add a comment to ${example}\`, \`add a test for it\`, \`add a todo to it\` | propose those edits |
| \`run npm test\` | run a command, live, once you allow it |
| \`plan …\` | work through a plan, step by step |
| \`think about …\` | think aloud first |
| \`show tools\` | make several tool calls |
| \`stream 2000 words\` | write a long answer; stop me at any time |

Drop an image into the prompt and I tell its type and size. The mode decides how much I ask: *Ask first*, *Accept edits* or *Plan only*.`);
}

export async function overview(turn: Turn): Promise<void> {
  await turn.think('An overview: I list the files, then read what describes the project.');
  const files = await listFiles(turn, null);
  if (files.length === 0) return turn.say(`**${turn.workspace.name}** has no files yet. Say \`create file hello.txt: Hello\` and I make one, once you allow it.`);
  const parts = [`**${turn.workspace.name}** has ${count(files.length, 'file')}: ${languages(files).slice(0, 6).map((one) => `${one.count} ${one.name}`).join(', ')}.`];
  const readme = files.find((path) => /^readme(?:\.\w+)?$/i.test(path));
  if (readme !== undefined) {
    const opening = outline(readme, await readFile(turn, readme)).opening;
    if (opening !== null) parts.push(`Its \`${readme}\` says:\n\n> ${opening}`);
  }
  if (files.includes('package.json')) {
    const scripts = packageScripts(await readFile(turn, 'package.json'));
    if (scripts.length > 0) parts.push(`Scripts:\n\n${scripts.map(([name, command]) => `- \`npm run ${name}\`: \`${command}\``).join('\n')}`);
  }
  const sizes = await Promise.all(files.slice(0, 500).map(async (path) => ({ path, size: await turn.workspace.size(path).catch(() => 0) })));
  const largest = sizes.sort((a, b) => b.size - a.size).slice(0, 5).map(({ path, size }) => `| \`${path}\` | ${size.toLocaleString('en')} |`);
  parts.push(`The largest files:\n\n| file | bytes |\n| --- | ---: |\n${largest.join('\n')}`, `Say \`explain\` and a file, and I tell more.`);
  await turn.say(parts.join('\n\n'));
}

export async function files(turn: Turn, within: string | null): Promise<void> {
  const found = await listFiles(turn, within);
  if (found.length === 0) return turn.say(within === null ? 'There are no files here yet.' : `There are no files in \`${within}\`. Say \`list files\` to see all.`);
  const folders = new Map<string, string[]>();
  for (const path of found.slice(0, mostShown)) {
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.';
    folders.set(folder, [...(folders.get(folder) ?? []), path.slice(path.lastIndexOf('/') + 1)]);
  }
  const told = [...folders].map(([folder, names]) => `- **${folder === '.' ? turn.workspace.name : folder}**: ${names.map((name) => `\`${name}\``).join(', ')}`);
  const rest = found.length > mostShown ? `\n\n… and ${count(found.length - mostShown, 'file')} more. Say \`list files in\` and a folder.` : '';
  await turn.say(`${count(found.length, 'file')}${within === null ? '' : ` in \`${within}\``}:\n\n${told.join('\n')}${rest}`);
}

export async function search(turn: Turn, text: string): Promise<void> {
  const { hits, more } = await searchFor(turn, text);
  if (hits.length === 0) return turn.say(`I found no “${text}” in this workspace.`);
  turn.facts.focus = hits[0]?.path ?? turn.facts.focus;
  await turn.say(`“${text}” occurs ${more ? `more than ${hits.length} times; the first are` : count(hits.length, 'time')} in ${count(new Set(hits.map((hit) => hit.path)).size, 'file')}:\n\n${listed(hits.slice(0, 15))}`);
}

/** Places as a list, with the line that was found. */
export function listed(hits: readonly Hit[]): string {
  return hits.map((hit) => `- \`${hit.path}:${hit.line}\` ${inline(hit.text)}`).join('\n');
}

function inline(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const ticks = '`'.repeat(longest + 1);
  return longest === 0 ? `\`${text}\`` : `${ticks} ${text} ${ticks}`;
}

export async function explain(turn: Turn, said: string | null): Promise<void> {
  const path = await meant(turn, said);
  await turn.think(`I read ${path} and look for what it says of itself, what it imports and what it defines.`);
  await turn.say(told(path, await readFile(turn, path)));
}

export async function show(turn: Turn, said: string | null): Promise<void> {
  const path = await meant(turn, said);
  const lines = (await readFile(turn, path)).split('\n');
  const rest = lines.length > mostShown ? `\n\n… and ${count(lines.length - mostShown, 'line')} more.` : '';
  await turn.say(`\`${path}\`:\n\n${fence(lines.slice(0, mostShown).join('\n'), languageOf(path).fence)}${rest}`, Number.POSITIVE_INFINITY);
}

/** Several read-only tool calls, one after the other and two at once. */
export async function tools(turn: Turn): Promise<void> {
  await turn.think('The person wants to see tool calls: I list, search and read, and change nothing.');
  await turn.say('I make some tool calls that only read.');
  const all = await listFiles(turn, null);
  const { hits } = await searchFor(turn, 'TODO');
  const readable = all.filter((path) => languageOf(path).fence !== '').slice(0, 2);
  const texts = await Promise.all(readable.map((path) => readFile(turn, path).catch(() => '')));
  const lines = texts.reduce((sum, text) => sum + text.split('\n').length, 0);
  await turn.say(`Done: ${count(all.length, 'file')} listed, ${count(hits.length, 'TODO')} found, ${count(readable.length, 'file')} read (${count(lines, 'line')}).`);
}

const common = new Set(['about', 'after', 'again', 'also', 'code', 'could', 'does', 'file', 'files', 'from', 'have', 'into', 'make', 'more', 'need', 'other', 'please', 'project', 'should', 'some', 'that', 'their', 'them', 'then', 'there', 'these', 'they', 'thing', 'this', 'want', 'what', 'when', 'where', 'which', 'with', 'work', 'would', 'write', 'your']);

/** Words of a text that a search may find, the longest first. */
export function keywords(text: string): readonly string[] {
  const words = text.match(/[\p{L}_$][\p{L}\p{N}_$]{3,}/gu) ?? [];
  return [...new Set(words)].filter((word) => !common.has(word.toLowerCase())).sort((a, b) => b.length - a.length).slice(0, 3);
}

/** No rule fits: says so, and searches for the words of the prompt, which is often of use. */
export async function unclear(turn: Turn, text: string): Promise<void> {
  const mentioned = text.match(/[\w./-]+\.\w{1,5}\b/g) ?? [];
  for (const said of mentioned.slice(0, 3)) {
    const path = await turn.workspace.find(said, turn.signal).catch(() => null);
    if (path === null) continue;
    turn.facts.focus = path;
    await turn.say(`I answer by rules and did not find one for this, but you mention \`${path}\`, so here is what it is about. Say \`help\` to see what I can do.`);
    return turn.say(told(path, await readFile(turn, path)));
  }
  const words = keywords(text);
  await turn.think(`No rule fits this. ${words.length === 0 ? 'There are no words to search for either.' : `I search for ${words.join(', ')}.`}`);
  const found: string[] = [];
  for (const word of words) {
    const { hits } = await searchFor(turn, word);
    if (hits.length > 0) found.push(`“${word}”:\n\n${listed(hits.slice(0, 5))}`);
  }
  const end = 'Say `help` to see what I can do, or pick a real agent for real work.';
  await turn.say(found.length === 0 ? `I answer by rules, and none of them fits this. ${end}`
    : `I answer by rules, and none of them fits this. But I searched the workspace for your words:\n\n${found.join('\n\n')}\n\n${end}`);
}
