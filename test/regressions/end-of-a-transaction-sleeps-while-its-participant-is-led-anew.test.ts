/**
 * A participant whose journal was without a leader for some seconds was told of the end of a transaction up to two seconds after
 * it had one: clients that asked meanwhile were told CONCURRENT_TRANSACTIONS.
 */
import { expect, test } from 'vitest';
import { transactionOwner } from '../../src/coordinator/owner.ts';
import { openClusterWorld } from '../unit/coordinator/cluster-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { partitionsOf } from '../unit/coordinator/transaction/world.ts';

const [COORDINATOR, PARTICIPANT, NEXT] = [1, 2, 3];

test('the end of a transaction is told as soon as a journal has another leader', async () => {
  const runtime = steppedRuntime();
  const world = await openClusterWorld({ brokers: 3, journals: 2, runtime });
  await world.lead(COORDINATOR, 0);
  await world.lead(PARTICIPANT, 1);
  const { partitions } = await world.topics.create({ name: 'orders', partitions: 2, config: {} });
  const { whoCoordinates, transactions } = world.of(COORDINATOR).coordinators;
  let id = 't';
  while ((await whoCoordinates(transactionOwner(id))) !== COORDINATOR) id += 't';
  const producer = await transactions.initProducerId(id, { timeoutMs: 60_000, expected: null });
  await transactions.addPartitions(id, producer, partitionsOf(...partitions));
  world.network.cut.set(PARTICIPANT, 'before');
  await transactions.end(id, { producer, committed: true, bumpsEpoch: true });
  await runtime.advance(10_000);
  expect((await transactions.describe(id)).state).toBe('PrepareCommit');
  await world.usurp(NEXT, 1);
  for (let turns = 0; turns < 5; turns++) await runtime.settle();
  expect((await transactions.describe(id)).state).toBe('CompleteCommit');
  await world.close();
});
