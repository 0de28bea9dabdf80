import { describe, expect, test } from 'vitest';
import { resolveTopicConfig } from '../../../src/cluster/topic-config.ts';
import type { Topic } from '../../../src/cluster/topics.ts';
import { KafkaError } from '../../../src/errors.ts';
import { planForTopic, requirePartition } from '../../../src/http/plan-produce.ts';
import type { ParsedRecord } from '../../../src/http/record-parser.ts';
import { partitionOfRequest, StickyPartitions } from '../../../src/http/sticky-partitions.ts';
import { buildBatch } from '../../../src/record/records.ts';

const NOW = 1_763_683_200_000;

function topic(partitionCount: number, overrides: Readonly<Record<string, string>> = {}): Topic {
  const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ';
  return {
    name: 'orders',
    topicId,
    partitions: Array.from({ length: partitionCount }, (_, partition) => ({ topicId, partition, journal: 0 })),
    overrides,
    config: resolveTopicConfig(overrides, {}),
    replicationFactor: 1,
    createdAt: NOW,
  };
}

const record = (
  fields: Partial<Omit<ParsedRecord, 'key' | 'value'>> & { key?: string; value?: string },
): ParsedRecord => ({
  headers: [],
  timestamp: NOW,
  partition: -1,
  ...fields,
  key: fields.key === undefined ? null : Buffer.from(fields.key),
  value: fields.value === undefined ? null : Buffer.from(fields.value),
});

const plan = (records: readonly ParsedRecord[], of: Topic, keyless = 0) =>
  planForTopic(records, of, () => keyless, NOW);
const numbers = (text: number[]) => Int32Array.from(text);

describe('a record goes', () => {
  test('to the partition of its key, as the Java client of Kafka computes it', () => {
    // org.apache.kafka.common.utils.Utils.murmur2: "21" is -973932308, "foobar" is -790332482, "a-little-bit-long-string" is -985981536.
    const keys = ['21', 'foobar', 'a-little-bit-long-string'];
    const { batches } = plan(
      keys.map((key) => record({ key })),
      topic(1_000),
    );
    const positive = (hash: number) => (hash & 0x7fffffff) % 1_000;
    expect(batches.map(({ partition }) => partition)).toEqual([-973932308, -790332482, -985981536].map(positive));
  });

  test('to the partition it names, whatever its key', () => {
    const { batches, places } = plan([record({ key: 'a', partition: 2 }), record({ partition: 1 })], topic(3));
    expect(batches.map(({ partition }) => partition)).toEqual([2, 1]);
    expect(places).toEqual(numbers([0, 1]));
  });

  test('with all others that have no key to one partition, which is asked for once', () => {
    let asked = 0;
    const records = [record({}), record({ key: 'a' }), record({})];
    const { places, batches } = planForTopic(records, topic(1), () => asked++, NOW);
    expect(asked).toBe(1);
    expect(places).toEqual(numbers([0, 0, 0]));
    expect(batches).toHaveLength(1);
  });
});

test('records of one partition keep their order, in one batch', () => {
  const records = ['a', 'b', 'c', 'd'].map((value, index) => record({ value, partition: index % 2 }));
  const { batches, places } = plan(records, topic(2));
  expect(batches.map((batch) => batch.records.map(({ value }) => value!.toString()))).toEqual([
    ['a', 'c'],
    ['b', 'd'],
  ]);
  expect(places).toEqual(numbers([0, 1, 0, 1]));
});

test('batches end before max.message.bytes, and one record that is larger is alone', () => {
  const of = topic(1, { 'max.message.bytes': '1000' });
  const records = [300, 300, 300, 2_000, 10].map((length) => record({ value: 'x'.repeat(length) }));
  const { batches, places } = plan(records, of);
  expect(places).toEqual(numbers([0, 0, 1, 2, 3]));
  const sizes = batches.map((batch) => buildBatch(batch.records, { timestamp: NOW }).length);
  expect(sizes.map((size) => size <= 1_000)).toEqual([true, true, false, true]);
});

test('where batches are cut does not depend on the time, so that a repeat is cut alike', () => {
  const of = topic(1, { 'max.message.bytes': '2000', 'message.timestamp.after.max.ms': '9223372036854775807' });
  const records = (now: number) =>
    Array.from({ length: 200 }, (_, index) => record({ value: 'value', timestamp: index % 2 ? now : 0 }));
  expect(plan(records(1), of).places).toEqual(plan(records(NOW), of).places);
});

describe('refused before anything is written, each on its own', () => {
  test('a partition that does not exist', () => {
    const { refusals, places, batches } = plan([record({}), record({ partition: 3 })], topic(3));
    expect(places).toEqual(numbers([0, ~0]));
    expect(batches).toHaveLength(1);
    expect(refusals).toEqual([
      {
        error: 'UNKNOWN_TOPIC_OR_PARTITION',
        detail: 'topic orders has no partition 3: it has 0 to 2',
        partition: 3,
      },
    ]);
  });

  test('a record without a key for a compacted topic', () => {
    const { refusals, places } = plan([record({}), record({ key: 'a' })], topic(1, { 'cleanup.policy': 'compact' }));
    expect(refusals.map(({ error }) => error)).toEqual(['INVALID_RECORD']);
    expect(places).toEqual(numbers([~0, 0]));
  });

  test('a timestamp outside of what the topic allows, unless the broker sets the time', () => {
    const records = [record({ timestamp: NOW + 3_600_001 }), record({ timestamp: NOW - 11 }), record({})];
    const overrides = { 'message.timestamp.before.max.ms': '10' };
    expect(plan(records, topic(1, overrides)).refusals.map(({ error }) => error)).toEqual([
      'INVALID_TIMESTAMP',
      'INVALID_TIMESTAMP',
    ]);
    const appendTime = topic(1, { ...overrides, 'message.timestamp.type': 'LogAppendTime' });
    expect(plan(records, appendTime).refusals).toEqual([]);
  });
});

describe('one partition', () => {
  test('takes records that name it, and refuses one that names another', () => {
    requirePartition([record({ partition: 1 }), record({})], topic(2), 1, NOW);
    expect(() => requirePartition([record({}), record({ partition: 0 })], topic(2), 1, NOW)).toThrow(
      new KafkaError('INVALID_REQUEST', 'records[1].partition is 0, the path says 1'),
    );
  });

  test('refuses all records when it refuses one', () => {
    expect(() =>
      requirePartition([record({ key: 'a' }), record({})], topic(1, { 'cleanup.policy': 'compact' }), 0, NOW),
    ).toThrow('records[1]: the compacted topic orders takes only records with a key');
  });
});

describe('records without a key', () => {
  test('visit every partition in turn, request by request, from a random one on', () => {
    const sticky = new StickyPartitions({ float: () => 0.5, bytes: () => Buffer.alloc(0) });
    const of = topic(4);
    expect([1, 2, 3, 4, 5].map(() => sticky.take(of))).toEqual([2, 3, 0, 1, 2]);
  });

  test('of a request with an Idempotency-Key go where its repeat goes', () => {
    const of = topic(12);
    const partitions = Array.from({ length: 100 }, (_, index) => partitionOfRequest(`key-${index}`, of));
    expect(partitions).toEqual(Array.from({ length: 100 }, (_, index) => partitionOfRequest(`key-${index}`, of)));
    expect(new Set(partitions).size).toBe(12);
  });
});
