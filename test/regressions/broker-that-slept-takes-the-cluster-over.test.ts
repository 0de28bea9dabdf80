/**
 * A broker that was frozen while it made its first connections took all others for gone when it went on: nobody had connected
 * for so long. It took the place of a controller that lived, gave itself every journal, and complained of journals
 * without a leader before it could have heard of one.
 */
import { expect, test } from 'vitest';
import type { BrokerItem } from '../../src/cluster/cluster-items.ts';
import { PeerTable } from '../../src/cluster/peer-table.ts';
import { CONNECT_PATIENCE_MS } from '../../src/cluster/presence.ts';
import { ReadinessWatch } from '../../src/cluster/readiness.ts';
import { Cluster } from '../unit/cluster/world/cluster.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { TestCluster } from '../unit/rpc/brokers.ts';

const at = (port: number) => ({ host: '127.0.0.1', port });
const item: BrokerItem = {
  ...{ brokerId: 2, brokerEpoch: 1, session: 's', state: 'running', revision: 1, zone: '', version: '1' },
  ...{ kafka: at(1), kafkaByZone: {}, http: at(2), internal: at(3), startedAt: 0, counter: 1 },
};

test('a broker that did not run gives others their time to connect', () => {
  let now = 0;
  const table = new PeerTable(1, () => now);
  table.observe(new Map([[2, item]]), now);
  now = 18_000;
  expect(table.presence(table.get(2)!)).toBe('gone');
  table.forgive(17_900);
  expect(table.presence(table.get(2)!)).toBe('unknown');
  now += CONNECT_PATIENCE_MS;
  expect(table.presence(table.get(2)!)).toBe('gone');
});

test('the connections tell how long this process did not run', async () => {
  const cluster = new TestCluster();
  const one = await cluster.broker(1);
  await cluster.runtime.advance(1_000);
  cluster.runtime.stall(10_000);
  await cluster.runtime.advance(1_000);
  expect(one.events.stalls).toHaveLength(1);
  expect(one.events.stalls[0]).toBeGreaterThan(9_000);
});

test('who thinks that it may be the controller looks at the table before it is', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  const { membership, node } = cluster.get(3);
  const stale = membership.controller.item!;
  node.frozen = true;
  await cluster.time.advance(500);
  // Another controller comes meanwhile, and 3 wakes up with what it knew.
  await cluster.leave(1);
  await cluster.time.advance(12_000);
  const { controllerEpoch } = cluster.get(2).membership.controller.item!;
  expect(controllerEpoch).toBeGreaterThan(stale.controllerEpoch);
  node.thaw();
  await cluster.time.advance(20_000);
  expect(cluster.get(3).membership.controller.item).toMatchObject({ brokerId: 2, controllerEpoch });
  expect(cluster.counts()).toEqual({ 2: 3, 3: 3 });
});

test('a broker waits for leaders from when it sees the controller, and not while it does not run', () => {
  const runtime = steppedRuntime();
  let seesController = false;
  const readiness = new ReadinessWatch({
    runtime,
    isStopping: () => false,
    seesController: () => seesController,
    isFit: () => true,
    journals: () => 2,
    unled: () => [1],
  });
  const unled = { ready: false, reason: 'nobody is known to lead journal 1' };
  runtime.stall(60_000);
  seesController = true;
  readiness.sees();
  expect(readiness.look()).toEqual(unled);
  runtime.stall(20_000);
  readiness.forgive(20_000);
  expect(readiness.look()).toEqual(unled);
  runtime.stall(15_000);
  expect(readiness.look()).toEqual({ ready: true });
});
