/** A broker that does not lead: what comes to it is ordered by the leader, and read wherever it is asked for. */
import { afterEach, expect, test } from 'vitest';
import { type LogClusterOptions, openLogCluster, type TestLogCluster } from './log-cluster.ts';
import { decode, fetch, fetchPartition, produce, readAll } from './world.ts';

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

const large = (name: string) => name.padEnd(200_000, '.');
const values = (records: readonly string[]) => records.map((record) => record.replace(/^\d+:|\.+$/g, ''));

test('records are taken in anywhere, ordered by the leader, and read anywhere', async () => {
  const { brokers, topics } = await open();
  const topic = await topics.create({ name: 'orders', partitions: 2, config: {} });
  for (const [index, { log }] of brokers.entries()) {
    expect(await produce(log, topic, 0, [`small ${index}`])).toMatchObject({ error: 'NONE', baseOffset: 2 * index });
    expect(await produce(log, topic, 0, [large(`large ${index}`)])).toMatchObject({ baseOffset: 2 * index + 1 });
  }
  const expected = ['small 0', 'large 0', 'small 1', 'large 1', 'small 2', 'large 2'];
  for (const { log } of brokers) expect(values(await readAll(log, topic, 0))).toEqual(expected);
});

test('a fetch waits at the leader for records that come by a third broker', async () => {
  const { brokers, topics } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const waiting = fetch(brokers[1]!.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 10_000 });
  await produce(brokers[2]!.log, topic, 0, ['a']);
  const answer = await waiting;
  expect((await decode(answer.partitions[0]!.records)).map(({ value }) => String(value))).toEqual(['a']);
  answer.release();
});

test('a planned hand-over delays what is produced and fails nothing', async () => {
  const { brokers, topics, lead } = await open();
  const topic = await topics.create({ name: 'orders', config: {} });
  const [first, second, third] = brokers;
  const outcomes: unknown[] = [];
  let stop = false;
  const producing = [first!, third!].map(async ({ log, brokerId }) => {
    for (let at = 0; !stop; at++) outcomes.push((await produce(log, topic, 0, [`${brokerId}/${at}`])).error);
  });
  for (const broker of [second!, third!, first!, second!]) await lead(broker);
  stop = true;
  await Promise.all(producing);
  expect(new Set(outcomes)).toEqual(new Set(['NONE']));
  const read = values(await readAll(first!.log, topic, 0));
  expect(read.length).toBe(outcomes.length);
  for (const id of [1, 3]) {
    const own = read.filter((value) => value.startsWith(`${id}/`));
    expect(own).toEqual(own.map((_, at) => `${id}/${at}`));
  }
});
