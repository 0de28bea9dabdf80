/**
 * A leader that was succeeded and did not know it said of partitions that its successor had made that there are none. Over HTTP
 * that is 404, and who reads by it takes the topic for deleted.
 */
import { afterEach, expect, test } from 'vitest';
import { TopicRegistry } from '../../src/cluster/topic-registry.ts';
import { openLogCluster, type TestLogCluster } from '../unit/log/log-cluster.ts';
import { fetch, fetchPartition } from '../unit/log/world.ts';
import { virtualRuntime } from '../unit/storage/virtual-runtime.ts';

let cluster: TestLogCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

test('a broker denies no partition before it knows that it leads', async () => {
  const runtime = virtualRuntime();
  cluster = await openLogCluster({ runtime });
  const { brokers, topics, usurp, world } = cluster;
  const [first, second, third] = brokers;
  await usurp(second!);
  const { metadata } = world.stores;
  const given = { clusterId: 'c', metadata, runtime, defaults: {}, partitionsDefault: 1 };
  const others = new TopicRegistry({ ...given, journals: second!.seats });
  const { topicId } = await others.create({ name: 'orders', config: {} });
  const topic = (await topics.refresh(topicId))!;
  const id = { topicId, partition: 0 };

  // The first one still believes to lead, and all ask it.
  world.leaders.set(0, { brokerId: first!.brokerId, epoch: -1 });
  expect(first!.seats.get(0)!.role).toBe('leading');
  const reading = [third!, first!].map(({ log }) => fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 0 }));
  for (const answer of await Promise.all(reading)) {
    expect(answer.partitions[0]).toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    answer.release();
  }
  const deleting = first!.log.deleteRecords(id, 0);
  const listing = third!.log.listOffset(id, { type: 'earliest' });
  world.leaders.set(0, { brokerId: second!.brokerId, epoch: second!.seats.get(0)!.epoch });
  expect(await deleting).toBe(0);
  expect(await listing).toMatchObject({ offset: 0 });

  await others.delete('orders');
  const refused = { error: 'UNKNOWN_TOPIC_OR_PARTITION' };
  for (const { log } of brokers) {
    await expect(log.listOffset(id, { type: 'earliest' })).rejects.toMatchObject(refused);
    const answer = await fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 0 });
    expect(answer.partitions[0]).toMatchObject(refused);
    answer.release();
  }
});
