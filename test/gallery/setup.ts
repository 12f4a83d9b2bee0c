import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildGallery, serveGallery } from '../../scripts/gallery/site.mjs';
import { ensureChromium, repoRoot } from '../../scripts/setup/index.mjs';
import type { Rig } from './rig.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly gallery: Rig;
  }
}

/** Runs once before the gallery's tests: the browser is there, the gallery is built and served. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const results = resolve(repoRoot, 'test-results/gallery');
  const site = resolve(results, 'site');
  rmSync(resolve(results, 'failures'), { recursive: true, force: true });
  const [chromium] = await Promise.all([ensureChromium(), buildGallery(site)]);
  const { url, close } = await serveGallery(site);
  project.provide('gallery', { url, results, chromium });
  return close;
}
