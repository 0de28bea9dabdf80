import { afterEach, expect, test } from 'vitest';
import { TopicRegistry, type TopicRegistryOptions } from '../../../src/cluster/topic-registry.ts';
import { KafkaError, StorageUnavailableError } from '../../../src/errors.ts';
import type { Journal } from '../../../src/journal/journal.ts';
import { fixedJournals, type Journals } from '../../../src/journal/journals.ts';
import { type OpenedJournal, openJournal } from '../../../src/journal/open-journal.ts';
import { Faults, faultyMetadataStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';

import { type SteppedRuntime, steppedRuntime } from '../coordinator/stepped-runtime.ts';

interface World {
  readonly runtime: SteppedRuntime;
  readonly metadata: MemoryMetadataStore;
  readonly journal: OpenedJournal;
  readonly journals: Journals;
  /** What brokers told each other: `broker: topic id`. */
  readonly told: string[];
  broker(options?: Partial<TopicRegistryOptions>): TopicRegistry;
}

const opened: { stop(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop();
});

/** Brokers on one table and one journal, which tell each other of nothing unless the test does. */
async function world(): Promise<World> {
  const runtime = steppedRuntime();
  const metadata = new MemoryMetadataStore();
  const objects = new MemoryObjectStore();
  const journal = await openJournal({ id: 0, clusterId: 'c', brokerId: 1, brokerEpoch: 1, metadata, objects, runtime });
  const journals = fixedJournals([journal]);
  const told: string[] = [];
  opened.push({ stop: () => journal.close() });
  return {
    runtime,
    metadata,
    journal,
    journals,
    told,
    broker(options = {}) {
      const topics = new TopicRegistry({
        clusterId: 'c',
        metadata,
        journals,
        runtime,
        defaults: {},
        partitionsDefault: 1,
        shared: true,
        announce: async (topicId) => {
          told.push(topicId);
        },
        ...options,
      });
      opened.unshift({ stop: () => topics.stop() });
      return topics;
    },
  };
}

/** Journals that cannot be asked while `away` holds. */
function absentJournals(journals: Journals): Journals & { away: boolean } {
  const wrapped = new Proxy(journals.get(0)!, {
    get(journal, name) {
      if (name === 'propose' && absent.away) {
        return () => Promise.reject(new KafkaError('NOT_LEADER_OR_FOLLOWER', 'nobody leads journal 0'));
      }
      const value = Reflect.get(journal, name);
      return typeof value === 'function' ? value.bind(journal) : value;
    },
  }) as Journal;
  const absent = Object.assign(fixedJournals([wrapped]), { away: true });
  return absent;
}

/** The error of what was given up because its journal stayed away. */
async function givenUp(attempt: Promise<unknown>, runtime: SteppedRuntime): Promise<string> {
  const error = attempt.then(
    () => 'NONE',
    (cause: KafkaError) => cause.error,
  );
  await runtime.advance(5_100);
  return error;
}

test('a topic that another broker made is found by name and by id, and shown from then on', async () => {
  const { broker, metadata } = await world();
  const [one, two, three] = [broker(), broker(), broker()];
  const { topicId } = await one.create({ name: 'orders', config: {} });
  expect(two.byName('orders')).toBeUndefined();
  expect((await two.find('orders'))?.topicId).toBe(topicId);
  expect((await three.findById(topicId))?.name).toBe('orders');
  expect(two.byName('orders')?.topicId).toBe(topicId);
  metadata.get = () => Promise.reject(new Error('the store is asked again'));
  expect((await two.find('orders'))?.topicId).toBe(topicId);
});

test('what does not exist is asked for once a second, and once by many', async () => {
  const { broker, metadata, runtime } = await world();
  const topics = broker();
  let asked = 0;
  const get = metadata.get.bind(metadata);
  metadata.get = (...given) => {
    asked++;
    return get(...given);
  };
  await Promise.all(Array.from({ length: 50 }, () => topics.find('nothing')));
  await topics.find('nothing');
  expect(asked).toBe(1);
  await runtime.advance(1_001);
  await topics.find('nothing');
  expect(asked).toBe(2);
});

test('a broker that is alone asks nobody', async () => {
  const { broker, metadata } = await world();
  const topics = broker({ shared: false });
  metadata.get = () => Promise.reject(new Error('the store is asked'));
  expect(await topics.find('nothing')).toBeUndefined();
});

test('a topic made again under its name by another broker takes the place of the old one', async () => {
  const { broker, told } = await world();
  const [one, two] = [broker(), broker()];
  const first = await one.create({ name: 'orders', config: {} });
  await two.refresh(first.topicId);
  await one.delete('orders');
  const second = await one.create({ name: 'orders', config: {} });
  expect(told).toEqual([first.topicId, first.topicId, second.topicId]);
  await two.refresh(second.topicId);
  expect(two.byName('orders')?.topicId).toBe(second.topicId);
  await two.refresh(first.topicId);
  expect(two.byName('orders')?.topicId).toBe(second.topicId);
  expect(two.count).toBe(1);
});

test('a change made where the topic was not known yet finds it first', async () => {
  const { broker } = await world();
  const [one, two] = [broker(), broker()];
  await one.create({ name: 'orders', config: {} });
  await two.createPartitions('orders', 3);
  await one.alterConfig('orders', [{ operation: 'SET', name: 'retention.ms', value: '5' }]);
  await two.delete('orders');
  await expect(one.alterConfig('orders', [])).rejects.toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
});

test('of two brokers that make the same topic one is told that it exists, and both show the same', async () => {
  const { broker } = await world();
  const [one, two] = [broker(), broker()];
  const made = await Promise.allSettled([one, two].map((each) => each.create({ name: 'orders', config: {} })));
  expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect((await one.find('orders'))?.topicId).toBe((await two.find('orders'))?.topicId);
});

test('everything is read again: what came shows, what went does not, and what was made meanwhile stays', async () => {
  const { broker } = await world();
  const [one, two] = [broker(), broker()];
  for (const name of ['a', 'b']) await one.create({ name, config: {} });
  await two.refreshAll();
  await one.delete('a');
  await one.create({ name: 'c', config: {} });
  const read = two.refreshAll();
  await two.create({ name: 'd', config: {} });
  await read;
  expect(two.list('', '', 9).map(({ name }) => name)).toEqual(['b', 'c', 'd']);
});

test('a creation that broke off is finished while the broker runs, and others are told', async () => {
  const { broker, journals, runtime, told, journal } = await world();
  const absent = absentJournals(journals);
  const topics = broker({ journals: absent });
  expect(await givenUp(topics.create({ name: 'orders', config: {} }), runtime)).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(topics.byName('orders')).toBeUndefined();
  await runtime.advance(20_000);
  absent.away = false;
  await runtime.advance(60_000);
  const topic = topics.byName('orders')!;
  expect(journal.state.partition(topic.topicId, 0)).toBeDefined();
  expect(told).toEqual([topic.topicId]);
});

test('a creation whose broker died is finished by another one that finds it', async () => {
  const { broker, journals, runtime } = await world();
  const absent = absentJournals(journals);
  const dead = broker({ journals: absent });
  await givenUp(dead.create({ name: 'orders', config: {} }), runtime);
  dead.stop();
  const other = broker();
  await other.refreshAll();
  await runtime.advance(15_000);
  expect(other.byName('orders')).toBeDefined();
});

test('a deletion whose broker died is finished by another one that finds it', async () => {
  const { broker, journals, runtime, journal, metadata } = await world();
  const absent = absentJournals(journals);
  absent.away = false;
  const dead = broker({ journals: absent });
  const { topicId } = await dead.create({ name: 'orders', config: {} });
  const other = broker();
  await other.refreshAll();
  absent.away = true;
  await givenUp(dead.delete('orders'), runtime);
  dead.stop();
  await other.refresh(topicId);
  expect(other.byName('orders')).toBeUndefined();
  await runtime.advance(15_000);
  expect(journal.state.partition(topicId, 0)).toBeUndefined();
  const range = { partitionKey: 'c/topics', from: '!', to: '~', limit: 9 };
  expect((await metadata.query(range, { cause: 'tool' })).items).toEqual([]);
});

test('a creation that the store answered with an error and did all the same is finished later', async () => {
  const { runtime, broker, metadata } = await world();
  const faults = new Faults(runtime);
  const topics = broker({ metadata: faultyMetadataStore(metadata, faults) });
  faults.script({ operation: 'transact', fault: 'answer-lost' });
  await expect(topics.create({ name: 'orders', config: {} })).rejects.toBeInstanceOf(StorageUnavailableError);
  await runtime.advance(15_000);
  expect(topics.byName('orders')).toBeDefined();
});

test('partitions that come after their topic was deleted by another broker go with it', async () => {
  const { broker, journals, journal } = await world();
  const held: (() => void)[] = [];
  const slow = new Proxy(journals.get(0)!, {
    get(target, name) {
      if (name === 'propose') {
        return async (...given: Parameters<Journal['propose']>) => {
          await new Promise<void>((resolve) => held.push(resolve));
          return target.propose(...given);
        };
      }
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const [one, two] = [broker(), broker({ journals: fixedJournals([slow]) })];
  const { topicId } = await one.create({ name: 'orders', config: {} });
  const growing = two.createPartitions('orders', 2).catch((cause) => cause);
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await one.delete('orders');
  held.shift()!();
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  held.shift()!();
  expect(await growing).toMatchObject({ error: 'INVALID_UPDATE_VERSION' });
  expect([0, 1].map((partition) => journal.state.partition(topicId, partition))).toEqual([undefined, undefined]);
});

test('a journal between two leaders is waited for, not longer than five seconds', async () => {
  const { broker, journals, runtime } = await world();
  const absent = absentJournals(journals);
  const topics = broker({ journals: absent });
  const created = topics.create({ name: 'orders', config: {} });
  await runtime.advance(1_000);
  absent.away = false;
  await runtime.advance(100);
  expect((await created).name).toBe('orders');
  absent.away = true;
  expect(await givenUp(topics.delete('orders'), runtime)).toBe('NOT_LEADER_OR_FOLLOWER');
});
