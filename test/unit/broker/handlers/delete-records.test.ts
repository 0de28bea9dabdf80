import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { ask, door, versionsOf } from '../door.ts';

async function withRecords() {
  const broker = door();
  const { topicId } = await broker.topics.create({ name: 'orders', partitions: 3, config: {} });
  await broker.topics.create({ name: 'state', config: { 'cleanup.policy': 'compact' } });
  for (const partition of [0, 1, 2]) {
    const batches = ['a', 'b', 'c'].map((value) => buildBatch([{ key: null, value }], { timestamp: 1 }));
    await broker.log.produce(batches.map((records) => ({ topicId, partition, records })));
  }
  return broker;
}

test.each(versionsOf('DeleteRecords'))('v%i answers the new start of each partition', async (version) => {
  const partitions = [
    { index: 0, offset: 2 },
    { index: 1, offset: -1 },
    { index: 2, offset: 4 },
    { index: 3, offset: 0 },
    { index: 2, offset: -2 },
  ];
  const topics = [
    { name: 'orders', partitions },
    { name: 'state', partitions: [{ index: 0, offset: 0 }] },
    { name: 'missing', partitions: [{ index: 0, offset: 0 }] },
  ];
  const answer = await ask(await withRecords(), 'DeleteRecords', version, { topics, timeoutMs: 1 });
  expect(answer.topics.map(({ name, partitions: results }) => [name, results])).toEqual([
    [
      'orders',
      [
        { index: 0, lowWatermark: 2, errorCode: 0 },
        { index: 1, lowWatermark: 3, errorCode: 0 },
        { index: 2, lowWatermark: -1, errorCode: ERRORS.OFFSET_OUT_OF_RANGE.code },
        { index: 3, lowWatermark: -1, errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code },
        { index: 2, lowWatermark: -1, errorCode: ERRORS.OFFSET_OUT_OF_RANGE.code },
      ],
    ],
    ['state', [{ index: 0, lowWatermark: -1, errorCode: ERRORS.POLICY_VIOLATION.code }]],
    ['missing', [{ index: 0, lowWatermark: -1, errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code }]],
  ]);
});
