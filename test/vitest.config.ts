import { defineConfig } from 'vitest/config';
import { reporters } from './reporters.ts';

export default defineConfig({
  root: `${import.meta.dirname}/..`,
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/compatibility/**', 'node_modules/**'],
    pool: 'forks',
    reporters,
    testTimeout: 20_000,
  },
});
