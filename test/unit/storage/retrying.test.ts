import { describe, expect, test } from 'vitest';
import {
  StorageCorruptError,
  StorageFullError,
  StorageRefusedError,
  StorageThrottledError,
  StorageUnavailableError,
} from '../../../src/errors.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { ABSENT, ALWAYS, type Item } from '../../../src/storage/metadata-store.ts';
import { objectKey } from '../../../src/storage/object-store.ts';
import {
  RETRY_POLICY,
  retryDelayMs,
  retryingMetadataStore,
  retryingObjectStore,
} from '../../../src/storage/retrying.ts';
import { virtualRuntime } from './virtual-runtime.ts';

const options = { cause: 'tool' } as const;
const key = objectKey('a');
const item: Item = { partitionKey: 'p', sortKey: 's', body: Buffer.from('x'), attributes: { id: 'mine' } };

describe('the next delay', () => {
  const away = new StorageUnavailableError('away');

  test('doubles with each failure up to its limit', () => {
    const delays = [1, 2, 3, 4, 7].map((failures) => retryDelayMs(away, failures, 0, 0));
    expect(delays).toEqual([25, 50, 100, 200, 1_600]);
    expect(retryDelayMs(away, 30, 0, 0, { ...RETRY_POLICY, attemptsMax: 99 })).toBe(3_000);
  });

  test('is shortened by chance, to half at most', () => {
    expect(retryDelayMs(away, 1, 0, 0.5)).toBe(18.75);
    expect(retryDelayMs(away, 1, 0, 1)).toBe(12.5);
  });

  test('is longer when the store throttles', () => {
    expect(retryDelayMs(new StorageThrottledError('slow down'), 1, 0, 0)).toBe(100);
  });

  test('is none after the last attempt or when time is up', () => {
    expect(retryDelayMs(away, RETRY_POLICY.attemptsMax, 0, 0)).toBeNull();
    expect(retryDelayMs(away, 1, RETRY_POLICY.totalMsMax - 10, 0)).toBeNull();
  });

  test.each([
    ['a full store', new StorageFullError('full')],
    ['a refusal', new StorageRefusedError('no such bucket')],
    ['corruption', new StorageCorruptError('bad checksum')],
    ['a bug', new TypeError('bug')],
  ])('is none for %s', (_, cause) => {
    expect(retryDelayMs(cause, 1, 0, 0)).toBeNull();
  });
});

function faultyStores() {
  const runtime = virtualRuntime();
  const faults = new Faults(runtime);
  const objects = retryingObjectStore(faultyObjectStore(new MemoryObjectStore(), faults), runtime);
  const metadata = retryingMetadataStore(faultyMetadataStore(new MemoryMetadataStore(), faults), runtime);
  return { runtime, faults, objects, metadata };
}

test('a request that fails twice succeeds at the third attempt, and the retries are counted', async () => {
  const { runtime, faults, objects } = faultyStores();
  faults.script({ operation: 'create', fault: 'error-before' }, { operation: 'create', fault: 'throttled' });
  expect(await objects.create(key, [Buffer.from('x')], options)).toBe('created');
  expect(runtime.elapsedMs).toBeGreaterThan(100);
  expect(await runtime.metrics.expose()).toContain(
    'millrace_storage_retries_total{store="objects",operation="create"} 2',
  );
});

test('a create whose answer was lost finds its own object', async () => {
  const { faults, objects } = faultyStores();
  faults.script({ operation: 'create', fault: 'answer-lost' });
  expect(await objects.create(key, [Buffer.from('x')], options)).toBe('exists');
});

test('a conditional put whose answer was lost finds its own item', async () => {
  const { faults, metadata } = faultyStores();
  faults.script({ operation: 'put', fault: 'answer-lost' });
  expect(await metadata.put(item, ABSENT, options)).toMatchObject({
    ok: false,
    existing: { attributes: { id: 'mine' } },
  });
});

test.each([
  'error-before',
  'answer-lost',
  'throttled',
] as const)('a write marked once is not repeated after %s', async (fault) => {
  const { faults, metadata } = faultyStores();
  const once = { ...options, once: true };
  faults.script({ operation: 'put', fault }, { operation: 'delete', fault }, { operation: 'transact', fault });
  await expect(metadata.put(item, ABSENT, once)).rejects.toThrow(StorageUnavailableError);
  await expect(metadata.delete(item, ALWAYS, once)).rejects.toThrow(StorageUnavailableError);
  const writes = [{ type: 'put', item, condition: ABSENT }] as const;
  await expect(metadata.transact(writes, once)).rejects.toThrow(StorageUnavailableError);
  expect(faults.count).toBe(3);
});

test('a store that stays away is given up after the last attempt, with its own error', async () => {
  const { runtime, faults, metadata } = faultyStores();
  faults.plan = { faults: { 'error-before': 1 } };
  await expect(metadata.get(item, options)).rejects.toThrow(StorageUnavailableError);
  expect(faults.count).toBe(RETRY_POLICY.attemptsMax);
  expect(runtime.elapsedMs).toBeLessThanOrEqual(RETRY_POLICY.totalMsMax);
});

test('the signal ends the wait between attempts', async () => {
  const { faults, objects } = faultyStores();
  faults.plan = { faults: { 'error-before': 1 } };
  const abort = new AbortController();
  const reading = objects.read(key, { start: 0, end: 1 }, { ...options, signal: abort.signal });
  abort.abort(new Error('enough'));
  await expect(reading).rejects.toThrow('enough');
});
