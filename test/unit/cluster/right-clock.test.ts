import { beforeEach, expect, test } from 'vitest';
import { RightClock } from '../../../src/cluster/right-clock.ts';
import { StorageUnavailableError } from '../../../src/errors.ts';
import { type SteppedRuntime, steppedRuntime } from '../coordinator/stepped-runtime.ts';

const DAY_MS = 86_400_000;

let time: SteppedRuntime;
/** The machine's clock minus the store's. */
let aheadMs: number;
/** The store's clock minus the simulated one, which does not count while the machine sleeps. */
let sleptMs: number;
let away: boolean;
let asked: number;
let right: RightClock;

beforeEach(() => {
  time = steppedRuntime();
  aheadMs = 0;
  sleptMs = 0;
  away = false;
  asked = 0;
  const ask = async () => {
    asked++;
    if (away) throw new StorageUnavailableError('away');
    return time.clock.now() + sleptMs;
  };
  const clock = { now: () => time.clock.now() + aheadMs, monotonic: () => time.clock.monotonic() };
  right = new RightClock({ ask }, { ...time, clock });
});

const differenceMs = () => Math.abs(right.now() - time.clock.now());

test('a clock that is about right is gone by, and compared once', async () => {
  aheadMs = 4 * 60_000;
  await right.compare();
  for (let hour = 0; hour < 48; hour++) {
    await time.advance(3_600_000);
    expect(differenceMs()).toBe(aheadMs);
  }
  expect(asked).toBe(1);
});

test.each([-365 * DAY_MS, 365 * DAY_MS])('a clock that is off by %d ms is not gone by', async (offMs) => {
  aheadMs = offMs;
  await right.compare();
  for (let hour = 0; hour < 48; hour++) {
    await time.advance(3_600_000);
    expect(differenceMs()).toBeLessThan(2);
  }
  expect(asked).toBe(1);
  aheadMs = 10;
  expect(differenceMs()).toBe(10);
});

test('a clock that is set wrong is noticed at once, and one that is set right as well', async () => {
  await right.compare();
  aheadMs = -3 * DAY_MS;
  expect(differenceMs()).toBeLessThan(2);
  await time.advance(10);
  expect(asked).toBe(2);
  aheadMs = 5;
  expect(differenceMs()).toBe(5);
});

test('after a machine slept its clock is gone by once the store has said the same', async () => {
  await right.compare();
  aheadMs = sleptMs = DAY_MS;
  expect(right.now()).toBe(time.clock.now());
  await time.advance(10);
  expect(right.now()).toBe(time.clock.now() + DAY_MS);
});

test('a store that does not answer is asked again after a while', async () => {
  away = true;
  aheadMs = DAY_MS;
  await right.compare();
  expect(differenceMs()).toBe(DAY_MS); // Nothing else is known.
  for (let second = 0; second < 30; second++) {
    await time.advance(1_000);
    right.now();
  }
  expect(asked).toBeLessThan(6);
  away = false;
  await time.advance(10_000);
  right.now();
  await time.advance(1);
  expect(differenceMs()).toBeLessThan(2);
});
