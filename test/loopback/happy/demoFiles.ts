import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';

const projects = ['api', 'web', 'billing', 'search', 'infra', 'docs'] as const;
const files: Readonly<Record<string, string>> = {
  'README.md': '# Demo project\n\nA project of a machine that exists only in this demo.\n',
  'package.json': '{ "name": "demo", "private": true }\n',
  'src/index.ts': "export { retry } from './retry.ts';\n",
  'src/retry.ts': 'const limit = 3;\n\nexport async function retry<T>(work: () => Promise<T>): Promise<T> {\n  for (let attempt = 1; ; attempt += 1) {\n    try {\n      return await work();\n    } catch (error) {\n      if (attempt >= limit) throw error;\n    }\n  }\n}\n',
  'test/retry.test.ts': "import { retry } from '../src/retry.ts';\n",
};
const modified = 1_767_225_600_000;

/** The files of a demo machine: in memory, a few projects below `<home>/work`. They answer the file methods of happy.md B8. */
export class DemoFiles {
  readonly home: string;
  readonly #files = new Map<string, string>();
  readonly #folders = new Set<string>(['/']);

  constructor(home: string) {
    this.home = home;
    for (const project of projects) for (const [name, text] of Object.entries(files)) this.write(`${home}/work/${project}/${name}`, text);
    this.makeFolder(`${home}/Downloads`);
  }

  isFolder(path: string): boolean {
    return this.#folders.has(clean(path));
  }

  makeFolder(path: string): void {
    const parts = clean(path).split('/');
    for (let length = 2; length <= parts.length; length += 1) this.#folders.add(parts.slice(0, length).join('/'));
  }

  write(path: string, text: string): void {
    const whole = clean(path);
    this.makeFolder(whole.slice(0, whole.lastIndexOf('/')) || '/');
    this.#files.set(whole, text);
  }

  read(path: string): string | undefined {
    return this.#files.get(clean(path));
  }

  /** Names of files in a folder and below it, from it, at most `most`. */
  names(folder: string, most = 20): string[] {
    const prefix = `${clean(folder)}/`;
    return [...this.#files.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length)).slice(0, most);
  }

  /** Answers one of the file methods; undefined when it is none. A session's are confined to `within`, a machine's are not. */
  answer(method: string, params: JsonObject, within: string | null): JsonObject | undefined {
    const asked = typeof params['path'] === 'string' ? params['path'] : typeof params['cwd'] === 'string' ? params['cwd'] : within ?? this.home;
    const path = clean(asked.startsWith('/') ? asked : `${within ?? this.home}/${asked}`);
    if (!['readFile', 'writeFile', 'listDirectory', 'getDirectoryTree', 'bash', 'ripgrep', 'difftastic'].includes(method)) return undefined;
    if (within !== null && path !== within && !path.startsWith(`${within}/`)) return { success: false, error: `Access denied: Path '${asked}' is outside the working directory` };
    switch (method) {
      case 'readFile': {
        const text = this.read(path);
        return text === undefined ? { success: false, error: `ENOENT: no such file or directory, open '${path}'` } : { success: true, content: Buffer.from(text).toString('base64') };
      }
      case 'writeFile': {
        if (params['expectedHash'] == null && this.#files.has(path)) return { success: false, error: 'File already exists but was expected to be new' };
        this.write(path, Buffer.from(typeof params['content'] === 'string' ? params['content'] : '', 'base64').toString('utf8'));
        return { success: true };
      }
      case 'listDirectory':
        return this.isFolder(path) ? { success: true, entries: this.#entries(path) } : { success: false, error: `ENOENT: no such file or directory, scandir '${path}'` };
      case 'getDirectoryTree':
        return this.isFolder(path) ? { success: true, tree: this.#tree(path, Number(params['maxDepth'] ?? 2)) } : { success: false, error: `ENOENT: no such file or directory, scandir '${path}'` };
      default:
        return { success: false, error: 'This machine exists only in the demo: it runs no commands.' };
    }
  }

  #children(folder: string): { readonly path: string; readonly name: string; readonly text: string | undefined }[] {
    const prefix = folder === '/' ? '/' : `${folder}/`;
    const paths = [...this.#folders, ...this.#files.keys()].filter((path) => path !== '/' && path.startsWith(prefix) && !path.slice(prefix.length).includes('/'));
    return paths.map((path) => ({ path, name: path.slice(prefix.length), text: this.#files.get(path) }));
  }

  #entries(folder: string): JsonValue[] {
    return this.#children(folder).map(({ name, text }) => ({ name, type: text === undefined ? 'directory' : 'file', size: text?.length ?? 4096, modified }));
  }

  #tree(folder: string, depth: number): JsonObject {
    const children = depth <= 0 ? [] : this.#children(folder).map(({ path, name, text }): JsonObject => (text === undefined ? this.#tree(path, depth - 1) : { name, path, type: 'file', size: text.length, modified }));
    return { name: folder.slice(folder.lastIndexOf('/') + 1), path: folder, type: 'directory', size: 4096, modified, children };
  }
}

function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
