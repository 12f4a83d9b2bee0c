import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, PilothouseError } from '../../core/model/errors.ts';
import { clearCredentials, credentialsFile, findAddress, findCredentials, maskKey, saveCredentials } from '../../core/systems/hebing/credentials.ts';
import { deviceLogin } from '../../core/systems/hebing/device.ts';
import { HebingError } from '../../core/systems/hebing/errors.ts';
import { keyOf } from '../../core/systems/hebing/http.ts';
import type { McpPlan } from '../../core/systems/hebing/mcpJson.ts';
import { cliPlace, keepCli, mcpEntry, mcpTargets, planMcpEntry, writeMcpPlan } from '../../core/systems/hebing/mcpJson.ts';
import { flag, parsed, text } from '../args.ts';
import type { CliIo } from '../io.ts';
import { asCalled, exitOk, plainLine, plainText, UsageError } from '../io.ts';
import type { HebingCall } from './common.ts';
import { agreed, common, interruptible, show } from './common.ts';

/** What stands for the key that a sign-in will bring, where only the diff is wanted. */
const KEY_TO_COME = 'nxt_ag_';

/** `connect`: a key, given or by device sign-in, goes to the credentials file, and an entry to the file of an MCP client. */
export function connect(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, 'api-key': text, yes: flag, 'dry-run': flag, target: text, 'base-url': text }, 0);
  const dry = values['dry-run'] === true;
  if (!dry && values.yes !== true && !io.interactive) throw new UsageError('This writes the key and changes a file of another program: say that it may with --yes, or look with --dry-run.');
  const target = targetOf(values.target, io);
  const places = { env: io.env, baseUrl: values['base-url'], allowPlainHttp: values['allow-http'] === true };
  return interruptible(io, values, async (call) => {
    const baseUrl = findAddress(places);
    const source = ownFile();
    const bundled = !source.endsWith('.ts');
    const cli = bundled ? cliPlace(io.env) : source;
    const plan = (apiKey: string): Promise<McpPlan> => planMcpEntry(target, mcpEntry({ node: process.execPath, cli, apiKey, baseUrl, allowPlainHttp: places.allowPlainHttp }));
    const given = await keyGiven(values['api-key'], call);
    // A file that cannot be written is told of before anybody signs in.
    const first = await plan(given ?? keyAtHand(io) ?? KEY_TO_COME);
    if (given?.startsWith(KEY_TO_COME) === false) io.err(`This key does not begin with ${KEY_TO_COME}, as those of hebing's agents do.\n`);
    if (dry) {
      const credentials = credentialsFile(io.env);
      const kept = `${given === null ? 'The key that a sign-in brings' : `The key ${maskKey(given)}`} for ${plainLine(baseUrl)} would be kept in ${plainLine(credentials)}.`;
      const change = first.what === 'nothing' ? `${plainLine(target)} has this entry already.` : plainText(first.diff).trimEnd();
      show(call, { ...planned(first), credentials, diff: first.diff }, `${kept}\n${change}`);
      return exitOk;
    }
    const apiKey = given ?? (await signIn(baseUrl, places, call));
    const kept = await saveCredentials({ apiKey, baseUrl }, io.env);
    const now = await plan(apiKey);
    if (now.what !== 'nothing' && values.yes !== true) {
      io.err(`${plainText(now.diff)}\n`);
      if (!(await agreed(call, `Write this to ${plainLine(target)}? [y/N] `))) {
        show(call, { ...planned(now), what: 'nothing', credentials: kept, key: maskKey(apiKey), baseUrl, backup: null }, `The key ${maskKey(apiKey)} is kept in ${plainLine(kept)}. ${plainLine(target)} was not changed.`);
        return exitOk;
      }
    }
    if (bundled) await keepCli(source, io.env);
    const backup = await writeMcpPlan(now);
    const [standard, own] = mcpTargets(io.env);
    const hint = target === standard?.file && own !== undefined ? asCalled(`\nClaude Code itself reads ${plainLine(own.file)}: pilothouse hebing connect --target ${plainLine(own.file)} puts the entry there.`, io) : '';
    show(call, { ...planned(now), credentials: kept, key: maskKey(apiKey), baseUrl, backup }, [
      `The key ${maskKey(apiKey)} for ${plainLine(baseUrl)} is kept in ${plainLine(kept)}.`,
      `${now.what === 'nothing' ? `${plainLine(target)} had the entry already.` : `mcpServers.chaojiyuyan is in ${plainLine(target)}.`}${backup === null ? '' : ` Before: ${plainLine(backup)}.`}${hint}`,
    ].join('\n'));
    return exitOk;
  });
}

/** `disconnect`: our entry goes out of the files that it may be in (or the one of `--target`), and the credentials file is deleted. Does all of it that can be done before it tells what could not. */
export function disconnect(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, target: text }, 0);
  const targets = values.target === undefined ? mcpTargets(io.env).map((one) => one.file) : [targetOf(values.target, io)];
  return interruptible(io, values, async (call) => {
    const troubles: unknown[] = [];
    const changed: { readonly target: string; readonly backup: string | null }[] = [];
    for (const target of targets) {
      try {
        const plan = await planMcpEntry(target, null);
        if (plan.what !== 'nothing') changed.push({ target, backup: await writeMcpPlan(plan) });
      } catch (error) {
        troubles.push(error);
      }
    }
    const cleared = await clearCredentials(io.env).catch((error: unknown) => {
      troubles.push(error);
      return false;
    });
    const lines = [
      cleared ? `${plainLine(credentialsFile(io.env))} was deleted.` : '',
      ...changed.map(({ target, backup }) => `mcpServers.chaojiyuyan was taken out of ${plainLine(target)}.${backup === null ? '' : ` What was before, the key with it, is in ${plainLine(backup)}.`}`),
    ].filter((line) => line !== '');
    show(call, { cleared, changed }, lines.length === 0 && troubles.length === 0 ? 'Nothing was connected.' : lines.join('\n'));
    const [first, ...more] = troubles;
    if (first === undefined) return exitOk;
    if (more.length === 0) throw first;
    throw new PilothouseError(first instanceof PilothouseError ? first.code : 'not_saved', troubles.map(describeError).join(' '));
  });
}

function planned({ target, what }: McpPlan): { readonly target: string; readonly what: McpPlan['what'] } {
  return { target, what };
}

function targetOf(given: string | undefined, io: CliIo): string {
  const standard = mcpTargets(io.env)[0]?.file ?? '';
  if (given === undefined) return standard;
  if (given.trim() === '') throw new UsageError('--target is empty.');
  const home = path.dirname(path.dirname(standard));
  return path.resolve(io.cwd, given.replace(/^~(?=$|[\\/])/, () => home));
}

/** The key as given; a line of stdin for `-`, so that it stands in no history of a shell. */
async function keyGiven(given: string | undefined, { line }: HebingCall): Promise<string | null> {
  return given === undefined ? null : keyOf(given === '-' ? ((await line()) ?? '') : given);
}

function keyAtHand(io: CliIo): string | null {
  try {
    return findCredentials({ env: io.env, allowPlainHttp: true }).apiKey;
  } catch (error) {
    if (error instanceof HebingError && error.code !== 'credentials_malformed') return null;
    throw error;
  }
}

async function signIn(baseUrl: string, places: { readonly env: NodeJS.ProcessEnv; readonly allowPlainHttp: boolean }, { io, signal }: HebingCall): Promise<string> {
  const { apiKey } = await deviceLogin({
    ...places, baseUrl, signal, clientName: 'pilothouse',
    onPrompt: ({ userCode, verificationUri, verificationUriComplete }) => io.err([
      'Connect to hebing', '----------------------------------------', `1) Open: ${plainLine(verificationUriComplete ?? verificationUri)}`,
      `2) Compare the code, or enter it at ${plainLine(verificationUri)}: ${plainLine(userCode)}`, '', 'Waiting for approval in your browser. Ctrl+C gives up, and keeps nothing.', '',
    ].join('\n')),
  });
  return apiKey;
}

/** The file that this command is: its bundle, or main.ts where it runs from its source. */
function ownFile(): string {
  const file = fileURLToPath(import.meta.url);
  return file.endsWith('.ts') ? path.resolve(path.dirname(file), '..', 'main.ts') : file;
}
