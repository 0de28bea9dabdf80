/**
 * A fetch waited for records, the question after it on the connection was answered at once with the end of that moment, and the
 * client heard of both in the order of its requests: the end of the epoch lay before records that it had been given. librdkafka
 * goes back then and drops what it has not given out yet.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { startTestBroker, type TestBroker } from '../integration/kafka-broker.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await startTestBroker();
});
afterAll(() => broker.stop());

test('the end of an epoch is not older than the fetch before it', async () => {
  const [producer, consumer] = [await broker.connect(), await broker.connect()];
  const created = await producer.call('CreateTopics', 7, {
    topics: [{ name: 'orders', numPartitions: 1, replicationFactor: 1 }],
  });
  const topic = { name: 'orders', topicId: created.topics[0]!.topicId };
  const described = await producer.call('Metadata', 9, { topics: [{ name: 'orders' }] });
  const { leaderEpoch } = described.topics[0]!.partitions[0]!;
  const partition = { index: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 };
  const fetching = consumer.send('Fetch', 12, {
    maxWaitMs: 30_000,
    minBytes: 1,
    topics: [{ ...topic, partitions: [partition] }],
  });
  const asking = consumer.send('OffsetForLeaderEpoch', 4, {
    topics: [{ name: 'orders', partitions: [{ index: 0, currentLeaderEpoch: -1, leaderEpoch }] }],
  });
  // The question is there before the records are.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const records = buildBatch([{ key: null, value: 'a' }], { timestamp: Date.now() });
  await producer.call('Produce', 9, {
    acks: -1,
    timeoutMs: 5_000,
    topics: [{ ...topic, partitions: [{ index: 0, records }] }],
  });
  const fetched = (await consumer.receive('Fetch', 12, fetching)).topics[0]!.partitions[0]!;
  expect(fetched.records!.length).toBe(records.length);
  const told = (await consumer.receive('OffsetForLeaderEpoch', 4, asking)).topics[0]!.partitions[0]!;
  expect(told.endOffset).toBe(1);
});
