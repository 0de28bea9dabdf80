import { expect, test } from 'vitest';
import { SEED_OF_ALL } from './scenario.ts';
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

test(
  'brokers keep their promises while journals are added, and partitions join transactions by their first batch',
  async () => {
    const more = { nemesis: { addJournalsEveryMs: 2_000 }, load: { enlistingWriters: 2, topicChangeMs: 2_000 } };
    let added = 0;
    for (const [index, brokers] of [3, 1, 5].entries()) {
      const seed = SEED_OF_ALL + index;
      const { strikes } = await simulate({ seed, minutes: MINUTES, brokers, journals: 1, more });
      added += strikes['add journals'] ?? 0;
    }
    expect(added).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);
