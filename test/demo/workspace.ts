import { lstat, mkdir, open, readdir, readFile, realpath, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';

const skipped = new Set(['node_modules', 'dist', 'out', 'build', 'coverage', 'target', 'venv', '__pycache__']);
const mostFiles = 5000;
const deepest = 12;
const largestText = 1024 * 1024;

/** What cannot be done in the workspace. `message` is one line for the person and says what to do. */
export class WorkspaceError extends Error {
  readonly code: 'outside' | 'missing' | 'ambiguous' | 'not_text' | 'too_large' | 'is_folder' | 'changed' | 'exists';

  constructor(code: WorkspaceError['code'], message: string) {
    super(message);
    this.name = 'WorkspaceError';
    this.code = code;
  }
}

/** One line of a file that a search found. `line` is 1-based. */
export interface Hit {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/**
 * The folder of a session. Every path that goes in is brought back to it, links included: what lies outside is refused with a WorkspaceError. Paths that
 * come out are relative to it, with `/`.
 */
export class Workspace {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** Rejects with a WorkspaceError where `folder` is no absolute path of a folder. */
  static async open(folder: string): Promise<Workspace> {
    const there = isAbsolute(folder) ? await stat(folder).catch(() => null) : null;
    if (there === null || !there.isDirectory()) throw new WorkspaceError('missing', `There is no folder ${folder}. Open a folder that exists.`);
    return new Workspace(await realpath(folder));
  }

  get name(): string {
    return basename(this.root);
  }

  absolute(path: string): string {
    return join(this.root, path);
  }

  /** Brings a path that a person wrote back to one within the workspace, whether it exists or not. */
  async within(path: string): Promise<string> {
    const target = resolve(this.root, path);
    let existing = target;
    while (await lstat(existing).then(() => false, () => true)) existing = dirname(existing);
    const real = await realpath(existing).catch(() => null);
    const inside = (candidate: string): boolean => candidate === this.root || candidate.startsWith(this.root + sep);
    if (real === null || !inside(target) || !inside(real)) {
      throw new WorkspaceError('outside', `\`${path}\` is outside of this workspace. I stay within ${this.root}.`);
    }
    return relative(this.root, target).split(sep).join('/');
  }

  /** Every file, sorted by path; folders of builds and dependencies, hidden ones and links are left out. At most 5,000. */
  async files(signal?: AbortSignal): Promise<readonly string[]> {
    const found: string[] = [];
    const walk = async (folder: string, depth: number): Promise<void> => {
      signal?.throwIfAborted();
      const entries = await readdir(this.absolute(folder), { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        if (found.length >= mostFiles || entry.name.startsWith('.') || skipped.has(entry.name)) continue;
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if (entry.isDirectory() && depth < deepest) await walk(path, depth + 1);
        else if (entry.isFile()) found.push(path);
      }
    };
    await walk('', 0);
    return found.sort((a, b) => (a < b ? -1 : 1));
  }

  /** Finds the file that a person means: by its path, else by the end of it. Rejects with `missing`, `ambiguous` or `outside`. */
  async find(said: string, signal?: AbortSignal): Promise<string> {
    const path = await this.within(said);
    const there = await stat(this.absolute(path)).catch(() => null);
    if (there?.isFile() === true) return path;
    if (there?.isDirectory() === true) throw new WorkspaceError('is_folder', `\`${said}\` is a folder. Name a file, or say \`list files in ${said}\`.`);
    const files = await this.files(signal);
    const wanted = path.toLowerCase();
    const ends = files.filter((file) => file.toLowerCase() === wanted || file.toLowerCase().endsWith(`/${wanted}`));
    const stems = ends.length > 0 ? ends : files.filter((file) => basename(file).toLowerCase().replace(/\.[^.]*$/, '') === wanted);
    const [only, ...others] = stems;
    if (only === undefined) {
      const close = files.filter((file) => file.toLowerCase().includes(basename(wanted))).slice(0, 5);
      throw new WorkspaceError('missing', `There is no file \`${said}\` here.${close.length === 0 ? ' Say `list files` to see what there is.' : ` Do you mean ${list(close)}?`}`);
    }
    if (others.length > 0) throw new WorkspaceError('ambiguous', `\`${said}\` could be ${list(stems.slice(0, 5))}. Write more of the path.`);
    return only;
  }

  async size(path: string): Promise<number> {
    return (await stat(this.absolute(await this.within(path)))).size;
  }

  /** Text of a file of at most 1 MiB. Rejects with `missing`, `not_text`, `too_large` or `outside`. */
  async read(path: string): Promise<string> {
    const full = this.absolute(await this.within(path));
    const there = await stat(full).catch(() => null);
    if (there === null) throw new WorkspaceError('missing', `There is no file \`${path}\` any more.`);
    if (there.isDirectory()) throw new WorkspaceError('is_folder', `\`${path}\` is a folder.`);
    if (there.size > largestText) throw new WorkspaceError('too_large', `\`${path}\` is too large for me (${there.size} bytes; I read up to ${largestText}).`);
    const bytes = await readFile(full);
    if (bytes.subarray(0, 8192).includes(0)) throw new WorkspaceError('not_text', `\`${path}\` is no text file.`);
    return bytes.toString('utf8');
  }

  /**
   * Writes a whole file, if its text still is `before` (null: it must not exist). Rejects with `changed`, `exists` or `outside`; the file's mode stays.
   */
  async write(path: string, before: string | null, after: string): Promise<void> {
    const full = this.absolute(await this.within(path));
    if (before === null) {
      await mkdir(dirname(full), { recursive: true });
      await this.within(path);
      const file = await open(full, 'wx').catch(() => null);
      if (file === null) throw new WorkspaceError('exists', `\`${path}\` came into being meanwhile; I left it alone.`);
      try {
        await file.writeFile(after);
      } finally {
        await file.close();
      }
      return;
    }
    if ((await this.read(path)) !== before) throw new WorkspaceError('changed', `\`${path}\` changed after I read it; I left it alone. Ask again.`);
    await writeFile(full, after);
  }

  /** Deletes a file, if its text still is `before`. */
  async remove(path: string, before: string): Promise<void> {
    if ((await this.read(path)) !== before) throw new WorkspaceError('changed', `\`${path}\` changed after I read it; I left it alone. Ask again.`);
    await unlink(this.absolute(await this.within(path)));
  }

  /** Lines that hold `text`, ignoring case where it is all lower case. Stops after `most` hits; files that are no text are passed over. */
  async search(text: string, most: number, signal: AbortSignal): Promise<{ readonly hits: readonly Hit[]; readonly searched: number; readonly more: boolean }> {
    const ignoreCase = text === text.toLowerCase();
    const hits: Hit[] = [];
    let searched = 0;
    for (const path of await this.files(signal)) {
      signal.throwIfAborted();
      const content = await this.read(path).catch(() => null);
      if (content === null) continue;
      searched += 1;
      for (const [index, line] of content.split('\n').entries()) {
        if (!(ignoreCase ? line.toLowerCase() : line).includes(text)) continue;
        if (hits.length >= most) return { hits, searched, more: true };
        hits.push({ path, line: index + 1, text: line.trim().slice(0, 200) });
      }
    }
    return { hits, searched, more: false };
  }
}

function list(paths: readonly string[]): string {
  return paths.map((path) => `\`${path}\``).join(', ');
}
