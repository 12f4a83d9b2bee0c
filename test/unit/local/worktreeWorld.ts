import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Leases } from '../../../src/core/model/context.ts';
import type { Git } from '../../../src/core/systems/local/worktree/git.ts';
import { Worktrees } from '../../../src/core/systems/local/worktree/worktrees.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';

/** Nothing of the person's own configuration, and a name to commit under. */
const gitEnv = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'], HOME: home, GIT_CONFIG_GLOBAL: path.join(home, '.gitconfig'), GIT_CONFIG_NOSYSTEM: '1',
});

class MapRecords {
  readonly values = new Map<string, string>();
  entries(): ReadonlyMap<string, string> {
    return this.values;
  }
  set(id: string, text: string): void {
    this.values.set(id, text);
  }
  delete(id: string): void {
    this.values.delete(id);
  }
}

/** A repository with one commit on `main`, in a folder with a space in its name, and the worktrees of one window. */
export class WorktreeWorld {
  readonly home = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'pilothouse worktree-')));
  readonly env = gitEnv(this.home);
  readonly repository = path.join(this.home, 'my web');
  readonly root = path.join(this.home, 'ours');
  readonly records = new MapRecords();
  readonly held = new Set<string>();
  now = Date.parse('2026-11-21T12:00:00Z');
  readonly worktrees = this.window();

  constructor() {
    writeFileSync(path.join(this.home, '.gitconfig'), '[user]\n\tname = Ada\n\temail = ada@localhost\n[init]\n\tdefaultBranch = main\n');
    mkdirSync(this.repository);
    this.git(this.repository, 'init', '--quiet');
    this.write('a.txt', 'one\n');
    this.write('.gitignore', '.env\nbuild/\n');
    this.commit('first');
  }

  /** Another window on the same records; `git` in place of the real one. */
  window(git?: Git): Worktrees {
    const leases: Leases = {
      acquire: (name) => Promise.resolve(!this.held.has(name)),
      release: () => Promise.resolve(),
      holder: () => Promise.resolve('nobody'),
    };
    return new Worktrees({ ...(git === undefined ? {} : { git }), root: this.root, env: this.env, records: this.records, leases, log: silentLogger, now: () => this.now });
  }

  git(folder: string, ...args: readonly string[]): string {
    return execFileSync('git', [...args], { cwd: folder, env: this.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }

  write(file: string, text: string, folder = this.repository): void {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }

  commit(message: string, folder = this.repository): string {
    this.git(folder, 'add', '--all');
    this.git(folder, 'commit', '--quiet', '--allow-empty', '--message', message);
    return this.git(folder, 'rev-parse', 'HEAD');
  }

  branches(): readonly string[] {
    return this.git(this.repository, 'for-each-ref', '--format=%(refname:short)', 'refs/heads').split('\n');
  }

  close(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
