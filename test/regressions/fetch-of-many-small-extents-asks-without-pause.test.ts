/**
 * A leader tells another broker of so many extents at once. Where these were fewer bytes than the fetch wanted at least, and
 * more were there, the leader answered at once and was asked again at once, until the fetch had waited for as long as it may.
 */
import { expect, test } from 'vitest';
import { EXTENTS_TOLD_PER_PARTITION_MAX } from '../../src/limits.ts';
import type { Peers } from '../../src/rpc/peers.ts';
import { openLogCluster } from '../unit/log/log-cluster.ts';
import { fetch, fetchPartition, produce } from '../unit/log/world.ts';

test('a fetch of more extents than are told at once is answered with less, at once', async () => {
  let asked = 0;
  const counting = (peers: Peers): Peers => ({
    call(brokerId, method, request, options) {
      if (method.name === 'log.locate') asked++;
      return peers.call(brokerId, method, request, options);
    },
  });
  const { brokers, topics, close } = await openLogCluster({ wrapPeers: counting });
  const topic = await topics.create({ name: 'orders', config: {} });
  const count = EXTENTS_TOLD_PER_PARTITION_MAX * 2;
  for (let at = 0; at < count; at++) await produce(brokers[0]!.log, topic, 0, ['a']);
  const startedAt = performance.now();
  const wish = { minBytes: EXTENTS_TOLD_PER_PARTITION_MAX * 100, maxWaitMs: 5_000 };
  const answer = await fetch(brokers[1]!.log, [fetchPartition(topic, 0, 0)], wish);
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(asked).toBe(1);
  expect(answer.partitions[0]).toMatchObject({ error: 'NONE', highWatermark: count });
  expect(answer.partitions[0]!.bytes).toBeGreaterThan(0);
  answer.release();
  await close();
});
