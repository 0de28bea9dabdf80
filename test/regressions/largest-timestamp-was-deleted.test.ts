import { expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { openWorld } from '../unit/log/world.ts';

const T = 1_763_683_200_000;

/** A log of two batches with these timestamps after T, of which everything below `logStartOffset` is deleted. */
async function largest(first: readonly number[], second: readonly number[], logStartOffset: number) {
  const world = await openWorld();
  const { topicId } = await world.topics.create({ name: 'orders', config: {} });
  for (const times of [first, second]) {
    if (times.length === 0) continue;
    const records = buildBatch(
      times.map((time) => ({ key: null, value: null, timestamp: T + time })),
      { timestamp: T },
    );
    await world.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' });
  }
  await world.log.deleteRecords({ topicId, partition: 0 }, logStartOffset);
  const { offset, timestamp } = await world.log.listOffset({ topicId, partition: 0 }, { type: 'maxTimestamp' });
  await world.close();
  return [offset, timestamp < 0 ? timestamp : timestamp - T];
}

test('the largest timestamp is found when a larger one of the same extent was deleted', async () => {
  expect(await largest([90, 10, 20], [], 1)).toEqual([2, 20]);
  expect(await largest([90, 10, 20], [5, 15], 1)).toEqual([2, 20]);
  expect(await largest([90, 10, 20], [30, 15], 1)).toEqual([3, 30]);
  expect(await largest([90, 10, 40, 20], [30, 15], 1)).toEqual([2, 40]);
  expect(await largest([90, 10, 20], [30, 30], 3)).toEqual([3, 30]);
  expect(await largest([90, 10, 20], [], 3)).toEqual([-1, -1]);
});
