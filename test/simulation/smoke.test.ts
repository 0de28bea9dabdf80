import { describe, expect, test } from 'vitest';
import { simulate } from './simulation.ts';

const MINUTES = 0.2;
const TIMEOUT_MS = 120_000;

/** Few seeds, so that `npm test` stays short; `npm run simulate -- --seeds 1000` runs as many as you like. */
describe.each([1, 4])('a broker with %i journals keeps its promises', (journals) => {
  test.each([1, 2, 3, 4])(
    'under faults of seed %i',
    async (seed) => {
      const report = await simulate({ seed, minutes: MINUTES, journals });
      expect(report.acknowledged).toBeGreaterThan(20);
      expect(report.processes).toBeGreaterThan(1);
    },
    TIMEOUT_MS,
  );
});
