/**
 * kcat as it comes from Debian, and so librdkafka: what its users type. `node suite.ts BROKER [PART OF A NAME]…`
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { type RunOptions, run } from '../../run.ts';
import { type Cases, type Cleanup, runCases, unique, until } from '../node-cases.ts';

const [broker, ...only] = process.argv.slice(2);

/** What librdkafka sends to a broker that it believes to be old, without asking for its versions. */
const OLD = {
  '1.0.0': ['-X', 'api.version.request=false', '-X', 'broker.version.fallback=1.0.0'],
  '0.11.0': ['-X', 'api.version.request=false', '-X', 'broker.version.fallback=0.11.0'],
} as const;
const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'];

const kcat = async (flags: readonly string[], input = '', options: RunOptions = {}): Promise<string> =>
  (await run(['kcat', '-b', broker!, ...flags], { input, timeoutMs: 30_000, ...options })).stdout.toString();
const produce = (topic: string, input: string, ...flags: string[]) => kcat(['-P', '-t', topic, ...flags], input);
const consume = (topic: string, ...flags: string[]) => kcat(['-C', '-q', '-e', '-t', topic, ...flags]);
const lines = (count: number, prefix = 'line'): string =>
  Array.from({ length: count }, (_, index) => `${prefix} ${index} of a text that compresses well\n`).join('');
const sorted = (text: string): string[] => text.split('\n').filter(Boolean).sort();

interface Member {
  output: string;
  /** What it remarked: its assignments among others. */
  remarks: string;
  signal(signal: NodeJS.Signals): Promise<void>;
}

/** A member of a group that prints what it reads, until it is stopped. */
function join(cleanup: Cleanup, group: string, topic: string, ...flags: string[]): Member {
  const common = [
    '-X',
    'auto.offset.reset=earliest',
    '-X',
    'session.timeout.ms=6000',
    '-X',
    'heartbeat.interval.ms=500',
  ];
  const command = ['-b', broker!, '-G', group, '-u', ...common, ...flags, topic];
  const child = spawn('kcat', command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  const member: Member = {
    output: '',
    remarks: '',
    async signal(signal) {
      child.kill(signal);
      await ended;
    },
  };
  child.stdout.on('data', (chunk: Buffer) => {
    member.output += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    member.remarks += chunk;
  });
  cleanup(() => member.signal('SIGKILL'));
  return member;
}

const assigned = (member: Member): number =>
  [...member.remarks.matchAll(/assigned: (.*)$/gm)].at(-1)?.[1]?.split(',').filter(Boolean).length ?? 0;

/** Topics come with one partition unless they are made in another way. */
const partitions = async (topic: string, count: number): Promise<void> => {
  const admin = new kafkajs.Kafka({ brokers: [broker!], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: count }] });
  await admin.disconnect();
};

async function producesAndConsumes(...flags: string[]): Promise<void> {
  const topic = unique('kcat');
  await produce(topic, lines(100), ...flags);
  assert.equal(await consume(topic, ...flags), lines(100));
}

async function sharesPartitions(cleanup: Cleanup, ...flags: string[]): Promise<void> {
  const [topic, group] = [unique('shared'), unique('group')];
  await partitions(topic, 4);
  const first = join(cleanup, group, topic, ...flags);
  const second = join(cleanup, group, topic, ...flags);
  await until('both have members', () => /rebalanced/.test(first.remarks) && /rebalanced/.test(second.remarks));
  await produce(topic, lines(200), '-X', 'sticky.partitioning.linger.ms=0');
  const all = () => sorted(first.output + second.output);
  await until('all records', () => all().length >= 200);
  assert.deepEqual(all(), sorted(lines(200)));
  await second.signal('SIGTERM');
  await pause(500);
  await produce(topic, lines(50, 'more'), '-X', 'sticky.partitioning.linger.ms=0');
  await until('the rest', () => all().length >= 250);
}

async function resumes(cleanup: Cleanup, ...flags: string[]): Promise<void> {
  const [topic, group] = [unique('resumed'), unique('group')];
  await produce(topic, lines(30, 'before'));
  const first = join(cleanup, group, topic, ...flags);
  await until('what was there', () => sorted(first.output).length >= 30);
  await first.signal('SIGTERM');
  await produce(topic, lines(30, 'after'));
  const second = join(cleanup, group, topic, ...flags);
  await until('what came after', () => sorted(second.output).length >= 30);
  assert.equal(second.output, lines(30, 'after'));
}

const CASES: Cases = {
  async 'produce and consume'() {
    await producesAndConsumes();
  },
  ...Object.fromEntries(
    Object.entries(OLD).map(([version, flags]) => [
      `produce and consume, as with a broker of ${version}`,
      async () => {
        const topic = unique('kcat');
        await produce(topic, lines(100), ...flags);
        assert.equal(await consume(topic, ...flags), lines(100));
      },
    ]),
  ),
  ...Object.fromEntries(
    CODECS.map((codec) => [
      `batches compressed with ${codec}`,
      () => producesAndConsumes('-X', `compression.codec=${codec}`),
    ]),
  ),
  async 'idempotent producer'() {
    await producesAndConsumes('-X', 'enable.idempotence=true');
  },
  async 'metadata of broker, topics and partitions'() {
    const topic = unique('listed');
    await partitions(topic, 3);
    const metadata = JSON.parse(await kcat(['-L', '-J', '-t', topic]));
    assert.equal(metadata.brokers[0].name, broker);
    assert.equal(metadata.topics[0].partitions.length, 3);
  },
  async 'a topic that is not there is created by producing, and not by consuming'() {
    const topic = unique('missing');
    await assert.rejects(consume(topic));
    await produce(topic, 'here\n');
    assert.equal(await consume(topic), 'here\n');
  },
  async 'offsets: from the beginning, the end, an offset, before the end, by time'() {
    const topic = unique('offsets');
    await produce(topic, 'a\nb\nc\n');
    await pause(20);
    const between = Date.now();
    await pause(20);
    await produce(topic, 'd\ne\n');
    assert.equal(await consume(topic, '-o', 'beginning'), 'a\nb\nc\nd\ne\n');
    assert.equal(await consume(topic, '-o', 'end'), '');
    assert.equal(await consume(topic, '-o', '3'), 'd\ne\n');
    assert.equal(await consume(topic, '-o', '-2'), 'd\ne\n');
    assert.equal(await consume(topic, '-o', `s@${between}`), 'd\ne\n');
    assert.equal(await consume(topic, '-o', `s@${between - 60_000}`, '-o', `e@${between}`), 'a\nb\nc\n');
    assert.match(await kcat(['-Q', '-t', `${topic}:0:${between}`]), / offset 3\b/);
  },
  async 'keys, headers, null keys and null values'() {
    const topic = unique('shapes');
    await produce(topic, 'key:value\n', '-K', ':', '-H', 'trace=abc', '-H', 'empty=');
    await produce(topic, 'gone:\n', '-K', ':', '-Z');
    await produce(topic, 'alone\n');
    const format = ['-f', '%k|%s|%S|%h\n'];
    assert.equal(await consume(topic, ...format), 'key|value|5|trace=abc,empty=\ngone||-1|\n|alone|5|\n');
  },
  async 'a partition that is named'() {
    const topic = unique('named');
    await partitions(topic, 3);
    await produce(topic, 'x\n', '-p', '2');
    assert.equal(await consume(topic, '-p', '2', '-f', '%p %o %s\n'), '2 0 x\n');
    assert.equal(await consume(topic, '-p', '1'), '');
  },
  async 'a record that is too large is refused'() {
    const topic = unique('large');
    await produce(topic, 'small\n');
    const large = ['-X', 'message.max.bytes=8000000'];
    await assert.rejects(produce(topic, 'x'.repeat(3_000_000), ...large), /too large|MSG_SIZE/i);
  },
  async 'transactional producer'() {
    const topic = unique('transaction');
    await produce(topic, lines(20), '-X', `transactional.id=${unique('id')}`);
    assert.equal(await consume(topic, '-X', 'isolation.level=read_committed'), lines(20));
  },
  async 'transactional producer, one id again and again'() {
    const topic = unique('transaction');
    const id = unique('id');
    for (const word of ['first', 'second', 'third'])
      await produce(topic, lines(5, word), '-X', `transactional.id=${id}`);
    const all = ['first', 'second', 'third'].map((word) => lines(5, word)).join('');
    assert.equal(await consume(topic, '-X', 'isolation.level=read_committed'), all);
  },
  async 'group: members share partitions, one takes over'(cleanup) {
    await sharesPartitions(cleanup);
  },
  async 'group: members share partitions, cooperative-sticky'(cleanup) {
    await sharesPartitions(cleanup, '-X', 'partition.assignment.strategy=cooperative-sticky');
  },
  async 'group: members share partitions, as with a broker of 1.0.0'(cleanup) {
    await sharesPartitions(cleanup, ...OLD['1.0.0']);
  },
  async 'group: goes on where it committed'(cleanup) {
    await resumes(cleanup);
  },
  async 'group: goes on where it committed, as with a broker of 0.11.0'(cleanup) {
    await resumes(cleanup, ...OLD['0.11.0']);
  },
  async 'group: a static member keeps its partitions'(cleanup) {
    const [topic, group] = [unique('static'), unique('group')];
    await partitions(topic, 2);
    const instance = (id: string) => ['-X', `group.instance.id=${id}`];
    const first = join(cleanup, group, topic, ...instance('one'));
    const second = join(cleanup, group, topic, ...instance('two'));
    await until('one each', () => assigned(first) === 1 && assigned(second) === 1);
    await second.signal('SIGTERM'); // A static member does not leave.
    const remarked = first.remarks.length;
    const again = join(cleanup, group, topic, ...instance('two'));
    await until('back', () => assigned(again) === 1);
    assert.equal(first.remarks.length, remarked, 'no rebalance for the other');
  },
  async 'group: a member that is killed loses its partitions after its session'(cleanup) {
    const [topic, group] = [unique('killed'), unique('group')];
    await partitions(topic, 2);
    const first = join(cleanup, group, topic);
    const second = join(cleanup, group, topic);
    await until('one each', () => assigned(first) === 1 && assigned(second) === 1);
    await second.signal('SIGKILL');
    await until('both', () => assigned(first) === 2);
  },
  async 'group: a regular expression subscribes to topics'(cleanup) {
    const prefix = unique('pattern');
    await produce(`${prefix}-a`, 'a\n');
    await produce(`${prefix}-b`, 'b\n');
    const member = join(cleanup, unique('group'), `^${prefix}-.$`);
    await until('both', () => sorted(member.output).length === 2);
  },
};

const version = (await run(['kcat', '-V'], { anyStatus: true })).stdout.toString();
const [, kcatVersion, librdkafka] = /Version ([\d.]+).*librdkafka ([\d.]+)/s.exec(version) ?? [];
await runCases(`${kcatVersion} (librdkafka ${librdkafka})`, CASES, only);
