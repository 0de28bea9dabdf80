/** Transactions as share groups see them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildBatch } from '../../../../src/record/records.ts';
import { type SteppedRuntime, steppedRuntime } from '../stepped-runtime.ts';
import { type CoordinatorWorld, openCoordinatorWorld } from '../world.ts';
import { createTopic, fromTheStart, produce, ShareConsumer } from './share-world.ts';

let runtime: SteppedRuntime;
let world: CoordinatorWorld;
let topicId: string;

beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openCoordinatorWorld(runtime);
  topicId = await createTopic(world, 'orders');
});
afterEach(() => world.close());

let sequence = 0;

/** One record in a transaction of its own; `committed` null leaves it open. Marker and record take an offset each. */
async function transact(value: string, committed: boolean | null, transactionalId = 't'): Promise<() => Promise<void>> {
  const { producerId, producerEpoch } = await world.ask('InitProducerId', 4, {
    transactionalId,
    transactionTimeoutMs: 60_000,
  });
  const producer = { transactionalId, producerId, producerEpoch };
  const topics = [{ name: 'orders', partitions: [0] }];
  expect(await world.ask('AddPartitionsToTxn', 3, { ...producer, topics })).toMatchObject({
    topics: [{ partitions: [{ errorCode: 0 }] }],
  });
  const identity = { producerId, producerEpoch, baseSequence: 0, transactional: true, timestamp: 1 };
  const records = buildBatch([{ key: null, value }], identity);
  const [outcome] = await world.core.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' });
  expect(outcome).toMatchObject({ error: 'NONE' });
  const end = async (): Promise<void> => {
    expect(await world.ask('EndTxn', 3, { ...producer, committed: committed ?? true })).toMatchObject({ errorCode: 0 });
    await runtime.settle();
  };
  if (committed !== null) await end();
  return end;
}

async function consumerOf(isolation: string): Promise<ShareConsumer> {
  const groupId = `g${sequence++}`;
  await fromTheStart(world, groupId, { 'share.isolation.level': isolation });
  const consumer = new ShareConsumer(world, groupId, 'm');
  expect(await consumer.heartbeat(['orders'])).toBe('NONE');
  return consumer;
}

const valuesOf = async (consumer: ShareConsumer) => (await consumer.fetch()).flatMap(({ values }) => values);
const startOf = async ({ groupId }: ShareConsumer) => {
  const { groups } = await world.ask('DescribeShareGroupOffsets', 1, { groups: [{ groupId, topics: null }] });
  return groups[0]!.topics[0]!.partitions[0]!.startOffset;
};

test('aborted records and markers are never acquired by a group that reads committed ones', async () => {
  await transact('aborted', false);
  await transact('committed', true);
  await produce(world, topicId, 0, ['plain']);
  const consumer = await consumerOf('read_committed');
  const [fetched] = await consumer.fetch();
  expect(fetched).toMatchObject({
    values: ['committed', 'plain'],
    ranges: [
      { first: 2, last: 2 },
      { first: 4, last: 4 },
    ],
  });
  expect(await consumer.acknowledge({ first: 2, last: 4, types: [1] })).toEqual(['NONE']);
  expect(await startOf(consumer)).toBe(5);
});

test('a group that reads everything gets aborted records, too', async () => {
  await transact('aborted', false);
  await produce(world, topicId, 0, ['plain']);
  expect(await valuesOf(await consumerOf('read_uncommitted'))).toEqual(['aborted', 'plain']);
});

test('records behind an open transaction wait for its end', async () => {
  const end = await transact('open', null);
  await produce(world, topicId, 0, ['plain']);
  const [careful, careless] = [await consumerOf('read_committed'), await consumerOf('read_uncommitted')];
  expect(await valuesOf(careless)).toEqual(['open', 'plain']);
  const waiting = careful.fetch({ maxWaitMs: 5_000 });
  await runtime.settle();
  await end();
  expect((await waiting).flatMap(({ values }) => values)).toEqual(['open', 'plain']);
});

test('a partition that only has aborted records lets the group pass', async () => {
  for (const value of ['x', 'y', 'z']) await transact(value, false);
  const consumer = await consumerOf('read_committed');
  expect(await valuesOf(consumer)).toEqual([]);
  await produce(world, topicId, 0, ['plain']);
  expect(await valuesOf(consumer)).toEqual(['plain']);
  expect(await consumer.acknowledge({ first: 6, last: 6, types: [1] })).toEqual(['NONE']);
  expect(await startOf(consumer)).toBe(7);
});
