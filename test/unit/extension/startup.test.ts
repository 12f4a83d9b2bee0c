import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { describe, expect, it } from 'vitest';
import { bundles } from '../../../scripts/build/bundles.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const HAPPY = /(?:^|\/)(?:node_modules\/(?:undici|socket\.io-client|engine\.io-client|tweetnacl)|src\/core\/systems\/happy)\//;

describe('the bundle of the extension', () => {
  it('evaluates nothing of Happy when it is loaded: that waits until there is an account', async () => {
    const options = bundles({ root, dist: 'dist' })['extension'];
    const { metafile } = await esbuild.build({ ...options, write: false, metafile: true });
    const eager = new Set<string>();
    const visit = (file: string): void => {
      if (eager.has(file)) return;
      eager.add(file);
      for (const each of metafile.inputs[file]?.imports ?? []) if (each.external !== true && each.kind !== 'dynamic-import') visit(each.path);
    };
    visit(path.posix.join('src', 'extension', 'activate.ts'));
    expect([...eager].filter((file) => HAPPY.test(file))).toEqual([]);
    expect(eager).toContain('src/extension/accounts/happy.ts');
    const later = Object.keys(metafile.inputs).filter((file) => HAPPY.test(file));
    for (const part of ['undici', 'socket.io-client', 'tweetnacl', 'systems/happy']) expect(later.some((file) => file.includes(`/${part}/`))).toBe(true);
  });
});
