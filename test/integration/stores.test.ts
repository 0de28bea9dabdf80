/** Opening the stores that a configuration names, on the stand-ins that npm can install. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, parseConfig } from '../../src/config.ts';
import { StartupError } from '../../src/errors.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts';
import { ALWAYS, type Item } from '../../src/storage/metadata-store.ts';
import { objectKey } from '../../src/storage/object-store.ts';
import { initStorage, openObjectStoreFor, openStores } from '../../src/stores.ts';
import { DYNOXIDE_MISSING, dynoxideBinary, startDynoxide } from '../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import { type S3Server, startS3Server } from '../stand-ins/s3-server.ts';
import type { ServerProcess } from '../stand-ins/server-process.ts';

const options = { cause: 'tool' } as const;
const item: Item = { partitionKey: 'p', sortKey: 's', body: Buffer.from('x'), attributes: {} };
const runtime = (): Runtime => systemRuntime(silentLogger);
const hurried = { totalMs: 300, pauseMs: 100 };

describe('embedded stores', () => {
  let data = '';
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'millrace-stores-'));
  });
  afterAll(() => rm(data, { recursive: true }));

  test('are created by the first start and found by the next, with the same incarnation', async () => {
    const config = parseConfig({ data });
    const first = await openStores(config, runtime());
    expect(first.kind).toBe('embedded');
    await first.objects.create(objectKey('a'), [Buffer.from('kept')], options);
    await first.metadata.put(item, ALWAYS, options);
    expect(first.meter.totals()).toMatchObject({ dollars: 0 });
    await first.close();
    const second = await openStores(config, runtime());
    expect(second.incarnation).toBe(first.incarnation);
    expect(await second.objects.read(objectKey('a'), { start: 0, end: 9 }, options)).toEqual(Buffer.from('kept'));
    expect((await second.metadata.get(item, options))?.body).toEqual(Buffer.from('x'));
    await second.close();
  });

  test('load nothing of the AWS SDK', async () => {
    const script = `
      import { createRequire } from 'node:module';
      import { parseConfig } from './src/config.ts';
      import { silentLogger } from './src/runtime/logger.ts';
      import { systemRuntime } from './src/runtime/runtime.ts';
      import { openStores } from './src/stores.ts';
      const stores = await openStores(parseConfig({ data: ${JSON.stringify(join(data, 'lean'))} }), systemRuntime(silentLogger));
      await stores.close();
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) => /@aws-sdk|@smithy/.test(path));
      process.stdout.write(String(loaded.length));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    expect(stdout).toBe('0');
  });
});

test('a missing region is one clear sentence', async () => {
  const { AWS_REGION: region, ...others } = process.env;
  process.env = { ...others, AWS_CONFIG_FILE: '/nonexistent', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent' };
  try {
    const opening = openStores(parseConfig({ store: 's3://bucket', table: 'table' }), runtime());
    await expect(opening).rejects.toThrow(new StartupError('no AWS region is configured: set AWS_REGION'));
  } finally {
    process.env = { ...others, ...(region !== undefined && { AWS_REGION: region }) };
  }
});

test('embedded stores refuse `storage init`', async () => {
  await expect(initStorage(parseConfig({}), runtime())).rejects.toThrow('embedded stores need no init');
});

describe('S3 and DynamoDB', () => {
  if (dynoxideBinary() === null) {
    test('are opened together', (context) => context.skip(DYNOXIDE_MISSING));
    return;
  }
  let s3: S3Server;
  let dynoxide: ServerProcess;
  beforeAll(async () => {
    standInEnvironment();
    [s3, dynoxide] = await Promise.all([startS3Server(), startDynoxide()]);
    process.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint;
    process.env['AWS_ENDPOINT_URL_DYNAMODB'] = dynoxide.endpoint;
  });
  afterAll(async () => {
    delete process.env['AWS_ENDPOINT_URL_S3'];
    delete process.env['AWS_ENDPOINT_URL_DYNAMODB'];
    await Promise.all([s3.close(), dynoxide.close()]);
  });

  const aws = (name: string, table = name): Config => parseConfig({ store: `s3://${name}/data`, table });

  test('are refused until `storage init` made them, with a hint', async () => {
    const opening = openStores(aws('fresh'), runtime());
    await expect(opening).rejects.toThrow(StartupError);
    await expect(opening).rejects.toThrow('s3://fresh/data');
    await expect(opening).rejects.toThrow('millrace storage init');
  });

  test('`storage init` makes what is missing, and may be repeated', async () => {
    const made = await initStorage(aws('orders'), runtime());
    expect(made).toMatchObject({ bucket: 'created', table: 'created' });
    expect(await initStorage(aws('orders'), runtime())).toEqual({ ...made, bucket: 'found', table: 'found' });

    const stores = await openStores(aws('orders'), runtime());
    expect(stores).toMatchObject({ kind: 'aws', incarnation: made.incarnation });
    expect(await stores.objects.create(objectKey('a/b'), [Buffer.from('x')], options)).toBe('created');
    expect(await stores.metadata.put(item, ALWAYS, options)).toEqual({ ok: true });
    expect(stores.meter.totals().creates).toBe(4);
    expect(stores.meter.totals().dollars).toBeGreaterThan(0);
    await stores.close();

    const { objects, path } = await openObjectStoreFor('s3://orders/data/a/b', runtime());
    expect(path).toBe('data/a/b');
    expect(await objects.read(objectKey(path), { start: 0, end: 9 }, options)).toEqual(Buffer.from('x'));
    await objects.close();
  });

  test('a bucket of one cluster with the table of another is refused', async () => {
    await initStorage(aws('one'), runtime());
    await initStorage(aws('two'), runtime());
    await expect(openStores(aws('one', 'two'), runtime())).rejects.toThrow('do not belong together');
  });

  test('a store that ignores conditional create is refused', async () => {
    const lax = await startS3Server({ ignoresConditions: true });
    process.env['AWS_ENDPOINT_URL_S3'] = lax.endpoint;
    await expect(initStorage(aws('lax'), runtime())).rejects.toThrow('does not enforce conditional create');
    await expect(openStores(aws('lax'), runtime())).rejects.toThrow('does not enforce conditional create');
    process.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint;
    await lax.close();
  });

  test('a store that is away when the broker starts is waited for', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-away-'));
    const before = await startS3Server({ directory });
    process.env['AWS_ENDPOINT_URL_S3'] = before.endpoint;
    const { incarnation } = await initStorage(aws('late'), runtime());
    await before.close();
    const opening = openStores(aws('late'), runtime(), undefined, { totalMs: 10_000, pauseMs: 50 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const back = await startS3Server({ directory, port: Number(new URL(before.endpoint).port) });
    const stores = await opening;
    expect(stores.incarnation).toBe(incarnation);
    await stores.close();
    await back.close();
    process.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint;
    await rm(directory, { recursive: true });
  });

  test('a store that stays away ends the start with its name', async () => {
    const gone = await startS3Server();
    process.env['AWS_ENDPOINT_URL_S3'] = gone.endpoint;
    await gone.close();
    const opening = openStores(aws('gone'), runtime(), undefined, hurried);
    await expect(opening).rejects.toThrow(StartupError);
    await expect(opening).rejects.toThrow(/the object store s3:\/\/gone\/data did not answer for \d+ s.*ECONNREFUSED/);
    process.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint;
  });

  test('the signal ends the wait for a store', async () => {
    const gone = await startS3Server();
    process.env['AWS_ENDPOINT_URL_S3'] = gone.endpoint;
    await gone.close();
    const abort = new AbortController();
    const opening = openStores(aws('gone'), runtime(), abort.signal);
    setTimeout(() => abort.abort(new Error('enough')), 50);
    await expect(opening).rejects.toThrow('enough');
    process.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint;
  });
});
