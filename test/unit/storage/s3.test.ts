import { afterEach, expect, test } from 'vitest';
import {
  StartupError,
  StorageRefusedError,
  StorageThrottledError,
  StorageUnavailableError,
} from '../../../src/errors.ts';
import { crc32c } from '../../../src/record/crc32c.ts';
import { systemTimers } from '../../../src/runtime/clock.ts';
import { objectKey } from '../../../src/storage/object-store.ts';
import { probeConditionalCreate } from '../../../src/storage/probe.ts';
import { createBucket } from '../../../src/storage/s3/bucket.ts';
import { createS3Client } from '../../../src/storage/s3/client.ts';
import { S3ObjectStore } from '../../../src/storage/s3/object-store.ts';
import { parseS3Url } from '../../../src/storage/s3/open.ts';
import { standInEnvironment } from '../../stand-ins/environment.ts';
import { type S3Server, type S3ServerOptions, startS3Server } from '../../stand-ins/s3-server.ts';
import { virtualRuntime } from './virtual-runtime.ts';

standInEnvironment();
const options = { cause: 'tool' } as const;
const key = objectKey('a/b');
const range = { start: 0, end: 100 };
const open: { server: S3Server; store: S3ObjectStore }[] = [];

afterEach(async () => {
  for (const { server, store } of open.splice(0)) {
    await store.close();
    await server.close();
  }
});

async function start(serverOptions: S3ServerOptions = {}) {
  const server = await startS3Server(serverOptions);
  const client = createS3Client(systemTimers, { endpoint: server.endpoint });
  await createBucket(client, 'bucket');
  const store = new S3ObjectStore({ client, bucket: 'bucket', prefix: '', crc32c });
  open.push({ server, store });
  return { server, client, store };
}

test.each([
  ['SlowDown', StorageThrottledError],
  ['InternalError', StorageUnavailableError],
  ['ConditionalRequestConflict', StorageUnavailableError],
] as const)('%s is one request and one %o', async (code, error) => {
  const { server, store } = await start();
  server.failNext(1, code);
  const before = server.requests.get('PutObject') ?? 0;
  const created = store.create(key, [Buffer.from('x')], options);
  await expect(created).rejects.toThrow(error);
  await expect(created).rejects.not.toThrow(StorageRefusedError);
  expect(server.requests.get('PutObject')).toBe(before + 1);
  expect(await store.create(key, [Buffer.from('x')], options)).toBe('created');
});

test('every operation that the server fails is an error of the port', async () => {
  const { server, store } = await start();
  const operations = [
    () => store.read(key, range, options),
    () => store.readLast(key, 10, options),
    () => store.list('', '', 10, options),
    () => store.delete([key], options),
    () => store.restore(key, 1, options),
  ];
  for (const operation of operations) {
    server.failNext(1, 'SlowDown');
    await expect(operation()).rejects.toThrow(StorageThrottledError);
  }
});

test('a bucket that is not there is a refusal, not a missing object', async () => {
  const { client } = await start();
  const store = new S3ObjectStore({ client, bucket: 'other', prefix: '', crc32c });
  await expect(store.read(key, range, options)).rejects.toThrow(StorageRefusedError);
  await expect(store.create(key, [], options)).rejects.toThrow(StorageRefusedError);
  await expect(store.list('', '', 10, options)).rejects.toThrow(StorageRefusedError);
});

test('a body that does not match its checksum is not kept', async () => {
  const { store } = await start();
  const wrong = store.create(key, [Buffer.from('x')], { ...options, crc32c: 1 });
  await expect(wrong).rejects.toThrow(StorageUnavailableError);
  expect(await store.read(key, range, options)).toBeNull();
  expect(await store.create(key, [Buffer.from('x')], { ...options, crc32c: crc32c(Buffer.from('x')) })).toBe('created');
});

test('an object in an archive class is archived until its restore is done', async () => {
  const { server, store } = await start();
  await store.create(key, [Buffer.from('cold')], { ...options, storageClass: 'DEEP_ARCHIVE' });
  expect((await store.list('', '', 1, options)).objects[0]!.storageClass).toBe('DEEP_ARCHIVE');
  expect(await store.read(key, range, options)).toBe('archived');
  expect(await store.readLast(key, 10, options)).toBe('archived');
  await store.restore(key, 1, options);
  await store.restore(key, 1, options);
  expect(await store.read(key, range, options)).toBe('archived');
  server.finishRestores();
  expect(await store.read(key, range, options)).toEqual(Buffer.from('cold'));
  await store.restore(key, 1, options);
});

test('restoring what is not archived, or gone, is fine', async () => {
  const { store } = await start();
  await store.create(key, [Buffer.from('warm')], { ...options, storageClass: 'STANDARD_IA' });
  await store.restore(key, 1, options);
  await store.restore(objectKey('missing'), 1, options);
});

test('a prefix in the bucket is invisible above the store', async () => {
  const { client, store: whole } = await start();
  const store = new S3ObjectStore({ client, bucket: 'bucket', prefix: 'team/data', crc32c });
  await store.create(key, [Buffer.from('x')], options);
  await whole.create(objectKey('team/data-2/c'), [Buffer.from('x')], options);
  expect((await store.list('', '', 10, options)).objects.map((object) => object.key)).toEqual([key]);
  expect((await whole.list('team/data/', '', 10, options)).objects).toMatchObject([{ key: 'team/data/a/b' }]);
  await store.delete([key], options);
  expect((await whole.list('', '', 10, options)).objects).toMatchObject([{ key: 'team/data-2/c' }]);
});

test('a store that enforces conditional create passes the probe and keeps nothing of it', async () => {
  const { store } = await start();
  await probeConditionalCreate(store, 'orders', virtualRuntime());
  expect((await store.list('', '', 10, options)).objects).toEqual([]);
});

test('a store that ignores If-None-Match is refused', async () => {
  const { store } = await start({ ignoresConditions: true });
  const probe = probeConditionalCreate(store, 'orders', virtualRuntime());
  await expect(probe).rejects.toThrow(StartupError);
  await expect(probe).rejects.toThrow('does not enforce conditional create');
});

test('a probe that the store does not answer is not a verdict', async () => {
  const { server, store } = await start();
  server.failNext(3, 'InternalError');
  await expect(probeConditionalCreate(store, 'orders', virtualRuntime())).rejects.toThrow(StorageUnavailableError);
  server.failNext(2, 'ConditionalRequestConflict');
  await probeConditionalCreate(store, 'orders', virtualRuntime());
});

test('creating a bucket twice is fine', async () => {
  const { client } = await start();
  expect(await createBucket(client, 'fresh')).toBe(true);
  expect(await createBucket(client, 'fresh')).toBe(false);
});

test.each([
  ['s3://bucket', { bucket: 'bucket', prefix: '' }],
  ['s3://bucket/', { bucket: 'bucket', prefix: '' }],
  ['s3://bucket/a/b', { bucket: 'bucket', prefix: 'a/b' }],
  ['s3://bucket//a/b//', { bucket: 'bucket', prefix: 'a/b' }],
])('%s is %j', (url, expected) => {
  expect(parseS3Url(url)).toEqual(expected);
});

test.each(['', 'bucket/a', 'http://bucket/a', 's3://'])('%j is no S3 URL', (url) => {
  expect(() => parseS3Url(url)).toThrow(StartupError);
});
