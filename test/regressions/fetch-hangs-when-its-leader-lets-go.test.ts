/**
 * A broker that asked a leader for records, was told that there are not enough, and learned in the same moment that this
 * one leads no more, had nothing left to wait for: not the leader, nobody else, and not the time. The fetch was never
 * answered, and neither was anything behind it on its connection.
 */
import { expect, test } from 'vitest';
import { LOCATE, type LocateRequest } from '../../src/log/locate-codec.ts';
import type { Peers } from '../../src/rpc/peers.ts';
import { openLogCluster } from '../unit/log/log-cluster.ts';
import { fetch, fetchPartition, produce } from '../unit/log/world.ts';

const MAX_WAIT_MS = 3_000;

/** The third broker's first questions are answered at once, as when too many of them wait; `onTold` runs before it hears that. */
async function open(times: number, onTold: () => void) {
  let left = times;
  const wrapPeers = (peers: Peers, brokerId: number): Peers => ({
    call: async (to, method, request, options) => {
      if (brokerId !== 3 || method.id !== LOCATE.id || left-- <= 0) return peers.call(to, method, request, options);
      const atOnce = { ...(request as LocateRequest), maxWaitMs: 0 };
      const answer = await peers.call(to, method, atOnce as typeof request, options);
      onTold();
      return answer;
    },
  });
  const cluster = await openLogCluster({ wrapPeers });
  const topic = await cluster.topics.create({ name: 'orders', config: {} });
  return { ...cluster, topic, log: cluster.brokers[2]!.log };
}

test('a fetch is answered in its time when nobody is known to lead any more', async () => {
  const { world, log, topic, runtime, close } = await open(1, () => world.leaders.forget(0));
  const startedAt = runtime.clock.monotonic();
  const answer = await fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 500 });
  expect(runtime.clock.monotonic() - startedAt).toBeLessThan(MAX_WAIT_MS);
  // What the last leader told is true, and so is that there is none now.
  expect(['NONE', 'NOT_LEADER_OR_FOLLOWER']).toContain(answer.partitions[0]!.error);
  expect(answer.bytes).toBe(0);
  answer.release();
  await close();
});

test('and with records as soon as the next leader has some', async () => {
  let told = 0;
  const { world, brokers, log, topic, runtime, close } = await open(1, () => {
    told++;
    // The journal is assigned to the broker that asks, which does not lead it yet.
    world.leaders.set(0, { brokerId: 3, epoch: -1 });
  });
  const startedAt = runtime.clock.monotonic();
  const fetching = fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: MAX_WAIT_MS });
  await expect.poll(() => told).toBeGreaterThan(0);
  world.leaders.set(0, { brokerId: 1, epoch: brokers[0]!.seats.get(0)!.epoch });
  await produce(brokers[0]!.log, topic, 0, ['a']);
  const { partitions, release } = await fetching;
  expect(runtime.clock.monotonic() - startedAt).toBeLessThan(MAX_WAIT_MS / 2);
  expect(partitions[0]!.bytes).toBeGreaterThan(0);
  release();
  await close();
});

test('a leader that has no room for who waits is not asked without a pause', async () => {
  let asked = 0;
  const { log, topic, close } = await open(Number.POSITIVE_INFINITY, () => asked++);
  const answer = await fetch(log, [fetchPartition(topic, 0, 0)], { maxWaitMs: 500 });
  expect(answer.partitions[0]).toMatchObject({ error: 'NONE', bytes: 0 });
  expect(asked).toBeLessThan(10);
  answer.release();
  await close();
});
