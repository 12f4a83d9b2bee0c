import { defineConfig } from 'vitest/config';

const node = { environment: 'node' as const, exclude: ['test/fixtures/**', '**/node_modules/**'] };

export default defineConfig({
  test: {
    teardownTimeout: 30_000,
    projects: [
      { test: { ...node, name: 'unit', include: ['test/unit/**/*.test.ts'], maxWorkers: 2, testTimeout: 30_000, hookTimeout: 30_000 } },
      { test: { ...node, name: 'contract', include: ['test/contract/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { ...node, name: 'gallery', include: ['test/gallery/**/*.test.ts'], globalSetup: 'test/gallery/setup.ts', fileParallelism: false, maxWorkers: 1, testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        test: {
          ...node,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: 'test/e2e/setup.ts',
          setupFiles: 'test/e2e/each.ts',
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
