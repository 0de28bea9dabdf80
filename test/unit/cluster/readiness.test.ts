import { expect, test } from 'vitest';
import { ReadinessWatch } from '../../../src/cluster/readiness.ts';
import type { Clock } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { testRuntime } from '../journal/harness.ts';

/** A broker that has seen the controller, while nobody leads one journal of two. */
function open() {
  let sleptMs = 0;
  const { clock, ...others } = testRuntime();
  const frozen: Clock = { now: () => clock.now() + sleptMs, monotonic: () => clock.monotonic() + sleptMs };
  const complaints: unknown[] = [];
  const logger = { ...silentLogger, error: (fields: unknown) => complaints.push(fields) } as Runtime['logger'];
  const unled = [1];
  const watch = new ReadinessWatch({
    runtime: { ...others, clock: frozen, logger },
    ...{ isStopping: () => false, seesController: () => true, isFit: () => true },
    ...{ journals: () => 2, unled: () => unled },
  });
  watch.sees();
  const passes = (ms: number) => {
    sleptMs += ms;
  };
  return { watch, complaints, unled, passes };
}

const NOTHING_FAILS = new Promise<Error>(() => {});

test('a journal without a leader is waited for, and then said to have none', () => {
  const { watch, complaints, passes } = open();
  expect(watch.look().ready).toBe(false);
  passes(15_000);
  expect(watch.look().ready).toBe(true);
  expect(complaints).toHaveLength(1);
});

test('a broker that was frozen meanwhile has not waited, however often that is found out', async () => {
  const { watch, complaints, unled, passes } = open();
  const ready = watch.whenReady(NOTHING_FAILS);
  passes(23_000);
  await new Promise((resolve) => setTimeout(resolve, 120));
  watch.forgive(23_000);
  expect(watch.look().ready).toBe(false);
  unled.pop();
  await ready;
  expect(complaints).toEqual([]);

  const other = open();
  other.passes(5_000);
  other.watch.forgive(5_000);
  other.watch.forgive(5_000);
  other.passes(15_000);
  expect(other.watch.look().ready).toBe(true);
});
