import { expect, test } from 'vitest';
import { SimulatedTime } from './simulated-time.ts';

const everything = () => false;

test('events run in the order of their times, and of arrival among equals', async () => {
  const time = new SimulatedTime();
  const order: string[] = [];
  time.after(20, () => order.push('c'));
  time.after(10, () => order.push('a'));
  time.after(10, () => order.push('b'));
  time.after(5, () => order.push('never')).cancel();
  await time.run(everything);
  expect([order.join(''), time.monotonic()]).toEqual(['abc', 20]);
});

test('a loop that waits for time to pass is told that none does, and so is the run', async () => {
  const time = new SimulatedTime();
  let told = 0;
  time.after(7, async () => {
    const endMs = time.monotonic() + 5;
    try {
      while (time.monotonic() < endMs) await Promise.resolve();
    } catch {
      told++;
    }
  });
  time.after(8, () => undefined);
  await expect(time.run(everything)).rejects.toThrow(/no time passes at 7 ms/);
  expect(told).toBe(1);
});

test('events that follow one another without an end while no time passes are noticed', async () => {
  const time = new SimulatedTime();
  const again = () => {
    for (let index = 0; index < 1_000; index++) time.now();
    time.soon(again);
  };
  time.after(3, again);
  await expect(time.run(everything)).rejects.toThrow(/no time passes at 3 ms/);
});
