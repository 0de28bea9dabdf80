/**
 * A link between two brokers that a third one reaches both of: each saw most of the cluster, became the controller
 * and gave itself the other's journals, five times a second.
 */
import { expect, test } from 'vitest';
import { Cluster } from '../unit/cluster/world/cluster.ts';

const PAIRS = [1, 2, 3].flatMap((from) => [1, 2, 3].filter((to) => to !== from).map((to) => [from, to] as const));
const JOURNALS = 6;

test.each(PAIRS)('a link that is cut from %d to %d moves journals once', async (from, to) => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3], { journals: JOURNALS });
  const takeovers = () => [...cluster.fences.epochs.values()].reduce((sum, epoch) => sum + epoch, 0);
  const before = takeovers();
  cluster.network.cutOneWay(from, to);
  await cluster.time.advance(60_000);
  expect(takeovers() - before).toBeLessThanOrEqual(2 * JOURNALS);
  expect(cluster.leaders()).not.toContain(null);
  cluster.network.heal();
  await cluster.time.advance(20_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});
