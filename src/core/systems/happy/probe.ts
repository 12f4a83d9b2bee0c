import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import type { HappyAccount } from './account.ts';
import { answersCall } from './normalise/rig.ts';
import type { RpcCallOptions } from './rpc.ts';
import type { SessionRow } from './wire/bodies.ts';

/** Calls that change nothing. What happy's own command line answers comes first; Rig answers only what it advertises. */
const harmless: readonly (readonly [string, (path: string) => JsonObject])[] = [
  ['getDirectoryTree', (path) => ({ path, maxDepth: 0 })], ['listDirectory', (path) => ({ path })], ['readFile', (path) => ({ path })], ['ripgrep', () => ({ args: ['--version'] })],
];

/** Asks a session's process for nothing, to learn whether it is there: as `sessionRpc` of the account. Whatever it answers, it is. */
export function probe(account: HappyAccount, row: SessionRow, options: RpcCallOptions, path = '.'): Promise<JsonValue> {
  const metadata = account.cipherOf(row).open(row.metadata);
  const told = isJsonObject(metadata) ? metadata : undefined;
  const [method, params] = harmless.find(([name]) => answersCall(told, name)) ?? ['getDirectoryTree', (where: string): JsonObject => ({ path: where, maxDepth: 0 })];
  return account.sessionRpc(row, method, params(path), options);
}
