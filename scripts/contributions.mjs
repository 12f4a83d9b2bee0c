/** Writes package.json's `contributes` from the table in src/extension/contributions.ts; with --check compares and fails on a difference. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { contributes } from '../src/extension/contributions.ts';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const file = path.join(root, 'package.json');
const manifest = JSON.parse(readFileSync(file, 'utf8'));
const wanted = JSON.parse(JSON.stringify(contributes()));
if (process.argv.includes('--check')) {
  if (!isDeepStrictEqual(manifest.contributes, wanted)) {
    process.stderr.write('package.json and src/extension/contributions.ts differ: run `npm run contributions`\n');
    process.exit(1);
  }
} else {
  manifest.contributes = wanted;
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}
