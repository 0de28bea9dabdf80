import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ZERO_UUID } from '../../../../src/protocol/codec.ts';
import { ask, door, versionsOf } from '../door.ts';
import { LEADER_EPOCH } from '../memory-log.ts';

const byName = (...names: string[]) => names.map((name) => ({ name }));

async function withTopics(given = {}) {
  const broker = door(given);
  const orders = await broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  await broker.topics.create({ name: 'returns', config: {} });
  return { broker, orders };
}

test.each(
  versionsOf('Metadata'),
)('v%i names this broker as the leader and every replica of each partition', async (version) => {
  const { broker, orders } = await withTopics();
  const answer = await ask(broker, 'Metadata', version, { topics: byName('orders') });
  expect(answer.brokers).toEqual([{ nodeId: 7, host: '127.0.0.1', port: 9092, rack: version >= 1 ? 'zone-a' : '' }]);
  if (version >= 1) expect(answer.controllerId).toBe(7);
  if (version >= 2) expect(answer.clusterId).toBe('test');
  expect(answer.topics).toHaveLength(1);
  expect(answer.topics[0]).toMatchObject({ errorCode: 0, name: 'orders', isInternal: false });
  if (version >= 10) expect(answer.topics[0]?.topicId).toBe(orders.topicId);
  const leaderEpoch = version >= 7 ? LEADER_EPOCH : -1;
  const expected = { errorCode: 0, leaderId: 7, leaderEpoch, replicaNodes: [7], isrNodes: [7], offlineReplicas: [] };
  expect(answer.topics[0]?.partitions).toEqual([
    { ...expected, index: 0 },
    { ...expected, index: 1 },
  ]);
  expect(answer.topics[0]?.topicAuthorizedOperations).toBe(-(2 ** 31));
});

describe('which topics', () => {
  const names = async (version: number, topics: { name: string }[] | null) => {
    const { broker } = await withTopics();
    return (await ask(broker, 'Metadata', version, { topics })).topics.map(({ name }) => name);
  };

  test('null asks for all', async () => expect(await names(1, null)).toEqual(['orders', 'returns']));
  test('an empty list asks for all in v0', async () => expect(await names(0, [])).toEqual(['orders', 'returns']));
  test('an empty list asks for none since v1', async () => expect(await names(1, [])).toEqual([]));

  test('by id since v12, and the name comes back', async () => {
    const { broker, orders } = await withTopics();
    const { topics } = await ask(broker, 'Metadata', 12, { topics: [{ name: null, topicId: orders.topicId }] });
    expect(topics[0]).toMatchObject({ errorCode: 0, name: 'orders', topicId: orders.topicId });
    const java = await ask(broker, 'Metadata', 13, { topics: [{ name: '', topicId: orders.topicId }] });
    expect(java.topics).toEqual(topics);
  });

  test('an unknown id is UNKNOWN_TOPIC_ID, and nothing is created', async () => {
    const { broker } = await withTopics();
    const topicId = 'BBBBBBBBBBBBBBBBBBBBBA';
    const { topics } = await ask(broker, 'Metadata', 12, { topics: [{ name: null, topicId }] });
    expect(topics[0]).toMatchObject({ errorCode: ERRORS.UNKNOWN_TOPIC_ID.code, name: null, topicId, partitions: [] });
    expect(broker.topics.count).toBe(2);
  });
});

describe('a topic that is missing', () => {
  test('is created with num.partitions and described at once', async () => {
    const { broker } = await withTopics({ 'num.partitions': '3' });
    const { topics } = await ask(broker, 'Metadata', 4, { topics: byName('fresh'), allowAutoTopicCreation: true });
    expect(topics[0]).toMatchObject({ errorCode: 0, name: 'fresh' });
    expect(topics[0]?.partitions).toHaveLength(3);
  });

  test('is created for clients before v4, which cannot forbid it', async () => {
    const { broker } = await withTopics();
    await ask(broker, 'Metadata', 1, { topics: byName('fresh') });
    expect(broker.topics.byName('fresh')).toBeDefined();
  });

  test('is created once when it is named twice and asked for by many', async () => {
    const { broker } = await withTopics();
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => ask(broker, 'Metadata', 9, { topics: byName('fresh', 'fresh') })),
    );
    for (const { topics } of answers) expect(topics.map(({ errorCode }) => errorCode)).toEqual([0, 0]);
    expect(broker.topics.count).toBe(3);
  });

  test.each([
    ['the request', {}, false],
    ['the broker', { 'auto.create.topics.enable': 'false' }, true],
  ])('is UNKNOWN_TOPIC_OR_PARTITION when %s does not allow to create it', async (_who, given, allowAutoTopicCreation) => {
    const { broker } = await withTopics(given);
    const { topics } = await ask(broker, 'Metadata', 9, { topics: byName('fresh'), allowAutoTopicCreation });
    expect(topics[0]).toMatchObject({
      errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code,
      name: 'fresh',
      topicId: ZERO_UUID,
      partitions: [],
    });
    expect(broker.topics.byName('fresh')).toBeUndefined();
  });

  test.each(['', '.', '..', 'a b', 'ä', 'x'.repeat(250)])('%j is no name for a topic', async (name) => {
    const { broker } = await withTopics();
    const { topics } = await ask(broker, 'Metadata', 9, { topics: byName(name, 'orders') });
    expect(topics[0]).toMatchObject({ errorCode: ERRORS.INVALID_TOPIC_EXCEPTION.code, name });
    expect(topics[1]?.errorCode).toBe(0);
  });

  test('whose name collides with another is INVALID_TOPIC_EXCEPTION', async () => {
    const { broker } = await withTopics();
    await broker.topics.create({ name: 'a.b', config: {} });
    const { topics } = await ask(broker, 'Metadata', 9, { topics: byName('a_b') });
    expect(topics[0]?.errorCode).toBe(ERRORS.INVALID_TOPIC_EXCEPTION.code);
  });
});

test('a topic has as many replicas as it was created with, however few brokers there are', async () => {
  const broker = door();
  await broker.topics.create({ name: 'orders', replicationFactor: 3, config: {} });
  const metadata = await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
  const described = await ask(broker, 'DescribeTopicPartitions', 0, {
    topics: [{ name: 'orders' }],
    responsePartitionLimit: 10,
  });
  for (const { topics } of [metadata, described]) {
    const replicas = { replicaNodes: [7, 7, 7], isrNodes: [7, 7, 7], offlineReplicas: [] };
    expect(topics[0]?.partitions[0]).toMatchObject({ leaderId: 7, ...replicas });
  }
});
