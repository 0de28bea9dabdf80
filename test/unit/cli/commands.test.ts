/** Every command that speaks to a broker, against a real one on embedded stores in this process. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InterruptError } from '../../../src/cli/interrupt.ts';
import { parseConfig } from '../../../src/config.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { systemRuntime } from '../../../src/runtime/runtime.ts';
import { type BrokerServer, startBroker } from '../../../src/server.ts';
import { finish, type RunOptions, start } from './run-command.ts';

let directory: string;
let broker: BrokerServer;
let url: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  const config = parseConfig({ data: join(directory, 'data'), kafka: '127.0.0.1:0', http: '127.0.0.1:0' });
  broker = await startBroker(config, systemRuntime(silentLogger));
  url = `http://127.0.0.1:${broker.http.port}`;
});

afterAll(async () => {
  await broker.stop();
  rmSync(directory, { recursive: true });
});

const millrace = (argv: readonly string[], options: RunOptions = {}) => finish(argv, { url, ...options });

let topics = 0;
async function newTopic(partitions = 1): Promise<string> {
  const name = `topic-${++topics}`;
  expect(await millrace(['topic', 'create', name, '-p', String(partitions)])).toMatchObject({ status: 0, stderr: '' });
  return name;
}

describe('topic', () => {
  test('a topic is created, listed, described, altered and deleted', async () => {
    const created = await millrace([
      'topic',
      'create',
      'orders',
      '-p',
      '2',
      '-c',
      'retention.ms=1000',
      '--output',
      'json',
    ]);
    expect(created.status).toBe(0);
    expect(JSON.parse(created.stdout)).toMatchObject([{ name: 'orders', partitions: 2 }]);

    const listed = await millrace(['topic', 'list', '--prefix', 'ord', '--output', 'ndjson']);
    expect(JSON.parse(listed.stdout)).toMatchObject({ name: 'orders', partitions: 2 });

    const altered = [
      'topic',
      'alter',
      'orders',
      '-c',
      'cleanup.policy=compact',
      '--delete-config',
      'retention.ms',
      '-p',
      '3',
    ];
    expect(await millrace(altered)).toMatchObject({ status: 0, stdout: '', stderr: 'altered orders\n' });

    const described = await millrace(['topic', 'describe', 'orders', '--output', 'json']);
    expect(JSON.parse(described.stdout)).toMatchObject({
      partitions: 3,
      config: { 'cleanup.policy': 'compact' },
      partition_details: [{ partition: 0, log_start_offset: 0, high_watermark: 0 }, {}, {}],
    });

    expect(await millrace(['topic', 'delete', 'orders'])).toMatchObject({ status: 0 });
    expect(await millrace(['topic', 'describe', 'orders'])).toMatchObject({ status: 3, stdout: '' });
  });

  test('a topic that is there already is an error, unless that is fine', async () => {
    const name = await newTopic();
    expect(await millrace(['topic', 'create', name])).toMatchObject({ status: 1, stdout: '' });
    expect(await millrace(['topic', 'create', name, '--if-not-exists'])).toMatchObject({ status: 0 });
  });

  test.each([
    [['topic', 'create', 'x', '-p', 'many']],
    [['topic', 'create', 'x', '-c', 'nothing']],
    [['topic', 'alter', 'x']],
    [['topic']],
    [['nonsense']],
    [['topic', 'list', '--output', 'xml']],
    [['topic', 'list', '--url', 'nowhere']],
    [['produce', 'x', '-K', '']],
    [['produce', 'x', '-J', '-k', 'y']],
    [['consume', 'x', '-o', 'somewhere']],
    [['consume', 'x', '-f', '%z']],
    [['segment', 'list']],
  ])('%j is wrong usage', async (argv) => {
    expect(await millrace(argv)).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('produce and consume', () => {
  test('lines come out as they went in', async () => {
    const topic = await newTopic();
    const input = Buffer.concat([Buffer.from('one\n\nthree ✓\n'), Buffer.of(0xff, 0xfe, 0x0a), Buffer.from('no end')]);
    expect(await millrace(['produce', topic], { input })).toMatchObject({ status: 0, stdout: '' });
    const consumed = start(['consume', topic], { url });
    expect(await consumed.status).toBe(0);
    expect(await millrace(['consume', topic, '-f', '%o:%S,'])).toMatchObject({ stdout: '0:3,1:0,2:9,3:2,4:6,' });
  });

  test('keys, headers and nulls are kept', async () => {
    const topic = await newTopic(3);
    const flags = ['-K', ':', '-Z', '-H', 'source=test', '-D', ';'];
    expect(await millrace(['produce', topic, ...flags], { input: 'a:1;b:;:3;plain' })).toMatchObject({ status: 0 });
    const { stdout } = await millrace(['consume', topic, '-f', '%k|%s|%h\\n', '-Z', 'NULL']);
    expect(stdout.trim().split('\n').sort()).toEqual([
      'NULL|3|source=test',
      'NULL|plain|source=test',
      'a|1|source=test',
      'b|NULL|source=test',
    ]);
  });

  test('JSON lines make a round trip from topic to topic', async () => {
    const [from, to] = [await newTopic(2), await newTopic(2)];
    const lines = [
      '{"key":"a","value":{"n":12345678901234567890},"headers":[["h","v"]],"timestamp":5,"partition":1}',
      '{"key":null,"value":null,"partition":0}',
      '{"value_base64":"/w==","partition":0}',
    ];
    expect(await millrace(['produce', from, '-J'], { input: `${lines.join('\n')}\n\n` })).toMatchObject({ status: 0 });
    const first = await millrace(['consume', from, '-J']);
    expect(first.stdout).toContain('"timestamp":5,"key":"a","value":{"n":12345678901234567890},"headers":[["h","v"]]');
    expect(await millrace(['produce', to, '-J'], { input: first.stdout })).toMatchObject({ status: 0, stderr: '' });
    const second = await millrace(['consume', to, '-J']);
    const sorted = (text: string) => text.replaceAll(from, to).split('\n').sort();
    expect(sorted(second.stdout)).toEqual(sorted(first.stdout));
  });

  test('files are read one after the other, and say what is wrong with them', async () => {
    const topic = await newTopic();
    const [one, two] = [join(directory, 'one'), join(directory, 'two')];
    writeFileSync(one, 'a\nb');
    writeFileSync(two, 'c\n');
    expect(await millrace(['produce', topic, one, two])).toMatchObject({ status: 0 });
    expect(await millrace(['consume', topic])).toMatchObject({ stdout: 'a\nb\nc\n' });
    expect(await millrace(['produce', topic, join(directory, 'missing')])).toMatchObject({ status: 3 });
    writeFileSync(two, '{"value":1}\n{"value":');
    const broken = await millrace(['produce', topic, '-J', two]);
    expect(broken.stderr).toMatch(/^millrace: record 2 of the input: not JSON/);
    expect(broken.status).toBe(6);
    expect(await millrace(['consume', topic, '-o', '-1'])).toMatchObject({ stdout: '1\n' });
  });

  test('a record that the broker refuses ends with 6 when others were appended', async () => {
    const topic = await newTopic();
    const input = `fits\n${'x'.repeat(2_000_000)}\nnever sent\n`;
    const produced = await millrace(['produce', topic], { input });
    expect(produced.status).toBe(6);
    expect(produced.stderr).toContain('at least 1 records were appended');
    expect(await millrace(['consume', topic])).toMatchObject({ stdout: 'fits\n' });
  });

  test.each([
    [['-o', '-2'], 'd\ne\n'],
    [['-o', '3'], 'd\ne\n'],
    [['-o', 'end'], ''],
    [['-n', '2'], 'a\nb\n'],
    [['-n', '0'], ''],
    [['-o', 's@30'], 'c\nd\ne\n'],
    [['-o', 's@20', '-o', 'e@40'], 'b\nc\n'],
  ])('consume %j', async (flags, expected) => {
    const topic = await newTopic();
    const line = (value: string, index: number) => JSON.stringify({ value, timestamp: (index + 1) * 10 });
    const input = ['a', 'b', 'c', 'd', 'e'].map(line).join('\n');
    await millrace(['produce', topic, '-J', '--record-format', 'text'], { input });
    expect(await millrace(['consume', topic, ...flags])).toEqual({ status: 0, stdout: expected, stderr: '' });
  });

  test('following prints what comes, until it is interrupted', async () => {
    const topic = await newTopic();
    const consumer = start(['consume', topic, '--follow'], { url });
    await millrace(['produce', topic], { input: 'first\n' });
    await consumer.seen('first\n');
    await millrace(['produce', topic], { input: 'second\n' });
    await consumer.seen('second\n');
    consumer.interrupt.abort(new InterruptError('SIGINT'));
    expect(await consumer.status).toBe(0);
    expect(consumer.stderr()).toBe('next: -p 0 -o 2\n');
  });

  test('an interrupted produce sends what it has read', async () => {
    const topic = await newTopic();
    const producer = start(['produce', topic], { url });
    producer.stdin.write('one\ntwo\n');
    const consumer = start(['consume', topic, '--follow'], { url });
    await consumer.seen('two\n');
    producer.stdin.write('three\nfou');
    await consumer.seen('three\n');
    producer.interrupt.abort(new InterruptError('SIGINT'));
    expect(await producer.status).toBe(130);
    consumer.interrupt.abort(new InterruptError('SIGINT'));
    await consumer.status;
  });

  test('a reader that goes away ends consume quietly', async () => {
    const topic = await newTopic();
    await millrace(['produce', topic], { input: 'line\n'.repeat(1_000) });
    expect(await millrace(['consume', topic], { outputBytesMax: 10 })).toMatchObject({ status: 0, stderr: '' });
  });

  test('a partition that is not there is wrong usage, a topic that is not there is not found', async () => {
    const topic = await newTopic();
    expect(await millrace(['consume', topic, '-p', '7'])).toMatchObject({ status: 2 });
    expect(await millrace(['produce', topic, '-p', '7'], { input: 'x' })).toMatchObject({ status: 3 });
    expect(await millrace(['produce', 'nowhere'], { input: 'x' })).toMatchObject({ status: 3 });
  });
});

describe('segment', () => {
  test('lists and checks what the broker wrote', async () => {
    const topic = await newTopic();
    await millrace(['produce', topic], { input: `${'x'.repeat(50_000)}\n`.repeat(20) });
    const listed = await finish(['segment', 'list', join(directory, 'data'), '--output', 'ndjson']);
    const segments = listed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(segments.length).toBeGreaterThan(0);
    const { segment, bytes } = segments.at(-1);
    const path = readdirSync(join(directory, 'data'), { recursive: true }).find((file) =>
      String(file).endsWith(segment),
    );
    const file = join(directory, 'data', String(path));
    const shown = await finish(['segment', 'show', file]);
    expect(shown.status).toBe(0);
    expect(shown.stdout).toContain(`segment  ${segment}\n`);
    expect(shown.stdout).toContain(`bytes    ${bytes}\n`);
    const batches = await finish(['segment', 'list', file, '--output', 'ndjson']);
    expect(JSON.parse(batches.stdout.split('\n')[0]!)).toMatchObject({ codec: 'none', producer_epoch: 0 });
    const records = await finish(['segment', 'show', file, '--records']);
    expect(records.stdout).toContain('xxxxx');
  });

  test('a file that is none is named', async () => {
    const file = join(directory, 'notes.txt');
    writeFileSync(file, 'these are notes, not records, and they are longer than a trailer');
    expect(await finish(['segment', 'show', file])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/segment notes.txt is damaged at byte \d+: the trailer does not end in 'MILLRACE'/),
    });
    expect(await finish(['segment', 'show', join(directory, 'missing')])).toMatchObject({ status: 3 });
  });
});

test('a broker that is not there ends with 5', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  taken.close();
  const answer = await finish(['topic', 'list', '--timeout', '100'], { url: `http://127.0.0.1:${port}` });
  expect(answer).toMatchObject({ status: 5, stdout: '', stderr: expect.stringContaining('ECONNREFUSED') });
});
