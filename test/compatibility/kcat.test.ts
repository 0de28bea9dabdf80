/** kcat, and so librdkafka, as it comes from Debian: what its users type every day must do what it does with Kafka. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KafkaClient } from '../integration/kafka-client.ts';
import { Broker, type BrokerStores, makeStores, storesKinds } from './broker.ts';
import { HttpClient } from './http-client.ts';
import { hasProgram, mustHaveEverything, type RunOptions, run } from './run.ts';

const MISSING = 'kcat is not installed';
/** As `attributes` of a record batch has it. */
const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

describe.each(storesKinds())('kcat on %s', (kind) => {
  if (!hasProgram('kcat')) {
    test('works', (context) => {
      if (mustHaveEverything) throw new Error(MISSING);
      context.skip(MISSING);
    });
    return;
  }
  let stores: BrokerStores;
  let broker: Broker;
  let http: HttpClient;
  beforeAll(async () => {
    stores = await makeStores(kind);
    broker = await Broker.start(stores);
    http = new HttpClient(broker.url);
  });
  afterAll(async () => {
    await broker?.stop();
    await stores?.close();
  });

  const kcat = (flags: readonly string[], input = '', options: RunOptions = {}) =>
    run(['kcat', '-b', broker.kafka, ...flags], { input, ...options });
  const produce = async (topic: string, input: string, ...flags: string[]) =>
    void (await kcat(['-P', '-t', topic, ...flags], input));
  const consume = async (topic: string, ...flags: string[]): Promise<string> =>
    (await kcat(['-C', '-q', '-e', '-t', topic, ...flags])).stdout.toString();

  const numbered = (count: number): string =>
    Array.from({ length: count }, (_, index) => `message ${index} of a text that compresses well\n`).join('');

  test('-L lists the broker and its topics, as text and as JSON', async () => {
    await http.createTopic('listed', 3);
    const text = (await kcat(['-L'])).stdout.toString();
    expect(text).toContain(`broker 1 at ${broker.kafka}`);
    expect(text).toContain('topic "listed" with 3 partitions:');
    expect(text).toContain('partition 2, leader 1, replicas: 1, isrs: 1');
    const json = JSON.parse((await kcat(['-L', '-J', '-t', 'listed'])).stdout.toString());
    expect(json.brokers).toEqual([{ id: 1, name: broker.kafka }]);
    expect(json.topics[0].partitions).toHaveLength(3);
  });

  test('producing to a topic that is not there creates it', async () => {
    await produce('made-by-producing', 'first\nsecond\n');
    expect(await consume('made-by-producing', '-f', '%p %o %s\n')).toBe('0 0 first\n0 1 second\n');
  });

  test.each(
    Object.entries(CODECS),
  )('what librdkafka compresses with %s is read by kcat and over HTTP', async (name, id) => {
    const topic = `codec-${name}`;
    const text = numbered(2_000);
    await produce(topic, text, ...(name === 'none' ? [] : ['-z', name]), '-X', 'linger.ms=200');
    expect(await consume(topic)).toBe(text);
    let overHttp = '';
    for await (const { value } of http.readPartition(topic, 0)) overHttp += `${value}\n`;
    expect(overHttp).toBe(text);
    expect(await codecOf(topic)).toBe(id);
  });

  /** Of the first batch, as the broker sends it. */
  async function codecOf(topic: string): Promise<number> {
    const [host, port] = broker.kafka.split(':');
    const client = await KafkaClient.connect({ host: host!, port: Number(port) });
    const partition = { index: 0, fetchOffset: 0, partitionMaxBytes: 1_048_576 };
    const topics = [{ name: topic, partitions: [partition] }];
    const answer = await client.call('Fetch', 11, { maxWaitMs: 1_000, minBytes: 1, maxBytes: 1_048_576, topics });
    await client.close();
    const records = answer.topics[0]!.partitions[0]!.records!;
    return Buffer.concat([records].flat() as Buffer[]).readInt16BE(21) & 7;
  }

  test('-o starts at the beginning, the end, an offset, some before the end, or a time', async () => {
    await produce('starts', 'a\nb\nc\n');
    await pause(20);
    const between = Date.now();
    await pause(20);
    await produce('starts', 'd\ne\n');
    expect(await consume('starts', '-o', 'beginning')).toBe('a\nb\nc\nd\ne\n');
    expect(await consume('starts', '-o', 'end')).toBe('');
    expect(await consume('starts', '-o', '3')).toBe('d\ne\n');
    expect(await consume('starts', '-o', '-4')).toBe('b\nc\nd\ne\n');
    expect(await consume('starts', '-o', `s@${between}`)).toBe('d\ne\n');
    expect(await consume('starts', '-o', `s@${between - 60_000}`, '-o', `e@${between}`)).toBe('a\nb\nc\n');
    expect(await consume('starts', '-o', 'beginning', '-c', '2')).toBe('a\nb\n');
    const asked = await kcat(['-Q', '-t', `starts:0:${between}`]);
    expect(asked.stdout.toString()).toMatch(/starts \[0\] offset 3\b/);
  });

  test('a batch is read from an offset in the middle of it', async () => {
    await produce('middle', numbered(1_000), '-z', 'zstd', '-X', 'linger.ms=200');
    expect(await consume('middle', '-o', '777', '-f', '%o\n', '-c', '3')).toBe('777\n778\n779\n');
  });

  test('headers, null keys and null values come back as they went in', async () => {
    await produce('shapes', 'key:value\n', '-K', ':', '-H', 'trace=abc', '-H', 'empty=', '-H', 'trace=second');
    await produce('shapes', ':value\n', '-K', ':', '-Z');
    await produce('shapes', 'key:\n', '-K', ':', '-Z');
    await produce('shapes', 'just a value\n');
    expect(await consume('shapes', '-f', '%K|%k|%S|%s|%h\n')).toBe(
      '3|key|5|value|trace=abc,empty=,trace=second\n-1||5|value|\n3|key|-1||\n-1||12|just a value|\n',
    );
    const overHttp = await fetch(`${broker.url}/v1/topics/shapes/partitions/0/records`);
    const { records } = (await overHttp.json()) as { records: Record<string, unknown>[] };
    expect(records.map(({ key, value, headers }) => [key, value, headers])).toEqual([
      [
        'key',
        'value',
        [
          ['trace', 'abc'],
          ['empty', ''],
          ['trace', 'second'],
        ],
      ],
      [null, 'value', []],
      ['key', null, []],
      [null, 'just a value', []],
    ]);
  });

  test('keys reach the partition that Java would choose', async () => {
    await http.createTopic('keyed', 12);
    const keys = Array.from({ length: 200 }, (_, index) => `customer-${index}`);
    const lines = keys.map((key) => `${key}:x\n`).join('');
    await produce('keyed', lines, '-K', ':', '-X', 'topic.partitioner=murmur2_random');
    await http.createTopic('keyed-over-http', 12);
    const records = keys.map((key) => `${JSON.stringify({ key, value: 'x' })}\n`).join('');
    await http.produce('keyed-over-http', records, 'keyed');
    const places = async (topic: string) => (await consume(topic, '-f', '%k %p\n')).split('\n').sort();
    expect(await places('keyed-over-http')).toEqual(await places('keyed'));
  });

  test('messages up to max.message.bytes are taken, larger ones refused by name', async () => {
    await http.createTopic('large', 1, { 'max.message.bytes': '5000000' });
    const large = 'x'.repeat(4_900_000);
    const limit = ['-X', 'message.max.bytes=20000000'];
    await produce('large', large, ...limit);
    expect(await consume('large', '-X', 'fetch.message.max.bytes=1000000')).toBe(`${large}\n`);
    const refused = await kcat(['-P', '-t', 'large', ...limit], 'x'.repeat(5_100_000), { anyStatus: true });
    expect(refused.stderr).toContain('Message size too large');
    expect(await http.recordCount('large')).toBe(1);
  });

  test('acks 0 and 1 are taken', async () => {
    await produce('acks', 'zero\n', '-X', 'acks=0');
    for (let tries = 0; (await http.recordCount('acks')) === 0 && tries < 500; tries++) await pause(10);
    await produce('acks', 'one\n', '-X', 'acks=1');
    expect(await consume('acks')).toBe('zero\none\n');
  });

  test('a consumer at the end prints what comes after it started', async () => {
    await http.createTopic('tailed', 2);
    const waiting = kcat(['-C', '-q', '-u', '-t', 'tailed', '-o', 'end', '-c', '3']);
    // There is nothing to wait for: kcat does not say when it has reached the end, unless it is to stop there.
    await pause(2_000);
    for (const word of ['one', 'two', 'three']) await produce('tailed', `${word}\n`);
    expect((await waiting).stdout.toString().split('\n').sort()).toEqual(['', 'one', 'three', 'two']);
  });

  test('reading a topic that is not there fails and says so', async () => {
    const flags = ['-C', '-e', '-t', 'nowhere', '-p', '0', '-X', 'allow.auto.create.topics=false'];
    const { status, stderr } = await kcat(flags, '', { anyStatus: true });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/[Uu]nknown topic/);
  });

  test('an idempotent producer goes on through a restart without a gap or a repeat', { timeout: 120_000 }, async () => {
    const flags = ['-P', '-E', '-t', 'restarted', '-X', 'enable.idempotence=true', '-X', 'linger.ms=5'];
    const count = 3_000;
    const lines = Array.from({ length: count }, (_, index) => `${index}\n`);
    await run(['kcat', '-b', broker.kafka, ...flags], {
      input: async (stdin) => {
        const restart = pause(400)
          .then(() => broker.stop())
          .then(() => broker.start());
        for (let at = 0; at < count; at += 20) {
          stdin.write(lines.slice(at, at + 20).join(''));
          await pause(5);
        }
        await restart;
        stdin.end();
      },
    });
    expect(await consume('restarted')).toBe(lines.join(''));
  });
});
