import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorName } from '../../../../src/errors.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { ask, door, versionsOf } from '../door.ts';
import { LEADER_EPOCH } from '../memory-log.ts';

async function withRecords() {
  const broker = door();
  const topic = await broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  const batches = [1_000, 3_000, 2_000].map((timestamp) => buildBatch([{ key: null, value: 'v' }], { timestamp }));
  await broker.log.produce(batches.map((records) => ({ topicId: topic.topicId, partition: 0, records })));
  await broker.log.deleteRecords({ topicId: topic.topicId, partition: 0 }, 1);
  return broker;
}

const asking = (...partitions: { index: number; timestamp: number; currentLeaderEpoch?: number }[]) => ({
  replicaId: -1,
  topics: [{ name: 'orders', partitions }],
});

test.each(versionsOf('ListOffsets'))('v%i tells earliest, latest and the first record of a time', async (version) => {
  const broker = await withRecords();
  const offsets: (readonly [number, number])[] = [];
  for (const timestamp of [-2, -1, 2_500, 9_999]) {
    const { topics } = await ask(broker, 'ListOffsets', version, asking({ index: 0, timestamp }));
    const partition = topics[0]!.partitions[0]!;
    expect(partition.errorCode).toBe(0);
    offsets.push([partition.offset, partition.timestamp]);
    if (version >= 4 && partition.offset >= 0) expect(partition.leaderEpoch).toBe(LEADER_EPOCH);
  }
  expect(offsets).toEqual([
    [1, -1],
    [3, -1],
    [1, 3_000],
    [-1, -1],
  ]);
});

test.each([
  ['-3, the record with the largest timestamp', 7, -3, 1],
  ['-4, the earliest local offset', 8, -4, 1],
  ['-5, the latest tiered offset, of which there is none', 9, -5, -1],
  ['-6, the earliest offset not uploaded, of which there is none', 11, -6, -1],
])('timestamp %s, is answered since v%i', async (_what, since, timestamp, offset) => {
  const broker = await withRecords();
  const now = await ask(broker, 'ListOffsets', since, asking({ index: 0, timestamp }));
  expect(now.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, offset });
  const before = await ask(broker, 'ListOffsets', since - 1, asking({ index: 0, timestamp }));
  expect(before.topics[0]?.partitions[0]).toMatchObject({ errorCode: ERRORS.UNSUPPORTED_VERSION.code, offset: -1 });
});

describe('errors', () => {
  test.each<[string, number, { index: number; timestamp: number; currentLeaderEpoch?: number }, ErrorName]>([
    ['a partition that is missing', 5, { index: 2, timestamp: -1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['an epoch that is over', 5, { index: 0, timestamp: -1, currentLeaderEpoch: 1 }, 'FENCED_LEADER_EPOCH'],
    ['an epoch that is yet to come', 5, { index: 0, timestamp: -1, currentLeaderEpoch: 9 }, 'UNKNOWN_LEADER_EPOCH'],
  ])('%s', async (_what, version, partition, error) => {
    const answer = await ask(
      await withRecords(),
      'ListOffsets',
      version,
      asking(partition, { index: 1, timestamp: -1 }),
    );
    expect(answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([ERRORS[error].code, 0]);
  });

  test('a partition that is named twice is refused, others are answered', async () => {
    const twice = { index: 0, timestamp: -1 };
    const answer = await ask(await withRecords(), 'ListOffsets', 5, asking(twice, { index: 1, timestamp: -1 }, twice));
    const refused = ERRORS.INVALID_REQUEST.code;
    expect(answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([refused, 0, refused]);
  });
});
