/**
 * A request that met an incomplete end after the coordinator had closed found nothing under way to wait for, asked again at
 * once, and so on for ever: the process hung while it stopped.
 */
import { expect, test } from 'vitest';
import { transactionOwner } from '../../src/coordinator/owner.ts';
import { partitionsOf, TIMEOUT_MS, World } from '../unit/coordinator/transaction/world.ts';

test('a request that comes while the coordinator closes is told to come again', async () => {
  const world = await World.open({ journals: 4 });
  const partitions = await world.topic();
  const { transactions } = world;
  const producer = await transactions.initProducerId('tx', { timeoutMs: TIMEOUT_MS, expected: null });
  const keeper = world.core.journals.find(({ state }) => state.records(transactionOwner('tx')).size > 0)!;
  const elsewhere = partitions.find(({ journal }) => journal !== keeper.id)!;
  await transactions.addPartitions('tx', producer, partitionsOf(elsewhere));
  world.dieAfter(1, false); // The end is prepared, and no participant can be told.
  await transactions.end('tx', { producer, committed: true, bumpsEpoch: false });
  transactions.close();
  const late = transactions.initProducerId('tx', { timeoutMs: TIMEOUT_MS, expected: null });
  await expect(late).rejects.toMatchObject({ error: 'CONCURRENT_TRANSACTIONS' });
  await world.restart();
  await world.close();
});
