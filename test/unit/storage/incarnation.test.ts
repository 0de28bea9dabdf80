import { describe, expect, test } from 'vitest';
import { StartupError, StorageCorruptError, StorageUnavailableError } from '../../../src/errors.ts';
import { Faults, faultyMetadataStore, faultyObjectStore } from '../../../src/storage/faulty.ts';
import { checkIncarnation } from '../../../src/storage/incarnation.ts';
import { incarnationKey, incarnationObjectKey } from '../../../src/storage/keys.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { ALWAYS } from '../../../src/storage/metadata-store.ts';
import { retryingMetadataStore, retryingObjectStore } from '../../../src/storage/retrying.ts';
import { virtualRuntime } from './virtual-runtime.ts';

const options = { cause: 'tool' } as const;
const cluster = 'orders';

type InTable = 'absent' | 'creating' | 'complete';
type InBucket = 'absent' | 'same' | 'other';
type Verdict = 'same' | 'new' | 'not initialized' | 'do not belong together';

async function storesWith(table: InTable, bucket: InBucket) {
  const objects = new MemoryObjectStore();
  const metadata = new MemoryMetadataStore();
  if (table !== 'absent') {
    const attributes = { incarnation: 'first', state: table };
    await metadata.put({ ...incarnationKey(cluster), body: Buffer.alloc(0), attributes }, ALWAYS, options);
  }
  if (bucket !== 'absent') {
    const body = JSON.stringify({ format: 1, incarnation: bucket === 'same' ? 'first' : 'another' });
    await objects.create(incarnationObjectKey(cluster), [Buffer.from(body)], options);
  }
  return { objects, metadata };
}

async function verdictOf(table: InTable, bucket: InBucket, create: boolean): Promise<Verdict> {
  const { objects, metadata } = await storesWith(table, bucket);
  try {
    const incarnation = await checkIncarnation(objects, metadata, cluster, { create }, virtualRuntime());
    // What was accepted once is accepted by every later start.
    expect(await checkIncarnation(objects, metadata, cluster, { create: false }, virtualRuntime())).toBe(incarnation);
    return incarnation === 'first' ? 'same' : 'new';
  } catch (cause) {
    expect(cause).toBeInstanceOf(StartupError);
    return (cause as Error).message.includes('do not belong together') ? 'do not belong together' : 'not initialized';
  }
}

describe('bucket and table', () => {
  test.each<[InTable, InBucket, starting: Verdict, creating: Verdict]>([
    ['absent', 'absent', 'not initialized', 'new'],
    ['absent', 'other', 'do not belong together', 'do not belong together'],
    ['creating', 'absent', 'not initialized', 'same'],
    ['creating', 'same', 'not initialized', 'same'],
    ['creating', 'other', 'do not belong together', 'do not belong together'],
    ['complete', 'absent', 'do not belong together', 'do not belong together'],
    ['complete', 'same', 'same', 'same'],
    ['complete', 'other', 'do not belong together', 'do not belong together'],
  ])('table %s, bucket %s: a start finds %s, a creation %s', async (table, bucket, starting, creating) => {
    expect(await verdictOf(table, bucket, false)).toBe(starting);
    expect(await verdictOf(table, bucket, true)).toBe(creating);
  });
});

test('racing creators agree on one incarnation', async () => {
  const { objects, metadata } = await storesWith('absent', 'absent');
  const creators = [1, 2, 3, 4].map((seed) =>
    checkIncarnation(objects, metadata, cluster, { create: true }, virtualRuntime(seed)),
  );
  expect(new Set(await Promise.all(creators)).size).toBe(1);
});

test('clusters that share the stores have incarnations of their own', async () => {
  const { objects, metadata } = await storesWith('absent', 'absent');
  const runtime = virtualRuntime();
  const one = await checkIncarnation(objects, metadata, 'one', { create: true }, runtime);
  const two = await checkIncarnation(objects, metadata, 'two', { create: true }, runtime);
  expect(one).not.toBe(two);
  expect(await checkIncarnation(objects, metadata, 'one', { create: false }, runtime)).toBe(one);
});

test('a creation that died after any request, or lost any answer, is finished by the next one', async () => {
  const steps = [
    { operation: 'get', nth: 0 },
    { operation: 'put', nth: 0 },
    { operation: 'create', nth: 0 },
    { operation: 'put', nth: 1 },
  ] as const;
  for (const fault of ['error-before', 'answer-lost'] as const) {
    for (const { operation, nth } of steps) {
      const { objects, metadata } = await storesWith('absent', 'absent');
      const runtime = virtualRuntime();
      const faults = new Faults(runtime);
      let calls = 0;
      faults.script({ operation, fault, matches: () => calls++ === nth });
      const dying = checkIncarnation(
        faultyObjectStore(objects, faults),
        faultyMetadataStore(metadata, faults),
        cluster,
        { create: true },
        runtime,
      );
      await expect(dying, `${operation} ${nth} ${fault}`).rejects.toThrow(StorageUnavailableError);
      const incarnation = await checkIncarnation(objects, metadata, cluster, { create: true }, runtime);
      expect(await checkIncarnation(objects, metadata, cluster, { create: false }, runtime)).toBe(incarnation);
    }
  }
});

test('behind retries a creation survives lost answers', async () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const { objects, metadata } = await storesWith('absent', 'absent');
    const runtime = virtualRuntime(seed);
    const faults = new Faults(runtime, { faults: { 'answer-lost': 0.2, 'error-before': 0.1 } });
    const incarnation = await checkIncarnation(
      retryingObjectStore(faultyObjectStore(objects, faults), runtime),
      retryingMetadataStore(faultyMetadataStore(metadata, faults), runtime),
      cluster,
      { create: true },
      runtime,
    );
    expect(await checkIncarnation(objects, metadata, cluster, { create: false }, runtime), `seed ${seed}`).toBe(
      incarnation,
    );
  }
});

test('an incarnation object that cannot be read stops the start and is named', async () => {
  for (const body of ['{', '{"format":2,"incarnation":"x"}', '{"format":1}']) {
    const { objects, metadata } = await storesWith('absent', 'absent');
    await objects.create(incarnationObjectKey(cluster), [Buffer.from(body)], options);
    const check = checkIncarnation(objects, metadata, cluster, { create: true }, virtualRuntime());
    await expect(check).rejects.toThrow(StorageCorruptError);
    await expect(check).rejects.toThrow('orders/incarnation');
  }
});
