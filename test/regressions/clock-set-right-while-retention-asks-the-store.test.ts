import { expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openWronglyTimed } from '../unit/coordinator/wrong-clock.ts';

test('a clock that is set right while retention asks the store for the time removes nothing', async () => {
  const { core, clock } = await openWronglyTimed();
  clock.onList = () => {
    clock.aheadMs = 0;
  };
  const config = { 'retention.ms': '60000' };
  const { topicId } = await core.topics.create({ name: 'orders', partitions: 1, config });
  const records = buildBatch([{ key: null, value: 'young' }], { timestamp: systemClock.now() });
  await core.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' });
  clock.aheadMs = 3_600_000;
  await core.lifecycle.retain(AbortSignal.timeout(10_000));
  expect((await core.log.watermarks({ topicId, partition: 0 })).logStartOffset).toBe(0);
  await core.close();
});
