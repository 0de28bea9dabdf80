import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, type Door, door } from '../door.ts';
import { LEADER_EPOCH } from '../memory-log.ts';

type Request = Parameters<typeof ask<'DescribeTopicPartitions'>>[3];
type Answer = Awaited<ReturnType<typeof ask<'DescribeTopicPartitions'>>>;

async function withTopics() {
  const broker = door();
  await broker.topics.create({ name: 'a', partitions: 3, config: {} });
  await broker.topics.create({ name: 'b', partitions: 2, config: {} });
  await broker.topics.create({ name: 'c', partitions: 1, config: {} });
  return broker;
}

/** All pages, as `topic-partition`. */
async function pages(broker: Door, request: Request): Promise<string[][]> {
  const found: string[][] = [];
  let cursor: Answer['nextCursor'] = null;
  do {
    const answer: Answer = await ask(broker, 'DescribeTopicPartitions', 0, { ...request, cursor });
    found.push(answer.topics.flatMap(({ name, partitions }) => partitions.map(({ index }) => `${name}-${index}`)));
    cursor = answer.nextCursor;
  } while (cursor !== null);
  return found;
}

test('describes partitions as Metadata does', async () => {
  const broker = await withTopics();
  const answer = await ask(broker, 'DescribeTopicPartitions', 0, { topics: [{ name: 'c' }] });
  expect(answer.nextCursor).toBeNull();
  expect(answer.topics).toMatchObject([
    {
      errorCode: 0,
      name: 'c',
      topicId: broker.topics.byName('c')?.topicId,
      isInternal: false,
      partitions: [
        { errorCode: 0, index: 0, leaderId: 7, leaderEpoch: LEADER_EPOCH, replicaNodes: [7], isrNodes: [7] },
      ],
    },
  ]);
});

test('lists of eligible replicas are empty, never null: the Java client does not look for null', async () => {
  const answer = await ask(await withTopics(), 'DescribeTopicPartitions', 0, { topics: [{ name: 'c' }] });
  expect(answer.topics[0]?.partitions[0]).toMatchObject({ eligibleLeaderReplicas: [], lastKnownElr: [] });
});

test.each([
  [1, [['a-0'], ['a-1'], ['a-2'], ['b-0'], ['b-1'], ['c-0']]],
  [
    2,
    [
      ['a-0', 'a-1'],
      ['a-2', 'b-0'],
      ['b-1', 'c-0'],
    ],
  ],
  [
    3,
    [
      ['a-0', 'a-1', 'a-2'],
      ['b-0', 'b-1', 'c-0'],
    ],
  ],
  [100, [['a-0', 'a-1', 'a-2', 'b-0', 'b-1', 'c-0']]],
])('all topics in pages of %i partitions', async (responsePartitionLimit, expected) => {
  expect(await pages(await withTopics(), { topics: [], responsePartitionLimit })).toEqual(expected);
});

test('some topics, in order of their names, each once', async () => {
  const topics = [{ name: 'c' }, { name: 'a' }, { name: 'c' }];
  expect(await pages(await withTopics(), { topics, responsePartitionLimit: 2 })).toEqual([
    ['a-0', 'a-1'],
    ['a-2', 'c-0'],
  ]);
});

test('missing and impossible topics have their own errors and are not created', async () => {
  const broker = await withTopics();
  const topics = [{ name: 'missing' }, { name: 'a b' }, { name: 'c' }];
  const answer = await ask(broker, 'DescribeTopicPartitions', 0, { topics });
  expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['a b', ERRORS.INVALID_TOPIC_EXCEPTION.code],
    ['c', 0],
    ['missing', ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code],
  ]);
  expect(broker.topics.count).toBe(3);
});

test('a topic that has gone since the page before is left out', async () => {
  const broker = await withTopics();
  await broker.topics.delete('b');
  for (const topics of [[], [{ name: 'a' }, { name: 'b' }, { name: 'c' }]]) {
    const cursor = { topicName: 'b', partitionIndex: 1 };
    const answer = await ask(broker, 'DescribeTopicPartitions', 0, { topics, cursor });
    expect(answer.topics.map(({ name }) => name)).toEqual(['c']);
  }
});

test('a cursor before the first partition is INVALID_REQUEST', async () => {
  const cursor = { topicName: 'a', partitionIndex: -1 };
  const answer = await ask(await withTopics(), 'DescribeTopicPartitions', 0, { topics: [{ name: 'a' }], cursor });
  expect(answer.topics[0]?.errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});
