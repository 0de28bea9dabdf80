/** What the S3 test server must know beyond our own adapter, so that others can judge it: the SDK as it comes. */
import { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type S3Server, startS3Server } from '../../stand-ins/s3-server.ts';

const Bucket = 'bucket';
let server: S3Server;
let client: S3Client;
beforeAll(async () => {
  server = await startS3Server();
  client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await server.close();
});

const read = async (Key: string) =>
  (await (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()) ?? '';

test('bodies in chunks with a checksum in the trailer arrive whole', async () => {
  const parts = Array.from({ length: 50 }, (_, index) => `part ${index} ${'x'.repeat(index * 100)}`);
  const Body = Readable.from(parts.map((part) => Buffer.from(part)));
  const ContentLength = parts.join('').length;
  await client.send(new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength }));
  expect(await read('stream')).toBe(parts.join(''));
});

test.each(['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const)('a body with %s arrives whole', async (ChecksumAlgorithm) => {
  await client.send(new PutObjectCommand({ Bucket, Key: ChecksumAlgorithm, Body: 'body', ChecksumAlgorithm }));
  expect(await read(ChecksumAlgorithm)).toBe('body');
});

test('listing follows continuation tokens, with keys encoded', async () => {
  const keys = Array.from({ length: 25 }, (_, index) => `list/${String(index).padStart(2, '0')} & more`);
  for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  const listed: (string | undefined)[] = [];
  const pages = paginateListObjectsV2({ client, pageSize: 10 }, { Bucket, Prefix: 'list/', EncodingType: 'url' });
  for await (const page of pages) listed.push(...(page.Contents ?? []).map((object) => object.Key));
  expect(listed.map((key) => decodeURIComponent(key!))).toEqual(keys);
});

test('HEAD tells the size, DELETE removes', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: 'head', Body: '12345' }));
  expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'head' }))).ContentLength).toBe(5);
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'head' }));
  await expect(client.send(new HeadObjectCommand({ Bucket, Key: 'head' }))).rejects.toMatchObject({ name: 'NotFound' });
});

const put = (key: string, body: string, headers: Record<string, string>) =>
  fetch(`${server.endpoint}/${Bucket}/${key}`, { method: 'PUT', body, headers });

test.each([
  ['content-md5', 'AAAAAAAAAAAAAAAAAAAAAA==', 'BadDigest'],
  ['x-amz-checksum-crc32c', 'AAAAAA==', 'BadDigest'],
  ['x-amz-checksum-crc32', 'AAAAAA==', 'BadDigest'],
  ['x-amz-content-sha256', '0'.repeat(64), 'XAmzContentSHA256Mismatch'],
])('a wrong %s is refused and nothing is kept', async (name, value, code) => {
  const response = await put('wrong', 'body', { [name]: value });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain(`<Code>${code}</Code>`);
  expect((await fetch(`${server.endpoint}/${Bucket}/wrong`)).status).toBe(404);
});

test.each([
  ['a wrong trailer', '4\r\nbody\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n', 'BadDigest'],
  ['a missing trailer', '4\r\nbody\r\n0\r\n\r\n', 'MalformedTrailerError'],
  ['a cut chunk', '8\r\nbody', 'IncompleteBody'],
  ['no last chunk', '4\r\nbody\r\n', 'IncompleteBody'],
])('a chunked body with %s is refused', async (_, body, code) => {
  const headers = {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-trailer': 'x-amz-checksum-crc32c',
    'x-amz-decoded-content-length': '4',
  };
  const response = await put('chunked', body, headers);
  expect(response.status).toBe(400);
  expect(await response.text()).toContain(`<Code>${code}</Code>`);
});

test('DeleteObjects without a checksum is refused', async () => {
  const body = '<Delete><Object><Key>a</Key></Object></Delete>';
  const response = await fetch(`${server.endpoint}/${Bucket}?delete`, { method: 'POST', body });
  expect(response.status).toBe(400);
});

test('what it does not know is refused, not ignored', async () => {
  expect((await fetch(`${server.endpoint}/${Bucket}?uploads`, { method: 'POST' })).status).toBe(405);
  expect((await put('a', 'x', { 'if-none-match': '"etag"' })).status).toBe(501);
});
