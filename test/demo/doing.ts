import type { AgentContext, PlanEntry } from '@agentclientprotocol/sdk';
import { methods } from '@agentclientprotocol/sdk';
import { imageSize } from './images.ts';
import { outline } from './language.ts';
import { keywords, listed, listFiles, readFile, searchFor } from './reading.ts';
import { runCommand } from './shell.ts';
import { count, languages, packageScripts, story } from './story.ts';
import { fence, textContent, type Turn } from './turn.ts';
import type { Hit } from './workspace.ts';

/** Runs a command once it is allowed; its output streams into the tool call. Without a command: the workspace's tests. */
export async function run(turn: Turn, said: string | null): Promise<void> {
  const command = said ?? (await testCommand(turn));
  if (command === null) return turn.say('I know of no tests here: there is no `test` script in a `package.json`. Say `run` and a command.');
  if (turn.facts.mode === 'plan') return turn.say(`In the mode *Plan only* I run nothing. I would run:\n\n${fence(command, 'sh')}`);
  const tool = await turn.tool({ title: command, name: 'run', kind: 'execute', input: { command, cwd: turn.workspace.root }, pending: true });
  if ((await turn.permission(tool, { key: `run ${command}`, label: 'Allow this command in this session' })) === 'rejected') {
    await tool.failed('Rejected: it was not run.');
    return turn.say(`As you wish: I did not run \`${command}\`.`);
  }
  await tool.running();
  const started = performance.now();
  let last: Promise<void> = Promise.resolve();
  const result = await runCommand(command, turn.workspace.root, turn.signal, (output) => {
    // A client that has gone is noticed by the connection; the command must be waited for all the same.
    last = tool.running([textContent(fence(output, 'console'))]).catch(() => undefined);
  });
  await last;
  turn.facts.chars += result.output.length;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const shown = result.output === '' ? 'No output.' : fence(result.output, 'console');
  const raw = { output: result.output, exitCode: result.exitCode };
  if (result.ended === 'cancelled') {
    await tool.failed(`${shown}\n\nStopped by you after ${seconds} s.`, raw);
    turn.check();
  } else if (result.exitCode === 0) {
    await tool.done(shown, raw);
    await turn.say(`\`${command}\` ended well, after ${seconds} s.`);
  } else {
    await tool.failed(shown, raw);
    await turn.say(result.ended === 'late' ? `\`${command}\` ran for ten minutes, so I ended it.` : `\`${command}\` failed after ${seconds} s, with exit code ${result.exitCode ?? 'none'}.`);
  }
}

async function testCommand(turn: Turn): Promise<string | null> {
  const text = await turn.workspace.read('package.json').catch(() => '');
  return packageScripts(text).some(([name]) => name === 'test') ? 'npm test' : null;
}

/** Runs a command in a terminal of the client, where it has some. */
export async function terminal(turn: Turn, command: string, client: AgentContext, offered: boolean): Promise<void> {
  if (!offered) return turn.say('Your editor offers no terminals to agents. Say `run` and the command, and I run it myself.');
  if (turn.facts.mode === 'plan') return turn.say('In the mode *Plan only* I run nothing.');
  const tool = await turn.tool({ title: command, name: 'terminal', kind: 'execute', input: { command, cwd: turn.workspace.root }, pending: true });
  if ((await turn.permission(tool, { key: `run ${command}`, label: 'Allow this command in this session' })) === 'rejected') {
    await tool.failed('Rejected: it was not run.');
    return turn.say(`As you wish: I did not run \`${command}\`.`);
  }
  const shell = process.platform === 'win32' ? { command: 'cmd.exe', args: ['/c', command] } : { command: '/bin/sh', args: ['-c', command] };
  const handle = await client.createTerminal({ sessionId: turn.facts.id, cwd: turn.workspace.root, outputByteLimit: 256 * 1024, ...shell });
  const kill = (): void => {
    handle.kill().catch(() => undefined);
  };
  turn.signal.addEventListener('abort', kill, { once: true });
  try {
    await tool.running([{ type: 'terminal', terminalId: handle.id }]);
    turn.check();
    const { exitCode } = await handle.waitForExit();
    const { output } = await handle.currentOutput();
    turn.check();
    const content = [{ type: 'terminal' as const, terminalId: handle.id }, textContent(output === '' ? 'No output.' : fence(output, 'console'))];
    if (exitCode === 0) await tool.done(content, { output, exitCode });
    else await tool.failed(content, { output, exitCode });
    await turn.say(`\`${command}\` ended in your editor's terminal with exit code ${exitCode ?? 'none'}.`);
  } finally {
    turn.signal.removeEventListener('abort', kill);
    await handle.release().catch(() => undefined);
  }
}

export async function long(turn: Turn, words: number, perSecond: number | null): Promise<void> {
  await turn.say(await story(turn.workspace, words, turn.signal), perSecond);
}

/** Thinks aloud about the workspace and what a search tells, then sums it up. */
export async function think(turn: Turn, about: string | null): Promise<void> {
  const files = await turn.workspace.files(turn.signal);
  await turn.think(`First, what is here: ${turn.workspace.name} has ${count(files.length, 'file')}. `
    + `Most of it is ${languages(files).slice(0, 2).map((one) => one.name).join(' and ')}.`, true);
  const words = keywords(about ?? '');
  const found: { word: string; hits: readonly Hit[] }[] = [];
  for (const word of words) found.push({ word, hits: (await turn.workspace.search(word, 50, turn.signal)).hits });
  await turn.think(about === null ? 'I was not told what to think about, so I think about the workspace as a whole.'
    : words.length === 0 ? `“${about}” holds no word that I could look for.`
      : `“${about}” holds the ${words.length === 1 ? 'word' : 'words'} ${words.join(', ')}. ${found.map(({ word, hits }) => `${word} occurs in ${count(new Set(hits.map((hit) => hit.path)).size, 'file')}`).join('; ')}. That is where I would look first.`, true);
  const hits = found.flatMap((one) => one.hits.slice(0, 4));
  if (hits.length > 0) return turn.say(`Having thought about it, I would begin here:\n\n${listed(hits)}`);
  const largest = languages(files)[0];
  await turn.say(`Having thought about it: ${turn.workspace.name} has ${count(files.length, 'file')}${largest === undefined ? '' : `, most of them ${largest.name}`}. \
${about === null ? 'Say `think about` and a thing that occurs in the code, and I tell where it is.' : 'I found nothing about that in the files.'}`);
}

/** Works through a plan, whose entries change state as it goes. */
export async function plan(turn: Turn, task: string | null): Promise<void> {
  const words = keywords(task ?? '');
  const entries: PlanEntry[] = [
    { content: 'Look over the workspace', priority: 'medium', status: 'pending' },
    { content: words.length === 0 ? 'Find the files that matter most' : `Search for ${words.map((word) => `“${word}”`).join(', ')}`, priority: 'high', status: 'pending' },
    { content: 'Read what was found', priority: 'high', status: 'pending' },
    { content: 'Say where to begin', priority: 'low', status: 'pending' },
  ];
  const step = async (index: number): Promise<void> => {
    const moved = entries.map((entry, at) => ({ ...entry, status: at < index ? 'completed' as const : at === index ? 'in_progress' as const : 'pending' as const }));
    await turn.send({ sessionUpdate: 'plan', entries: moved });
    if (turn.facts.model === 'steady' && index < entries.length) await turn.wait(300);
  };
  await turn.send({ sessionUpdate: 'plan', entries });
  await turn.say(task === null ? 'I plan a first look at this workspace.' : `I plan how to begin with: ${task}`);
  await step(0);
  const files = await listFiles(turn, null);
  await step(1);
  const hits: Hit[] = [];
  for (const word of words) hits.push(...(await searchFor(turn, word)).hits);
  const matter = hits.length > 0 ? [...new Set(hits.map((hit) => hit.path))] : files.filter((path) => /^(?:readme|package\.json|src\/(?:main|index))/i.test(path));
  await step(2);
  const parts: string[] = [];
  for (const path of matter.slice(0, 3)) {
    const view = outline(path, await readFile(turn, path));
    parts.push(`- \`${path}\` (${count(view.lines, 'line')})${view.opening === null ? '' : `: ${view.opening}`}`);
  }
  await step(3);
  await turn.say(parts.length === 0 ? 'I found no file that has to do with it, so this is where my rules end.' : `These are the files to begin with:\n\n${parts.join('\n')}`);
  await step(4);
}

/** Asks the person a question by a form, where the client has forms. */
export async function ask(turn: Turn, client: AgentContext, offered: boolean): Promise<void> {
  if (!offered) return turn.say('Your editor shows no forms of agents, so I ask here: what shall I do next? Say `help` for what I can.');
  const answer = await client.request(methods.client.elicitation.create, {
    mode: 'form', sessionId: turn.facts.id, message: 'What shall I do next?',
    requestedSchema: {
      type: 'object', required: ['next'],
      properties: {
        next: { type: 'string', title: 'Next', oneOf: [{ const: 'overview', title: 'Give an overview' }, { const: 'tools', title: 'Show tool calls' }, { const: 'nothing', title: 'Nothing' }] },
        remark: { type: 'string', title: 'Anything else?', description: 'I repeat it.' },
      },
    },
  }, { cancellationSignal: turn.signal, stopWaitingOnCancel: true }).catch((error: unknown) => {
    turn.check();
    throw error;
  });
  turn.check();
  if (answer.action !== 'accept') return turn.say('No answer is an answer too.');
  const content: unknown = 'content' in answer ? answer.content : null;
  const said = typeof content === 'object' && content !== null ? Object.entries(content).map(([key, value]) => `- ${key}: ${String(value)}`).join('\n') : '';
  await turn.say(`You answered:\n\n${said === '' ? '(nothing)' : said}`);
}

/** Tells what is known of images that came with the prompt. */
export async function images(turn: Turn, blocks: readonly { readonly data: string; readonly mimeType: string }[]): Promise<void> {
  const rows = blocks.map(({ data, mimeType }, index) => {
    const bytes = Buffer.from(data, 'base64');
    const size = imageSize(bytes);
    return `| ${index + 1} | ${mimeType.replaceAll('|', ' ')} | ${bytes.length.toLocaleString('en')} | ${size === null ? 'unknown' : `${size.width} × ${size.height}`} |`;
  });
  await turn.say(`I got ${count(blocks.length, 'image')}. I cannot see what is in ${blocks.length === 1 ? 'it' : 'them'}, but I can tell this:\n\n| | type | bytes | pixels |\n| ---: | --- | ---: | --- |\n${rows.join('\n')}`);
}
