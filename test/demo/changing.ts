import type { ToolCallContent } from '@agentclientprotocol/sdk';
import { createTwoFilesPatch } from 'diff';
import * as edits from './edits.ts';
import type { Edit } from './edits.ts';
import { languageOf, outline } from './language.ts';
import { meant, readFile, searchFor } from './reading.ts';
import { count } from './story.ts';
import { fence, textContent, type Turn } from './turn.ts';
import { WorkspaceError } from './workspace.ts';

const mostFiles = 10;

type Outcome = 'written' | 'rejected' | 'proposed' | 'failed';

/** Proposes an edit as a tool call with its diff, asks where the mode says so, and writes it only then. Says nothing itself. */
async function propose(turn: Turn, edit: Edit): Promise<Outcome> {
  if (turn.facts.mode === 'plan') {
    const patch = createTwoFilesPatch(edit.before === null ? '/dev/null' : `a/${edit.path}`, edit.after === null ? '/dev/null' : `b/${edit.path}`, edit.before ?? '', edit.after ?? '');
    await turn.say(`In the mode *Plan only* I write nothing. This is what I would do to \`${edit.path}\`:\n\n${fence(patch.replace(/^=+\n/, ''), 'diff')}`, Number.POSITIVE_INFINITY);
    return 'proposed';
  }
  const path = turn.workspace.absolute(edit.path);
  const diff: ToolCallContent = { type: 'diff', path, oldText: edit.before, newText: edit.after ?? '' };
  const removal = edit.after === null;
  const asks = removal || turn.facts.mode === 'ask';
  const tool = await turn.tool({
    title: edit.title, name: removal ? 'delete' : 'edit', kind: removal ? 'delete' : 'edit', input: { path: edit.path }, pending: asks,
    locations: [{ path, line: edit.line }], content: [diff],
  });
  if (asks) {
    const grant = await turn.permission(tool, removal ? null : { key: 'edits', label: 'Allow all edits in this session' });
    if (grant === 'rejected') {
      await tool.failed([diff, textContent('Rejected: nothing was written.')]);
      return 'rejected';
    }
    await tool.running();
  }
  try {
    if (edit.after === null) await turn.workspace.remove(edit.path, edit.before ?? '');
    else await turn.workspace.write(edit.path, edit.before, edit.after);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'It could not be written.';
    await tool.failed([diff, textContent(why)]);
    await turn.say(why);
    return 'failed';
  }
  turn.facts.focus = removal ? null : edit.path;
  await tool.done([diff]);
  return 'written';
}

/** Proposes an edit and says how it ended. */
async function settle(turn: Turn, edit: Edit, done: string): Promise<void> {
  const outcome = await propose(turn, edit);
  if (outcome === 'written') await turn.say(done);
  if (outcome === 'rejected') await turn.say('As you wish: I left everything as it was.');
}

export async function tidy(turn: Turn, said: string | null): Promise<void> {
  const candidates = said === null && turn.facts.focus === null ? await turn.workspace.files(turn.signal) : [await meant(turn, said)];
  const named = candidates.length === 1;
  if (!named) await turn.think('No file was named, so I look for one that has something to tidy.');
  for (const path of candidates) {
    turn.check();
    const text = await turn.workspace.read(path).catch((error: unknown) => {
      if (named) throw error;
      return null;
    });
    const found = text === null ? null : edits.tidy(path, text);
    if (found === null) continue;
    await readFile(turn, path);
    await turn.say(`In \`${path}\` I can mend this:\n\n${found.done.map((what) => `- ${what}`).join('\n')}`);
    return settle(turn, found.edit, `\`${path}\` is tidy now.`);
  }
  const [only] = candidates;
  if (named && only !== undefined) {
    return turn.say(`I found nothing to tidy in \`${only}\`: no stray spaces, no missing line break, no word that I know to be misspelt. \
I cannot find errors of logic; a real agent can. I can \`add a comment to it\`, \`add a test for it\` or \`rename … to … in ${only}\`.`);
  }
  const example = candidates.find((path) => languageOf(path).comment !== null);
  await turn.say(`All files are tidy, as far as my rules go.${example === undefined ? '' : ` I can still propose an edit: say \`add a comment to ${example}\`.`}`);
}

export async function rename(turn: Turn, from: string, to: string, said: string | null): Promise<void> {
  let paths: readonly string[];
  if (said !== null) paths = [await meant(turn, said)];
  else {
    const { hits } = await searchFor(turn, from);
    paths = [...new Set(hits.map((hit) => hit.path))];
  }
  const found: { edit: Edit; count: number }[] = [];
  for (const path of paths) {
    const renamed = edits.rename(path, said === null ? await turn.workspace.read(path) : await readFile(turn, path), from, to);
    if (renamed !== null) found.push(renamed);
  }
  if (found.length === 0) return turn.say(`I found no \`${from}\` ${said === null ? 'in this workspace' : `in \`${paths[0] ?? said}\``}. Mind upper and lower case.`);
  const total = found.reduce((sum, one) => sum + one.count, 0);
  await turn.say(`\`${from}\` occurs ${count(total, 'time')} in ${count(found.length, 'file')}.${found.length > mostFiles ? ` I change the first ${mostFiles} files.` : ''}`);
  const outcomes: Outcome[] = [];
  for (const { edit } of found.slice(0, mostFiles)) outcomes.push(await propose(turn, edit));
  const written = outcomes.filter((outcome) => outcome === 'written').length;
  const rejected = outcomes.filter((outcome) => outcome === 'rejected').length;
  if (written + rejected > 0) await turn.say(`${count(written, 'file')} changed${rejected > 0 ? `, ${count(rejected, 'file')} left as ${rejected === 1 ? 'it was' : 'they were'}` : ''}.`);
}

export async function comment(turn: Turn, said: string | null, text: string | null): Promise<void> {
  const path = await meant(turn, said ?? (turn.facts.focus === null ? await firstCode(turn) : null));
  const edit = edits.comment(path, await readFile(turn, path), text);
  if (edit === null) return turn.say(`I know of no comments in a file like \`${path}\`.`);
  await settle(turn, edit, `\`${path}\` has a comment at its head now.`);
}

export async function todo(turn: Turn, said: string | null, text: string | null): Promise<void> {
  const path = await meant(turn, said ?? (turn.facts.focus === null ? await firstCode(turn) : null));
  const edit = edits.todo(path, await readFile(turn, path), text);
  if (edit === null) return turn.say(`I know of no comments in a file like \`${path}\`, so I cannot leave a TODO there.`);
  await settle(turn, edit, `\`${path}\` has a TODO at its end now. \`search for TODO\` finds it.`);
}

/** A file to change where none was named. */
async function firstCode(turn: Turn): Promise<string> {
  const files = await turn.workspace.files(turn.signal);
  const commented = files.filter((path) => languageOf(path).comment !== null);
  const path = commented.find((one) => /\.[mc]?[jt]sx?$|\.py$|\.go$|\.rs$/.test(one)) ?? commented[0];
  if (path === undefined) throw new WorkspaceError('missing', 'There is no file here that can hold a comment. Name one, or say `create file hello.md: Hello`.');
  return path;
}

export async function test(turn: Turn, said: string | null): Promise<void> {
  const path = await meant(turn, said);
  await turn.think(`I read ${path} to see what it exports; a test can say at least that those are there.`);
  const text = await readFile(turn, path);
  const edit = edits.testFor(path, text);
  if (edit === null) {
    const why = /\.[mc]?[jt]sx?$/.test(path) ? 'it exports nothing that a test could call' : 'my rules write tests for JavaScript and TypeScript only';
    return turn.say(`I cannot write a test for \`${path}\`: ${why}.`);
  }
  if (await turn.workspace.read(edit.path).then(() => true, () => false)) return turn.say(`There is a \`${edit.path}\` already; I do not overwrite it. Say \`explain ${edit.path}\`.`);
  const names = outline(path, text).definitions.filter((one) => one.exported && one.kind !== 'type' && one.kind !== 'interface').map((one) => `\`${one.name}\``);
  await turn.say(`It exports ${names.join(', ')}. I write a test that checks that ${names.length === 1 ? 'it is' : 'they are'} there; what ${names.length === 1 ? 'it does' : 'they do'}, you or a real agent must add.`);
  await settle(turn, edit, `\`${edit.path}\` is written. Say \`run node --test ${edit.path}\`.`);
}

export async function append(turn: Turn, said: string, text: string): Promise<void> {
  const path = await meant(turn, said);
  const edit = edits.append(path, await readFile(turn, path), text);
  if (edit !== null) await settle(turn, edit, `\`${path}\` ends with it now.`);
}

export async function create(turn: Turn, said: string, text: string | null): Promise<void> {
  const path = await turn.workspace.within(said);
  if (path === '' || said.endsWith('/')) return turn.say('Name a file to create, such as `create file notes.md: First note`.');
  if (await turn.workspace.size(path).then(() => true, () => false)) return turn.say(`There is a \`${path}\` already; I do not overwrite it.`);
  const after = text === null ? '' : text.endsWith('\n') ? text : `${text}\n`;
  await settle(turn, { path, before: null, after, title: `Create ${path}`, line: 1 }, `\`${path}\` is there now.`);
}

export async function remove(turn: Turn, said: string | null): Promise<void> {
  const path = await meant(turn, said);
  const before = await readFile(turn, path);
  await settle(turn, { path, before, after: null, title: `Delete ${path}`, line: 1 }, `\`${path}\` is deleted.`);
}
