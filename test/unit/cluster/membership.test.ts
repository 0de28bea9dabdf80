import { expect, test } from 'vitest';
import { Cluster } from './world/cluster.ts';

test('the first broker becomes the controller and leads everything', async () => {
  const cluster = new Cluster();
  const one = await cluster.start(1);
  expect(cluster.counts()).toEqual({ 1: 6 });
  expect(one.membership.controllerId).toBe(1);
  expect(one.membership.readiness()).toEqual({ ready: true });
});

test('journals are spread evenly over brokers that join, one at a time', async () => {
  const cluster = new Cluster();
  await cluster.start(1);
  await cluster.start(2);
  await cluster.start(3);
  expect(cluster.counts()).toEqual({ 1: 6, 2: 0, 3: 0 });
  const before = cluster.leaders();
  await cluster.until(() => cluster.counts()[1]! < 6, 10_000);
  expect(cluster.leaders().filter((leader, journal) => leader !== before[journal])).toHaveLength(1);
  await cluster.time.advance(10_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
  for (const { membership } of cluster.brokers.values()) {
    expect(membership.live().map(({ brokerId }) => brokerId)).toEqual([1, 2, 3]);
    expect(cluster.leaders().map((_, journal) => membership.leaders.of(journal)?.brokerId)).toEqual(cluster.leaders());
  }
});

test('the journals of a broker that is killed are led again within two seconds', async () => {
  const cluster = new Cluster();
  for (const id of [1, 2, 3]) await cluster.start(id);
  await cluster.time.advance(20_000);
  cluster.kill(3);
  const ms = await cluster.until(() => !cluster.leaders().includes(null), 2_000);
  expect(ms).toBeLessThan(500);
});

test('the controller is killed: another one takes its place and its journals within two seconds', async () => {
  const cluster = new Cluster();
  for (const id of [1, 2, 3]) await cluster.start(id);
  await cluster.time.advance(20_000);
  cluster.kill(1);
  const ms = await cluster.until(() => !cluster.leaders().includes(null), 2_000);
  expect(ms).toBeLessThan(500);
  expect(cluster.brokers.get(2)!.membership.controllerId).toBe(2);
});

test('a broker that leaves has given its journals to others before it says goodbye', async () => {
  const cluster = new Cluster();
  for (const id of [1, 2, 3]) await cluster.start(id);
  await cluster.time.advance(20_000);
  await cluster.leave(1);
  expect(cluster.leaders()).not.toContain(null);
  expect(cluster.counts()).toEqual({ 2: 3, 3: 3 });
  await cluster.time.advance(500);
  expect(cluster.brokers.get(3)!.membership.controllerId).toBe(2);
  expect(
    cluster.brokers
      .get(3)!
      .membership.live()
      .map(({ brokerId }) => brokerId),
  ).toEqual([2, 3]);
});
