/**
 * A request that met an incomplete end after the coordinator had closed found nothing under way to wait for, asked again at
 * once, and so on: the process was busy with nothing else while it stopped.
 */
import { expect, test } from 'vitest';
import { transactionOwner } from '../../src/coordinator/owner.ts';
import type { OpenedJournal } from '../../src/journal/open-journal.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { partitionsOf, TIMEOUT_MS, World } from '../unit/coordinator/transaction/world.ts';

const TURNS_MS = 20;

test('a request that comes while the coordinator closes is told to come again', async () => {
  let looks = 0;
  const system = systemRuntime(silentLogger);
  const monotonic = () => {
    looks++;
    return system.clock.monotonic();
  };
  const world = await World.open({ journals: 4, runtime: { ...system, clock: { ...system.clock, monotonic } } });
  const partitions = await world.topic();
  const { transactions } = world;
  const producer = await transactions.initProducerId('tx', { timeoutMs: TIMEOUT_MS, expected: null });
  const keeper = world.core.journals.find(({ state }) => state.records(transactionOwner('tx')).size > 0)!;
  const elsewhere = partitions.find(({ journal }) => journal !== keeper.id)!;
  await transactions.addPartitions('tx', producer, partitionsOf(elsewhere));

  await (world.journalOf(elsewhere) as OpenedJournal).close(); // Nobody can tell it of the end.
  await transactions.end('tx', { producer, committed: true, bumpsEpoch: false });
  transactions.close();
  await new Promise((resolve) => setTimeout(resolve, TURNS_MS));
  looks = 0;
  const late = transactions.initProducerId('tx', { timeoutMs: TIMEOUT_MS, expected: null });
  await expect(late).rejects.toMatchObject({ error: 'CONCURRENT_TRANSACTIONS' });
  expect(looks).toBeLessThan(20);
  await world.close();
});
