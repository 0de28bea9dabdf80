import { expect, test } from 'vitest';
import { type SimulationReport, simulate } from './simulation.ts';

/** Of real time, in all: as many of the seeds as fit. What is new is for `npm run simulate`: these were all run before. */
const BUDGET_MS = 60_000;
const SEEDS_MIN = 4;
const SEEDS_MAX = 60;
const MINUTES = 0.2;
/** In turns. */
const SHAPES = [
  { brokers: 3, journals: 4 },
  { brokers: 1, journals: 1 },
  { brokers: 3, journals: 1 },
  { brokers: 1, journals: 4 },
  { brokers: 5, journals: 6 },
  { brokers: 2, journals: 2 },
  { brokers: 7, journals: 3 },
] as const;
const TIMEOUT_MS = 400_000;

test(
  'brokers keep their promises under faults of fixed seeds',
  async () => {
    const startedAt = performance.now();
    const reports: SimulationReport[] = [];
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      if (seed > SEEDS_MIN && performance.now() - startedAt > BUDGET_MS) break;
      reports.push(await simulate({ seed, minutes: MINUTES, ...SHAPES[seed % SHAPES.length]! }));
    }
    const sum = (of: (report: SimulationReport) => number) => reports.reduce((all, report) => all + of(report), 0);
    const acknowledged = sum((report) => report.acknowledged);
    const processes = sum((report) => report.processes);
    process.stdout.write(
      `simulated seeds 1 to ${reports.length}, ${MINUTES} minutes of faults each: ${acknowledged} acknowledgements, ${processes} processes\n`,
    );
    expect(acknowledged).toBeGreaterThan(20 * reports.length);
    expect(processes).toBeGreaterThan(reports.length);
  },
  TIMEOUT_MS,
);
