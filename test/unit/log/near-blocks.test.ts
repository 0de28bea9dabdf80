/** Records that a broker does not have come from the memory of others in its zone, and from the store once per zone. */
import { afterEach, expect, test } from 'vitest';
import type { Topic } from '../../../src/cluster/topics.ts';
import type { Timers } from '../../../src/runtime/clock.ts';
import type { Runtime } from '../../../src/runtime/runtime.ts';
import { testRuntime } from '../journal/harness.ts';
import { type LogBroker, type LogClusterOptions, openLogCluster, type TestLogCluster } from './log-cluster.ts';
import { fetch, fetchPartition, produceBatch } from './world.ts';

let cluster: TestLogCluster | null = null;
const open = async (options?: LogClusterOptions) => {
  cluster = await openLogCluster(options);
  return cluster;
};

afterEach(async () => {
  await cluster?.close();
  for (const { log } of cluster?.brokers ?? []) expect(log.leases).toBe(0);
  cluster = null;
});

/** A busy machine is slow to answer, and that is not what is tested. */
function patientRuntime(): Runtime {
  const runtime = testRuntime();
  const { timers } = runtime;
  const after: Timers['after'] = (delayMs, callback, options) => timers.after(delayMs * 50, callback, options);
  return { ...runtime, timers: { soon: (callback) => timers.soon(callback), after } };
}

const PARTITIONS = 24;
/** Each of three parts, kept by one of three brokers: that one keeps all of them does not happen. */
const SEGMENTS = 4;
const large = (name: string) => name.padEnd(100_000, '.');

/** One segment with something of every partition. */
async function fill({ log }: LogBroker, topic: Topic): Promise<void> {
  const batches = Array.from({ length: PARTITIONS }, (_, partition) =>
    produceBatch(topic, partition, [large(`${partition}`)]),
  );
  const outcomes = await log.produce(batches, { origin: 'kafka' });
  expect(new Set(outcomes.map(({ error }) => error))).toEqual(new Set(['NONE']));
}

/** One record of all partitions, in one fetch or each in its own. */
async function readEach({ log }: LogBroker, topic: Topic, together: boolean, offset = 0): Promise<void> {
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) =>
    fetchPartition(topic, partition, offset, { maxBytes: 101_000 }),
  );
  if (!together) {
    for (const partition of partitions) {
      const answer = await fetch(log, [partition]);
      expect(answer.partitions[0]!.bytes).toBeGreaterThan(100_000);
      answer.release();
    }
    return;
  }
  const answer = await fetch(log, partitions);
  for (const { error, bytes } of answer.partitions) {
    expect(error).toBe('NONE');
    expect(bytes).toBeGreaterThan(100_000);
  }
  answer.release();
}

test.each([
  false,
  true,
])('what a broker wrote a moment ago, others of its zone get from its memory (together: %s)', async (together) => {
  const { brokers, topics } = await open();
  const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  await fill(brokers[1]!, topic);
  for (const broker of brokers) await readEach(broker, topic, together);
  expect(brokers.flatMap(({ reads }) => reads)).toEqual([]);
});

test.each([
  false,
  true,
])('a zone reads every block from the store once, whoever wants it (together: %s)', async (together) => {
  const { brokers, topics } = await open({ zones: ['a', 'b', 'b', 'b'], runtime: patientRuntime() });
  const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  const [writer, ...others] = brokers;
  for (let segment = 0; segment < SEGMENTS; segment++) await fill(writer!, topic);
  const reads = () => others.flatMap((broker) => broker.reads);
  for (let offset = 0; offset < SEGMENTS; offset++) await readEach(others[0]!, topic, together, offset);
  const first = [...reads()].sort();
  expect(new Set(first).size).toBe(first.length);
  expect(others.filter((broker) => broker.reads.length > 0).length, 'each keeps its part').toBeGreaterThan(1);
  for (let offset = 0; offset < SEGMENTS; offset++) {
    await Promise.all(others.map((broker) => readEach(broker, topic, together, offset)));
  }
  expect([...reads()].sort()).toEqual(first);
  expect(writer!.reads).toEqual([]);
});

test('brokers of one zone that want the same at once read it once', async () => {
  const { brokers, topics } = await open({ zones: ['a', 'b', 'b'] });
  const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  const [writer, ...others] = brokers;
  await fill(writer!, topic);
  await Promise.all(others.map((broker) => readEach(broker, topic, false)));
  const reads = others.flatMap((broker) => broker.reads);
  expect(new Set(reads).size).toBe(reads.length);
});

test('when the broker that keeps a block is away, the store is read instead', async () => {
  const { brokers, topics, world } = await open({ zones: ['a', 'b', 'b'] });
  const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  const [writer, reader] = brokers;
  await fill(writer!, topic);
  world.network.cut.set(3, 'before');
  await readEach(reader!, topic, false);
  expect(reader!.reads.length).toBe(PARTITIONS);
});

test('a broker that lives again under the same id has no tail of its earlier life', async () => {
  const { brokers, topics, gone } = await open({ zones: ['a', 'a', 'b'] });
  const topic = await topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  await fill(brokers[1]!, topic);
  gone.add(2);
  await readEach(brokers[0]!, topic, false);
  expect(brokers[0]!.reads.length).toBe(PARTITIONS);
});
