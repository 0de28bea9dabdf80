/**
 * A leader that was succeeded and did not know it was asked to delete partitions which its successor had made. It knew none
 * of them, so there was nothing to delete: the topic was gone, and its partitions and all segments with their records
 * stayed in the journal for ever.
 */
import { afterEach, expect, test } from 'vitest';
import { buildBatch } from '../../src/record/records.ts';
import { openLogCluster, type TestLogCluster } from '../unit/log/log-cluster.ts';
import { virtualRuntime } from '../unit/storage/virtual-runtime.ts';

let cluster: TestLogCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

test('partitions are deleted where they are, or not said to be', async () => {
  cluster = await openLogCluster({ runtime: virtualRuntime() });
  const { brokers, topics, usurp } = cluster;
  const [first, second] = brokers;
  const [old, leader] = [first!.seats.get(0)!, second!.seats.get(0)!];
  await usurp(second!);
  const topic = 'AAAAAAAAQACAAAAAAAAAAA';
  await leader.propose({ type: 'createPartitions', topicId: topic, partitions: [0] });
  expect(old.role).toBe('leading');
  const deletion = { type: 'deletePartitions', topicId: topic, partitions: [0] } as const;
  await expect(old.propose(deletion)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  expect(await old.propose(deletion)).toEqual({ type: 'done' });
  expect(leader.state.partition(topic, 0)).toBeUndefined();

  // As a request does it, at the broker that led before.
  await usurp(first!);
  await usurp(second!);
  const { topicId } = await topics.create({ name: 'orders', config: {} });
  const records = buildBatch([{ key: null, value: 'v' }], { timestamp: 1_000_000 });
  await second!.log.produce([{ topicId, partition: 0, records }], { origin: 'kafka' });
  await topics.delete('orders');
  expect(leader.state.partition(topicId, 0)).toBeUndefined();
});
