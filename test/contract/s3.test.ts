/**
 * S3ObjectStore against the project's own S3 server, kept in memory and kept in a directory, and against a real server
 * when TEST_S3_ENDPOINT names one (credentials and region come from the SDK's environment variables).
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterAll } from 'vitest';
import { crc32c } from '../../src/record/crc32c.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { createS3Client } from '../../src/storage/s3/client.ts';
import { S3ObjectStore } from '../../src/storage/s3/object-store.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import { type S3Server, type S3ServerOptions, startS3Server } from '../stand-ins/s3-server.ts';
import { objectStoreContract } from './object-store.contract.ts';

standInEnvironment();
const servers: S3Server[] = [];
const directory = await mkdtemp(join(tmpdir(), 'millrace-s3-'));
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await rm(directory, { recursive: true });
});

async function onServer(options: S3ServerOptions): Promise<S3ObjectStore> {
  const server = await startS3Server(options);
  servers.push(server);
  return onEndpoint(server.endpoint);
}

async function onEndpoint(endpoint: string): Promise<S3ObjectStore> {
  const client = createS3Client(systemTimers, { endpoint });
  const bucket = `millrace-contract-${process.pid}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return new S3ObjectStore({ client, bucket, prefix: 'some/prefix', crc32c });
}

objectStoreContract('S3ObjectStore on the test server in memory', () => onServer({}));
objectStoreContract('S3ObjectStore on the test server in a directory', () => onServer({ directory }));

const endpoint = process.env['TEST_S3_ENDPOINT'];
if (endpoint !== undefined) {
  // A gateway over a file system has its rules for names: TEST_S3_ANY_KEY=false.
  const anyKey = process.env['TEST_S3_ANY_KEY'] !== 'false';
  objectStoreContract(`S3ObjectStore on ${endpoint}`, () => onEndpoint(endpoint), { anyKey });
}
