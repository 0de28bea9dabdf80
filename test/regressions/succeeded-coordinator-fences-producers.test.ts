/**
 * A coordinator that was succeeded and did not know it refused producers by what it remembered: one that had gone on at the
 * next coordinator was told PRODUCER_FENCED, or that nothing was known of it, after which a client gives up for good.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { transactionOwner } from '../../src/coordinator/owner.ts';
import type { ProducerIdentity } from '../../src/coordinator/transaction/transaction-state.ts';
import { type ClusterWorld, openClusterWorld } from '../unit/coordinator/cluster-world.ts';

const FIRST = 1;
const SECOND = 2;
const begin = { timeoutMs: 60_000, expected: null };

let world: ClusterWorld;
beforeEach(async () => {
  world = await openClusterWorld({ brokers: 2, journals: 1 });
  await world.lead(FIRST, 0);
});
afterEach(() => world.close());

const transactions = (brokerId: number) => world.of(brokerId).coordinators.transactions;
const elsewhere = { error: 'NOT_COORDINATOR' };

test.each(['end', 'add', 'init'] as const)('%s', async (request) => {
  const { partitions } = await world.topics.create({ name: 'orders', config: {} });
  const { topicId } = partitions[0]!;
  await transactions(FIRST).initProducerId('t', begin);
  await world.of(SECOND).seats.lead(0, { signal: new AbortController().signal });
  const producer = await transactions(SECOND).initProducerId('t', begin);
  expect(world.of(FIRST).seats.get(0)!.role).toBe('leading');
  await expect(asked(request, producer, topicId)).rejects.toMatchObject(elsewhere);
  expect(world.of(FIRST).seats.get(0)!.role).not.toBe('leading');
});

test('of an id that only the next one knows', async () => {
  await world.of(SECOND).seats.lead(0, { signal: new AbortController().signal });
  const producer = await transactions(SECOND).initProducerId('t', begin);
  await expect(asked('end', producer, '')).rejects.toMatchObject(elsewhere);
});

test('who was told of its successor sends clients there', async () => {
  await transactions(FIRST).initProducerId('t', begin);
  await world.usurp(SECOND, 0);
  expect(world.of(FIRST).seats.get(0)!.role).toBe('leading');
  expect(await world.of(FIRST).coordinators.whoCoordinates(transactionOwner('t'))).toBe(SECOND);
});

function asked(request: 'end' | 'add' | 'init', producer: ProducerIdentity, topicId: string): Promise<unknown> {
  const { end, add, init } = {
    end: () => transactions(FIRST).end('t', { producer, committed: true, bumpsEpoch: true }),
    add: () => transactions(FIRST).addPartitions('t', producer, { [topicId]: [0] }),
    init: () => transactions(FIRST).initProducerId('t', { timeoutMs: 60_000, expected: producer }),
  };
  return { end, add, init }[request]();
}
