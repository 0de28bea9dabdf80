/**
 * A broker slept while it added partitions to a topic, and the topic was deleted meanwhile. It woke up, made them, and could not
 * take them back, since the table was away for a moment or it died: they stood in the journal for ever, and with them whatever a
 * broker that had not heard of the deletion let producers append.
 */
import { afterEach, expect, test } from 'vitest';
import { TopicRegistry } from '../../src/cluster/topic-registry.ts';
import { parseConfig } from '../../src/config.ts';
import type { Change, Journal } from '../../src/journal/journal.ts';
import { fixedJournals, type Journals } from '../../src/journal/journals.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import { Lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { SegmentIds } from '../../src/segment/segment-id.ts';
import { Faults, faultyMetadataStore } from '../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import type { MetadataStore } from '../../src/storage/metadata-store.ts';
import { NEVER } from '../unit/cluster/seats-world.ts';
import { testRuntime } from '../unit/journal/harness.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A table, a journal, and brokers that know of topics. */
async function openWorld() {
  const runtime = testRuntime();
  const metadata = new MemoryMetadataStore();
  const objects = new MemoryObjectStore();
  const journal = await openJournal({ id: 0, clusterId: 'c', brokerId: 1, brokerEpoch: 1, metadata, objects, runtime });
  closing.push(() => journal.close());
  const shared = { clusterId: 'c', runtime };
  const broker = (journals: Journals, table: MetadataStore = metadata) => {
    const defaults = { defaults: {}, partitionsDefault: 1, shared: true };
    const topics = new TopicRegistry({ ...shared, ...defaults, metadata: table, journals });
    closing.push(() => topics.stop());
    return topics;
  };
  const journals = fixedJournals([journal]);
  const topics = broker(journals);
  const segmentIds = new SegmentIds(runtime.clock, runtime.random, 1, 1);
  const lifecycle = new Lifecycle({
    ...{ ...shared, config: parseConfig({}), journals, objects, metadata, topics, segmentIds },
  });
  closing.push(() => lifecycle.stop());
  return { metadata, journal, topics, broker, lifecycle };
}

/** One whose proposals leave late. */
function sleepyJournal(journal: Journal) {
  let wake = () => {};
  let count = 0;
  const awake = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const sleepy = new Proxy(journal, {
    get(target, name) {
      if (name === 'propose') {
        return (change: Change) => {
          count++;
          return awake.then(() => target.propose(change));
        };
      }
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { sleepy, wake, asked: () => count };
}

test('partitions whose topic is gone go, too', async () => {
  const { metadata, journal, topics, broker, lifecycle } = await openWorld();
  const { topicId } = await topics.create({ name: 'orders', partitions: 1, config: {} });
  const { sleepy, wake, asked } = sleepyJournal(journal);
  const faults = new Faults(testRuntime());
  const other = broker(fixedJournals([sleepy]), faultyMetadataStore(metadata, faults));
  await other.refresh(topicId);
  const growing = other.createPartitions('orders', 3);
  await expect.poll(async () => (await topics.refresh(topicId)) && asked()).toBe(1);
  await topics.delete('orders');
  faults.script({ operation: 'put', fault: 'error-before' });
  wake();
  await expect(growing).rejects.toThrow();
  other.stop();
  const partitions = () => [...journal.state.partitions()].map(({ partition }) => partition);
  expect(partitions()).toEqual([1, 2]);
  await lifecycle.retain(NEVER);
  expect(partitions()).toEqual([]);
});

test('those of a topic that is on its way stay', async () => {
  const { metadata, journal, broker, topics, lifecycle } = await openWorld();
  const faults = new Faults(testRuntime());
  const other = broker(fixedJournals([journal]), faultyMetadataStore(metadata, faults));
  faults.script({ operation: 'put', fault: 'error-before' });
  await expect(other.create({ name: 'orders', partitions: 2, config: {} })).rejects.toThrow();
  other.stop();
  expect(topics.byName('orders')).toBeUndefined();
  await lifecycle.retain(NEVER);
  expect([...journal.state.partitions()]).toHaveLength(2);
});
