/** The proxies that real processes have in front of their stores do what they say, as the adapters see it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { StorageRefusedError, StorageThrottledError, StorageUnavailableError } from '../../src/errors.ts';
import { crc32c } from '../../src/record/crc32c.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { createDynamoDbClient } from '../../src/storage/dynamodb/client.ts';
import { DynamoDbMetadataStore } from '../../src/storage/dynamodb/metadata-store.ts';
import { createTable } from '../../src/storage/dynamodb/table.ts';
import type { MetadataStore } from '../../src/storage/metadata-store.ts';
import { type ObjectStore, objectKey } from '../../src/storage/object-store.ts';
import { createBucket } from '../../src/storage/s3/bucket.ts';
import { createS3Client } from '../../src/storage/s3/client.ts';
import { S3ObjectStore } from '../../src/storage/s3/object-store.ts';
import { chance } from '../stand-ins/chance.ts';
import { DYNOXIDE_MISSING, dynoxideBinary, startDynoxide } from '../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import { type S3Server, startS3Server } from '../stand-ins/s3-server.ts';
import type { ServerProcess } from '../stand-ins/server-process.ts';
import { type StoreProxy, startStoreProxy } from '../stand-ins/store-proxy.ts';

const options = { cause: 'startup' } as const;

test('latency is lognormal around its median', () => {
  const { lognormal } = chance(7);
  const drawn = Array.from({ length: 20_000 }, () => lognormal(50, 200)).sort((a, b) => a - b);
  expect(drawn[10_000]).toBeGreaterThan(48);
  expect(drawn[10_000]).toBeLessThan(52);
  expect(drawn[19_800]).toBeGreaterThan(180);
  expect(drawn[19_800]).toBeLessThan(220);
});

describe('in front of S3', () => {
  let server: S3Server;
  let proxy: StoreProxy;
  let direct: ObjectStore;
  let store: ObjectStore;
  let made = 0;
  const fresh = () => objectKey(`object-${made++}`);
  const create = (key = fresh(), to = store) => to.create(key, [Buffer.from('one'), Buffer.from('two')], options);

  beforeAll(async () => {
    standInEnvironment();
    server = await startS3Server();
    proxy = await startStoreProxy({ kind: 's3', upstream: server.endpoint });
    const open = (endpoint: string) => {
      const client = createS3Client(systemTimers, { endpoint });
      return { client, objects: new S3ObjectStore({ client, bucket: 'proxied', prefix: '', crc32c }) };
    };
    const there = open(server.endpoint);
    await createBucket(there.client, 'proxied');
    direct = there.objects;
    store = open(proxy.endpoint).objects;
  });
  beforeEach(() => proxy.heal());
  afterAll(async () => {
    await proxy?.close();
    await server?.close();
  });

  test('without faults everything passes and is counted', async () => {
    const before = proxy.requests.get('PUT') ?? 0;
    const key = fresh();
    expect(await create(key)).toBe('created');
    expect(await store.read(key, { start: 0, end: 6 }, options)).toEqual(Buffer.from('onetwo'));
    expect((await store.list('', '', 10, options)).objects.map((object) => object.key)).toContain(key);
    expect(proxy.requests.get('PUT')).toBe(before + 1);
    expect(proxy.requests.get('LIST')).toBeGreaterThan(0);
  });

  test('latency is waited for', async () => {
    proxy.weather = { latency: { median: 80, p99: 81 } };
    const began = performance.now();
    await create();
    expect(performance.now() - began).toBeGreaterThan(70);
  });

  test.each([
    ['throttled', StorageThrottledError],
    ['error', StorageUnavailableError],
    ['reset', StorageUnavailableError],
    ['denied', StorageRefusedError],
    ['gone', StorageRefusedError],
  ] as const)('%s does nothing and says so', async (fault, error) => {
    const key = fresh();
    proxy.weather = { faults: { [fault]: 1 } };
    await expect(create(key)).rejects.toThrow(error);
    expect(await direct.read(key, { start: 0, end: 6 }, options)).toBeNull();
    expect(proxy.faults.get(fault)).toBe(1);
  });

  test('an answer that is lost belongs to something that was done', async () => {
    const key = fresh();
    proxy.weather = { faults: { 'answer-lost': 1 } };
    await expect(create(key)).rejects.toThrow(StorageUnavailableError);
    expect(await direct.read(key, { start: 0, end: 6 }, options)).toEqual(Buffer.from('onetwo'));
  });

  test('a late effect comes after its error', async () => {
    const key = fresh();
    proxy.weather = { faults: { 'late-effect': 1 } };
    await expect(create(key)).rejects.toThrow(StorageUnavailableError);
    await expect.poll(() => direct.read(key, { start: 0, end: 6 }, options), { timeout: 3_000 }).not.toBeNull();
  });

  test('what hangs goes on when it is released, and also when nobody waits for it any more', async () => {
    proxy.weather = { faults: { hang: 1 } };
    const key = fresh();
    const waiting = create(key);
    const given = fresh();
    const giving = store.create(given, [Buffer.from('three')], { ...options, signal: AbortSignal.timeout(100) });
    await expect(giving).rejects.toThrow();
    await expect.poll(() => direct.read(given, { start: 0, end: 5 }, options)).not.toBeNull();
    expect(await direct.read(key, { start: 0, end: 6 }, options)).toBeNull();
    proxy.heal();
    expect(await waiting).toBe('created');
  });
});

describe('in front of DynamoDB', () => {
  if (dynoxideBinary() === null) {
    test('faults', (context) => context.skip(DYNOXIDE_MISSING));
    return;
  }
  let server: ServerProcess;
  let proxy: StoreProxy;
  let direct: MetadataStore;
  let store: MetadataStore;
  let made = 0;
  const item = () => ({ partitionKey: 'p', sortKey: `${made++}`, attributes: {}, body: Buffer.from('body') });
  const put = (what = item()) => store.put(what, { type: 'absent' }, options);

  beforeAll(async () => {
    server = await startDynoxide();
    proxy = await startStoreProxy({ kind: 'dynamodb', upstream: server.endpoint });
    const open = (endpoint: string) => {
      const client = createDynamoDbClient(systemTimers, { endpoint });
      return { client, metadata: new DynamoDbMetadataStore({ client, table: 'proxied' }) };
    };
    const there = open(server.endpoint);
    await createTable(there.client, 'proxied', systemTimers);
    direct = there.metadata;
    store = open(proxy.endpoint).metadata;
  });
  beforeEach(() => proxy.heal());
  afterAll(async () => {
    await proxy?.close();
    await server?.close();
  });

  test.each([
    ['throttled', StorageThrottledError],
    ['error', StorageUnavailableError],
    ['reset', StorageUnavailableError],
    ['denied', StorageRefusedError],
    ['gone', StorageRefusedError],
  ] as const)('%s does nothing and says so', async (fault, error) => {
    const what = item();
    proxy.weather = { faults: { [fault]: 1 } };
    await expect(put(what)).rejects.toThrow(error);
    expect(await direct.get(what, options)).toBeNull();
  });

  test('an answer that is lost belongs to something that was done', async () => {
    const what = item();
    proxy.weather = { faults: { 'answer-lost': 1 } };
    await expect(put(what)).rejects.toThrow(StorageUnavailableError);
    expect(await direct.get(what, options)).not.toBeNull();
  });

  test('faults may be for some operations only', async () => {
    proxy.weather = { faults: { error: 1 }, matches: (operation) => operation === 'PutItem' };
    await expect(put()).rejects.toThrow(StorageUnavailableError);
    expect(await store.get(item(), options)).toBeNull();
    expect(proxy.requests.get('GetItem')).toBeGreaterThan(0);
  });
});
