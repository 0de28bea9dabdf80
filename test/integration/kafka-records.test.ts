/** Records through a whole broker over the Kafka port: written, read, found by offset and by time, kept over a restart. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { APIS } from '../../src/protocol/apis.ts';
import { iterateBatches } from '../../src/record/batch.ts';
import { CODECS } from '../../src/record/compression.ts';
import { buildBatch, compressBatch, decodeBatch } from '../../src/record/records.ts';
import { startTestBroker, type TestBroker } from './kafka-broker.ts';
import type { KafkaClient } from './kafka-client.ts';

let broker: TestBroker;
let client: KafkaClient;
let topicNumber = 0;

beforeAll(async () => {
  broker = await startTestBroker();
  client = await broker.connect();
});
afterAll(() => broker.stop());

interface TestTopic {
  readonly name: string;
  readonly topicId: string;
}

async function newTopic(numPartitions = 1, config: Record<string, string> = {}): Promise<TestTopic> {
  const name = `topic-${topicNumber++}`;
  const configs = Object.entries(config).map(([key, value]) => ({ name: key, value }));
  const topics = [{ name, numPartitions, replicationFactor: 1, configs }];
  const created = await client.call('CreateTopics', 7, { topics });
  expect(created.topics[0]?.errorCode).toBe(0);
  return { name, topicId: created.topics[0]!.topicId };
}

const now = Date.now();
const batchOf = (
  values: readonly string[],
  rest: { timestamp?: number; producerId?: number; producerEpoch?: number; baseSequence?: number } = {},
) =>
  buildBatch(
    values.map((value) => ({ key: `key of ${value}`, value })),
    { timestamp: now, ...rest },
  );

async function produce(topic: TestTopic, records: Buffer, { index = 0, version = 9, acks = -1 } = {}) {
  const topics = [{ ...topic, partitions: [{ index, records }] }];
  return (await client.call('Produce', version, { acks, timeoutMs: 5_000, topics })).topics[0]!.partitions[0]!;
}

async function fetch(
  topic: TestTopic,
  fetchOffset: number,
  { index = 0, version = 12, maxWaitMs = 0, minBytes = 1 } = {},
) {
  const partitions = [{ index, fetchOffset, partitionMaxBytes: 1_000_000 }];
  const answer = await client.call('Fetch', version, { maxWaitMs, minBytes, topics: [{ ...topic, partitions }] });
  return answer.topics[0]!.partitions[0]!;
}

async function valuesOf(records: Buffer | null): Promise<[offset: number, value: string][]> {
  const values: [number, string][] = [];
  for (const { position, header } of iterateBatches(records!)) {
    const batch = records!.subarray(position, position + header.length);
    for (const { offset, value } of await decodeBatch(batch, { decompressedBytesMax: 1_000_000 })) {
      values.push([offset, value!.toString()]);
    }
  }
  return values;
}

const errorName = (code: number) => Object.entries(ERRORS).find(([, error]) => error.code === code)?.[0];

describe('what was produced', () => {
  test('is fetched at every version, whatever version produced it', async () => {
    const topic = await newTopic();
    const written: [number, string][] = [];
    for (let version = APIS.Produce.min; version <= APIS.Produce.max; version++) {
      const { errorCode, baseOffset } = await produce(topic, batchOf([`v${version}`]), { version });
      expect(errorCode).toBe(0);
      written.push([baseOffset, `v${version}`]);
    }
    expect(written.map(([offset]) => offset)).toEqual(written.map((_, index) => index));
    for (let version = APIS.Fetch.min; version <= APIS.Fetch.max; version++) {
      const { errorCode, highWatermark, lastStableOffset, records } = await fetch(topic, 0, { version });
      expect([errorCode, highWatermark, lastStableOffset]).toEqual([0, written.length, written.length]);
      expect(await valuesOf(records)).toEqual(written);
    }
  });

  test.each(CODECS)('comes back as it was compressed: %s', async (codec) => {
    const topic = await newTopic();
    const plain = batchOf(['a', 'b'.repeat(3_000), 'c']);
    const records = codec === 'none' ? plain : await compressBatch(plain, codec);
    expect((await produce(topic, records)).errorCode).toBe(0);
    const fetched = (await fetch(topic, 0)).records!;
    // All but offset and leader epoch, which are the broker's.
    expect(fetched.subarray(16).equals(records.subarray(16))).toBe(true);
    expect((await valuesOf(fetched)).map(([, value]) => value.length)).toEqual([1, 3_000, 1]);
  });

  test('is still there after a restart, and offsets go on', async () => {
    const topic = await newTopic(2);
    await produce(topic, batchOf(['before', 'the restart']), { index: 1 });
    await broker.restart();
    client = await broker.connect();
    expect((await produce(topic, batchOf(['after']), { index: 1 })).baseOffset).toBe(2);
    expect(await valuesOf((await fetch(topic, 0, { index: 1 })).records)).toEqual([
      [0, 'before'],
      [1, 'the restart'],
      [2, 'after'],
    ]);
  });

  test('is given by whole batches, also for an offset in the middle of one', async () => {
    const topic = await newTopic();
    await produce(topic, batchOf(['a', 'b', 'c']));
    await produce(topic, batchOf(['d', 'e']));
    expect((await valuesOf((await fetch(topic, 1)).records))[0]).toEqual([0, 'a']);
    expect((await valuesOf((await fetch(topic, 4)).records))[0]).toEqual([3, 'd']);
  });

  test('ends a long poll as soon as it is there', async () => {
    const topic = await newTopic();
    const consumer = await broker.connect();
    const partitions = [{ index: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }];
    const polled = consumer.call('Fetch', 12, { maxWaitMs: 60_000, minBytes: 1, topics: [{ ...topic, partitions }] });
    await produce(topic, batchOf(['at last']));
    const { records } = (await polled).topics[0]!.partitions[0]!;
    expect(await valuesOf(records)).toEqual([[0, 'at last']]);
  });

  test('of several partitions in one request has an offset each', async () => {
    const topic = await newTopic(3);
    const partitions = [2, 0, 1].map((index) => ({ index, records: batchOf([`p${index}`]) }));
    const answer = await client.call('Produce', 13, { acks: -1, timeoutMs: 1_000, topics: [{ ...topic, partitions }] });
    expect(answer.topics[0]?.partitions.map(({ index, baseOffset }) => [index, baseOffset])).toEqual([
      [2, 0],
      [0, 0],
      [1, 0],
    ]);
  });
});

describe('configurations of a topic', () => {
  test('LogAppendTime replaces the time of the producer and says so', async () => {
    const topic = await newTopic(1, { 'message.timestamp.type': 'LogAppendTime' });
    const { logAppendTimeMs } = await produce(topic, batchOf(['old'], { timestamp: 1_000 }));
    expect(logAppendTimeMs).toBeGreaterThanOrEqual(now);
    const [batch] = iterateBatches((await fetch(topic, 0)).records!);
    expect(batch?.header.maxTimestamp).toBe(logAppendTimeMs);
  });

  test('a batch above max.message.bytes is MESSAGE_TOO_LARGE', async () => {
    const topic = await newTopic(1, { 'max.message.bytes': '500' });
    const refused = await produce(topic, batchOf(['x'.repeat(600)]));
    expect(errorName(refused.errorCode)).toBe('MESSAGE_TOO_LARGE');
    expect((await produce(topic, batchOf(['small']))).errorCode).toBe(0);
  });

  test('a compacted topic refuses records without a key', async () => {
    const topic = await newTopic(1, { 'cleanup.policy': 'compact' });
    const refused = await produce(topic, buildBatch([{ key: null, value: 'v' }], { timestamp: now }));
    expect(errorName(refused.errorCode)).toBe('INVALID_RECORD');
  });

  test('a CreateTime beyond message.timestamp.before.max.ms is INVALID_TIMESTAMP', async () => {
    const topic = await newTopic(1, { 'message.timestamp.before.max.ms': '60000' });
    const refused = await produce(topic, batchOf(['old'], { timestamp: now - 600_000 }));
    expect(errorName(refused.errorCode)).toBe('INVALID_TIMESTAMP');
  });
});

describe('idempotent producers', () => {
  const newProducer = async () => {
    const { errorCode, producerId } = await client.call('InitProducerId', 4, {
      transactionalId: null,
      transactionTimeoutMs: 0,
    });
    expect(errorCode).toBe(0);
    return producerId;
  };

  test('a duplicate gets its first offset and is stored once', async () => {
    const topic = await newTopic();
    const producerId = await newProducer();
    const at = (baseSequence: number) => batchOf([`s${baseSequence}`], { producerId, producerEpoch: 0, baseSequence });
    const offsets: number[] = [];
    for (const sequence of [0, 1, 1, 2, 0, 2]) offsets.push((await produce(topic, at(sequence))).baseOffset);
    expect(offsets).toEqual([0, 1, 1, 2, 0, 2]);
    expect((await fetch(topic, 0)).highWatermark).toBe(3);
  });

  test('a gap is OUT_OF_ORDER_SEQUENCE_NUMBER, an old epoch INVALID_PRODUCER_EPOCH', async () => {
    const topic = await newTopic();
    const producerId = await newProducer();
    const at = (baseSequence: number, producerEpoch = 0) => batchOf(['v'], { producerId, producerEpoch, baseSequence });
    expect((await produce(topic, at(0))).errorCode).toBe(0);
    expect(errorName((await produce(topic, at(5))).errorCode)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
    expect((await produce(topic, at(0, 1))).errorCode).toBe(0);
    expect(errorName((await produce(topic, at(1, 0))).errorCode)).toBe('INVALID_PRODUCER_EPOCH');
  });

  test('a producer that the broker does not know must begin at 0', async () => {
    const topic = await newTopic();
    const producerId = await newProducer();
    const refused = await produce(topic, batchOf(['v'], { producerId, producerEpoch: 0, baseSequence: 7 }));
    expect(errorName(refused.errorCode)).toBe('UNKNOWN_PRODUCER_ID');
  });

  test('five requests at once are taken in order', async () => {
    const topic = await newTopic();
    const producerId = await newProducer();
    const sent = [0, 1, 2, 3, 4].map((baseSequence) => {
      const records = batchOf(['v'], { producerId, producerEpoch: 0, baseSequence });
      const topics = [{ ...topic, partitions: [{ index: 0, records }] }];
      return client.send('Produce', 9, { acks: -1, timeoutMs: 1_000, topics });
    });
    for (const [index, id] of sent.entries()) {
      const { topics } = await client.receive('Produce', 9, id);
      expect(topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, baseOffset: index });
    }
  });
});

describe('finding offsets', () => {
  const at = async (topic: TestTopic, timestamp: number, version = 7) => {
    const topics = [{ name: topic.name, partitions: [{ index: 0, timestamp }] }];
    const answer = await client.call('ListOffsets', version, { replicaId: -1, topics });
    const { errorCode, offset, timestamp: found } = answer.topics[0]!.partitions[0]!;
    expect(errorCode).toBe(0);
    return [offset, found];
  };

  test('by time, the earliest, the latest and the newest record', async () => {
    const topic = await newTopic();
    for (const [index, timestamp] of [now - 5_000, now - 3_000, now - 4_000].entries()) {
      await produce(topic, batchOf([`${index}`], { timestamp }));
    }
    expect(await at(topic, -2)).toEqual([0, -1]);
    expect(await at(topic, -1)).toEqual([3, -1]);
    expect(await at(topic, now - 4_500)).toEqual([1, now - 3_000]);
    expect(await at(topic, now - 3_000)).toEqual([1, now - 3_000]);
    expect(await at(topic, now)).toEqual([-1, -1]);
    expect(await at(topic, -3)).toEqual([1, now - 3_000]);
  });

  test('of an empty partition', async () => {
    const topic = await newTopic();
    expect(await at(topic, -2)).toEqual([0, -1]);
    expect(await at(topic, -1)).toEqual([0, -1]);
    expect(await at(topic, -3)).toEqual([-1, -1]);
    expect(await at(topic, 1)).toEqual([-1, -1]);
  });

  test('the end of a leader epoch', async () => {
    const topic = await newTopic();
    await produce(topic, batchOf(['a', 'b']));
    const { topics } = await client.call('Metadata', 9, { topics: [{ name: topic.name }] });
    const leaderEpoch = topics[0]!.partitions[0]!.leaderEpoch;
    const partitions = [{ index: 0, leaderEpoch, currentLeaderEpoch: leaderEpoch }];
    const answer = await client.call('OffsetForLeaderEpoch', 4, { topics: [{ name: topic.name, partitions }] });
    expect(answer.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, leaderEpoch, endOffset: 2 });
  });
});

describe('what is gone', () => {
  test('records below the start that DeleteRecords set are OFFSET_OUT_OF_RANGE', async () => {
    const topic = await newTopic();
    for (const value of ['a', 'b', 'c']) await produce(topic, batchOf([value]));
    const partitions = [{ index: 0, offset: 2 }];
    const deleted = await client.call('DeleteRecords', 2, { topics: [{ name: topic.name, partitions }], timeoutMs: 1 });
    expect(deleted.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, lowWatermark: 2 });
    expect(errorName((await fetch(topic, 1)).errorCode)).toBe('OFFSET_OUT_OF_RANGE');
    const kept = await fetch(topic, 2);
    expect(kept.logStartOffset).toBe(2);
    expect(await valuesOf(kept.records)).toEqual([[2, 'c']]);
  });

  test.each([-1, 4, 1_000_000])('offset %i of three records is OFFSET_OUT_OF_RANGE', async (offset) => {
    const topic = await newTopic();
    await produce(topic, batchOf(['a', 'b', 'c']));
    expect(errorName((await fetch(topic, offset, { maxWaitMs: 60_000 })).errorCode)).toBe('OFFSET_OUT_OF_RANGE');
  });

  test('a deleted topic is unknown by name and by id, and a new one of its name is another', async () => {
    const topic = await newTopic();
    await produce(topic, batchOf(['old']));
    await client.call('DeleteTopics', 6, { topics: [{ name: topic.name }], timeoutMs: 1 });
    expect(errorName((await produce(topic, batchOf(['v']))).errorCode)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(errorName((await produce(topic, batchOf(['v']), { version: 13 })).errorCode)).toBe('UNKNOWN_TOPIC_ID');
    expect(errorName((await fetch(topic, 0, { version: 13 })).errorCode)).toBe('UNKNOWN_TOPIC_ID');
    const topics = [{ name: topic.name, numPartitions: 1, replicationFactor: 1 }];
    const again = (await client.call('CreateTopics', 7, { topics })).topics[0]!;
    expect(again.topicId).not.toBe(topic.topicId);
    expect((await fetch(topic, 0)).highWatermark).toBe(0);
    expect(errorName((await fetch(topic, 0, { version: 13 })).errorCode)).toBe('UNKNOWN_TOPIC_ID');
  });

  test('a long poll on a topic that is deleted meanwhile is answered', async () => {
    const topic = await newTopic();
    const consumer = await broker.connect();
    const partitions = [{ index: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }];
    const polled = consumer.call('Fetch', 12, { maxWaitMs: 60_000, minBytes: 1, topics: [{ ...topic, partitions }] });
    await client.call('Metadata', 9, { topics: [] });
    await client.call('DeleteTopics', 6, { topics: [{ name: topic.name }], timeoutMs: 1 });
    expect(errorName((await polled).topics[0]!.partitions[0]!.errorCode)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  });
});

test('a topic that Metadata created takes records at once', async () => {
  const { topics } = await client.call('Metadata', 9, { topics: [{ name: 'fresh' }] });
  expect(topics[0]?.errorCode).toBe(0);
  const topic = { name: 'fresh', topicId: topics[0]!.topicId };
  expect((await produce(topic, batchOf(['first']))).baseOffset).toBe(0);
});

test('partitions that were added take records', async () => {
  const topic = await newTopic(1);
  expect(errorName((await produce(topic, batchOf(['v']), { index: 2 })).errorCode)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  const request = { topics: [{ name: topic.name, count: 3 }], timeoutMs: 1, validateOnly: false };
  expect((await client.call('CreatePartitions', 3, request)).topics[0]?.errorCode).toBe(0);
  expect((await produce(topic, batchOf(['v']), { index: 2 })).baseOffset).toBe(0);
});
