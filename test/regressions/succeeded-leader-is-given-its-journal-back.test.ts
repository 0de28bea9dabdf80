/**
 * A leader was succeeded while it was cut off, and did not know: it had written nothing since. When it was given the journal again, it
 * took itself for the leader that it was to be, and did nothing. The controller waited in vain and gave the journal to others.
 */
import { afterEach, expect, test } from 'vitest';
import { Reconciler } from '../../src/cluster/reconciler.ts';
import { NEVER, SeatsWorld } from '../unit/cluster/seats-world.ts';

let world: SeatsWorld;
let reconciler: Reconciler;
afterEach(async () => {
  reconciler.stop();
  await world.close();
});

test('it hears of its successor, looks who leads, and takes the journal over', async () => {
  world = new SeatsWorld();
  const [one, two] = [world.broker(1), world.broker(2)];
  let newestEpoch = -1;
  reconciler = new Reconciler({
    ...{ seats: one.seats, runtime: one.runtime, assignmentOf: () => 'ours', newestEpoch: () => newestEpoch },
    ...{ handOver: async () => {}, refresh: async () => {}, onLed: () => {}, onAttempt: () => {} },
  });
  reconciler.look();
  const leadIn = () => reconciler.led.get(0);
  await expect.poll(leadIn).toBe(1);
  await two.seats.lead(0, { signal: NEVER });
  reconciler.look();
  expect(leadIn()).toBe(1);
  // Whoever is away for a moment is asked again.
  newestEpoch = 2;
  one.faults.script({ operation: 'get', fault: 'error-before' });
  reconciler.look();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(leadIn()).toBe(1);
  reconciler.look();
  await expect.poll(leadIn, { timeout: 3_000 }).toBe(3);
});
