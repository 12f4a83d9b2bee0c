import path from 'node:path';
import { ForgeError, ForgeTransportError } from '../../core/systems/clawdforge/errors.ts';
import type { AppToken } from '../../core/systems/clawdforge/types.ts';
import type { ForgeSessionState } from '../../core/systems/clawdforge/types.ts';
import { flag, parsed, text, texts } from '../args.ts';
import { promptOf, required, show } from '../happy/call.ts';
import type { CliIo } from '../io.ts';
import { exitFailed, plainLine, plainText, UsageError } from '../io.ts';
import { common, onServer, wholeSeconds } from './call.ts';

export function health(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, common, 0);
  return onServer(values, io, async (call) => {
    const found = await call.forge.healthz({ signal: call.signal });
    const claude = found.claudePresent ? `Claude Code ${found.claudeVersion ?? 'of an unknown version'}` : 'Claude Code is not installed there';
    show(call, found, `${found.ok ? 'ok' : 'not ok'}: ${plainLine(claude)}`);
    return found.ok ? undefined : exitFailed;
  });
}

export function run(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, model: text, system: text, file: texts, upload: texts, timeout: text }, 1);
  const given = required(positionals[0], 'The prompt');
  const timeoutSecs = wholeSeconds(values.timeout, '--timeout');
  const { model, system, file = [], upload: paths = [] } = values;
  return onServer(values, io, async (call) => {
    const { forge, signal } = call;
    const prompt = await promptOf(given, call);
    const files = [...file];
    for (const each of paths) files.push((await forge.uploadFile(path.resolve(io.cwd, each), { signal })).fileToken);
    const result = await forge.run({
      prompt, signal, ...(model === undefined ? {} : { model }), ...(system === undefined ? {} : { system }), ...(files.length === 0 ? {} : { files }), ...(timeoutSecs === undefined ? {} : { timeoutSecs }),
    }).catch((error: unknown) => {
      throw unanswered(error, signal);
    });
    show(call, result, plainText(typeof result.result === 'string' ? result.result : JSON.stringify(result.result, null, 2)).trimEnd());
    if (result.ok) return undefined;
    io.err(`The run did not end well${result.stopReason === null ? '' : `: ${plainLine(result.stopReason)}`}.\n`);
    return exitFailed;
  });
}

/** Who runs a prompt again pays again: where the server may have it, the failure says so. */
function unanswered(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return new ForgeError('cancelled', 'Not waited for any more. The server cannot be told to stop: it may work on, and each run costs tokens.');
  if (!(error instanceof ForgeTransportError) || error.reached === 'unsent') return error;
  return new ForgeTransportError(error.code, `${error.message} It may have done the run all the same, and another one costs tokens again.`, error.reached, { cause: error.cause });
}

export function upload(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, ttl: text, name: text, type: text }, 1, 'Upload one file at a time.');
  const file = path.resolve(io.cwd, required(positionals[0], 'The file'));
  const ttlSecs = wholeSeconds(values.ttl, '--ttl');
  return onServer(values, io, async (call) => {
    let shown = -1;
    const onProgress = (sent: number, total: number): void => {
      const percent = total === 0 ? 100 : Math.floor((sent / total) * 100);
      if (!io.interactive || percent === shown) return;
      shown = percent;
      io.err(`\r${percent} %${percent === 100 ? '\n' : ''}`);
    };
    const token = await call.forge.uploadFile(file, {
      signal: call.signal, onProgress, ...(ttlSecs === undefined ? {} : { ttlSecs }), ...(values.name === undefined ? {} : { filename: values.name }), ...(values.type === undefined ? {} : { contentType: values.type }),
    });
    show(call, token, `${plainLine(token.fileToken)}\t${token.size} bytes\tkept for ${token.ttlSecs} s`);
    return undefined;
  });
}

export function sessions(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, open: flag }, 0);
  return onServer(values, io, async (call) => {
    const rows = await call.forge.listSessions({ includeClosed: values.open !== true, signal: call.signal });
    show(call, rows, rows.length === 0 ? 'No sessions.' : rows.map(sessionLine).join('\n'));
    return undefined;
  });
}

function sessionLine(row: ForgeSessionState): string {
  const state = row.closedAt === null ? 'open' : 'closed';
  return [row.sessionId, state, row.agent, `${row.turnCount} turn${row.turnCount === 1 ? '' : 's'}`, String(row.lastTurnAt ?? row.createdAt ?? ''), row.cwd ?? ''].map(plainLine).join('\t').trimEnd();
}

export function close(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, common, 1, 'Close one session at a time.');
  const id = required(positionals[0], 'The session\'s id').trim();
  return onServer(values, io, async (call) => {
    await call.forge.attach(id).close({ signal: call.signal });
    show(call, { ok: true, sessionId: id }, 'closed');
    return undefined;
  });
}

/** `tokens`, `tokens create NAME`, `tokens revoke NAME`. */
export function tokens(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, ip: texts }, 2, 'Name one token at a time.');
  const [what = 'list', given] = positionals;
  if (what !== 'list' && what !== 'create' && what !== 'revoke') throw new UsageError(`There is no "tokens ${plainLine(what)}": use list, create or revoke.`);
  if (what === 'list' && given !== undefined) throw new UsageError('tokens list takes no name.');
  if (values.ip !== undefined && what !== 'create') throw new UsageError('--ip is for tokens create.');
  const name = what === 'list' ? '' : required(given, 'The token\'s name').trim();
  return onServer(values, io, async (call) => {
    const { forge, signal } = call;
    if (what === 'list') {
      const all = await forge.listTokens({ signal });
      show(call, all, all.length === 0 ? 'No tokens.' : all.map(tokenLine).join('\n'));
    } else if (what === 'create') {
      const made = await forge.createToken(name, { ipCidrs: values.ip ?? [], signal });
      if (made.token === undefined) throw new ForgeError('bad_answer', 'The server made the token without telling it. Revoke it and make another.');
      show(call, made, plainLine(made.token));
      if (!call.json) io.err('This is the only time that the token is shown: the server keeps no more than its hash.\n');
    } else {
      await forge.revokeToken(name, { signal });
      show(call, { ok: true, name }, 'revoked');
    }
    return undefined;
  });
}

function tokenLine(token: AppToken): string {
  const ranges = token.ipCidrs.length === 0 ? 'from anywhere' : `from ${token.ipCidrs.join(', ')}`;
  return [token.name, token.enabled ? 'enabled' : 'disabled', ranges, token.lastUsed === null ? 'never used' : `last used ${token.lastUsed}`].map(plainLine).join('\t');
}
