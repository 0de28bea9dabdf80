import { expect, test } from 'vitest';
import { TopicRegistry } from '../../src/cluster/topic-registry.ts';
import { StorageUnavailableError } from '../../src/errors.ts';
import { fixedJournals } from '../../src/journal/journals.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { Faults, faultyMetadataStore } from '../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';

test('a deletion whose answer was lost can be repeated, and frees the name', async () => {
  const runtime = systemRuntime(silentLogger);
  const faults = new Faults(runtime);
  const metadata = faultyMetadataStore(new MemoryMetadataStore(), faults);
  const objects = new MemoryObjectStore();
  const journal = await openJournal({ id: 0, clusterId: 'c', brokerId: 1, brokerEpoch: 1, metadata, objects, runtime });
  const journals = fixedJournals([journal]);
  const topics = new TopicRegistry({ clusterId: 'c', metadata, journals, runtime, defaults: {}, partitionsDefault: 1 });
  const { topicId } = await topics.create({ name: 'orders', config: {} });

  faults.script({ operation: 'transact', fault: 'answer-lost' });
  await expect(topics.delete('orders')).rejects.toBeInstanceOf(StorageUnavailableError);
  await topics.delete('orders');
  expect(topics.byName('orders')).toBeUndefined();
  expect(journal.state.partition(topicId, 0)).toBeUndefined();
  await topics.create({ name: 'orders', config: {} });
  await journal.close();
});

test('a topic whose deletion broke off is not changed any more', async () => {
  const runtime = systemRuntime(silentLogger);
  const faults = new Faults(runtime);
  const metadata = faultyMetadataStore(new MemoryMetadataStore(), faults);
  const objects = new MemoryObjectStore();
  const journal = await openJournal({ id: 0, clusterId: 'c', brokerId: 1, brokerEpoch: 1, metadata, objects, runtime });
  const journals = fixedJournals([journal]);
  const topics = new TopicRegistry({ clusterId: 'c', metadata, journals, runtime, defaults: {}, partitionsDefault: 1 });
  await topics.create({ name: 'orders', config: {} });

  faults.script({ operation: 'transact', fault: 'answer-lost' });
  await expect(topics.delete('orders')).rejects.toBeInstanceOf(StorageUnavailableError);
  await expect(topics.createPartitions('orders', 2)).rejects.toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
  expect(topics.byName('orders')).toBeUndefined();
  await topics.create({ name: 'orders', config: {} });
  await journal.close();
});
