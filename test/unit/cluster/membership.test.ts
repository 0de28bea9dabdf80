import { expect, test } from 'vitest';
import { EXCHANGE_STATES } from '../../../src/cluster/membership-methods.ts';
import { StartupError, StorageThrottledError } from '../../../src/errors.ts';
import { brokerKey, CLUSTER_ITEMS, clusterPartitionKey, controllerKey, formatKey } from '../../../src/storage/keys.ts';
import { MemoryMetadataStore } from '../../../src/storage/memory/metadata-store.ts';
import { ALWAYS } from '../../../src/storage/metadata-store.ts';
import { Cluster, rightsLost } from './world/cluster.ts';

const OPTIONS = { cause: 'tool' } as const;

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

test('a journal that moves is let go by its leader before the next one fences it', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const logs = [...cluster.brokers.values()].map(({ seats }) => seats.log.join());
  expect(logs[0]).toContain('lets go of 5');
  expect(logs.join()).not.toContain('is deposed from');
});

test('three brokers that start at the same moment agree', async () => {
  const cluster = new Cluster();
  const begun = [1, 2, 3].map((id) => cluster.begin(id));
  await cluster.awaited(Promise.all(begun));
  await cluster.time.advance(20_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
  const controllers = [...cluster.brokers.values()].map(({ membership }) => membership.controllerId);
  expect(new Set(controllers).size).toBe(1);
});

test.each([3, 1])('broker %i of three is killed: all journals are led again within two seconds', async (id) => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  expect(cluster.get(2).membership.controllerId).toBe(1);
  cluster.kill(id);
  const ms = await cluster.until(() => !cluster.leaders().includes(null), 2_000);
  expect(ms).toBeLessThan(500);
  expect(cluster.get(2).membership.controllerId).toBe(id === 1 ? 2 : 1);
});

test('of two brokers the controller is killed: the other one leads everything within two seconds', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  cluster.kill(1);
  expect(await cluster.until(() => !cluster.leaders().includes(null), 2_000)).toBeLessThan(500);
  expect(cluster.counts()).toEqual({ 2: 6 });
});

test('a broker that is killed and comes back gets its share again, under a new epoch', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  cluster.kill(2);
  await cluster.time.advance(3_000);
  const back = await cluster.start(2);
  expect(back.epoch).toBe(2);
  await cluster.time.advance(10_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});

test('a broker that starts while there is no controller looks around before it takes its place', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  const before = cluster.leaders();
  const one = cluster.get(1);
  one.node.frozen = true;
  const began = cluster.begin(1);
  await cluster.awaited(began);
  await cluster.time.advance(1_000);
  const moved = cluster.leaders().filter((leader, journal) => before[journal] !== 1 && leader !== before[journal]);
  expect(moved).toEqual([]);
});

test('a broker that leaves has given its journals to others before it says goodbye', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  await cluster.leave(1);
  expect(cluster.leaders()).not.toContain(null);
  expect(cluster.counts()).toEqual({ 2: 3, 3: 3 });
  await cluster.time.advance(500);
  expect(cluster.get(3).membership.controllerId).toBe(2);
  expect(
    cluster
      .get(3)
      .membership.live()
      .map(({ brokerId }) => brokerId),
  ).toEqual([2, 3]);
  expect(cluster.get(3).operations.info().brokers).toEqual({ live: 2, draining: 0, gone: 0 });
});

test('a broker that leaves says that it drains as long as it leads', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const seen: string[] = [];
  const { membership } = cluster.get(1);
  membership.onChanged(() =>
    seen.push(JSON.stringify(membership.live().map(({ brokerId, draining }) => [brokerId, draining]))),
  );
  await cluster.leave(2);
  expect(seen[0]).toBe('[[1,false],[2,true]]');
  expect(seen.at(-1)).toBe('[[1,false]]');
});

test('the last broker leaves without waiting for anybody', async () => {
  const cluster = new Cluster();
  await cluster.start(1);
  const began = cluster.time.clock.monotonic();
  await cluster.leave(1);
  expect(cluster.time.clock.monotonic() - began).toBeLessThan(500);
});

test('all brokers are killed: the first one that comes back leads everything at once', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  for (const id of [1, 2, 3]) cluster.kill(id);
  await cluster.begin(2);
  await cluster.until(() => cluster.counts()[2] === 6, 5_000);
});

test('a frozen broker loses its journals, and gets some again when it goes on', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  const { node, seats } = cluster.get(1);
  const held = seats.led;
  node.frozen = true;
  const ms = await cluster.until(() => cluster.leaders().every((leader) => leader !== null && leader !== 1), 5_000);
  expect(ms).toBeLessThan(3_000);
  await cluster.time.advance(30_000);
  node.thaw();
  await cluster.time.advance(200);
  for (const journal of held) expect(seats.append(journal)).toBe(false);
  await cluster.time.advance(20_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
  expect(cluster.get(1).failure).toBeNull();
});

test('a controller that was frozen is succeeded, and decides nothing when it goes on', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  cluster.get(1).node.frozen = true;
  await cluster.time.advance(5_000);
  const { controllerEpoch } = cluster.get(2).membership.controller.item!;
  cluster.get(1).node.thaw();
  await cluster.time.advance(20_000);
  for (const { membership } of cluster.brokers.values()) {
    expect(membership.controllerId).toBe(2);
    expect(membership.controller.item!.controllerEpoch).toBe(controllerEpoch);
  }
});

test('two brokers that cannot see each other settle on one of them', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  cluster.network.cut(1, 2);
  await cluster.time.advance(15_000);
  expect(cluster.counts()).toEqual({ 1: 6, 2: 0 });
  const { controllerEpoch } = cluster.get(1).membership.controller.item!;
  await cluster.time.advance(120_000);
  expect(cluster.counts()).toEqual({ 1: 6, 2: 0 });
  expect(cluster.get(1).membership.controller.item!.controllerEpoch).toBe(controllerEpoch);
  cluster.network.heal();
  await cluster.time.advance(20_000);
  expect(cluster.counts()).toEqual({ 1: 3, 2: 3 });
});

test('a controller that is cut off from all others gives way to them', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  cluster.network.cut(1, 2);
  cluster.network.cut(1, 3);
  await cluster.until(() => cluster.leaders().every((leader) => leader === 2 || leader === 3), 4_000);
  await cluster.time.advance(60_000);
  expect(cluster.counts()).toEqual({ 1: 0, 2: 3, 3: 3 });
  expect(cluster.get(1).seats.led).toEqual([]);
  expect(cluster.get(2).membership.controllerId).toBe(2);
  cluster.network.heal();
  await cluster.time.advance(20_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});

test.each([
  [1, 2],
  [2, 1],
])('nothing gets from broker %i to broker %i: one of them leads everything', async (from, to) => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  cluster.network.cutOneWay(from, to);
  await cluster.time.advance(60_000);
  const epochs = [1, 2].map((id) => cluster.get(id).membership.controller.item!.controllerEpoch);
  expect(Object.values(cluster.counts()).sort()).toEqual([0, 6]);
  await cluster.time.advance(60_000);
  expect([1, 2].map((id) => cluster.get(id).membership.controller.item!.controllerEpoch)).toEqual(epochs);
});

test('a second process of the same id is refused while the first one lives', async () => {
  const cluster = new Cluster();
  await cluster.start(1);
  await cluster.start(2);
  await expect(cluster.begin(2)).rejects.toThrow(StartupError);
  await expect(cluster.begin(2)).rejects.toThrow(/broker id 2 is in use by 127\.0\.0\.1:20001.*MILLRACE_BROKER_ID/);
});

test('an instance whose id was registered anew leads nothing any more and stops', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const old = cluster.get(2);
  old.node.frozen = true;
  await cluster.time.advance(3_000);
  const next = await cluster.begin(2);
  expect(next.epoch).toBe(2);
  cluster.network.nodes.set(2, next.node);
  old.node.thaw();
  await cluster.time.advance(15_000);
  expect(old.failure?.message).toBe('broker id 2 was registered anew by another process; this broker stops');
  expect(old.seats.led).toEqual([]);
  expect(next.failure).toBeNull();
});

test('a broker that lost its rights goes on, says so, gives its journals away and takes some again', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  cluster.get(2).table.refusal = rightsLost();
  await cluster.time.advance(15_000);
  expect(cluster.get(2).logged.join()).toContain('the table refuses heartbeats');
  await cluster.time.advance(30_000);
  expect(cluster.counts()).toEqual({ 1: 3, 2: 0, 3: 3 });
  cluster.get(2).table.refusal = null;
  await cluster.time.advance(30_000);
  expect(cluster.get(2).logged.join()).toContain('the table answers heartbeats again');
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});

test('a controller that lost its rights is succeeded', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  cluster.get(1).table.refusal = rightsLost();
  await cluster.time.advance(60_000);
  expect(cluster.get(3).membership.controllerId).toBe(2);
  expect(cluster.counts()).toEqual({ 1: 0, 2: 3, 3: 3 });
});

test('a table that throttles everybody changes nothing', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  const before = cluster.leaders();
  for (const { table } of cluster.brokers.values()) table.refusal = new StorageThrottledError('slow down');
  await cluster.time.advance(120_000);
  expect(cluster.leaders()).toEqual(before);
  expect(cluster.get(2).logged.join()).toContain('the table throttles heartbeats');
  for (const { table } of cluster.brokers.values()) table.refusal = null;
  await cluster.time.advance(30_000);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
  for (const { failure } of cluster.brokers.values()) expect(failure).toBeNull();
});

test('a table that was made anew under a running cluster: brokers lead nothing any more, and stop', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  cluster.table = new MemoryMetadataStore();
  await cluster.time.advance(15_000);
  for (const { failure, seats } of cluster.brokers.values()) {
    expect(failure?.message).toBe(
      'the table does not know this broker any more: it was deleted or made anew, or this broker was away for too long; this broker stops',
    );
    expect(seats.led).toEqual([]);
  }
  expect(await cluster.table.get(controllerKey('c'), OPTIONS)).toBeNull();
});

test('a table that is put back to an earlier state under a running cluster: brokers lead nothing any more, and stop', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const earlier = new MemoryMetadataStore();
  const { items } = await cluster.table.query(
    { partitionKey: clusterPartitionKey('c'), ...CLUSTER_ITEMS, limit: 100 },
    OPTIONS,
  );
  for (const item of items) await earlier.put(item, ALWAYS, OPTIONS);
  await cluster.time.advance(30_000);
  cluster.table = earlier;
  await cluster.time.advance(15_000);
  for (const { failure, seats } of cluster.brokers.values()) {
    expect(failure?.message).toBe('the table has an earlier state of this broker: it was put back; this broker stops');
    expect(seats.led).toEqual([]);
  }
});

test('heartbeats whose answers are lost, or that come late, are no sign of another table', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  const { table, membership } = cluster.get(2);
  for (let round = 0; round < 5; round++) {
    table.losesAnswers = true;
    await cluster.time.advance(12_000);
    table.losesAnswers = false;
    table.delayMs = 9_000;
    await cluster.time.advance(20_000);
    table.delayMs = 0;
    await cluster.time.advance(12_000);
  }
  await cluster.time.advance(30_000);
  expect(cluster.get(2).failure).toBeNull();
  expect(membership.heartbeats.fit).toBe(true);
  expect(cluster.counts()).toEqual({ 1: 2, 2: 2, 3: 2 });
});

test('a broker that knows another format refuses to join', async () => {
  const cluster = new Cluster();
  await cluster.table.put({ ...formatKey('c'), body: Buffer.alloc(0), attributes: { format: 7 } }, ALWAYS, OPTIONS);
  await expect(cluster.begin(1)).rejects.toThrow(
    'cluster c has format 7, and Millrace 1.2.3 knows format 1: run the version that the other brokers of the cluster run',
  );
});

test('a broker that cannot take over a journal does not keep it from others', async () => {
  const cluster = new Cluster();
  cluster.fences.refuses = (broker, journal) => (broker === 1 && journal === 3 ? new Error('damaged here') : null);
  await cluster.begin(1);
  await cluster.begin(2);
  await cluster.until(() => cluster.leaders()[3] === 2, 60_000, 100);
  expect(cluster.get(1).logged.join()).toContain('a broker does not come to lead the journal that it was given');
});

test('a journal that takes long to read is led until its next leader has read it', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  cluster.get(2).seats.readMs = 8_000;
  const journal = cluster.leaders().indexOf(1);
  const moved = cluster.get(1).operations.move(journal, 2);
  await cluster.until(() => {
    expect(cluster.leaders()[journal]).not.toBeNull();
    return cluster.leaders()[journal] === 2;
  }, 9_000);
  expect(await cluster.awaited(moved)).toMatchObject({ leaderId: 2 });
});

test('a leader whose successor is not connected to it lets go soon', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  cluster.network.cut(2, 3);
  await cluster.time.advance(5_000);
  cluster.get(3).seats.readMs = 8_000;
  const journal = cluster.leaders().indexOf(2);
  const moved = cluster.get(1).operations.move(journal, 3);
  await cluster.until(() => cluster.leaders()[journal] === null, 4_000);
  await cluster.awaited(moved);
});

test('a broker that cannot take over anything takes no journal out of service', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  cluster.fences.refuses = (broker) => (broker === 3 ? new Error('no way to the bucket') : null);
  await cluster.begin(3);
  const wasGiven = () => cluster.get(1).membership.controller.item!.assigned.includes(3);
  let given = 0;
  for (let second = 0; second < 600; second++) {
    await cluster.time.advance(1_000);
    expect(cluster.leaders()).not.toContain(null);
    if (wasGiven()) given++;
  }
  // Now and then, one journal at a time.
  expect(given).toBeGreaterThan(0);
  expect(given).toBeLessThan(250);
  cluster.fences.refuses = () => null;
  await cluster.until(() => cluster.counts()[3] === 2, 100_000, 500);
});

test.each([
  30_000, 55_000,
])('journals of a broker that was killed are not given to one that cannot take over anything, after %d ms', async (ms) => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  cluster.fences.refuses = (broker) => (broker === 3 ? new Error('no way to the bucket') : null);
  await cluster.begin(3);
  await cluster.time.advance(ms);
  cluster.kill(2);
  await cluster.until(() => !cluster.leaders().includes(null), 2_000);
});

test('a journal that its new broker does not come to lead is led again where it was', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  const journal = cluster.leaders().indexOf(2);
  cluster.fences.refuses = (broker, refused) =>
    broker === 3 && refused === journal ? new Error('damaged here') : null;
  const moved = cluster.get(1).operations.move(journal, 3);
  await expect(cluster.awaited(moved)).rejects.toThrow(`broker 3 does not lead journal ${journal} yet; it goes on`);
  await cluster.time.advance(20_000);
  expect(cluster.leaders()[journal]).toBe(2);
  expect(cluster.get(1).membership.controller.item!.pinned).toEqual({});
});

test('a broker leaves in seconds although the table does not answer', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  for (const { table } of cluster.brokers.values()) table.hangs = true;
  const began = cluster.time.clock.monotonic();
  await cluster.leave(2);
  expect(cluster.time.clock.monotonic() - began).toBeLessThan(10_000);
});

test('a table that does not answer is given up, and asked again', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  for (const { table } of cluster.brokers.values()) table.hangs = true;
  await cluster.time.advance(60_000);
  const before = cluster.leaders();
  expect(before).not.toContain(null);
  expect(cluster.get(2).logged.join()).toContain('the table does not answer heartbeats');
  for (const { table } of cluster.brokers.values()) table.hangs = false;
  await cluster.time.advance(30_000);
  expect(cluster.get(2).logged.join()).toContain('the table answers heartbeats again');
  cluster.kill(1);
  await cluster.until(() => !cluster.leaders().includes(null), 2_000);
});

test('a journal that nobody can take over makes no broker unready for ever', async () => {
  const cluster = new Cluster();
  cluster.fences.refuses = (_, journal) => (journal === 3 ? new Error('damaged') : null);
  const one = await cluster.begin(1);
  await cluster.time.advance(10_000);
  expect(one.membership.readiness()).toEqual({ ready: false, reason: 'nobody is known to lead journal 3' });
  await cluster.time.advance(6_000);
  expect(one.membership.readiness()).toEqual({ ready: true });
  const two = await cluster.begin(2);
  await cluster.time.advance(60_000);
  expect(two.membership.readiness()).toEqual({ ready: true });
  // The others are evened out all the same.
  expect(cluster.counts()[1]).toBeGreaterThanOrEqual(2);
  expect(cluster.counts()[2]).toBeGreaterThanOrEqual(2);
});

test('a broker that sees no controller is not ready', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  cluster.network.cut(1, 3);
  cluster.network.cut(2, 3);
  await cluster.time.advance(30_000);
  expect(cluster.get(3).membership.readiness()).toEqual({
    ready: false,
    reason: 'no controller of the cluster is known',
  });
  expect(cluster.get(2).membership.readiness()).toEqual({ ready: true });
});

test('a broker that has left can still ask the others until it closes', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const { membership, node } = cluster.get(1);
  await cluster.awaited(membership.leave());
  await cluster.time.advance(500);
  expect(membership.readiness()).toEqual({ ready: false, reason: 'the broker stops' });
  expect(cluster.get(2).seats.led).toHaveLength(6);
  expect([0, 1, 2, 3, 4, 5].map((journal) => membership.leaders.of(journal)?.brokerId)).toEqual([2, 2, 2, 2, 2, 2]);
  const asked = node.peers.call(2, EXCHANGE_STATES, {} as never, { timeoutMs: 100 });
  await expect(cluster.awaited(asked)).rejects.not.toThrow('no broker 2');
  membership.close();
});

test('an idle cluster of three costs two requests a broker each ten seconds, and less than a dollar a month', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2, 3]);
  await cluster.time.advance(30_000);
  const before = cluster.meter.totals();
  await cluster.time.advance(3_600_000);
  const after = cluster.meter.totals();
  const requests = after.metadataRequests - before.metadataRequests;
  const perMonth = (after.dollars - before.dollars) * 24 * 30;
  expect(requests).toBeLessThanOrEqual(3 * 2 * 360 * 1.06);
  expect(after.readUnits - before.readUnits).toBeLessThanOrEqual(3 * 360 * 1.06);
  expect(after.writeUnits - before.writeUnits).toBeLessThanOrEqual(3 * 360 * 1.06);
  expect(perMonth).toBeLessThan(0.65);
  console.log(`an idle cluster of three: ${requests} requests an hour, $${perMonth.toFixed(2)} a month`);
});

test('an item of the table that nobody can read is said, and survived', async () => {
  const cluster = new Cluster();
  await cluster.startAll([1, 2]);
  const item = {
    ...brokerKey('c', 9),
    body: Buffer.from('no JSON'),
    attributes: { epoch: 1, session: 's', counter: 1 },
  };
  await cluster.table.put(item, ALWAYS, OPTIONS);
  await cluster.time.advance(30_000);
  for (const { failure, logged, membership } of cluster.brokers.values()) {
    expect(failure).toBeNull();
    expect(membership.readiness()).toEqual({ ready: true });
    expect(logged.filter((line) => line.startsWith('error')).join()).toContain('is not JSON');
  }
  expect(cluster.counts()).toEqual({ 1: 3, 2: 3 });
});
