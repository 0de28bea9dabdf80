import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorName } from '../../../../src/errors.ts';
import { ZERO_UUID } from '../../../../src/protocol/codec.ts';
import { ask, door, versionsOf } from '../door.ts';

const topic = (name: string, rest = {}) => ({ name, numPartitions: 1, replicationFactor: 1, ...rest });

test.each(versionsOf('CreateTopics'))('v%i creates topics that are there when it answers', async (version) => {
  const broker = door();
  const configs = [{ name: 'retention.ms', value: '1000' }];
  const topics = [topic('orders', { numPartitions: 3, replicationFactor: 3, configs }), topic('returns')];
  const answer = await ask(broker, 'CreateTopics', version, { topics });
  expect(answer.topics).toMatchObject([
    { name: 'orders', errorCode: 0, errorMessage: null },
    { name: 'returns', errorCode: 0, errorMessage: null },
  ]);
  const created = broker.topics.byName('orders')!;
  expect(created.partitions).toHaveLength(3);
  if (version >= 5) {
    expect(answer.topics[0]).toMatchObject({ numPartitions: 3, replicationFactor: 3 });
    const described = answer.topics[0]!.configs!;
    expect(described.find(({ name }) => name === 'retention.ms')).toMatchObject({ value: '1000', configSource: 1 });
    expect(described.find(({ name }) => name === 'cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 });
  }
  if (version >= 7) expect(answer.topics[0]?.topicId).toBe(created.topicId);
});

test('-1 partitions and replicas take the defaults of the broker', async () => {
  const broker = door({ 'num.partitions': '4' });
  const topics = [topic('orders', { numPartitions: -1, replicationFactor: -1 })];
  const answer = await ask(broker, 'CreateTopics', 5, { topics });
  expect(answer.topics[0]).toMatchObject({ errorCode: 0, numPartitions: 4, replicationFactor: 1 });
});

test('validateOnly checks everything and creates nothing', async () => {
  const broker = door();
  const topics = [topic('orders', { numPartitions: 3 }), topic('a b')];
  const answer = await ask(broker, 'CreateTopics', 7, { topics, validateOnly: true });
  expect(answer.topics[0]).toMatchObject({ errorCode: 0, numPartitions: 3, topicId: ZERO_UUID });
  expect(answer.topics[1]?.errorCode).toBe(ERRORS.INVALID_TOPIC_EXCEPTION.code);
  expect(broker.topics.count).toBe(0);
});

test('assignments give the number of partitions', async () => {
  const broker = door();
  const assignments = [
    { index: 1, brokerIds: [7] },
    { index: 0, brokerIds: [7] },
  ];
  const topics = [topic('orders', { numPartitions: -1, replicationFactor: -1, assignments })];
  expect((await ask(broker, 'CreateTopics', 7, { topics })).topics[0]).toMatchObject({
    errorCode: 0,
    numPartitions: 2,
  });
});

describe('refusals', () => {
  test.each<[string, ReturnType<typeof topic>, ErrorName]>([
    ['an illegal name', topic('a/b'), 'INVALID_TOPIC_EXCEPTION'],
    ['a name that exists', topic('there'), 'TOPIC_ALREADY_EXISTS'],
    ['no partitions', topic('x', { numPartitions: 0 }), 'INVALID_PARTITIONS'],
    ['fewer partitions than none', topic('x', { numPartitions: -2 }), 'INVALID_PARTITIONS'],
    ['too many partitions', topic('x', { numPartitions: 1_000_000 }), 'INVALID_PARTITIONS'],
    ['no replicas', topic('x', { replicationFactor: 0 }), 'INVALID_REPLICATION_FACTOR'],
    ['an unknown configuration', topic('x', { configs: [{ name: 'no.such', value: '1' }] }), 'INVALID_CONFIG'],
    [
      'a configuration that is no number',
      topic('x', { configs: [{ name: 'retention.ms', value: 'a' }] }),
      'INVALID_CONFIG',
    ],
    ['a null configuration', topic('x', { configs: [{ name: 'retention.ms', value: null }] }), 'INVALID_CONFIG'],
    ['recompression', topic('x', { configs: [{ name: 'compression.type', value: 'gzip' }] }), 'INVALID_CONFIG'],
    ['assignments and a number', topic('x', { assignments: [{ index: 0, brokerIds: [7] }] }), 'INVALID_REQUEST'],
    [
      'an assignment to a broker that does not exist',
      topic('x', { numPartitions: -1, replicationFactor: -1, assignments: [{ index: 0, brokerIds: [7, 8] }] }),
      'INVALID_REPLICA_ASSIGNMENT',
    ],
    [
      'an assignment to the same broker twice',
      topic('x', { numPartitions: -1, replicationFactor: -1, assignments: [{ index: 0, brokerIds: [7, 7] }] }),
      'INVALID_REPLICA_ASSIGNMENT',
    ],
    ['too many replicas', topic('x', { replicationFactor: 101 }), 'INVALID_REPLICATION_FACTOR'],
    [
      'assignments with a gap',
      topic('x', { numPartitions: -1, replicationFactor: -1, assignments: [{ index: 1, brokerIds: [7] }] }),
      'INVALID_REPLICA_ASSIGNMENT',
    ],
  ])('%s', async (_what, requested, error) => {
    const broker = door();
    await broker.topics.create({ name: 'there', config: {} });
    const answer = await ask(broker, 'CreateTopics', 7, { topics: [requested, topic('good')] });
    expect(answer.topics[0]).toMatchObject({ errorCode: ERRORS[error].code, numPartitions: -1, replicationFactor: -1 });
    expect(answer.topics[0]?.errorMessage).toBeTruthy();
    expect(answer.topics[1]?.errorCode).toBe(0);
  });

  test('more partitions than are created at once', async () => {
    const broker = door();
    const topics = [topic('a', { numPartitions: 6_000 }), topic('b', { numPartitions: 6_000 })];
    const answer = await ask(broker, 'CreateTopics', 7, { topics });
    expect(answer.topics.map(({ errorCode }) => errorCode)).toEqual(topics.map(() => ERRORS.POLICY_VIOLATION.code));
    expect(broker.topics.count).toBe(0);
  });

  test('a name that is given twice is refused, once, and not created', async () => {
    const broker = door();
    const answer = await ask(broker, 'CreateTopics', 7, { topics: [topic('twice'), topic('good'), topic('twice')] });
    expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['twice', ERRORS.INVALID_REQUEST.code],
      ['good', 0],
    ]);
    expect(broker.topics.byName('twice')).toBeUndefined();
  });
});
