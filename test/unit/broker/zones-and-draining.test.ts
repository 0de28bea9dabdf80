/** Listeners of zones, and a broker that leaves, over real sockets. The broker is 7. */
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../src/errors.ts';
import { KafkaClient } from '../../integration/kafka-client.ts';
import { FakeCluster, memberOf } from '../cluster/cluster-of.ts';
import { batch, fetchOf, type Listening, listening, pause, produceOf, until } from './sockets.ts';

const near = (brokerId: number) => ({
  zone: 'zone-b',
  kafkaByZone: { 'zone-b': { host: `near-${brokerId}`, port: 9192 } },
});

const clusterOf = () =>
  new FakeCluster([memberOf(7, { zone: 'zone-a' }), memberOf(8, near(8)), memberOf(9, { zone: 'zone-b' })], {
    0: { brokerId: 8, epoch: 4 },
  });

const metadata = { topics: [{ name: 'orders' }] };

describe('a client that comes by the listener of a zone', () => {
  const zoned = async (advertised: { host: string; port: number } | null = null) => {
    const cluster = clusterOf();
    const zones = { 'zone-b': { address: { host: '127.0.0.1', port: 0 }, advertised } };
    const opened = await listening({}, { members: cluster, leaders: cluster, zones });
    const client = await KafkaClient.connect(opened.listener.zoneAddresses['zone-b']!);
    return { ...opened, client };
  };

  test('is told the listeners of that zone, and leaders there', async () => {
    const { client, connect, listener } = await zoned();
    const { port } = listener.zoneAddresses['zone-b']!;
    const answer = await client.call('Metadata', 12, metadata);
    expect(answer.brokers.map(({ nodeId, host, port }) => [nodeId, host, port])).toEqual([
      [7, '127.0.0.1', port],
      [8, 'near-8', 9192],
      [9, 'broker-9', 9092],
    ]);
    for (const { leaderId } of answer.topics[0]!.partitions) expect([8, 9]).toContain(leaderId);
    const plain = await (await connect()).call('Metadata', 12, metadata);
    expect(plain.brokers.map(({ nodeId, host, port }) => [nodeId, host, port])).toEqual([
      [7, '127.0.0.1', listener.address.port],
      [8, 'broker-8', 9092],
      [9, 'broker-9', 9092],
    ]);
    await client.close();
  });

  test('is told what that listener advertises', async () => {
    const { client } = await zoned({ host: 'zone-b.example', port: 9999 });
    const answer = await client.call('Metadata', 12, metadata);
    expect(answer.brokers[0]).toMatchObject({ nodeId: 7, host: 'zone-b.example', port: 9999 });
    await client.close();
  });

  test('produces and fetches as anywhere', async () => {
    const { client } = await zoned();
    await client.call('Produce', 9, produceOf(batch('near')));
    const fetched = await client.call('Fetch', 12, fetchOf(0));
    expect(fetched.topics[0]!.partitions[0]!.records).toHaveLength(batch('near').length);
    await client.close();
  });

  test('a listener that cannot be had is named, and the others are closed again', async () => {
    const cluster = clusterOf();
    const { listener } = await listening();
    const zones = { 'zone-b': { address: listener.address, advertised: null } };
    const opened = listening({}, { members: cluster, leaders: cluster, zones });
    await expect(opened).rejects.toThrow(`cannot listen for Kafka clients on 127.0.0.1:${listener.address.port}`);
  });
});

describe('a broker that leaves', () => {
  const leaving = async () => {
    const cluster = clusterOf();
    const opened = await listening({}, { members: cluster, leaders: cluster });
    return { ...opened, cluster };
  };
  const produced = async ({ connect }: Pick<Listening, 'connect'>) =>
    (await (await connect()).call('Produce', 10, produceOf(batch('x')))).topics[0]!.partitions[0]!;

  test('answers producers and consumers that others lead, and says who', async () => {
    const { listener, connect, cluster } = await leaving();
    cluster.change(7, { draining: true });
    await listener.drain({ graceMs: 0 });
    const refused = await produced({ connect });
    expect(refused.errorCode).toBe(ERRORS.NOT_LEADER_OR_FOLLOWER.code);
    expect([8, 9]).toContain(refused.currentLeader.leaderId);
    const fetched = await (await connect()).call('Fetch', 16, {
      ...fetchOf(0),
      topics: [],
    });
    expect(fetched.errorCode).toBe(0);
    const offsets = await (await connect()).call('Fetch', 12, fetchOf(0));
    expect(offsets.topics[0]!.partitions[0]).toMatchObject({
      errorCode: ERRORS.NOT_LEADER_OR_FOLLOWER.code,
      currentLeader: { leaderEpoch: 4 },
    });
  });

  test('answers members of groups that it is not their coordinator', async () => {
    const { listener, connect } = await leaving();
    await listener.drain({ graceMs: 0 });
    const client = await connect();
    const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null };
    expect((await client.call('Heartbeat', 4, heartbeat)).errorCode).toBe(ERRORS.NOT_COORDINATOR.code);
    const committed = await client.call('OffsetFetch', 7, { groupId: 'g', topics: null, requireStable: false });
    expect(committed.errorCode).toBe(ERRORS.NOT_COORDINATOR.code);
  });

  test('still tells who is there', async () => {
    const { listener, connect, cluster } = await leaving();
    cluster.change(7, { draining: true });
    await listener.drain({ graceMs: 0 });
    const answer = await (await connect()).call('Metadata', 12, metadata);
    expect(answer.brokers.map(({ nodeId }) => nodeId)).toEqual([8, 9]);
  });

  test('ends long polls at once', async () => {
    const { listener, connect } = await leaving();
    const client = await connect();
    const answer = client.call('Fetch', 12, fetchOf(0, { maxWaitMs: 60_000 }));
    await until('the fetch waits', () => listener.requestsInFlight === 1);
    await listener.drain({ graceMs: 0 });
    expect((await answer).topics[0]!.partitions[0]!.errorCode).toBe(ERRORS.NOT_LEADER_OR_FOLLOWER.code);
    // The connection serves on, its later requests are not cut short.
    expect((await client.call('Metadata', 12, metadata)).topics).toHaveLength(1);
  });

  test('waits until nobody has had to be told for a while, and not longer than it may', async () => {
    const { listener, connect } = await leaving();
    const client = await connect();
    let told = 0;
    let talking = true;
    const talk = (async () => {
      while (talking) {
        await client.call('Produce', 9, produceOf(batch('x')));
        told++;
        await pause(20);
      }
    })();
    const began = performance.now();
    await listener.drain({ graceMs: 700 });
    expect(performance.now() - began).toBeGreaterThanOrEqual(690);
    expect(told).toBeGreaterThan(3);
    talking = false;
    await talk;
    const later = performance.now();
    await listener.drain({ graceMs: 60_000 });
    expect(performance.now() - later).toBeLessThan(5_000);
  });

  test('does its work to the end when nobody else is there', async () => {
    const { listener, connect, cluster } = await leaving();
    cluster.become([memberOf(7, { draining: true })]);
    await listener.drain();
    expect((await produced({ connect })).errorCode).toBe(0);
    cluster.become([memberOf(7, { draining: true }), memberOf(8, { draining: true })]);
    expect((await produced({ connect })).errorCode).toBe(0);
  });
});

describe('a broker that is drained while it runs', () => {
  const opened = async (leadsAny: boolean) => {
    const cluster = clusterOf();
    const report = { leadsAny } as unknown as Listening['broker']['report'] & { leadsAny: boolean };
    return { ...(await listening({}, { members: cluster, leaders: cluster, report })), cluster, report };
  };
  const errorCode = async ({ connect }: Pick<Listening, 'connect'>) =>
    (await (await connect()).call('Produce', 9, produceOf(batch('x')))).topics[0]!.partitions[0]!.errorCode;

  test('takes records in until its journals are with others, and again when it is given its share', async () => {
    const broker = await opened(true);
    broker.cluster.change(7, { draining: true });
    expect(await errorCode(broker)).toBe(0);
    (broker.report as { leadsAny: boolean }).leadsAny = false;
    broker.cluster.lead(0, { brokerId: 9, epoch: 5 });
    expect(await errorCode(broker)).toBe(ERRORS.NOT_LEADER_OR_FOLLOWER.code);
    broker.cluster.change(7, { draining: false });
    expect(await errorCode(broker)).toBe(0);
  });
});
