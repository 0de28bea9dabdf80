import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { buildBatch } from '../../src/record/records.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openCore } from '../../src/server.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { testRuntime } from '../unit/journal/harness.ts';

test('a clock that is set right while retention asks the store for the time removes nothing', async () => {
  let aheadMs = 0;
  const runtime = {
    ...testRuntime(),
    clock: { now: () => systemClock.now() + aheadMs, monotonic: () => systemClock.monotonic() },
  };
  const objects = new MemoryObjectStore();
  const list: MemoryObjectStore['list'] = async (...range) => {
    aheadMs = 0;
    return objects.list(...range);
  };
  const stores = { metadata: new MemoryMetadataStore(), objects: Object.assign(Object.create(objects), { list }) };
  const core = await openCore({ config: parseConfig({}), runtime, stores });
  const config = { 'retention.ms': '60000' };
  const { topicId } = await core.topics.create({ name: 'orders', partitions: 1, config });
  const records = buildBatch([{ key: null, value: 'young' }], { timestamp: systemClock.now() });
  await core.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' });
  aheadMs = 3_600_000;
  await core.lifecycle.retain(AbortSignal.timeout(10_000));
  expect((await core.log.watermarks({ topicId, partition: 0 })).logStartOffset).toBe(0);
  await core.close();
});
