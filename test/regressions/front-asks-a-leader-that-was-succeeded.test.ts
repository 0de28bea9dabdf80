/**
 * A broker that had led a journal, and then heard of nobody who does, asked the one that it was assigned to: that one had
 * been succeeded long before and did not know it. So a consumer saw the high watermark of a partition go back.
 */
import { expect, test } from 'vitest';
import { openLogCluster } from '../unit/log/log-cluster.ts';
import { fetch, fetchPartition, produce } from '../unit/log/world.ts';

test('what a leader tells that was succeeded is not answered by a broker that knows of the next epoch', async () => {
  const { brokers, topics, usurp, world, close } = await openLogCluster();
  const [first, second] = brokers;
  const topic = await topics.create({ name: 'orders', config: {} });
  await produce(first!.log, topic, 0, ['a']);
  await usurp(second!);
  await produce(second!.log, topic, 0, ['b']);
  // The first one still believes to lead, and all are told to ask it again.
  world.leaders.set(0, { brokerId: first!.brokerId, epoch: -1 });
  const answer = await fetch(brokers[2]!.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 0 });
  expect(answer.partitions[0]!.error).toBe('NOT_LEADER_OR_FOLLOWER');
  answer.release();
  world.leaders.set(0, { brokerId: second!.brokerId, epoch: second!.seats.get(0)!.epoch });
  const later = await fetch(brokers[2]!.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 0 });
  expect(later.partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 2 });
  later.release();
  await close();
});
