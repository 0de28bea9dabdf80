/**
 * A leader at which too many fetches wait already answers at once. Brokers that asked it for a long poll asked again at the speed
 * of a round trip, each of their fetches for itself, and fetches that waited for other leaders, too, asked all of them anew.
 */
import { afterEach, expect, test } from 'vitest';
import type { Topic } from '../../src/cluster/topics.ts';
import { LOCATE, type LocateRequest } from '../../src/log/locate-codec.ts';
import type { OpenedLog } from '../../src/log/open-log.ts';
import type { Peers } from '../../src/rpc/peers.ts';
import { sleep } from '../../src/runtime/clock.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { openLogCluster, type TestLogCluster } from '../unit/log/log-cluster.ts';
import { batchOf, fetch, fetchPartition } from '../unit/log/world.ts';
import { virtualRuntime } from '../unit/storage/virtual-runtime.ts';

const ROUND_TRIP_MS = 1;

let cluster: TestLogCluster | null = null;
let isOver = false;
afterEach(async () => {
  await cluster?.close();
  isOver = true;
});

/** Time goes in small steps, whatever else is waited for. */
async function pass({ timers }: Runtime): Promise<void> {
  for (isOver = false; !isOver; ) await sleep(timers, ROUND_TRIP_MS);
}

async function produce(log: OpenedLog, { topicId }: Topic, partition: number): Promise<void> {
  const records = batchOf(['a'], { timestamp: 1_000_000 });
  expect(await log.produce([{ topicId, partition, records }], { origin: 'kafka' })).toMatchObject([{ error: 'NONE' }]);
}

/** Broker 1 leads journal 0 and has no room for whoever would wait; broker 2 leads the others. Broker 3 is asked. */
async function open(journals: number) {
  const runtime = virtualRuntime();
  void pass(runtime);
  const asked = new Map([1, 2].map((id) => [id, 0]));
  const wrapPeers = (peers: Peers): Peers => ({
    async call(brokerId, method, request, callOptions) {
      if (method.id !== LOCATE.id) return peers.call(brokerId, method, request, callOptions);
      asked.set(brokerId, asked.get(brokerId)! + 1);
      await sleep(runtime.timers, ROUND_TRIP_MS, callOptions.signal);
      const given = brokerId === 1 ? { ...(request as LocateRequest), maxWaitMs: 0 } : request;
      return peers.call(brokerId, method, given as typeof request, callOptions);
    },
  });
  cluster = await openLogCluster({ runtime, journals, wrapPeers });
  const { brokers, topics, lead } = cluster;
  const topic = await topics.create({ name: 'orders', partitions: 8, config: {} });
  for (let journal = 1; journal < journals; journal++) await lead(brokers[1]!, journal);
  const of = (journal: number) => topic.partitions.find((each) => each.journal === journal)!.partition;
  const wanted = Array.from({ length: journals }, (_, journal) => fetchPartition(topic, of(journal), 0));
  return { ...cluster, runtime, asked, topic, of, wanted };
}

test('a leader without room is asked less and less often, and what comes there is found', async () => {
  const { brokers, runtime, asked, topic, wanted } = await open(1);
  const waiting = fetch(brokers[2]!.log, wanted, { maxWaitMs: 30_000 });
  await sleep(runtime.timers, 10_000);
  expect(asked.get(1)).toBeLessThan(10);
  await produce(brokers[0]!.log, topic, 0);
  const { partitions, release } = await waiting;
  expect(partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 1 });
  expect(runtime.elapsedMs).toBeLessThan(15_000);
  release();
});

test('a fetch ends in time although its leader has no room', async () => {
  const { brokers, runtime, asked, wanted } = await open(1);
  const startedAt = runtime.elapsedMs;
  const { partitions, release } = await fetch(brokers[2]!.log, wanted, { maxWaitMs: 500 });
  expect(partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 0 });
  expect(runtime.elapsedMs - startedAt).toBeLessThan(520);
  expect(asked.get(1)).toBeLessThan(5);
  release();
});

test('a leader without room does not end the waiting for others', async () => {
  const { brokers, runtime, asked, topic, of, wanted } = await open(2);
  const waiting = fetch(brokers[2]!.log, wanted, { maxWaitMs: 30_000 });
  await sleep(runtime.timers, 9_000);
  expect(asked.get(1)).toBeLessThan(12);
  expect(asked.get(2)).toBeLessThan(12);
  const startedAt = runtime.elapsedMs;
  await produce(brokers[1]!.log, topic, of(1));
  const { partitions, release } = await waiting;
  expect(partitions.map(({ highWatermark }) => highWatermark)).toEqual([0, 1]);
  expect(runtime.elapsedMs - startedAt).toBeLessThan(100);
  release();
});
