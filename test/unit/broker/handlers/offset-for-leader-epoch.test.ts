import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { ask, door, versionsOf } from '../door.ts';
import { LEADER_EPOCH } from '../memory-log.ts';

test.each(versionsOf('OffsetForLeaderEpoch'))('v%i tells where an epoch ended', async (version) => {
  const broker = door();
  const { topicId } = await broker.topics.create({ name: 'orders', config: {} });
  await broker.log.produce([
    { topicId, partition: 0, records: buildBatch([{ key: null, value: 'v' }], { timestamp: 1 }) },
  ]);
  const partitions = [
    { index: 0, leaderEpoch: LEADER_EPOCH },
    { index: 0, leaderEpoch: 1 },
    { index: 0, leaderEpoch: LEADER_EPOCH, currentLeaderEpoch: 1 },
    { index: 4, leaderEpoch: LEADER_EPOCH },
  ];
  const answer = await ask(broker, 'OffsetForLeaderEpoch', version, { topics: [{ name: 'orders', partitions }] });
  expect(answer.topics[0]?.partitions).toEqual([
    { index: 0, errorCode: 0, leaderEpoch: LEADER_EPOCH, endOffset: 1 },
    { index: 0, errorCode: 0, leaderEpoch: -1, endOffset: -1 },
    { index: 0, errorCode: ERRORS.FENCED_LEADER_EPOCH.code, leaderEpoch: -1, endOffset: -1 },
    { index: 4, errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code, leaderEpoch: -1, endOffset: -1 },
  ]);
});
