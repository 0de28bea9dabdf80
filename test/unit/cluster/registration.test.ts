import { expect, test } from 'vitest';
import { readClusterItems } from '../../../src/cluster/cluster-items.ts';
import type { Probe } from '../../../src/cluster/links.ts';
import { addToJournals, agreeOnFormat, agreeOnJournals, registerBroker } from '../../../src/cluster/registration.ts';
import { StartupError, StorageCorruptError, StorageUnavailableError } from '../../../src/errors.ts';
import { JOURNALS_MAX } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { brokerKey, clusterPartitionKey } from '../../../src/storage/keys.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { ALWAYS, type MetadataStore } from '../../../src/storage/metadata-store.ts';

const runtime = systemRuntime(silentLogger);
const OPTIONS = { cause: 'tool' } as const;
const at = (port: number) => ({ host: '10.0.0.7', port });
const broker = {
  brokerId: 3,
  kafka: at(1),
  kafkaByZone: { a: at(2) },
  http: at(3),
  internal: at(4),
  zone: 'a',
  version: '1.2.3',
};
const register = (metadata: MetadataStore, probe?: Probe) =>
  registerBroker({ metadata, clusterId: 'c', broker, runtime, ...(probe && { probe }) });

test('each start takes the next epoch', async () => {
  const metadata = new MemoryMetadataStore();
  const [first, second] = [await register(metadata), await register(metadata)];
  expect([first.brokerEpoch, second.brokerEpoch]).toEqual([1, 2]);
  expect(second).toMatchObject({ ...broker, state: 'starting', revision: 1, counter: 0 });
  const { brokers } = await readClusterItems(metadata, 'c', OPTIONS);
  expect([...brokers.values()]).toEqual([second]);
});

test('two that register at once get different epochs', async () => {
  const metadata = new MemoryMetadataStore();
  const epochs = (await Promise.all([register(metadata), register(metadata)])).map(({ brokerEpoch }) => brokerEpoch);
  expect(epochs.sort()).toEqual([1, 2]);
});

test('a registration whose answer was lost is not given another epoch', async () => {
  const metadata = new MemoryMetadataStore();
  const transact = metadata.transact.bind(metadata);
  metadata.transact = async (...given) => {
    await transact(...given);
    metadata.transact = transact;
    return transact(...given);
  };
  expect((await register(metadata)).brokerEpoch).toBe(1);
});

test.each([
  ['nobody answers', null, false],
  ['another broker answers', { brokerId: 8, brokerEpoch: 1 }, false],
  ['this very process answers, which has no epoch yet', { brokerId: 3, brokerEpoch: 0 }, false],
  ['the process that registered answers', { brokerId: 3, brokerEpoch: 1 }, true],
  ['a later process answers', { brokerId: 3, brokerEpoch: 2 }, true],
] as const)('at the address of the last registration %s', async (_, found, refused) => {
  const metadata = new MemoryMetadataStore();
  await register(metadata);
  const again = register(metadata, async (address) => {
    expect(address).toEqual(at(4));
    return found;
  });
  if (refused)
    await expect(again).rejects.toThrow(
      /^broker id 3 is in use by 10\.0\.0\.7:4, .*--broker-id \(MILLRACE_BROKER_ID\)/,
    );
  else expect((await again).brokerEpoch).toBe(2);
});

test('the format of a cluster is that of its first start', async () => {
  const metadata = new MemoryMetadataStore();
  await Promise.all([agreeOnFormat(metadata, 'c', '1.0.0'), agreeOnFormat(metadata, 'c', '1.1.0')]);
  expect((await readClusterItems(metadata, 'c', OPTIONS)).format).toBe(1);
  const item = { partitionKey: clusterPartitionKey('c'), sortKey: 'format', body: Buffer.alloc(0) };
  await metadata.put({ ...item, attributes: { format: 2 } }, ALWAYS, OPTIONS);
  await expect(agreeOnFormat(metadata, 'c', '1.0.0')).rejects.toBeInstanceOf(StartupError);
});

test('journals grow, and never become fewer', async () => {
  const metadata = new MemoryMetadataStore();
  expect(await agreeOnJournals(metadata, 'c', 4, runtime)).toBe(4);
  expect(await agreeOnJournals(metadata, 'c', 2, runtime)).toBe(4);
  expect(await agreeOnJournals(metadata, 'c', 6, runtime)).toBe(6);
});

test('who adds journals at the same moment adds the sum', async () => {
  const metadata = new MemoryMetadataStore();
  await agreeOnJournals(metadata, 'c', 4, runtime);
  const adding = [1, 2, 3].map((more) => addToJournals(metadata, 'c', more, runtime));
  const added = await Promise.all(adding);
  expect(added.map(({ before, count }) => count - before)).toEqual([1, 2, 3]);
  expect(Math.max(...added.map(({ count }) => count))).toBe(10);
  expect(await agreeOnJournals(metadata, 'c', 1, runtime)).toBe(10);
});

test('journals whose addition was not answered are not added again when it is repeated', async () => {
  const metadata = new MemoryMetadataStore();
  await agreeOnJournals(metadata, 'c', 4, runtime);
  const put = metadata.put.bind(metadata);
  metadata.put = async (...given) => {
    metadata.put = put;
    await put(...given);
    // Before the repeat another broker adds some, and one starts that asks for more yet.
    expect(await addToJournals(metadata, 'c', 2, runtime)).toEqual({ before: 7, count: 9 });
    await agreeOnJournals(metadata, 'c', 11, runtime);
    return put(...given);
  };
  expect(await addToJournals(metadata, 'c', 3, runtime)).toEqual({ before: 4, count: 7 });
  expect(await agreeOnJournals(metadata, 'c', 1, runtime)).toBe(11);
});

test('no addition makes more journals than there may be', async () => {
  const metadata = new MemoryMetadataStore();
  await agreeOnJournals(metadata, 'c', JOURNALS_MAX - 3, runtime);
  const adding = [2, 2].map((more) => addToJournals(metadata, 'c', more, runtime));
  const outcomes = await Promise.allSettled(adding);
  expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([
    { reason: { error: 'INVALID_REQUEST' } },
  ]);
  expect((await readClusterItems(metadata, 'c', OPTIONS)).journals).toBe(JOURNALS_MAX - 1);
});

test('clusters under two names in one table do not see each other', async () => {
  const metadata = new MemoryMetadataStore();
  await register(metadata);
  await agreeOnJournals(metadata, 'c', 4, runtime);
  const other = await readClusterItems(metadata, 'd', OPTIONS);
  expect(other).toEqual({
    incarnation: null,
    format: null,
    brokers: new Map(),
    controller: null,
    journals: 0,
    images: { topics: 0, configs: 0 },
  });
});

test('a damaged registration is told by its name', async () => {
  const metadata = new MemoryMetadataStore();
  const item = { ...brokerKey('c', 3), body: Buffer.from('{'), attributes: { epoch: 1, session: 's', counter: 0 } };
  await metadata.put(item, ALWAYS, OPTIONS);
  await expect(register(metadata)).rejects.toThrow('item c/cluster b/0000000003 is not JSON');
  await expect(register(metadata)).rejects.toBeInstanceOf(StorageCorruptError);
});

test('a store that is away is no duplicate', async () => {
  const metadata = new MemoryMetadataStore();
  metadata.get = () => Promise.reject(new StorageUnavailableError('away'));
  await expect(register(metadata)).rejects.toBeInstanceOf(StorageUnavailableError);
});
