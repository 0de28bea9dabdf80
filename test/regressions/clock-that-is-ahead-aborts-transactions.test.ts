/**
 * A coordinator whose clock was weeks ahead aborted every open transaction at once, and forgot transactional ids that were in
 * use: their producers were fenced.
 */
import { expect, test } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { eventually, partitionsOf } from '../unit/coordinator/transaction/world.ts';
import { openWronglyTimed } from '../unit/coordinator/wrong-clock.ts';

const DAY_MS = 86_400_000;
const INTERVAL_MS = 50;

test('a coordinator whose clock is ahead aborts no transactions and forgets no ids', async () => {
  const { core, clock } = await openWronglyTimed({
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': `${INTERVAL_MS}`,
    'transaction.remove.expired.transaction.cleanup.interval.ms': `${INTERVAL_MS}`,
  });
  const { transactions } = core.coordinators;
  const [place] = (await core.topics.create({ name: 'orders', partitions: 1, config: {} })).partitions;
  const init = { timeoutMs: 60_000, expected: null };
  const open = async (transactionalId: string, timeoutMs = init.timeoutMs) => {
    const producer = await transactions.initProducerId(transactionalId, { ...init, timeoutMs });
    await transactions.addPartitions(transactionalId, producer, partitionsOf(place!));
    return producer;
  };
  const producer = await open('open');
  await transactions.initProducerId('idle', init);
  expect(clock.lists).toBe(0);

  const wrongSince = systemClock.monotonic();
  clock.aheadMs = 30 * DAY_MS;
  await eventually(() => clock.lists > 0);
  // Asked once an interval, whatever is due and however often somebody looks.
  await Promise.all(Array.from({ length: 20 }, (_, number) => open(`short ${number}`, 1)));
  await new Promise((resolve) => setTimeout(resolve, 4 * INTERVAL_MS));
  expect(clock.lists).toBeLessThan((systemClock.monotonic() - wrongSince) / INTERVAL_MS + 2);
  expect((await transactions.describe('open')).state).toBe('Ongoing');
  expect((await transactions.describe('idle')).state).toBe('Empty');

  clock.aheadMs = 0;
  await transactions.end('open', { producer, committed: true, bumpsEpoch: false });
  expect((await transactions.describe('open')).state).toBe('CompleteCommit');
  // A clock that goes on evenly is compared once.
  const isAborted = async (name: string) => (await transactions.describe(name)).state === 'CompleteAbort';
  await open('late', 1);
  await eventually(() => isAborted('late'));
  clock.lists = 0;
  await open('later', 1);
  await eventually(() => isAborted('later'));
  expect(clock.lists).toBe(0);
  await core.close();
});
