import { expect, test } from 'vitest';
import { checkSameRun } from './checkers/determinism.ts';
import { simulate } from './simulation.ts';

const MINUTES = 0.1;
const TIMEOUT_MS = 120_000;

test.each([
  { journals: 1, brokers: 1 },
  { journals: 4, brokers: 1 },
  { journals: 4, brokers: 3 },
])(
  'the same seed gives the same run, byte for byte, with $brokers brokers and $journals journals',
  async ({ journals, brokers }) => {
    const options = { seed: 40 + journals, minutes: MINUTES, journals, brokers };
    const first = await simulate(options);
    const second = await simulate(options);
    expect(first.trace.lines).toBeGreaterThan(500);
    checkSameRun(first.trace, second.trace);
  },
  TIMEOUT_MS,
);

test(
  'another seed gives another run',
  async () => {
    const first = await simulate({ seed: 41, minutes: 0.02, journals: 1, brokers: 1 });
    const second = await simulate({ seed: 42, minutes: 0.02, journals: 1, brokers: 1 });
    expect(first.trace.hash).not.toBe(second.trace.hash);
  },
  TIMEOUT_MS,
);

test(
  'a run that real chance gets into is caught',
  async () => {
    const options = {
      seed: 41,
      minutes: 0.02,
      journals: 1,
      brokers: 1,
      tamper: {
        metadata: (store) => ({
          ...store,
          query: (range, rest) => store.query({ ...range, limit: Math.random() < 0.5 ? 1 : range.limit }, rest),
        }),
      },
    } satisfies Parameters<typeof simulate>[0];
    const runs = [await simulate(options), await simulate(options), await simulate(options)];
    expect(() => {
      checkSameRun(runs[0]!.trace, runs[1]!.trace);
      checkSameRun(runs[0]!.trace, runs[2]!.trace);
    }).toThrow(/differs from the first/);
  },
  TIMEOUT_MS,
);
