import { expect, test } from 'vitest';
import { Faults, faultyObjectStore } from '../../src/storage/faulty.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { fetch, fetchPartition, openWorld, produce, testRuntime } from '../unit/log/world.ts';

test('a partition that is deleted while its records are read is unknown to the fetch', async () => {
  const objects = new MemoryObjectStore();
  const writer = await openWorld({ objects });
  const topic = await writer.topics.create({ name: 'orders', config: {} });
  await produce(writer.log, topic, 0, ['x'.repeat(100_000)]); // Too large to travel inline.
  await writer.close();

  const faults = new Faults(testRuntime());
  const reader = await openWorld({ objects: faultyObjectStore(objects, faults), metadata: writer.metadata });
  faults.script({ operation: 'read', fault: 'hang' });
  const fetching = fetch(reader.log, [fetchPartition(topic, 0, 0)]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await produce(reader.log, topic, 0, ['appended while the first one is read']);
  await reader.topics.delete('orders');
  faults.release();
  const answer = await fetching;
  expect(answer.partitions).toMatchObject([{ error: 'UNKNOWN_TOPIC_OR_PARTITION', highWatermark: -1, records: [] }]);
  answer.release();
  await reader.close();
});
