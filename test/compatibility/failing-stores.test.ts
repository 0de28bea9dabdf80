/** S3 and DynamoDB that are away, slow or refuse, under a whole broker: it waits, says so, and loses nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DYNOXIDE_MISSING, dynoxideBinary, startDynoxide } from '../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import { type S3Server, startS3Server } from '../stand-ins/s3-server.ts';
import type { ServerProcess } from '../stand-ins/server-process.ts';
import { Broker, MILLRACE } from './broker.ts';
import { HttpClient } from './http-client.ts';
import { mustHaveEverything, run } from './run.ts';

/** Goes into a segment. */
const LARGE_BYTES = 200_000;

describe('a broker on S3 and DynamoDB', () => {
  if (dynoxideBinary() === null) {
    test('outlives their failures', (context) => {
      if (mustHaveEverything) throw new Error(DYNOXIDE_MISSING);
      context.skip(DYNOXIDE_MISSING);
    });
    return;
  }
  let s3: S3Server;
  let dynoxide: ServerProcess;
  let broker: Broker;
  let client: HttpClient;
  const sent = new Map<string, string[]>();

  beforeAll(async () => {
    [s3, dynoxide] = await Promise.all([startS3Server(), startDynoxide()]);
    const environment = {
      ...standInEnvironment(),
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: dynoxide.endpoint,
    };
    const flags = ['--store', 's3://millrace/data', '--table', 'millrace'];
    await run([...MILLRACE, 'storage', 'init', ...flags], { environment });
    broker = await Broker.start({ flags, environment });
    client = new HttpClient(broker.url);
  });
  afterAll(async () => {
    await broker?.kill();
    await Promise.all([s3?.close(), dynoxide?.close()]);
  });

  const topicFor = async (topic: string): Promise<string> => {
    await client.createTopic(topic, 1);
    sent.set(topic, []);
    return topic;
  };

  /** Sends the next record of a topic until it is appended. */
  const send = async (topic: string, bytes: number): Promise<void> => {
    const values = sent.get(topic)!;
    const value = `${values.length} of ${topic} `.padEnd(bytes, 'x');
    values.push(value);
    await client.produce(topic, `${JSON.stringify({ value })}\n`, value.slice(0, 50).trim());
  };

  const expectAll = async (topic: string): Promise<void> => {
    const values: string[] = [];
    for await (const { value } of client.readPartition(topic, 0)) values.push(value.toString());
    expect(values.map((value) => value.slice(0, 50))).toEqual(sent.get(topic)!.map((value) => value.slice(0, 50)));
  };

  test('uploads that S3 answers with SlowDown and InternalError are repeated', async () => {
    const topic = await topicFor('throttled');
    for (const code of ['SlowDown', 'InternalError', 'ConditionalRequestConflict'] as const) {
      s3.failNext(3, code);
      for (let count = 0; count < 4; count++) await send(topic, LARGE_BYTES);
    }
    await expectAll(topic);
  });

  test('reads that S3 answers with SlowDown are repeated', async () => {
    const topic = await topicFor('read-throttled');
    for (let count = 0; count < 8; count++) await send(topic, LARGE_BYTES);
    await broker.stop(); // So that nothing is read from memory.
    await broker.start();
    s3.failNext(5, 'SlowDown');
    await expectAll(topic);
  });

  test('while S3 is unusable what goes by it is refused as retriable, small records are taken, and nothing is lost', {
    timeout: 180_000,
  }, async () => {
    const large = await topicFor('large-meanwhile');
    const small = await topicFor('small-meanwhile');
    await send(large, LARGE_BYTES);
    s3.failNext(Infinity, 'SlowDown');
    const value = 'x'.repeat(LARGE_BYTES);
    const refused = await fetch(`${broker.url}/v1/topics/${large}/partitions/0/records`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ records: [{ value }] }),
    });
    expect(refused.status).toBeGreaterThanOrEqual(500);
    expect(await refused.json()).toMatchObject({ retriable: true });
    const before = performance.now();
    for (let count = 0; count < 5; count++) await send(small, 100);
    expect(performance.now() - before).toBeLessThan(10_000);
    await expectAll(small);
    expect((await fetch(`${broker.url}/healthz`)).status).toBe(200);

    s3.stopFailing();
    await send(small, LARGE_BYTES);
    await expectAll(small);
  });

  test('a table that is silent for a while holds appends up, and none is lost or there twice', async () => {
    const topic = await topicFor('frozen');
    await send(topic, 100);
    process.kill(dynoxide.pid, 'SIGSTOP');
    const sending = Promise.all([send(topic, 100), send('throttled', 100)]);
    await pause(3_000);
    process.kill(dynoxide.pid, 'SIGCONT');
    await sending;
    await send(topic, 100);
    await expectAll(topic);
    await expectAll('throttled');
  });

  test('a broker that starts while S3 is away waits, says so, and serves when it is back', async () => {
    const port = Number(new URL(s3.endpoint).port);
    await broker.stop();
    await s3.close();
    const starting = broker.start();
    await pause(3_000);
    expect(broker.log).toContain('the object store s3://millrace/data does not answer');
    s3 = await startS3Server({ port });
    await expect(starting).rejects.toThrow('millrace storage init'); // This one is empty: its bucket is not there.
  });
});
