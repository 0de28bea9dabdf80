/**
 * A coordinator whose clock was weeks ahead aborted every open transaction at once, and forgot transactional ids that were in
 * use: their producers were fenced.
 */
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openCore } from '../../src/server.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { eventually, partitionsOf } from '../unit/coordinator/transaction/world.ts';
import { testRuntime } from '../unit/journal/harness.ts';

const DAY_MS = 86_400_000;
const INTERVAL_MS = 50;

test('a coordinator whose clock is ahead aborts no transactions and forgets no ids', async () => {
  let aheadMs = 0;
  const runtime = {
    ...testRuntime(),
    clock: { now: () => systemClock.now() + aheadMs, monotonic: () => systemClock.monotonic() },
  };
  const objects = new MemoryObjectStore();
  let lists = 0;
  const list: MemoryObjectStore['list'] = async (...range) => {
    lists++;
    return objects.list(...range);
  };
  const stores = { metadata: new MemoryMetadataStore(), objects: Object.assign(Object.create(objects), { list }) };
  const config = parseConfig({
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': `${INTERVAL_MS}`,
    'transaction.remove.expired.transaction.cleanup.interval.ms': `${INTERVAL_MS}`,
  });
  const core = await openCore({ config, runtime, stores });
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
  expect(lists).toBe(0);

  const wrongSince = systemClock.monotonic();
  aheadMs = 30 * DAY_MS;
  await eventually(() => lists > 0);
  // Asked once an interval, whatever is due and however often somebody looks.
  await Promise.all(Array.from({ length: 20 }, (_, number) => open(`short ${number}`, 1)));
  await new Promise((resolve) => setTimeout(resolve, 4 * INTERVAL_MS));
  expect(lists).toBeLessThan((systemClock.monotonic() - wrongSince) / INTERVAL_MS + 2);
  expect((await transactions.describe('open')).state).toBe('Ongoing');
  expect((await transactions.describe('idle')).state).toBe('Empty');

  aheadMs = 0;
  await transactions.end('open', { producer, committed: true, bumpsEpoch: false });
  expect((await transactions.describe('open')).state).toBe('CompleteCommit');
  // A clock that goes on evenly is compared once.
  const isAborted = async (name: string) => (await transactions.describe(name)).state === 'CompleteAbort';
  await open('late', 1);
  await eventually(() => isAborted('late'));
  lists = 0;
  await open('later', 1);
  await eventually(() => isAborted('later'));
  expect(lists).toBe(0);
  await core.close();
});
