/** The doors of three brokers over one pair of stores, as clients of Kafka and HTTP find them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { readClusterItems } from '../../src/cluster/cluster-items.ts';
import { type Given, parseConfig } from '../../src/config.ts';
import { ERRORS } from '../../src/errors.ts';
import { buildBatch } from '../../src/record/records.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { type BrokerServer, startBroker } from '../../src/server.ts';
import { initStorage, openStores } from '../../src/stores.ts';
import { DYNOXIDE_MISSING, dynoxideBinary, startDynoxide } from '../stand-ins/dynoxide.ts';
import { standInEnvironment } from '../stand-ins/environment.ts';
import { type S3Server, startS3Server } from '../stand-ins/s3-server.ts';
import type { ServerProcess } from '../stand-ins/server-process.ts';
import { KafkaClient } from './kafka-client.ts';

const STORES = { store: 's3://doors/data', table: 'doors', cluster: 'doors' };
const ANY = '127.0.0.1:0';
const PARTITIONS = 12;

describe('a cluster of three brokers', () => {
  if (dynoxideBinary() === null) {
    test('is told to clients', (context) => context.skip(DYNOXIDE_MISSING));
    return;
  }
  let s3: S3Server;
  let dynoxide: ServerProcess;
  const brokers = new Map<number, BrokerServer>();
  const clients: KafkaClient[] = [];

  async function start(brokerId: number, given: Given = {}): Promise<BrokerServer> {
    const zone = brokerId === 1 ? 'zone-a' : 'zone-b';
    const doors = { kafka: ANY, http: ANY, internal: ANY, zone, 'kafka.zones': `zone-b=${ANY}` };
    const config = parseConfig({ ...STORES, ...doors, 'broker.id': String(brokerId), ...given });
    const broker = await startBroker(config, systemRuntime(silentLogger));
    brokers.set(brokerId, broker);
    return broker;
  }

  async function connect(brokerId: number): Promise<KafkaClient> {
    const client = await KafkaClient.connect(brokers.get(brokerId)!.kafka);
    clients.push(client);
    return client;
  }

  const http = (brokerId: number) => new Client({ url: `http://127.0.0.1:${brokers.get(brokerId)!.http.port}` });

  beforeAll(async () => {
    standInEnvironment();
    [s3, dynoxide] = await Promise.all([startS3Server(), startDynoxide()]);
    process.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint;
    process.env['AWS_ENDPOINT_URL_DYNAMODB'] = dynoxide.endpoint;
    await initStorage(parseConfig(STORES), systemRuntime(silentLogger));
    for (const brokerId of [1, 2, 3]) await start(brokerId, { journals: '3' });
    await http(2).createTopic({ name: 'orders', partitions: PARTITIONS });
  }, 60_000);
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all([...brokers.values()].map((broker) => broker.stop()));
    delete process.env['AWS_ENDPOINT_URL_S3'];
    delete process.env['AWS_ENDPOINT_URL_DYNAMODB'];
    await Promise.all([s3.close(), dynoxide.close()]);
  }, 60_000);

  const orders = { topics: [{ name: 'orders' }] };

  test.each([
    ['Kafka clients', 'kafka', '127.0.0.1'],
    ['Kafka clients', 'kafka', 'localhost'],
    ['HTTP', 'http', '127.0.0.1'],
  ] as const)('does not hear of one whose port for %s is taken (%s, %s)', async (what, door, host) => {
    const { port } = brokers.get(1)![door];
    await expect(start(4, { [door]: `${host}:${port}` })).rejects.toThrow(
      `cannot listen for ${what} on 127.0.0.1:${port}`,
    );
    const stores = await openStores(parseConfig(STORES), systemRuntime(silentLogger));
    const items = await readClusterItems(stores.metadata, STORES.cluster, { cause: 'membership' });
    await stores.close();
    expect([...items.brokers.keys()]).toEqual([1, 2, 3]);
  });

  test('is told alike by each of them', async () => {
    const told = [];
    for (const brokerId of [1, 2, 3]) {
      const { brokers: nodes, topics, controllerId } = await (await connect(brokerId)).call('Metadata', 12, orders);
      expect(nodes.map(({ nodeId, port, rack }) => [nodeId, port, rack])).toEqual(
        [1, 2, 3].map((id) => [id, brokers.get(id)!.kafka.port, id === 1 ? 'zone-a' : 'zone-b']),
      );
      told.push({ controllerId, leaders: topics[0]!.partitions.map(({ leaderId }) => leaderId) });
    }
    expect(told[1]).toEqual(told[0]);
    expect(told[2]).toEqual(told[0]);
    expect(new Set(told[0]!.leaders)).toEqual(new Set([1, 2, 3]));
  });

  test('takes records for any partition at any broker, and gives them back at any other', async () => {
    for (const brokerId of [1, 2, 3]) {
      const client = await connect(brokerId);
      const records = buildBatch([{ key: null, value: `from ${brokerId}` }], { timestamp: 1_700_000_000_000 });
      const partitions = Array.from({ length: PARTITIONS }, (_, index) => ({ index, records }));
      const topics = [{ name: 'orders', partitions }];
      const { topics: answered } = await client.call('Produce', 9, { acks: -1, timeoutMs: 10_000, topics });
      expect(answered[0]!.partitions.map(({ errorCode }) => errorCode)).toEqual(partitions.map(() => 0));
    }
    for (const brokerId of [1, 2, 3]) {
      for (const partition of [0, 5, PARTITIONS - 1]) {
        const { records } = await http(brokerId).read('orders', partition, { from: 'earliest' });
        expect(records.map(({ value }) => String(value)).sort()).toEqual(['from 1', 'from 2', 'from 3']);
      }
    }
  });

  test('is described to administrators by any of them', async () => {
    for (const brokerId of [1, 2, 3]) {
      const { cluster } = http(brokerId);
      expect(await cluster.info()).toMatchObject({ brokers: { live: 3 }, journals: { count: 3, led: 3 } });
      const described = await cluster.brokers();
      expect(described.map(({ zone }) => zone)).toEqual(['zone-a', 'zone-b', 'zone-b']);
      expect(described.flatMap(({ journals }) => journals).sort()).toEqual([0, 1, 2]);
      const quorum = { topics: [{ name: '__cluster_metadata', partitions: [{ index: 0 }] }] };
      const { topics } = await (await connect(brokerId)).call('DescribeQuorum', 2, quorum);
      expect(topics[0]!.partitions[0]).toMatchObject({ errorCode: 0 });
      const { topics: sent } = await (await connect(brokerId)).call('Metadata', 12, {
        topics: null,
        allowAutoTopicCreation: false,
      });
      expect(sent.map(({ name }) => name)).toEqual(['orders']);
    }
  });

  test('reads in the zone of a consumer that names it', async () => {
    const client = await connect(1);
    const partitions = [{ index: 0, fetchOffset: 0, partitionMaxBytes: 100_000 }];
    const asked = { maxWaitMs: 0, minBytes: 1, maxBytes: 100_000, topics: [{ name: 'orders', partitions }] };
    const sent = (await client.call('Fetch', 12, { ...asked, rackId: 'zone-b' })).topics[0]!.partitions[0]!;
    expect([2, 3]).toContain(sent.preferredReadReplica);
    const near = await connect(sent.preferredReadReplica);
    const read = (await near.call('Fetch', 12, { ...asked, rackId: 'zone-b' })).topics[0]!.partitions[0]!;
    expect([read.preferredReadReplica, read.errorCode]).toEqual([-1, 0]);
    expect(read.records!.length).toBeGreaterThan(0);
  });

  test('moves a journal, and adds one, by any broker', async () => {
    const moved = await http(3).cluster.move(0, 2);
    expect(moved).toMatchObject({ journal: 0, leaderId: 2, assignedTo: 2 });
    expect(await http(1).cluster.addJournals(1)).toEqual({ before: 3, count: 4 });
    expect((await http(2).cluster.info()).journals).toEqual({ count: 4, led: 4 });
  });

  test('drains a broker: its journals go, its clients are sent elsewhere, until it is given its share again', async () => {
    await http(3).cluster.drain(1);
    expect((await http(1).cluster.brokers())[0]).toMatchObject({ state: 'draining', journals: [] });
    const ready = async () => (await fetch(`http://127.0.0.1:${brokers.get(1)!.http.port}/readyz`)).status;
    expect(await ready()).toBe(503);
    const client = await connect(1);
    const { brokers: nodes } = await client.call('Metadata', 12, orders);
    expect(nodes.map(({ nodeId }) => nodeId)).toEqual([2, 3]);
    const records = buildBatch([{ key: null, value: 'x' }], { timestamp: 1_700_000_000_000 });
    const topics = [{ name: 'orders', partitions: [{ index: 0, records }] }];
    const produce = { acks: -1, timeoutMs: 10_000, topics };
    const refused = (await client.call('Produce', 10, produce)).topics[0]!.partitions[0]!;
    expect(refused.errorCode).toBe(ERRORS.NOT_LEADER_OR_FOLLOWER.code);
    expect([2, 3]).toContain(refused.currentLeader.leaderId);
    await http(2).cluster.undrain(1);
    expect(await ready()).toBe(200);
    expect((await client.call('Produce', 10, produce)).topics[0]!.partitions[0]!.errorCode).toBe(0);
  });

  test('loses a broker that stops without an error that a client cannot try again', async () => {
    const client = await connect(3);
    const records = buildBatch([{ key: null, value: 'last' }], { timestamp: 1_700_000_000_000 });
    const topics = [{ name: 'orders', partitions: [{ index: 1, records }] }];
    const seen = new Set<number>();
    let stopped = false;
    const talk = (async () => {
      for (;;) {
        try {
          const { topics: told } = await client.call('Produce', 9, { acks: -1, timeoutMs: 10_000, topics });
          seen.add(told[0]!.partitions[0]!.errorCode);
        } catch {
          return; // The connection is closed at the end.
        }
      }
    })();
    const stopping = brokers
      .get(3)!
      .stop()
      .then(() => {
        stopped = true;
      });
    await Promise.all([talk, stopping]);
    brokers.delete(3);
    expect(stopped).toBe(true);
    expect([...seen].sort()).toEqual([0, ERRORS.NOT_LEADER_OR_FOLLOWER.code]);
    const { brokers: nodes } = await (await connect(2)).call('Metadata', 12, orders);
    expect(nodes.map(({ nodeId }) => nodeId)).toEqual([1, 2]);
    expect((await http(1).cluster.info()).journals).toEqual({ count: 4, led: 4 });
  });
});
