import type { FileHandle } from 'node:fs/promises';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { userKind } from './normalise.ts';
import { firstLine } from './tools.ts';
import { readLine, sideFolder } from './transcript.ts';
import { inputOf as tokensIn } from './normalise.ts';
import { num, readAssistant, readUser, str, timeOf } from './wire.ts';

const uuidName = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl$/i;
/** Bytes that are read of a transcript for the list: its beginning (more while it shows no prompt) and its end. */
const headBytes = 64 * 1024;
const maxHeadBytes = 512 * 1024;
const tailBytes = 160 * 1024;

/** A transcript on disk. */
export interface TranscriptFile {
  readonly id: string;
  readonly path: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly changedAt: number;
}

/** What the list shows of a session, from the beginning and the end of its transcript. */
export interface Facts {
  readonly folder: string;
  /** The agent's title: the one that a person gave it, else the one that it found, else the beginning of the first prompt. */
  readonly title: string;
  readonly named: boolean;
  readonly createdAt: number;
  readonly branch: string | null;
  readonly model: string | null;
  /** What program wrote it, in the agent's word: `cli`, `sdk-cli`, `claude-vscode` … */
  readonly entrypoint: string | null;
  readonly contextTokens: number | null;
  readonly costUsd: number | null;
  /** True when its last turn is not over. */
  readonly turnOpen: boolean;
}

/** The agent's name of the folder in which it keeps a folder's sessions: every character but letters and digits becomes `-`. */
export function projectName(folder: string): string {
  return folder.replace(/[^a-zA-Z0-9]/g, '-');
}

/** All transcripts below `<configDir>/projects`, in no order. Reads folders and sizes, no file. */
export async function listTranscripts(configDir: string, folder?: string): Promise<TranscriptFile[]> {
  const root = path.join(configDir, 'projects');
  // Long paths are cut and get a hash at their end: those of other folders fall away when their own path is read.
  const wanted = folder === undefined ? null : projectName(folder);
  const names = (await readdir(root).catch(() => [])).filter((name) => wanted === null || name === wanted || (wanted.length > 180 && name.startsWith(wanted.slice(0, 180))));
  const files = await Promise.all(names.map(async (name) => {
    const inside = await readdir(path.join(root, name)).catch(() => []);
    return Promise.all(inside.map((file) => transcriptAt(path.join(root, name, file))));
  }));
  return files.flat().filter((file) => file !== null);
}

/** The transcript at that path as it is now; null when there is none or its name is no session's. */
export async function transcriptAt(file: string): Promise<TranscriptFile | null> {
  const id = uuidName.exec(path.basename(file))?.[1];
  const found = id === undefined ? null : await stat(file).catch(() => null);
  return id === undefined || found?.isFile() !== true ? null : { id: id.toLowerCase(), path: file, size: found.size, changedAt: Math.round(found.mtimeMs) };
}

/** The transcript of a session wherever it is: the agent may have moved to another folder since. The folder's own project comes first. */
export async function findTranscript(configDir: string, id: string, folder: string | null): Promise<TranscriptFile | null> {
  const root = path.join(configDir, 'projects');
  if (folder !== null) {
    const own = await transcriptAt(path.join(root, projectName(folder), `${id}.jsonl`));
    if (own !== null) return own;
  }
  const names = await readdir(root).catch(() => []);
  const found = await Promise.all(names.map((name) => transcriptAt(path.join(root, name, `${id}.jsonl`))));
  return found.filter((file) => file !== null).sort((a, b) => b.changedAt - a.changedAt)[0] ?? null;
}

async function slice(handle: FileHandle, from: number, to: number): Promise<string> {
  const buffer = Buffer.alloc(Math.max(0, to - from));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
  return buffer.toString('utf8', 0, bytesRead);
}

interface Head {
  folder: string | null;
  prompt: string | null;
  createdAt: number | null;
  sidechain: boolean;
}

function readHead(text: string): Head {
  const head: Head = { folder: null, prompt: null, createdAt: null, sidechain: false };
  for (const line of text.split('\n')) {
    const value = readLine(line);
    if (value === null) continue;
    head.folder ??= str(value, 'cwd');
    head.createdAt ??= timeOf(str(value, 'timestamp'));
    const user = value['type'] === 'user' ? readUser(value) : null;
    if (user === null) continue;
    if (user.sidechain) head.sidechain = true;
    const kind = userKind(user);
    if (kind.is !== 'prompt' || user.sidechain) continue;
    head.prompt = kind.text === '' ? 'Image' : kind.text;
    break;
  }
  return head;
}

interface Tail {
  custom: string | null;
  found: string | null;
  branch: string | null;
  model: string | null;
  entrypoint: string | null;
  contextTokens: number | null;
  costUsd: number | null;
  open: boolean | null;
}

/** Lines of the end, newest first: the first that tells a thing is right. */
function readTail(text: string, cut: boolean): Tail {
  const tail: Tail = { custom: null, found: null, branch: null, model: null, entrypoint: null, contextTokens: null, costUsd: null, open: null };
  const lines = text.split('\n');
  if (cut) lines.shift();
  for (const line of lines.reverse()) {
    const value = readLine(line);
    if (value === null) continue;
    tail.branch ??= str(value, 'gitBranch');
    tail.entrypoint ??= str(value, 'entrypoint');
    readTailLine(value, tail);
  }
  return tail;
}

function readTailLine(value: JsonObject, tail: Tail): void {
  switch (str(value, 'type')) {
    case 'custom-title':
      tail.custom ??= str(value, 'customTitle');
      return;
    case 'ai-title':
      tail.found ??= str(value, 'aiTitle') ?? str(value, 'title');
      return;
    case 'summary':
      tail.found ??= str(value, 'summary');
      return;
    case 'cost-state':
      tail.costUsd ??= num(value, 'totalCostUSD');
      return;
    case 'assistant': {
      const line = readAssistant(value);
      if (line === null || line.sidechain) return;
      if (line.model !== '<synthetic>') {
        tail.model ??= line.model;
        const input = tokensIn(line.usage);
        if (input !== null && input > 0) tail.contextTokens ??= input + (line.usage?.output_tokens ?? 0);
      }
      tail.open ??= line.stopReason === 'tool_use' || (line.stopReason === null && line.content.at(-1)?.type !== 'text');
      return;
    }
    case 'user': {
      const line = readUser(value);
      if (line === null || line.sidechain) return;
      const kind = userKind(line);
      if (kind.is === 'results' || kind.is === 'prompt' || kind.is === 'task') tail.open ??= true;
      if (kind.is === 'interrupted' || kind.is === 'output') tail.open ??= false;
      return;
    }
    default:
  }
}

async function customTitle(file: string): Promise<string | null> {
  try {
    const value = JSON.parse(await readFile(path.join(sideFolder(file), 'custom-title.json'), 'utf8')) as JsonValue;
    return isJsonObject(value) ? str(value, 'customTitle') : null;
  } catch {
    return null;
  }
}

/** Facts of transcripts, read once for each size and time of change. Null for files that are no conversation (no prompt, or a subagent's). */
export class FactsCache {
  readonly #known = new Map<string, { readonly size: number; readonly changedAt: number; readonly facts: Facts | null }>();

  async of(file: TranscriptFile): Promise<Facts | null> {
    const known = this.#known.get(file.path);
    if (known !== undefined && known.size === file.size && known.changedAt === file.changedAt) return known.facts;
    const facts = await readFacts(file).catch(() => null);
    this.#known.set(file.path, { size: file.size, changedAt: file.changedAt, facts });
    return facts;
  }

  forget(file: string): void {
    this.#known.delete(file);
  }
}

async function readFacts(file: TranscriptFile): Promise<Facts | null> {
  const handle = await open(file.path, 'r');
  try {
    let head: Head = { folder: null, prompt: null, createdAt: null, sidechain: false };
    for (let bytes = headBytes; head.prompt === null && bytes <= maxHeadBytes * 2; bytes *= 4) {
      head = readHead(await slice(handle, 0, Math.min(file.size, bytes)));
      if (bytes >= file.size) break;
    }
    if (head.prompt === null || head.folder === null) return null;
    const from = Math.max(0, file.size - tailBytes);
    const tail = readTail(await slice(handle, from, file.size), from > 0);
    const custom = tail.custom ?? (await customTitle(file.path));
    return {
      folder: head.folder, title: (custom ?? tail.found ?? firstLine(head.prompt)).slice(0, 200), named: custom !== null, createdAt: head.createdAt ?? file.changedAt,
      branch: tail.branch === 'HEAD' || tail.branch === '' ? null : tail.branch, model: tail.model, entrypoint: tail.entrypoint, contextTokens: tail.contextTokens, costUsd: tail.costUsd,
      turnOpen: tail.open === true,
    };
  } finally {
    await handle.close();
  }
}
