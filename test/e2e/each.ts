import { relative } from 'node:path';
import { afterEach } from 'vitest';
import { projectRoot, runningVSCodes } from './driver/index.ts';

/** After a test that failed: what every VS Code of its file shows and logged is written to test-results/failures. */
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  for (const [index, code] of runningVSCodes().entries()) {
    const folder = await code.dump(`${task.name}${index === 0 ? '' : `-${index + 1}`}`);
    console.error(`see ${relative(projectRoot, folder)}`);
  }
});
