/** `npm run bench [-- name …]`: builds, measures, prints JSON and keeps it in bench-results/. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureDependencies, repoRoot } from './setup/index.mjs';

await ensureDependencies();
const node = path.join(repoRoot, 'node_modules/.bin/node');
const built = spawnSync(node, ['scripts/build.mjs'], { cwd: repoRoot, stdio: ['ignore', 'inherit', 'inherit'] });
if (built.status !== 0) process.exit(1);
const run = spawnSync(node, ['--expose-gc', 'test/bench/main.ts', ...process.argv.slice(2)], { cwd: repoRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
// What is set up on the way is told on the same stream, before the results.
const results = (run.stdout ?? '').slice(Math.max(0, (run.stdout ?? '').indexOf('{\n')));
process.stdout.write(results);
if (run.status !== 0) process.exit(1);
mkdirSync(path.join(repoRoot, 'bench-results'), { recursive: true });
writeFileSync(path.join(repoRoot, 'bench-results', `${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`), results);
