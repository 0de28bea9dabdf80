import { describe, expect, test } from 'vitest';
import { ClientView } from '../../../src/broker/client-view.ts';
import type { Topic, TopicPartition } from '../../../src/cluster/topics.ts';
import { FakeCluster, memberOf } from '../cluster/cluster-of.ts';

const advertised = { host: 'me', port: 1 };
const zones = [memberOf(1, { zone: 'a' }), memberOf(2, { zone: 'a' }), memberOf(3, { zone: 'b' })];
const led = { 0: { brokerId: 2, epoch: 5 } };

const partitions = (count: number, journal = 0): TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topicId: 'J8fK2mGqT0aZxB1cD3eF5g', partition, journal }));

const topics = { byId: () => ({ partitions: partitions(300) }) as unknown as Topic };

const viewOf = (cluster: FakeCluster, { clientZone = '', listenerZone = '' } = {}) =>
  new ClientView({ members: cluster, leaders: cluster, topics }, { clientZone, listenerZone, advertised });

const leadersOf = (view: ClientView, count = 300) => partitions(count).map((each) => view.leaderOf(each).leaderId);

describe('the leader of a partition', () => {
  test('is spread over all brokers, whoever leads the journal, with the epoch of that', () => {
    const view = viewOf(new FakeCluster(zones, led));
    for (const id of [1, 2, 3]) expect(leadersOf(view).filter((each) => each === id).length).toBe(100);
    expect(view.leaderOf(partitions(1)[0]!).leaderEpoch).toBe(5);
  });

  test('is the same whichever broker is asked', () => {
    const asked = [0, 1, 2].map((first) => viewOf(new FakeCluster([zones[first]!, ...zones.toSpliced(first, 1)], led)));
    expect(leadersOf(asked[1]!)).toEqual(leadersOf(asked[0]!));
    expect(leadersOf(asked[2]!)).toEqual(leadersOf(asked[0]!));
  });

  test('is in the zone of the client', () => {
    const cluster = new FakeCluster(zones, led);
    expect(new Set(leadersOf(viewOf(cluster, { clientZone: 'a' })))).toEqual(new Set([1, 2]));
    expect(new Set(leadersOf(viewOf(cluster, { clientZone: 'b' })))).toEqual(new Set([3]));
  });

  test('is anywhere when the zone of the client has no broker', () => {
    const cluster = new FakeCluster(zones, led);
    expect(leadersOf(viewOf(cluster, { clientZone: 'c' }))).toEqual(leadersOf(viewOf(cluster)));
  });

  test('mostly stays when another broker goes, and is the same when it comes back', () => {
    const cluster = new FakeCluster(zones, led);
    const before = leadersOf(viewOf(cluster));
    cluster.become(zones.slice(0, 2));
    const after = leadersOf(viewOf(cluster));
    expect(after.filter((id, index) => id !== before[index]).length).toBeLessThan(100 + 20);
    cluster.become(zones);
    expect(leadersOf(viewOf(cluster))).toEqual(before);
  });

  test('is nobody while nobody leads the journal', () => {
    const view = viewOf(new FakeCluster(zones, led));
    expect(view.leaderOf(partitions(1, 1)[0]!)).toEqual({ leaderId: -1, leaderEpoch: -1 });
  });

  test('is none of those that drain, unless all do', () => {
    const cluster = new FakeCluster(zones, led);
    cluster.change(3, { draining: true });
    expect(new Set(leadersOf(viewOf(cluster)))).toEqual(new Set([1, 2]));
    expect(new Set(leadersOf(viewOf(cluster, { clientZone: 'b' })))).toEqual(new Set([1, 2]));
    cluster.change(1, { draining: true });
    cluster.change(2, { draining: true });
    expect(new Set(leadersOf(viewOf(cluster)))).toEqual(new Set([1, 2, 3]));
  });
});

describe('replicas', () => {
  const topic = (replicationFactor: number) => ({ replicationFactor }) as Topic;
  const view = viewOf(new FakeCluster(zones, led));

  test('begin with the leader and are as many as the topic was created with', () => {
    expect(view.replicasOf(topic(3), 2)).toEqual([2, 3, 1]);
    expect(view.replicasOf(topic(2), 3)).toEqual([3, 1]);
    expect(view.replicasOf(topic(1), 1)).toEqual([1]);
  });

  test('name brokers again when there are not enough', () => {
    expect(view.replicasOf(topic(5), 3)).toEqual([3, 1, 2, 3, 1]);
  });

  test('are there without a leader, too', () => expect(view.replicasOf(topic(2), -1)).toEqual([1, 2]));
});

describe('brokers', () => {
  test('are told in order of ids with what they advertise, the one that is asked with what the client came by', () => {
    expect(viewOf(new FakeCluster([memberOf(2, { zone: 'a' }), memberOf(1)])).nodes).toEqual([
      { nodeId: 1, host: 'broker-1', port: 9092, rack: null },
      { nodeId: 2, host: 'me', port: 1, rack: 'a' },
    ]);
  });

  test('are told by the listeners of a zone to who came by one, where they have it', () => {
    const near = { a: { host: 'near-2', port: 9192 } };
    const cluster = new FakeCluster([memberOf(1), memberOf(2, { kafkaByZone: near }), memberOf(3)]);
    const hosts = (listenerZone: string) => viewOf(cluster, { listenerZone }).nodes.map(({ host }) => host);
    expect(hosts('a')).toEqual(['me', 'near-2', 'broker-3']);
    expect(hosts('b')).toEqual(['me', 'broker-2', 'broker-3']);
    expect(hosts('')).toEqual(['me', 'broker-2', 'broker-3']);
  });

  test('that are gone have no address', () => {
    const view = viewOf(new FakeCluster(zones));
    expect(view.node(2)).toMatchObject({ nodeId: 2, host: 'broker-2' });
    expect(view.node(9)).toBeNull();
  });
});

describe('the controller', () => {
  test('is who holds the lease', () => {
    const cluster = new FakeCluster(zones);
    cluster.control(3);
    expect(viewOf(cluster).controllerId).toBe(3);
  });

  test('is another broker while nobody holds it, or its holder drains: each does what clients ask', () => {
    const cluster = new FakeCluster(zones);
    cluster.control(null);
    expect(viewOf(cluster).controllerId).toBe(1);
    cluster.control(1);
    cluster.change(1, { draining: true });
    expect(viewOf(cluster).controllerId).toBe(2);
  });
});

test('a partition has one broker for the readers of each other zone, and none in a zone without brokers', () => {
  const view = viewOf(new FakeCluster(zones, led));
  expect(view.inZone('b', partitions(1)[0]!)).toBe(3);
  expect(view.inZone('c', partitions(1)[0]!)).toBeUndefined();
  expect(view.inZone('', partitions(1)[0]!)).toBeUndefined();
});
