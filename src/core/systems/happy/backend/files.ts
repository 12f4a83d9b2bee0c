import type { CallOptions, FileInfo, FileRange } from '../../../model/backend.ts';
import type { HappyAccount } from '../account.ts';
import type { Cipher } from '../crypto/cipher.ts';
import { EncryptionError, HappyError } from '../errors.ts';
import { refOfRow } from '../normalise/index.ts';
import type { MachineRow } from '../wire/bodies.ts';
import { quoted, requireShell, runOn } from './machine.ts';

/** Bytes of one read. A frame over 1,000,000 drops the machine's socket; base64 and the record's own base64 make 16/9 of it (happy.md A, "Limits"). */
const RANGE_BYTES = 270_000;
/** Reads that are under way at once: what a far machine takes to answer is waited for once for all of them. */
const AT_ONCE = 3;
/** The most that is read for one call: what is larger is asked for in parts. */
const MOST_BYTES = 64 * 1024 * 1024;

const kinds: ReadonlyMap<string, FileInfo['kind']> = new Map([['f', 'file'], ['d', 'folder'], ['o', 'other'], ['n', 'none'], ['x', 'closed']]);

/** What stands at a path of a machine, by one command. Rejects with `machine_offline`, and as `requireShell` and `runOn` do. */
export async function fileInfoOn(account: HappyAccount, machine: MachineRow, path: string, options: CallOptions): Promise<FileInfo> {
  requireShell(account, machine);
  const told = await runOn(account, machine, `f=${quoted(path)}; if [ -d "$f" ]; then echo d; elif [ ! -e "$f" ]; then echo n; elif [ ! -f "$f" ]; then echo o; elif [ ! -r "$f" ]; then echo x; else echo f $(wc -c < "$f") $(date -r "$f" +%s 2>/dev/null); fi`, options);
  const [letter = '', size = '', seconds = ''] = told.trim().split(/\s+/);
  const kind = kinds.get(letter);
  if (kind === undefined || (kind === 'file' && !/^\d{1,15}$/.test(size))) throw new HappyError('bad_answer', `The machine did not tell what ${path} is.`);
  return { kind, size: kind === 'file' ? Number(size) : 0, modifiedAt: /^\d{1,12}$/.test(seconds) ? Number(seconds) * 1_000 : null };
}

/**
 * Bytes of a file of a machine, read in ranges that its connection survives; fewer than asked for where it ends before. Rejects with `file_not_found`, `too_large` (more than 64 MiB
 * at once), `machine_offline`, and as `requireShell` does.
 */
export async function readFileOn(account: HappyAccount, machine: MachineRow, path: string, range: FileRange): Promise<Uint8Array> {
  const { from = 0, length, onBytes, ...options } = range;
  requireShell(account, machine);
  const info = length === undefined ? await fileInfoOn(account, machine, path, options) : null;
  if (info !== null && info.kind !== 'file') throw new HappyError('file_not_found', `${path} is no file on that machine, or cannot be read there.`);
  const wanted = length ?? Math.max(0, (info?.size ?? 0) - from);
  if (wanted > MOST_BYTES) throw new HappyError('too_large', `${path} has ${Math.round(wanted / 1024 / 1024)} MB: too large to be fetched at once from that machine.`);
  const file = quoted(path);
  const stop = new AbortController();
  const call = { signal: options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]) };
  const read = async (at: number): Promise<Buffer> => {
    const bytes = Math.min(RANGE_BYTES, wanted - at);
    const told = await runOn(account, machine, `[ -f ${file} ] && tail -c +${from + at + 1} ${file} | head -c ${bytes} | base64`, call).catch((error: unknown) => {
      if (error instanceof HappyError && error.code === 'command_failed') throw new HappyError('file_not_found', `${path} is no file on that machine, or cannot be read there.`, { cause: error });
      throw error;
    });
    return Buffer.from(told, 'base64');
  };
  const parts: Buffer[] = [];
  const pending: Promise<Buffer>[] = [];
  let asked = 0;
  let have = 0;
  try {
    for (;;) {
      for (; pending.length < AT_ONCE && asked < wanted; asked += RANGE_BYTES) {
        const part = read(asked);
        // One that fails behind another is told by that.
        part.catch(() => undefined);
        pending.push(part);
      }
      const part = await pending.shift();
      if (part === undefined) break;
      parts.push(part);
      have += part.length;
      onBytes?.(have);
      // It ends here: what was asked for behind it is nothing.
      if (part.length < Math.min(RANGE_BYTES, wanted - (have - part.length))) break;
    }
  } finally {
    stop.abort();
  }
  return Buffer.concat(parts);
}

/** The file that a row of a session carries. Rejects with `not_found` where it carries none, and EncryptionError. */
export async function attachmentOf(account: HappyAccount, sessionId: string, cipher: Cipher, row: string, options: Pick<FileRange, 'signal' | 'onBytes'>): Promise<Uint8Array> {
  const ref = refOfRow(row);
  if (ref === null) throw new HappyError('not_found', 'This row carries no file that could be fetched.');
  const { signal } = options;
  const bytes = await cipher.openBlob(await account.api.download(sessionId, ref, options), signal === undefined ? {} : { signal });
  if (bytes === null) throw new EncryptionError('This file cannot be decrypted: it was changed on the way, or sealed under another key.');
  return bytes;
}
