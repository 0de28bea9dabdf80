import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: import.meta.dirname + '/..',
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/compatibility/**', 'node_modules/**'],
    pool: 'forks',
    testTimeout: 20_000,
  },
});
