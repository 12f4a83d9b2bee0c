import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { prepareRig, resultsFolder } from './driver/index.ts';

/** Runs once before the end-to-end tests: what they need is installed, built and packaged. */
export default async function setup(): Promise<void> {
  rmSync(join(resultsFolder, 'failures'), { recursive: true, force: true });
  await prepareRig();
}
