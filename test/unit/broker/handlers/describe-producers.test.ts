import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { ask, door, versionsOf } from '../door.ts';

test.each(
  versionsOf('DescribeProducers'),
)('v%i tells the producers of a partition and their transactions', async (version) => {
  const broker = door();
  await broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  const topics = [
    { name: 'orders', partitionIndexes: [0, 1, 1, 7] },
    { name: 'missing', partitionIndexes: [0] },
  ];
  const answer = await ask(broker, 'DescribeProducers', version, { topics });
  expect(answer.topics[0]?.partitions[0]).toEqual({
    index: 0,
    errorCode: 0,
    errorMessage: null,
    activeProducers: [
      {
        producerId: 5,
        producerEpoch: 2,
        lastSequence: 12,
        lastTimestamp: 1_000,
        coordinatorEpoch: 4,
        currentTxnStartOffset: 7,
      },
      {
        producerId: 6,
        producerEpoch: 0,
        lastSequence: -1,
        lastTimestamp: 2_000,
        coordinatorEpoch: -1,
        currentTxnStartOffset: -1,
      },
    ],
  });
  const codes = answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  const { INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION } = ERRORS;
  expect(codes).toEqual([
    [0, INVALID_REQUEST.code, INVALID_REQUEST.code, UNKNOWN_TOPIC_OR_PARTITION.code],
    [UNKNOWN_TOPIC_OR_PARTITION.code],
  ]);
  expect(answer.topics[0]?.partitions[3]?.errorMessage).toBe('topic "orders" has 2 partitions, there is no 7');
});
