/**
 * A broker that started claimed the controller's item before it had read the table. Refused, it learned who the controller is,
 * knew no broker of that id, took the place for vacant and gave itself every journal of the cluster.
 */
import { expect, test } from 'vitest';
import { Cluster, rightsLost } from '../unit/cluster/world/cluster.ts';

test.each([
  2, 10, 100,
])('a broker that starts leaves things as they are while the table takes %d ms', async (tableMs) => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const { controllerEpoch } = cluster.get(2).membership.controller.item!;
  const before = cluster.leaders();
  const three = await cluster.begin(3, { meets: { delayMs: tableMs } });
  await cluster.time.advance(1_000);
  expect(three.membership.controller.item).toMatchObject({ brokerId: 1, controllerEpoch });
  expect(cluster.leaders()).toEqual(before);
  expect(three.logged.filter((line) => /^(warn|error)/.test(line))).toEqual([]);
  await cluster.time.advance(10_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});

test('a broker that cannot read the table when it starts takes its place soon after it can', async () => {
  const cluster = new Cluster();
  await cluster.begin(1);
  cluster.kill(1);
  const two = await cluster.begin(2, { meets: { refusal: rightsLost() } });
  await cluster.time.advance(5_000);
  expect(two.seats.led).toEqual([]);
  two.table.refusal = null;
  expect(await cluster.until(() => two.seats.led.length === 6, 10_000)).toBeLessThan(5_000);
});
