/**
 * A broker that took a transaction over and had not heard of a topic, or of partitions that were added to it, told the journals
 * that it knew and completed. The journal that was added meanwhile was not among them: the transaction of the partition
 * stayed open for ever.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TopicPartition } from '../../src/cluster/topics.ts';
import type { ProducerIdentity } from '../../src/coordinator/transaction/transaction-state.ts';
import { buildBatch } from '../../src/record/records.ts';
import { type ClusterWorld, openClusterWorld } from '../unit/coordinator/cluster-world.ts';
import { eventually, partitionsOf } from '../unit/coordinator/transaction/world.ts';

const [FIRST, NEXT, PARTICIPANT] = [1, 2, 3];
const id = 'chain';

let world: ClusterWorld;
let producer: ProducerIdentity;

beforeEach(async () => {
  world = await openClusterWorld({ brokers: 3, journals: 1, untold: true });
  await world.lead(FIRST, 0);
  producer = await transactions(FIRST).initProducerId(id, { timeoutMs: 60_000, expected: null });
});
afterEach(() => world.close());

const transactions = (brokerId: number) => world.of(brokerId).coordinators.transactions;

/** Journal 1, of which the next coordinator does not hear. */
async function addJournal(): Promise<void> {
  for (const brokerId of [FIRST, PARTICIPANT]) world.of(brokerId).seats.grow(2);
  await world.lead(PARTICIPANT, 1);
}

/** A transaction in the partition ends, which its journal is not told before another broker takes it over. */
async function endedAndTakenOver(place: TopicPartition): Promise<void> {
  const { topicId, partition } = place;
  const transaction = await transactions(FIRST).addPartitions(id, producer, partitionsOf(place));
  const fields = { ...producer, baseSequence: 0, transactional: true, timestamp: Date.now() };
  const records = buildBatch([{ key: null, value: 'v' }], fields);
  const batch = { topicId, partition, records, transaction };
  const [outcome] = await world.of(FIRST).log.produce([batch], { origin: 'kafka' });
  expect(outcome).toMatchObject({ error: 'NONE' });
  world.network.cut.set(PARTICIPANT, 'before');
  await transactions(FIRST).end(id, { producer, committed: true, bumpsEpoch: false });
  await world.lead(NEXT, 0);
}

const isComplete = async () => (await transactions(NEXT).describe(id)).state === 'CompleteCommit';

function isOpen({ topicId, partition, journal }: TopicPartition): boolean {
  const state = world.stateOf(journal).state.partition(topicId, partition)!;
  return state.lastStableOffset < state.nextOffset;
}

test('a topic that the new coordinator has not heard of is told of the end', async () => {
  await addJournal();
  const { partitions } = await world.of(FIRST).broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  const place = partitions.find(({ journal }) => journal === 1)!;
  await endedAndTakenOver(place);
  world.network.cut.clear();
  await eventually(isComplete);
  expect(isOpen(place)).toBe(false);
});

test('a partition that the new coordinator has not heard of is told of the end', async () => {
  const { topics } = world.of(FIRST).broker;
  await topics.create({ name: 'orders', partitions: 1, config: {} });
  await world.of(NEXT).broker.topics.find('orders');
  await addJournal();
  const { partitions } = await topics.createPartitions('orders', 2);
  const place = partitions.find(({ journal }) => journal === 1)!;
  await endedAndTakenOver(place);
  world.network.cut.clear();
  await eventually(isComplete);
  expect(isOpen(place)).toBe(false);
});

test('a transaction does not complete while the journal of a partition is not known', async () => {
  await addJournal();
  const { partitions } = await world.of(FIRST).broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  const place = partitions.find(({ journal }) => journal === 1)!;
  await endedAndTakenOver(place);
  const leader = world.leaders.of(1)!;
  world.leaders.forget(1);
  world.network.cut.clear();
  await new Promise((done) => setTimeout(done, 100));
  expect(await isComplete()).toBe(false);
  world.leaders.set(1, leader);
  await eventually(isComplete);
  expect(isOpen(place)).toBe(false);
});
