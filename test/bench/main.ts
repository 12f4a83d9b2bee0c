import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { repoRoot } from '../../scripts/setup/index.mjs';
import { benchActivation } from './activation.ts';
import { benchChat } from './chat.ts';
import { benchFind } from './find.ts';
import { benchFleet } from './fleet.ts';
import { benchHappy } from './happy.ts';
import { benchHappyCrypto } from './happyCrypto.ts';
import { benchHappyPaint } from './happyPaint.ts';
import { benchHost } from './host.ts';
import { benchMemory } from './memory.ts';
import { benchOpening } from './opening.ts';
import { benchPage } from './page.ts';
import { benchSearch } from './search.ts';
import { benchTree } from './tree.ts';

const SIZES = [1_000, 10_000, 100_000] as const;
const FILES = ['extension.cjs', 'store-worker.cjs', 'search-worker.cjs', 'attachment-worker.cjs', 'export-worker.cjs', 'core.js', 'cli.js', 'webview/chat.js', 'webview/chat.css'];

const benches: Readonly<Record<string, () => Promise<Record<string, unknown>>>> = {
  bundles: () => Promise.resolve(Object.fromEntries(FILES.map((file) => {
    const bytes = readFileSync(path.join(repoRoot, 'dist', file));
    return [file, { bytes: bytes.length, gzip: gzipSync(bytes).length }];
  }))),
  find: () => benchFind(180_000),
  fleet: benchFleet,
  happy: () => benchHappy(2_000, 20_000),
  happyCrypto: () => benchHappyCrypto(2_000),
  host: benchHost,
  happyPaint: benchHappyPaint,
  memory: benchMemory,
  opening: () => benchOpening(SIZES),
  page: () => benchPage(SIZES),
  search: () => benchSearch(1_000_000, 1_000),
  tree: () => benchTree(10_000),
  chat: benchChat,
  activation: () => benchActivation(3),
};

const wanted = process.argv.slice(2).filter((name) => !name.startsWith('-'));
const results: Record<string, unknown> = { node: process.version, cpus: os.cpus().length, at: new Date().toISOString(), loadBefore: os.loadavg() };
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`measuring ${name}…\n`);
  results[name] = await bench();
}
results['loadAfter'] = os.loadavg();
process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
