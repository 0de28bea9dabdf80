/**
 * A creation that the table answered with an error and carried out much later: the broker that had looked for it meanwhile
 * took the topic for a deleted one, and never showed it, while all others did.
 */
import { afterEach, expect, test } from 'vitest';
import { TopicRegistry } from '../../src/cluster/topic-registry.ts';
import { fixedJournals } from '../../src/journal/journals.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import { Faults, faultyMetadataStore } from '../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function registry() {
  const runtime = steppedRuntime();
  const table = new MemoryMetadataStore();
  const faults = new Faults(runtime, { lateMs: [12_000, 12_001] });
  const identity = { id: 0, clusterId: 'c', brokerId: 1, brokerEpoch: 1 };
  const journal = await openJournal({ ...identity, metadata: table, objects: new MemoryObjectStore(), runtime });
  const topics = new TopicRegistry({
    clusterId: 'c',
    metadata: faultyMetadataStore(table, faults),
    journals: fixedJournals([journal]),
    runtime,
    defaults: {},
    partitionsDefault: 1,
    shared: true,
  });
  closing.push(
    () => topics.stop(),
    () => journal.close(),
  );
  return { runtime, faults, topics };
}

test('a topic whose creation comes late is shown by the broker that began it', async () => {
  const { runtime, faults, topics } = await registry();
  faults.script({ operation: 'transact', fault: 'late-effect' });
  await expect(topics.create({ name: 'orders', partitions: 1, config: {} })).rejects.toThrow();
  await runtime.advance(11_000); // It has looked once.
  expect(topics.byName('orders')).toBeUndefined();
  await runtime.advance(60_000);
  expect(topics.byName('orders')).toBeDefined();
});
