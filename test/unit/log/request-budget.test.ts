/** What ingest spends on stores that bill requests, by a clock that the test moves. */
import { expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import type { MetadataStore } from '../../../src/storage/metadata-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { type ManualRuntime, manualRuntime } from './manual-runtime.ts';
import { batchOf, openWorld, type World } from './world.ts';

const MB = 1e6;

/** S3 and DynamoDB prices and latencies, with what was asked of both. */
async function openOnAws(runtime: ManualRuntime, journals = 1) {
  const spent = { creates: 0, createdBytes: 0, puts: 0, units: 0 };
  const objectStore = new MemoryObjectStore({
    clock: runtime.clock,
    pricing: { create: 5e-6, read: 4e-7, list: 5e-6 },
  });
  const metadataStore = new MemoryMetadataStore({ pricing: { writeUnit: 0.625, readUnit: 0.125 } });
  const objects: ObjectStore = faultyObjectStore(objectStore, new Faults(runtime, { latencyMs: [15, 50] }));
  const metadata: MetadataStore = faultyMetadataStore(metadataStore, new Faults(runtime, { latencyMs: [2, 4] }));
  const opening = openWorld({
    journals,
    runtime,
    objects: {
      ...objects,
      create(key, parts, options) {
        spent.creates++;
        for (const part of parts) spent.createdBytes += part.length;
        return objects.create(key, parts, options);
      },
    },
    metadata: {
      ...metadata,
      put(item, condition, options) {
        spent.puts++;
        spent.units += Math.ceil((item.body.length + 200) / 1024);
        return metadata.put(item, condition, options);
      },
    },
    journal: { hedge: false, limits: { snapshotEntryBytes: 1 << 30, snapshotReferences: 1 << 30 } },
  });
  await runtime.advance(2_000);
  return { world: await opening, spent };
}

async function createTopic(world: World, runtime: ManualRuntime, partitions: number): Promise<Topic> {
  const creating = world.topics.create({ name: 'orders', partitions, config: {} });
  await runtime.advance(500);
  return creating;
}

test('10 MB/s over 100 partitions stays within 0.42 PUT and 0.85 write units per MB, deletions included', async () => {
  const runtime = manualRuntime();
  const { world, spent } = await openOnAws(runtime);
  const topic = await createTopic(world, runtime, 100);
  const records = batchOf(['x'.repeat(9_900)], { timestamp: runtime.clock.now() });
  const latencies: number[] = [];
  let bytes = 0;
  const seconds = 10;
  Object.assign(spent, { creates: 0, createdBytes: 0, puts: 0, units: 0 });
  for (let tick = 0; tick < seconds * 100; tick++) {
    for (let index = 0; index < 10; index++) {
      const partition = (tick * 10 + index) % 100;
      const sentAt = runtime.clock.monotonic();
      world.log.produce([{ topicId: topic.topicId, partition, records }], { origin: 'kafka' }).then(([outcome]) => {
        expect(outcome!.error).toBe('NONE');
        latencies.push(runtime.clock.monotonic() - sentAt);
      });
      bytes += records.length;
    }
    await runtime.advance(10);
  }
  await runtime.advance(1_000);
  expect(latencies).toHaveLength(seconds * 1_000);
  const perMb = (count: number) => count / (bytes / MB);
  // The tokens that were saved before the load began pay for eight flushes more.
  expect(perMb(spent.creates - 8)).toBeLessThanOrEqual(0.42);
  expect(perMb(2 * (spent.units - 8))).toBeLessThanOrEqual(0.85);
  latencies.sort((a, b) => a - b);
  expect(latencies.at(-1)).toBeLessThan(250 + 3 * 60);
  const closing = world.close();
  await runtime.advance(5_000);
  await closing;
}, 60_000);

test('an idle broker asks nothing of the stores', async () => {
  const runtime = manualRuntime();
  const { world, spent } = await openOnAws(runtime);
  await createTopic(world, runtime, 3);
  const before = { ...spent };
  await runtime.advance(60_000);
  expect(spent).toEqual(before);
  const closing = world.close();
  await runtime.advance(5_000);
  await closing;
});

test('a record now and then goes inline within milliseconds and creates no object', async () => {
  const runtime = manualRuntime();
  const { world, spent } = await openOnAws(runtime);
  const topic = await createTopic(world, runtime, 3);
  Object.assign(spent, { creates: 0, puts: 0, units: 0 });
  const records = batchOf(['a small record'], { timestamp: runtime.clock.now() });
  const latencies: number[] = [];
  for (let index = 0; index < 20; index++) {
    const sentAt = runtime.clock.monotonic();
    world.log.produce([{ topicId: topic.topicId, partition: index % 3, records }], { origin: 'kafka' }).then(() => {
      latencies.push(runtime.clock.monotonic() - sentAt);
    });
    await runtime.advance(500);
  }
  expect(spent).toMatchObject({ creates: 0, puts: 20, units: 20 });
  expect(Math.max(...latencies)).toBeLessThan(15);
  const closing = world.close();
  await runtime.advance(5_000);
  await closing;
});
