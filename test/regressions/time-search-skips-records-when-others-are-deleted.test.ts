import { expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { Faults, faultyObjectStore } from '../../src/storage/faulty.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { openWorld, testRuntime } from '../unit/log/world.ts';

const T = 1_763_683_200_000;

test('a search by time goes on at the new log start when the records it looks at are deleted', async () => {
  const objects = new MemoryObjectStore();
  const writer = await openWorld({ objects });
  const topic = await writer.topics.create({ name: 'orders', config: {} });
  const name = { topicId: topic.topicId, partition: 0 };
  // Too large to travel inline: a segment each.
  const records = buildBatch([{ key: null, value: 'x'.repeat(100_000) }], { timestamp: T });
  for (let count = 0; count < 3; count++) await writer.log.produce([{ ...name, records }], { origin: 'kafka' });
  await writer.close();

  const faults = new Faults(testRuntime());
  const reader = await openWorld({ objects: faultyObjectStore(objects, faults), metadata: writer.metadata });
  faults.script({ operation: 'read', fault: 'hang' });
  const search = reader.log.listOffset(name, { type: 'timestamp', timestamp: T });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await reader.log.deleteRecords(name, 1);
  const first = await objects.list('c/segments/', '', 1, { cause: 'tool' });
  await objects.delete([first.objects[0]!.key], { cause: 'tool' });
  faults.release();
  expect(await search).toMatchObject({ offset: 1, timestamp: T });
  await reader.close();
});
