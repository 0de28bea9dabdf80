/**
 * S3ObjectStore against S3 servers that others wrote, so that the project's own server is not the only judge. They are
 * installed by `test/stand-ins/install.sh`; with REQUIRE_STAND_INS=1 a missing one fails instead of being skipped.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { crc32c } from '../../src/record/crc32c.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { probeConditionalCreate } from '../../src/storage/probe.ts';
import { createBucket } from '../../src/storage/s3/bucket.ts';
import { createS3Client } from '../../src/storage/s3/client.ts';
import { S3ObjectStore } from '../../src/storage/s3/object-store.ts';
import { objectStoreContract } from '../contract/object-store.contract.ts';
import { isInstalled, missing, type RealS3, startRealS3 } from '../stand-ins/real-s3.ts';
import type { ServerProcess } from '../stand-ins/server-process.ts';

const servers: [RealS3, { anyKey: boolean }][] = [
  ['versitygw', { anyKey: false }],
  ['moto', { anyKey: true }],
];

describe.each(servers)('%s', (name, { anyKey }) => {
  if (!isInstalled(name)) {
    test('is installed', (context) => {
      if (process.env['REQUIRE_STAND_INS'] === '1') throw new Error(missing(name));
      context.skip(missing(name));
    });
    return;
  }
  let directory = '';
  let server: ServerProcess;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), `millrace-${name}-`));
    server = await startRealS3(name, directory);
  }, 30_000);
  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });
  const open = async () => {
    const client = createS3Client(systemTimers, { endpoint: server.endpoint });
    await createBucket(client, 'contract');
    return new S3ObjectStore({ client, bucket: 'contract', prefix: 'some/prefix', crc32c });
  };

  test('enforces conditional create', async () => {
    const store = await open();
    await probeConditionalCreate(store, 'orders', { random: systemRandom });
    await store.close();
  });
  objectStoreContract(`S3ObjectStore on ${name}`, open, { anyKey });
});
