/**
 * A fetch at a front waited at the leader for as long as it may, also when that leader had been succeeded and could not be told of
 * it: the front knew of the next one, where the records came, and asked it when the time was over.
 */
import { afterEach, expect, test } from 'vitest';
import { LOCATE } from '../../src/log/locate-codec.ts';
import { type Peers, PeerUnavailableError } from '../../src/rpc/peers.ts';
import { sleep } from '../../src/runtime/clock.ts';
import { testRuntime } from '../unit/journal/harness.ts';
import { type LogClusterOptions, openLogCluster, type TestLogCluster } from '../unit/log/log-cluster.ts';
import { fetch, fetchPartition, produce } from '../unit/log/world.ts';

const MAX_WAIT_MS = 10_000;

let cluster: TestLogCluster | null = null;
afterEach(() => cluster?.close());

/** Broker 1 takes questions in and answers none: nobody can tell it of its successor. */
async function open(options: LogClusterOptions = {}) {
  const runtime = testRuntime();
  const startedAt = runtime.clock.monotonic();
  const wrapPeers = (peers: Peers): Peers => ({
    async call(brokerId, method, request, callOptions) {
      if (brokerId !== 1 || method.id !== LOCATE.id) return peers.call(brokerId, method, request, callOptions);
      await sleep(runtime.timers, callOptions.timeoutMs, callOptions.signal);
      throw new PeerUnavailableError('broker 1 did not answer', true);
    },
  });
  cluster = await openLogCluster({ runtime, wrapPeers, ...options });
  return { ...cluster, elapsedMs: () => runtime.clock.monotonic() - startedAt };
}

test('a fetch goes to the next leader once that is heard of', async () => {
  const { brokers, topics, usurp, runtime, elapsedMs } = await open();
  const [, second, third] = brokers;
  const topic = await topics.create({ name: 'orders', config: {} });
  const waiting = fetch(third!.log, [fetchPartition(topic, 0, 0)], { maxWaitMs: MAX_WAIT_MS });
  await sleep(runtime.timers, 100);
  await usurp(second!);
  await sleep(runtime.timers, 10);
  await produce(second!.log, topic, 0, ['a']);
  const { partitions, release } = await waiting;
  expect(partitions[0]).toMatchObject({ error: 'NONE', highWatermark: 1, leaderEpoch: second!.seats.get(0)!.epoch });
  expect(elapsedMs()).toBeLessThan(MAX_WAIT_MS / 4);
  release();
});

test('a fetch of several leaders goes on with the next one of each', async () => {
  const { brokers, topics, lead, usurp, runtime, elapsedMs } = await open({ journals: 3 });
  const [, second, third] = brokers;
  const topic = await topics.create({ name: 'orders', partitions: 9, config: {} });
  const of = (journal: number) => topic.partitions.find((each) => each.journal === journal)!.partition;
  await lead(second!, 1);
  await lead(third!, 2);
  const wanted = [0, 1, 2].map((journal) => fetchPartition(topic, of(journal), 0));
  const waiting = fetch(third!.log, wanted, { maxWaitMs: MAX_WAIT_MS });
  await sleep(runtime.timers, 100);
  await usurp(second!, 0);
  await sleep(runtime.timers, 10);
  await produce(second!.log, topic, of(0), ['a']);
  const { partitions, release } = await waiting;
  expect(partitions.map(({ highWatermark }) => highWatermark)).toEqual([1, 0, 0]);
  expect(elapsedMs()).toBeLessThan(MAX_WAIT_MS / 4);
  release();
});
