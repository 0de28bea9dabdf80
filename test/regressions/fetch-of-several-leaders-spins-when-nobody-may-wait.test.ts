/**
 * A fetch whose partitions are led here and elsewhere looked again and again, without a pause, when it could not wait for those
 * that are led here: as this broker stops, or with too many fetches waiting. Nothing else ran meanwhile. What came in here
 * while the others' leaders were asked went unnoticed, on the other hand, until more came or the fetch's time was over.
 */
import { expect, test } from 'vitest';
import type { Peers } from '../../src/rpc/peers.ts';
import { sleep } from '../../src/runtime/clock.ts';
import { openLogCluster } from '../unit/log/log-cluster.ts';
import { fetch, fetchPartition, produce } from '../unit/log/world.ts';

const MAX_WAIT_MS = 4_000;
const CALL_MS = 100;

const slowly = (peers: Peers): Peers => ({
  call: async (...args) => {
    const { timers } = cluster!.runtime;
    await sleep(timers, CALL_MS);
    return peers.call(...args);
  },
});
let cluster: Awaited<ReturnType<typeof openLogCluster>> | null = null;

/** Two partitions of a topic: the first is led by the first broker, the second by the second. */
async function open(options: Parameters<typeof openLogCluster>[0] = {}) {
  cluster = await openLogCluster({ journals: 2, ...options });
  const { brokers, topics, lead } = cluster;
  const topic = await topics.create({ name: 'orders', partitions: 8, config: {} });
  await lead(brokers[1]!, 1);
  const [here, there] = [0, 1].map((journal) => topic.partitions.find((each) => each.journal === journal)!.partition);
  const wanted = [fetchPartition(topic, here!, 0), fetchPartition(topic, there!, 0)];
  return { ...cluster, log: brokers[0]!.log, topic, here: here!, wanted };
}

test('a broker that stops answers a fetch while another leader is away', async () => {
  const { world, log, wanted, runtime, close } = await open();
  world.network.cut.set(2, 'before');
  const startedAt = runtime.clock.monotonic();
  const fetching = fetch(log, wanted, { maxWaitMs: MAX_WAIT_MS });
  await sleep(runtime.timers, 20);
  const closing = log.close();
  const { partitions, release } = await fetching;
  expect(runtime.clock.monotonic() - startedAt).toBeLessThan(MAX_WAIT_MS / 2);
  expect(partitions.map(({ error }) => error)).toEqual(['NONE', 'NOT_LEADER_OR_FOLLOWER']);
  release();
  await closing;
  await close();
});

test('records that come while the leader of others is asked are noticed', async () => {
  const { log, topic, here, wanted, runtime, close } = await open({ wrapPeers: slowly });
  const startedAt = runtime.clock.monotonic();
  const fetching = fetch(log, wanted, { maxWaitMs: MAX_WAIT_MS });
  await sleep(runtime.timers, CALL_MS / 5);
  await produce(log, topic, here, ['a']);
  const { partitions, release } = await fetching;
  expect(runtime.clock.monotonic() - startedAt).toBeLessThan(MAX_WAIT_MS / 2);
  expect(partitions.map(({ highWatermark }) => highWatermark)).toEqual([1, 0]);
  release();
  await close();
});
