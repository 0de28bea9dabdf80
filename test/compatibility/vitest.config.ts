/** One file at a time, on a machine that is busy with the broker under test, with figures printed as they come. */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { reporters } from '../reporters.ts';

export default defineConfig({
  root: join(import.meta.dirname, '..', '..'),
  test: {
    include: ['test/compatibility/**/*.test.ts'],
    pool: 'forks',
    reporters,
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 120_000,
    disableConsoleIntercept: true,
  },
});
