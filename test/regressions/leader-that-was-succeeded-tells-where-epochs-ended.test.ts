/**
 * OffsetForLeaderEpoch was answered from the state of whoever believed to lead. A leader that was succeeded and did not know
 * it said of an epoch that it never heard of that there is none, and of its own that it ended where its state did: a consumer
 * that had read on elsewhere took the log for truncated, and began anew or went back.
 */
import { afterEach, expect, test } from 'vitest';
import type { Topic } from '../../src/cluster/topics.ts';
import { buildBatch } from '../../src/record/records.ts';
import { type LogBroker, openLogCluster, type TestLogCluster } from '../unit/log/log-cluster.ts';
import { virtualRuntime } from '../unit/storage/virtual-runtime.ts';

let cluster: TestLogCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

/** One record, by the clock of a virtual runtime. */
async function produce({ log }: LogBroker, { topicId }: Topic): Promise<void> {
  const records = buildBatch([{ key: null, value: 'v' }], { timestamp: 1_000_000 });
  const [outcome] = await log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' });
  expect(outcome!.error).toBe('NONE');
}

test('a broker tells of no epoch before it knows that it leads', async () => {
  cluster = await openLogCluster({ runtime: virtualRuntime() });
  const { brokers, topics, usurp, world } = cluster;
  const [first, second, third] = brokers;
  const topic = await topics.create({ name: 'orders', config: {} });
  const id = { topicId: topic.topicId, partition: 0 };
  await produce(first!, topic);
  const before = first!.seats.get(0)!.epoch;
  await usurp(second!);
  const epoch = second!.seats.get(0)!.epoch;
  await produce(second!, topic);
  // The first one still believes to lead, and all ask it.
  world.leaders.set(0, { brokerId: first!.brokerId, epoch: -1 });
  expect(first!.seats.get(0)!.role).toBe('leading');
  const asking = [third!, first!].map(({ log }) => log.offsetForLeaderEpoch(id, epoch));
  const refused = { error: 'NOT_LEADER_OR_FOLLOWER' };
  for (const asked of await Promise.allSettled(asking)) expect(asked).toMatchObject({ reason: refused });
  world.leaders.set(0, { brokerId: second!.brokerId, epoch });
  for (const { log } of brokers) {
    expect(await log.offsetForLeaderEpoch(id, epoch)).toEqual({ epoch, endOffset: 2 });
    expect(await log.offsetForLeaderEpoch(id, before)).toEqual({ epoch: before, endOffset: 1 });
  }
});

test('records are not refused a deletion by a leader that does not know them', async () => {
  cluster = await openLogCluster({ runtime: virtualRuntime() });
  const { brokers, topics, world } = cluster;
  const [first, second] = brokers;
  const topic = await topics.create({ name: 'orders', config: {} });
  const id = { topicId: topic.topicId, partition: 0 };
  await produce(first!, topic);
  await second!.seats.lead(0, { signal: new AbortController().signal });
  await produce(second!, topic);
  const deleting = first!.log.deleteRecords(id, 2);
  world.leaders.set(0, { brokerId: second!.brokerId, epoch: second!.seats.get(0)!.epoch });
  expect(await deleting).toBe(2);
});
