import { expect, test } from 'vitest';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { ABSENT, ALWAYS, type Item, whenEquals } from '../../../src/storage/metadata-store.ts';
import { StorageMeter } from '../../../src/storage/meter.ts';
import { billedItemBytes, meteredMetadataStore, meteredObjectStore } from '../../../src/storage/metered.ts';
import { objectKey } from '../../../src/storage/object-store.ts';
import { virtualRuntime } from './virtual-runtime.ts';

const options = { cause: 'tool' } as const;
const itemOf = (sortKey: string, bytes: number, attributes = {}): Item => ({
  partitionKey: 'p',
  sortKey,
  body: Buffer.alloc(bytes),
  attributes,
});

function meteredStores() {
  const runtime = virtualRuntime();
  const faults = new Faults(runtime);
  const meter = new StorageMeter(runtime);
  const objects = new MemoryObjectStore({ pricing: { create: 0.005, read: 0.0004, list: 0.003 } });
  const metadata = new MemoryMetadataStore({ pricing: { writeUnit: 1_000_000, readUnit: 100_000 } });
  return {
    runtime,
    faults,
    meter,
    objects: meteredObjectStore(faultyObjectStore(objects, faults), meter),
    metadata: meteredMetadataStore(faultyMetadataStore(metadata, faults), meter),
  };
}

test('object requests are counted with their bytes and dollars', async () => {
  const { meter, objects } = meteredStores();
  const key = objectKey('a');
  await objects.create(key, [Buffer.alloc(700), Buffer.alloc(300)], options);
  await objects.create(key, [Buffer.alloc(10)], options);
  await objects.read(key, { start: 0, end: 100 }, options);
  await objects.readLast(key, 50, options);
  await objects.read(objectKey('missing'), { start: 0, end: 100 }, options);
  await objects.list('', '', 10, options);
  await objects.delete([key], options);
  expect(meter.totals()).toMatchObject({
    creates: 2,
    reads: 3,
    lists: 1,
    deletes: 1,
    bytesCreated: 1_010,
    bytesRead: 150,
  });
  expect(meter.totals().dollars).toBeCloseTo(2 * 0.005 + 3 * 0.0004 + 0.003);
});

test('requests are told apart by cause and operation', async () => {
  const { meter, objects } = meteredStores();
  await objects.create(objectKey('a'), [Buffer.alloc(1)], { cause: 'ingest' });
  await objects.create(objectKey('b'), [Buffer.alloc(1)], { cause: 'merge' });
  await objects.create(objectKey('c'), [Buffer.alloc(1)], { cause: 'merge' });
  expect(meter.rows().map(({ operation, cause, requests }) => [operation, cause, requests])).toEqual([
    ['create', 'ingest', 1],
    ['create', 'merge', 2],
  ]);
});

test('write units are begun KiB of the item, twice that in a transaction', async () => {
  const { meter, metadata } = meteredStores();
  const units = async (write: () => Promise<unknown>) => {
    const before = meter.totals().writeUnits;
    await write();
    return meter.totals().writeUnits - before;
  };
  expect(await units(() => metadata.put(itemOf('a', 10), ALWAYS, options))).toBe(1);
  expect(await units(() => metadata.put(itemOf('b', 1_024), ALWAYS, options))).toBe(2);
  expect(await units(() => metadata.put(itemOf('c', 100_000), ALWAYS, options))).toBe(98);
  const writes = [
    { type: 'put', item: itemOf('d', 3_000), condition: ABSENT },
    { type: 'delete', key: itemOf('a', 0), condition: ALWAYS },
  ] as const;
  expect(await units(() => metadata.transact(writes, options))).toBe(2 * (3 + 1));
  expect(meter.totals().dollars).toBe(1 + 2 + 98 + 8);
});

test('a delete is charged by what it deletes, once', async () => {
  const { meter, metadata } = meteredStores();
  const large = itemOf('large', 10_000, { epoch: 1 });
  await metadata.put(large, ALWAYS, options);
  const deleteUnits = () => meter.rows().find((row) => row.operation === 'delete')?.writeUnits ?? 0;
  await metadata.delete(large, whenEquals({ epoch: 2 }), options);
  expect(deleteUnits()).toBe(10);
  await metadata.delete(large, ALWAYS, options);
  expect(deleteUnits()).toBe(20);
  await metadata.delete(large, ALWAYS, options);
  expect(deleteUnits()).toBe(21);
});

test('read units are begun 4 KiB, one for nothing', async () => {
  const { meter, metadata } = meteredStores();
  await metadata.put(itemOf('a', 4_000), ALWAYS, options);
  await metadata.put(itemOf('b', 5_000), ALWAYS, options);
  await metadata.get(itemOf('missing', 0), options);
  await metadata.get(itemOf('a', 0), options);
  await metadata.get(itemOf('b', 0), options);
  await metadata.query({ partitionKey: 'p', from: 'a', to: 'z', limit: 10 }, options);
  expect(meter.totals().readUnits).toBe(1 + 1 + 2 + 3);
});

test('an unanswered request is booked as a failure that may cost; a throttled one costs nothing', async () => {
  const { faults, meter, metadata } = meteredStores();
  faults.script({ operation: 'put', fault: 'error-before' }, { operation: 'put', fault: 'throttled' });
  await expect(metadata.put(itemOf('a', 10), ALWAYS, options)).rejects.toThrow();
  await expect(metadata.put(itemOf('a', 10), ALWAYS, options)).rejects.toThrow();
  expect(meter.rows()).toMatchObject([{ requests: 2, failures: 2, writeUnits: 1 }]);
});

test('the metrics carry the same numbers', async () => {
  const { runtime, objects } = meteredStores();
  await objects.create(objectKey('a'), [Buffer.alloc(1_000)], { cause: 'ingest' });
  const exposed = await runtime.metrics.expose();
  const labels = 'store="objects",operation="create",cause="ingest"';
  expect(exposed).toContain(`millrace_storage_requests_total{${labels},outcome="ok"} 1`);
  expect(exposed).toContain(`millrace_storage_bytes_total{${labels}} 1000`);
  expect(exposed).toContain(`millrace_storage_cost_dollars_total{${labels}} 0.005`);
});

test('an item is billed for the names and values of its attributes', () => {
  expect(billedItemBytes(itemOf('s', 0))).toBe(2 + 1 + 2 + 1);
  expect(billedItemBytes(itemOf('s', 100))).toBe(6 + 1 + 100);
  expect(billedItemBytes(itemOf('s', 0, { id: 'abc' }))).toBe(6 + 1 + 3 + (2 + 3 + 1));
});
