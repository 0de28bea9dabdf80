/** Committed offsets over the Kafka port of a whole broker: every version, restarts, transactions, bad input. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRORS, type ErrorName } from '../../src/errors.ts';
import { ZERO_UUID } from '../../src/protocol/codec.ts';
import { versionsOf } from '../unit/broker/door.ts';
import { startTestBroker, type TestBroker } from './kafka-broker.ts';
import type { KafkaClient } from './kafka-client.ts';

const TOPIC = 'orders';
let broker: TestBroker;
let client: KafkaClient;
let topicId: string;

beforeAll(async () => {
  broker = await startTestBroker();
  client = await broker.connect();
  await createTopic(TOPIC, 4);
  topicId = await topicIdOf(TOPIC);
});
afterAll(() => broker.stop());

async function createTopic(name: string, numPartitions: number): Promise<void> {
  const topic = { name, numPartitions, replicationFactor: -1, assignments: [], configs: [] };
  await client.call('CreateTopics', 7, { topics: [topic], timeoutMs: 1_000 });
}

async function topicIdOf(name: string): Promise<string> {
  const { topics } = await client.call('Metadata', 12, { topics: [{ name, topicId: ZERO_UUID }] });
  return topics[0]!.topicId;
}

const code = (error: ErrorName): number => ERRORS[error].code;

interface Wish {
  readonly partition?: number;
  readonly metadata?: string | null;
  readonly topic?: string;
  readonly topicId?: string;
  readonly generation?: number;
  readonly memberId?: string;
}

/** The error code of the one partition. */
async function commit(version: number, groupId: string, offset: number, wish: Wish = {}): Promise<number> {
  const { partition = 0, metadata = 'm', topic = TOPIC, generation = -1, memberId = '' } = wish;
  const partitions = [
    { index: partition, committedOffset: offset, committedLeaderEpoch: 0, committedMetadata: metadata },
  ];
  const topics = [{ name: topic, topicId: wish.topicId ?? topicId, partitions }];
  const request = { groupId, generationIdOrMemberEpoch: generation, memberId, topics };
  const answer = await client.call('OffsetCommit', version, request);
  expect(answer.topics[0]).toMatchObject(version >= 10 ? { topicId: topics[0]!.topicId } : { name: topic });
  return answer.topics[0]!.partitions[0]!.errorCode;
}

/** The one group, in the shape of the newest version; null topics for all. */
async function fetchAll(version: number, groupId: string, partitionIndexes: number[] | null, requireStable = false) {
  const topics = partitionIndexes && [{ name: TOPIC, topicId, partitionIndexes }];
  const request = version >= 8 ? { groups: [{ groupId, topics }], requireStable } : { groupId, topics, requireStable };
  const answer = await client.call('OffsetFetch', version, request);
  return version >= 8 ? answer.groups[0]! : { ...answer, groupId };
}

describe.each(versionsOf('OffsetCommit'))('OffsetCommit v%i', (version) => {
  test('what it commits is fetched, and refusals are for their partition', async () => {
    const group = `commit-${version}`;
    expect(await commit(version, group, 5)).toBe(0);
    expect(await commit(version, group, 6, { partition: 1, metadata: null })).toBe(0);
    const unknown = version >= 10 ? { topicId: 'CCCCCCCCQACAAAAAAAAAAA' } : { topic: 'none' };
    expect(await commit(version, group, 1, unknown)).toBe(
      code(version >= 10 ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'),
    );
    expect(await commit(version, group, 1, { partition: 4 })).toBe(code('UNKNOWN_TOPIC_OR_PARTITION'));
    expect(await commit(version, group, 1, { metadata: 'x'.repeat(4_097) })).toBe(code('OFFSET_METADATA_TOO_LARGE'));
    const { topics } = await fetchAll(8, group, [0, 1]);
    expect(topics[0]!.partitions).toMatchObject([
      { committedOffset: 5, metadata: 'm', committedLeaderEpoch: version >= 6 ? 0 : -1, errorCode: 0 },
      { committedOffset: 6, metadata: '', errorCode: 0 },
    ]);
  });

  test('a generation without a group is refused as Kafka does', async () => {
    const refused = await commit(version, 'no-group', 5, { generation: 1, memberId: 'm' });
    expect(refused).toBe(code(version >= 9 ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION'));
  });

  test('a member that the group does not know is refused', async () => {
    const group = `members-${version}`;
    await commit(version, group, 5);
    expect(await commit(version, group, 6, { generation: 1, memberId: 'm' })).toBe(code('UNKNOWN_MEMBER_ID'));
  });
});

describe.each(versionsOf('OffsetFetch'))('OffsetFetch v%i', (version) => {
  test('answers what is committed, -1 where nothing is', async () => {
    await commit(8, 'fetched', 7);
    const { topics, errorCode } = await fetchAll(version, 'fetched', [0, 3]);
    expect(errorCode).toBe(0);
    expect(topics[0]).toMatchObject(version >= 10 ? { topicId } : { name: TOPIC });
    expect(topics[0]!.partitions).toEqual([
      { index: 0, committedOffset: 7, committedLeaderEpoch: version >= 5 ? 0 : -1, metadata: 'm', errorCode: 0 },
      { index: 3, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
    ]);
  });

  test('of a group that does not exist nothing is committed', async () => {
    const { topics, errorCode } = await fetchAll(version, 'none', [0]);
    expect(errorCode).toBe(0);
    expect(topics[0]!.partitions[0]).toMatchObject({ committedOffset: -1, errorCode: 0 });
  });

  if (version >= 2) {
    test('null topics ask for all that is committed', async () => {
      await commit(8, 'all', 1);
      await commit(8, 'all', 2, { partition: 2 });
      const { topics } = await fetchAll(version, 'all', null);
      expect(topics[0]!.partitions.map(({ index, committedOffset }) => [index, committedOffset])).toEqual([
        [0, 1],
        [2, 2],
      ]);
      expect((await fetchAll(version, 'none', null)).topics).toEqual([]);
    });
  }
});

test('many groups are fetched at once, each with its own error', async () => {
  await commit(8, 'many-1', 1);
  const topics = [{ name: TOPIC, topicId, partitionIndexes: [0] }];
  const groups = [
    { groupId: 'many-1', topics },
    { groupId: 'many-2', topics },
  ];
  const answer = await client.call('OffsetFetch', 8, { groups, requireStable: true });
  expect(answer.groups.map((group) => group.topics[0]!.partitions[0]!.committedOffset)).toEqual([1, -1]);
});

test('an unknown topic id is told in v10', async () => {
  const topics = [{ name: '', topicId: 'CCCCCCCCQACAAAAAAAAAAA', partitionIndexes: [0] }];
  const answer = await client.call('OffsetFetch', 10, {
    groups: [{ groupId: 'fetched', topics }],
    requireStable: false,
  });
  expect(answer.groups[0]!.topics[0]!.partitions[0]!.errorCode).toBe(code('UNKNOWN_TOPIC_ID'));
});

test('offsets outlive the broker, and go with their topic', async () => {
  await createTopic('short', 1);
  const shortId = await topicIdOf('short');
  await commit(9, 'lasting', 11);
  await commit(10, 'lasting', 12, { topic: 'short', topicId: shortId });
  await broker.restart();
  client = await broker.connect();
  expect((await fetchAll(9, 'lasting', null)).topics).toHaveLength(2);
  await client.call('DeleteTopics', 6, { topics: [{ name: 'short', topicId: ZERO_UUID }], timeoutMs: 1_000 });
  expect((await fetchAll(9, 'lasting', null)).topics.map(({ name }) => name)).toEqual([TOPIC]);
  await createTopic('short', 1);
  expect((await fetchAll(9, 'lasting', null)).topics.map(({ name }) => name)).toEqual([TOPIC]);
});

test('commits of one connection keep their order', async () => {
  const sent: number[] = [];
  for (let offset = 0; offset < 200; offset++) {
    const partitions = [{ index: 0, committedOffset: offset, committedMetadata: '' }];
    sent.push(client.send('OffsetCommit', 8, { groupId: 'ordered', topics: [{ name: TOPIC, partitions }] }));
  }
  for (const correlationId of sent) {
    const answer = await client.receive('OffsetCommit', 8, correlationId);
    expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(0);
  }
  expect((await fetchAll(8, 'ordered', [0])).topics[0]!.partitions[0]!.committedOffset).toBe(199);
});

test('OffsetDelete forgets single partitions', async () => {
  await commit(8, 'deleting', 1);
  await commit(8, 'deleting', 2, { partition: 1 });
  const topics = [
    { name: TOPIC, partitions: [{ index: 1 }, { index: 9 }] },
    { name: 'none', partitions: [{ index: 0 }] },
  ];
  const answer = await client.call('OffsetDelete', 0, { groupId: 'deleting', topics });
  expect(answer.errorCode).toBe(0);
  expect(answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual([
    [0, code('UNKNOWN_TOPIC_OR_PARTITION')],
    [code('UNKNOWN_TOPIC_OR_PARTITION')],
  ]);
  const left = (await fetchAll(8, 'deleting', null)).topics[0]!.partitions;
  expect(left.map(({ index }) => index)).toEqual([0]);
  const missing = await client.call('OffsetDelete', 0, { groupId: 'missing', topics });
  expect(missing).toMatchObject({ errorCode: code('GROUP_ID_NOT_FOUND'), topics: [] });
});

interface Producer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

async function initProducer(transactionalId: string): Promise<Producer> {
  const answer = await client.call('InitProducerId', 4, { transactionalId, transactionTimeoutMs: 60_000 });
  expect(answer.errorCode).toBe(0);
  return { transactionalId, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
}

async function txnCommit(version: number, producer: Producer, groupId: string, offset: number): Promise<number> {
  const partitions = [{ index: 0, committedOffset: offset, committedMetadata: null }];
  const request = { ...producer, groupId, memberId: '', topics: [{ name: TOPIC, partitions }] };
  const answer = await client.call('TxnOffsetCommit', version, request);
  return answer.topics[0]!.partitions[0]!.errorCode;
}

/** The identity to go on with. */
async function end(version: number, producer: Producer, committed: boolean): Promise<Producer> {
  const answer = await client.call('EndTxn', version, { ...producer, committed });
  expect(answer.errorCode).toBe(0);
  if (version < 5) return producer;
  return { ...producer, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
}

async function committedOf(groupId: string, requireStable: boolean) {
  const { topics } = await fetchAll(8, groupId, [0], requireStable);
  const { committedOffset, errorCode } = topics[0]!.partitions[0]!;
  return errorCode === 0 ? committedOffset : errorCode;
}

describe.each(versionsOf('TxnOffsetCommit'))('TxnOffsetCommit v%i', (version) => {
  const group = `transactional-${version}`;

  test('a producer without a transaction is refused', async () => {
    const unknown = { transactionalId: 'unknown', producerId: 4_711, producerEpoch: 0 };
    const expected = ['INVALID_PRODUCER_ID_MAPPING', 'TRANSACTION_ABORTABLE', 'INVALID_TXN_STATE'] as const;
    expect(await txnCommit(version, unknown, group, 1)).toBe(code(expected[version >= 5 ? 0 : version >= 4 ? 1 : 2]));
  });

  test('offsets count when the transaction commits, and not when it aborts', async () => {
    const endVersion = version >= 5 ? 5 : 3;
    const add = async (producer: Producer) => {
      if (version >= 5) return;
      const { errorCode } = await client.call('AddOffsetsToTxn', 3, { ...producer, groupId: group });
      expect(errorCode).toBe(0);
    };
    let producer = await initProducer(`tx-${version}`);
    await add(producer);
    expect(await txnCommit(version, producer, group, 5)).toBe(0);
    expect(await committedOf(group, false)).toBe(-1);
    expect(await committedOf(group, true)).toBe(code('UNSTABLE_OFFSET_COMMIT'));
    producer = await end(endVersion, producer, true);
    expect(await committedOf(group, true)).toBe(5);
    await add(producer);
    expect(await txnCommit(version, producer, group, 9)).toBe(0);
    producer = await end(endVersion, producer, false);
    expect(await committedOf(group, true)).toBe(5);
  });

  test('a fenced producer adds nothing', async () => {
    const old = await initProducer(`fenced-${version}`);
    if (version < 5) await client.call('AddOffsetsToTxn', 3, { ...old, groupId: `${group}-fenced` });
    await txnCommit(version, old, `${group}-fenced`, 5);
    await initProducer(`fenced-${version}`);
    expect(await txnCommit(version, old, `${group}-fenced`, 6)).toBe(code('INVALID_PRODUCER_EPOCH'));
    expect(await committedOf(`${group}-fenced`, true)).toBe(-1);
  });
});
