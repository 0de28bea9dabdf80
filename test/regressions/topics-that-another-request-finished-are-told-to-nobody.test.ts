/**
 * A topic whose creation or deletion broke off was brought to its end by the next request, or by a broker that looked again
 * later, and a change of a configuration was done although its answer was lost: other brokers were not told, and never
 * showed it.
 */
import { afterEach, expect, test } from 'vitest';
import { TopicRegistry } from '../../src/cluster/topic-registry.ts';
import { fixedJournals } from '../../src/journal/journals.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import { Faults, faultyMetadataStore } from '../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory/object-store.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';

const opened: { stop(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop();
});

/** Two brokers that show the same topics as long as each is told of what the other changed. */
async function twoBrokers() {
  const runtime = steppedRuntime();
  const table = new MemoryMetadataStore();
  const objects = new MemoryObjectStore();
  const identity = { id: 0, clusterId: 'c', brokerId: 1, brokerEpoch: 1 };
  const journal = await openJournal({ ...identity, metadata: table, objects, runtime });
  const faults = new Faults({ random: runtime.random, timers: runtime.timers });
  const open = (metadata: typeof table | ReturnType<typeof faultyMetadataStore>, other: () => TopicRegistry) => {
    const topics = new TopicRegistry({
      clusterId: 'c',
      metadata,
      journals: fixedJournals([journal]),
      runtime,
      defaults: {},
      partitionsDefault: 1,
      shared: true,
      announce: async (topicId) => {
        await other().refresh(topicId);
      },
    });
    opened.push({ stop: () => topics.stop() });
    return topics;
  };
  const one: TopicRegistry = open(faultyMetadataStore(table, faults), () => two);
  const two: TopicRegistry = open(table, () => one);
  opened.push({ stop: () => journal.close() });
  return { runtime, faults, one, two };
}

const LOST = { fault: 'answer-lost' } as const;

test('a creation that the next request finishes is told to others', async () => {
  const { one, two, faults } = await twoBrokers();
  faults.script({ operation: 'transact', ...LOST });
  await expect(one.create({ name: 'orders', partitions: 1, config: {} })).rejects.toThrow();
  await expect(one.create({ name: 'orders', partitions: 1, config: {} })).rejects.toThrow('already exists');
  expect(one.byName('orders')).toBeDefined();
  expect(two.byName('orders')).toBeDefined();
});

test('a deletion that another broker finishes is told to who began it', async () => {
  const { one, two, faults } = await twoBrokers();
  await one.create({ name: 'orders', partitions: 1, config: {} });
  faults.script({ operation: 'transact', ...LOST });
  await expect(one.delete('orders')).rejects.toThrow();
  await two.delete('orders');
  expect(one.byName('orders')).toBeUndefined();
});

test('a configuration that was altered by a request whose answer was lost is told to others later', async () => {
  const { runtime, one, two, faults } = await twoBrokers();
  await one.create({ name: 'orders', partitions: 1, config: {} });
  faults.script({ operation: 'put', ...LOST });
  const alterations = [{ operation: 'SET', name: 'retention.ms', value: '5000' }] as const;
  await expect(one.alterConfig('orders', alterations)).rejects.toThrow();
  await runtime.advance(20_000);
  expect(one.byName('orders')?.overrides).toEqual({ 'retention.ms': '5000' });
  expect(two.byName('orders')?.overrides).toEqual({ 'retention.ms': '5000' });
});
