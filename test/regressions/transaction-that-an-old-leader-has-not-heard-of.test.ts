/**
 * Which transaction a batch belongs to is asked where its partition is led. A broker that was succeeded and did not know it
 * said that none was open, or the one before; the next leader then refused the batch as one of no transaction, which ends a
 * client's transaction, although the client had joined the partition in time.
 */
import { afterEach, expect, test } from 'vitest';
import { openLogCluster, type TestLogCluster } from '../unit/log/log-cluster.ts';
import { Producer } from '../unit/log/transactional-producer.ts';

let cluster: TestLogCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});

test.each([0, 2])('a batch is not refused for good by what an old leader says (broker %i)', async (index) => {
  cluster = await openLogCluster();
  const { brokers, topics, world } = cluster;
  const [first, second] = brokers;
  const topic = await topics.create({ name: 'orders', config: {} });
  await second!.seats.lead(0, { signal: new AbortController().signal });
  // The first one still believes to lead; only the second knows better.
  expect(first!.seats.get(0)!.role).toBe('leading');
  const producer = new Producer(brokers[index]!.log, second!.seats.get(0)!, topic, 7);
  await producer.begin();
  const sending = producer.send('a');
  await new Promise((resolve) => setImmediate(resolve)); // The old leader has answered.
  world.leaders.set(0, { brokerId: second!.brokerId, epoch: second!.seats.get(0)!.epoch });
  expect(await sending).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(await producer.send('a')).toBe(0);
  await producer.end(true);
  expect(await producer.send('too late')).toBe('INVALID_TXN_STATE');
});
