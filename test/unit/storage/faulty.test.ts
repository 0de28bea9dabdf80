import { expect, test } from 'vitest';
import { StorageThrottledError, StorageUnavailableError } from '../../../src/errors.ts';
import { sleep } from '../../../src/runtime/clock.ts';
import {
  type Fault,
  type FaultPlan,
  Faults,
  faultyMetadataStore,
  faultyObjectStore,
} from '../../../src/storage/faulty.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory/object-store.ts';
import { ABSENT, type Item } from '../../../src/storage/metadata-store.ts';
import { objectKey } from '../../../src/storage/object-store.ts';
import { retryingMetadataStore, retryingObjectStore } from '../../../src/storage/retrying.ts';
import { metadataStoreContract } from '../../contract/metadata-store.contract.ts';
import { objectStoreContract } from '../../contract/object-store.contract.ts';
import { virtualRuntime } from './virtual-runtime.ts';

const options = { cause: 'tool' } as const;
const range = { start: 0, end: 10 };
const key = objectKey('a');
const item: Item = { partitionKey: 'p', sortKey: 's', body: Buffer.from('x'), attributes: {} };

function faulty(plan: FaultPlan = {}, seed = 1) {
  const runtime = virtualRuntime(seed);
  const faults = new Faults(runtime, plan);
  const inner = new MemoryObjectStore();
  return { runtime, faults, inner, objects: faultyObjectStore(inner, faults) };
}

test.each<[Fault, typeof StorageUnavailableError, 'created' | 'exists']>([
  ['throttled', StorageThrottledError, 'created'],
  ['error-before', StorageUnavailableError, 'created'],
  ['answer-lost', StorageUnavailableError, 'exists'],
])('after %s the caller sees its error, and a second create says what was done', async (fault, error, second) => {
  const { faults, objects } = faulty();
  faults.script({ operation: 'create', fault });
  await expect(objects.create(key, [Buffer.from('x')], options)).rejects.toThrow(error);
  expect(await objects.create(key, [Buffer.from('x')], options)).toBe(second);
});

test('a late effect comes after the error, with the bytes of then', async () => {
  const { runtime, faults, objects } = faulty();
  faults.plan = { lateMs: [100, 200] };
  faults.script({ operation: 'create', fault: 'late-effect' });
  const body = Buffer.from('then');
  await expect(objects.create(key, [body], options)).rejects.toThrow(StorageUnavailableError);
  body.write('now!');
  expect(await objects.read(key, range, options)).toBeNull();
  expect(faults.lateEffects).toBe(1);
  await sleep(runtime.timers, 300);
  expect(faults.lateEffects).toBe(0);
  expect(await objects.read(key, range, options)).toEqual(Buffer.from('then'));
});

test('a late conditional put loses against what came before it', async () => {
  const runtime = virtualRuntime();
  const faults = new Faults(runtime);
  const metadata = faultyMetadataStore(new MemoryMetadataStore(), faults);
  faults.script({ operation: 'put', fault: 'late-effect' });
  await expect(metadata.put(item, ABSENT, options)).rejects.toThrow(StorageUnavailableError);
  expect(await metadata.put({ ...item, body: Buffer.from('winner') }, ABSENT, options)).toEqual({ ok: true });
  await sleep(runtime.timers, 2_000);
  expect((await metadata.get(item, options))?.body).toEqual(Buffer.from('winner'));
});

test('a hanging call goes on when it is released, or ends with its signal', async () => {
  const { faults, objects } = faulty();
  faults.script({ operation: 'create', fault: 'hang', times: 2 });
  const abort = new AbortController();
  const first = objects.create(key, [Buffer.from('x')], options);
  const second = objects.create(key, [Buffer.from('x')], { ...options, signal: abort.signal });
  abort.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  faults.release();
  expect(await first).toBe('created');
});

test('latency passes before and after the effect', async () => {
  const { runtime, objects } = faulty({ latencyMs: [10, 20] });
  await objects.create(key, [Buffer.from('x')], options);
  expect(runtime.elapsedMs).toBeGreaterThanOrEqual(20);
  expect(runtime.elapsedMs).toBeLessThan(40);
});

test('rates of an operation replace the general ones', async () => {
  const { objects } = faulty({ faults: { throttled: 1 }, operations: { read: { faults: {} } } });
  await expect(objects.create(key, [Buffer.from('x')], options)).rejects.toThrow(StorageThrottledError);
  expect(await objects.read(key, range, options)).toBeNull();
});

test('a script can wait for a key', async () => {
  const { faults, objects } = faulty();
  faults.script({ operation: 'create', fault: 'throttled', matches: (name) => name === 'b' });
  expect(await objects.create(key, [Buffer.from('x')], options)).toBe('created');
  await expect(objects.create(objectKey('b'), [Buffer.from('x')], options)).rejects.toThrow(StorageThrottledError);
});

test('healing ends faults, latency and hanging at once', async () => {
  const { runtime, faults, objects } = faulty({ faults: { hang: 1 }, latencyMs: [10, 20] });
  const hanging = objects.create(key, [Buffer.from('x')], options);
  faults.heal();
  expect(await hanging).toBe('created');
  const before = runtime.elapsedMs;
  expect(await objects.create(key, [Buffer.from('x')], options)).toBe('exists');
  expect(runtime.elapsedMs).toBe(before);
});

test('the same seed gives the same fates, another seed others', async () => {
  const fates = async (seed: number) => {
    const { objects } = faulty({ faults: { throttled: 0.2, 'error-before': 0.2, 'answer-lost': 0.2 } }, seed);
    const outcomes: string[] = [];
    for (let index = 0; index < 100; index += 1) {
      const outcome = objects.create(objectKey(`k${index}`), [Buffer.from('x')], options);
      outcomes.push(await outcome.catch((cause: Error) => cause.message.replace(/.*: /, '')));
    }
    return outcomes.join();
  };
  expect(await fates(7)).toBe(await fates(7));
  expect(await fates(7)).not.toBe(await fates(8));
});

// Nothing was done by a request that failed before its effect, so stores that do so and ask again keep the contract.
const shaky = { faults: { throttled: 0.1, 'error-before': 0.1 }, latencyMs: [0, 5] } as const;
objectStoreContract('a faulty MemoryObjectStore behind retries', () => {
  const runtime = virtualRuntime();
  return retryingObjectStore(faultyObjectStore(new MemoryObjectStore(), new Faults(runtime, shaky)), runtime);
});
metadataStoreContract('a faulty MemoryMetadataStore behind retries', () => {
  const runtime = virtualRuntime();
  return retryingMetadataStore(faultyMetadataStore(new MemoryMetadataStore(), new Faults(runtime, shaky)), runtime);
});
