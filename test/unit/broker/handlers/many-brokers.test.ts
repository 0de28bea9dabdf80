/** What administrators and clients are told where a cluster has several brokers; the broker that is asked is 7. */
import { describe, expect, test } from 'vitest';
import { DYNAMIC_CONFIGS } from '../../../../src/cluster/broker-config.ts';
import { ERRORS } from '../../../../src/errors.ts';
import { FakeCluster, memberOf } from '../../cluster/cluster-of.ts';
import { ask, door, versionsOf } from '../door.ts';

async function cluster() {
  const members = new FakeCluster(
    [memberOf(7, { zone: 'zone-a' }), memberOf(8, { zone: 'zone-b' }), memberOf(9, { zone: 'zone-b' })],
    { 0: { brokerId: 9, epoch: 4 } },
  );
  members.control(8);
  const broker = { ...door(), members, leaders: members };
  await broker.topics.create({ name: 'orders', partitions: 30, config: {}, replicationFactor: 2 });
  return { broker, members };
}

const NODES = [
  { nodeId: 7, host: '127.0.0.1', port: 9092, rack: 'zone-a' },
  { nodeId: 8, host: 'broker-8', port: 9092, rack: 'zone-b' },
  { nodeId: 9, host: 'broker-9', port: 9092, rack: 'zone-b' },
];

describe('Metadata', () => {
  test.each(
    versionsOf('Metadata').slice(1),
  )('v%i names all brokers, the controller, and leaders among all', async (v) => {
    const { broker } = await cluster();
    const answer = await ask(broker, 'Metadata', v, { topics: [{ name: 'orders' }] });
    expect(answer.brokers).toEqual(NODES);
    expect(answer.controllerId).toBe(8);
    const { partitions } = answer.topics[0]!;
    expect(new Set(partitions.map(({ leaderId }) => leaderId))).toEqual(new Set([7, 8, 9]));
    for (const { leaderId, leaderEpoch, replicaNodes, isrNodes } of partitions) {
      if (v >= 7) expect(leaderEpoch).toBe(4);
      expect(replicaNodes[0]).toBe(leaderId);
      expect(new Set(replicaNodes).size).toBe(2);
      expect(isrNodes).toEqual(replicaNodes);
    }
  });

  test('names leaders of the zone in the client id', async () => {
    const { broker } = await cluster();
    const leaders = async (clientId: string) => {
      const { topics } = await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] }, { clientId });
      return new Set(topics[0]!.partitions.map(({ leaderId }) => leaderId));
    };
    expect(await leaders('zone=zone-a')).toEqual(new Set([7]));
    expect(await leaders('billing,zone=zone-b')).toEqual(new Set([8, 9]));
    expect(await leaders('zone=zone-c')).toEqual(new Set([7, 8, 9]));
  });

  test('names leaders of the zone whose listener the client came by, whatever its id says', async () => {
    const { broker } = await cluster();
    const came = { clientId: 'zone=zone-a', listenerZone: 'zone-b' };
    const { topics } = await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] }, came);
    expect(new Set(topics[0]!.partitions.map(({ leaderId }) => leaderId))).toEqual(new Set([8, 9]));
  });

  test('says LEADER_NOT_AVAILABLE while nobody leads the journal', async () => {
    const { broker, members } = await cluster();
    members.lead(0, null);
    const { topics } = await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
    const errorCode = ERRORS.LEADER_NOT_AVAILABLE.code;
    expect(topics[0]!.partitions[0]).toMatchObject({ errorCode, leaderId: -1, leaderEpoch: -1 });
  });

  test('at a broker that drains names the others', async () => {
    const { broker, members } = await cluster();
    members.change(7, { draining: true });
    const answer = await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
    expect(answer.brokers).toEqual(NODES.slice(1));
    expect(new Set(answer.topics[0]!.partitions.map(({ leaderId }) => leaderId))).toEqual(new Set([8, 9]));
  });
});

test('DescribeTopicPartitions names the same leaders as Metadata', async () => {
  const { broker } = await cluster();
  const topics = [{ name: 'orders' }];
  const told = (await ask(broker, 'Metadata', 12, { topics })).topics[0]!.partitions;
  const described = await ask(broker, 'DescribeTopicPartitions', 0, {
    topics,
    responsePartitionLimit: 100,
    cursor: null,
  });
  expect(described.topics[0]!.partitions.map(({ leaderId }) => leaderId)).toEqual(told.map(({ leaderId }) => leaderId));
});

test('DescribeCluster names all brokers and the controller', async () => {
  const { broker } = await cluster();
  const answer = await ask(broker, 'DescribeCluster', 1, {
    includeClusterAuthorizedOperations: false,
    endpointType: 1,
  });
  expect(answer).toMatchObject({ errorCode: 0, controllerId: 8 });
  expect(answer.brokers.map(({ brokerId, host }) => [brokerId, host])).toEqual([
    [7, '127.0.0.1'],
    [8, 'broker-8'],
    [9, 'broker-9'],
  ]);
});

test('DescribeCluster tells brokers that drain as fenced ones, to who asks for these', async () => {
  const { broker, members } = await cluster();
  members.change(8, { draining: true });
  const told = async (version: number, includeFencedBrokers: boolean) => {
    const asked = { includeClusterAuthorizedOperations: false, endpointType: 1, includeFencedBrokers };
    const { brokers } = await ask(broker, 'DescribeCluster', version, asked);
    return brokers.map(({ brokerId, isFenced }) => [brokerId, isFenced]);
  };
  const staying = [
    [7, false],
    [9, false],
  ];
  expect(await told(1, false)).toEqual(staying);
  expect(await told(2, false)).toEqual(staying);
  expect(await told(2, true)).toEqual([...staying, [8, true]]);
});

test('DescribeQuorum counts every broker as a voter', async () => {
  const { broker } = await cluster();
  const asked = { topics: [{ name: '__cluster_metadata', partitions: [{ index: 0 }] }] };
  const { topics, nodes } = await ask(broker, 'DescribeQuorum', 2, asked);
  expect(topics[0]!.partitions[0]!.currentVoters.map(({ replicaId }) => replicaId)).toEqual([7, 8, 9]);
  expect(nodes.map(({ nodeId }) => nodeId)).toEqual([7, 8, 9]);
});

describe('configurations of brokers', () => {
  const described = async (resourceName: string, resourceType = 4) => {
    const { broker } = await cluster();
    await broker.configs.brokers.alter('8', () => [{ operation: 'SET', name: 'log.retention.ms', value: '5000' }]);
    const resources = [{ resourceType, resourceName, configurationKeys: null }];
    const { results } = await ask(broker, 'DescribeConfigs', 4, { resources });
    return results[0]!;
  };

  test('of another broker are those that can be changed while it runs', async () => {
    const { errorCode, configs } = await described('8');
    expect(errorCode).toBe(0);
    expect(configs.map(({ name }) => name).sort()).toEqual(Object.keys(DYNAMIC_CONFIGS).sort());
    expect(configs.find(({ name }) => name === 'log.retention.ms')).toMatchObject({ value: '5000', configSource: 2 });
  });

  test('of the broker that is asked are all', async () => {
    const { configs } = await described('7');
    expect(configs.map(({ name }) => name)).toContain('broker.id');
    expect(configs.find(({ name }) => name === 'log.retention.ms')).not.toMatchObject({ value: '5000' });
  });

  test('of a broker that is not there are INVALID_REQUEST', async () => {
    expect(await described('10')).toMatchObject({ errorCode: ERRORS.INVALID_REQUEST.code });
  });

  test('loggers are those of the broker that is asked', async () => {
    expect(await described('7', 8)).toMatchObject({ errorCode: 0 });
    expect(await described('8', 8)).toMatchObject({ errorCode: ERRORS.INVALID_REQUEST.code });
  });

  test('are listed for every broker', async () => {
    const { broker } = await cluster();
    const { configResources } = await ask(broker, 'ListConfigResources', 1, { resourceTypes: [4] });
    expect(configResources.map(({ name }) => name)).toEqual(['7', '8', '9']);
  });
});

describe('manual assignments', () => {
  const assign = async (brokerIds: readonly number[]) => {
    const { broker } = await cluster();
    const topic = { numPartitions: -1, replicationFactor: -1, assignments: [{ index: 0, brokerIds }], configs: [] };
    const asked = { topics: [{ name: 'new', ...topic }], timeoutMs: 1_000 };
    return (await ask(broker, 'CreateTopics', 7, asked)).topics[0]!;
  };

  test('may name any broker of the cluster', async () => {
    expect(await assign([9, 7])).toMatchObject({ errorCode: 0, replicationFactor: 2 });
  });

  test.each([[[7, 10]], [[8, 8]], [[]]])('to brokers %j are INVALID_REPLICA_ASSIGNMENT', async (brokerIds) => {
    expect(await assign(brokerIds)).toMatchObject({ errorCode: ERRORS.INVALID_REPLICA_ASSIGNMENT.code });
  });

  test('are accepted for what exists, and change nothing', async () => {
    const { broker } = await cluster();
    const topics = [{ name: 'orders', partitions: [{ index: 0, replicas: [8, 9] }] }];
    const answer = await ask(broker, 'AlterPartitionReassignments', 1, { timeoutMs: 1_000, topics });
    expect(answer.topics[0]!.partitions[0]).toMatchObject({ errorCode: 0 });
  });
});

test('ElectLeaders is not needed when another broker leads the journal', async () => {
  const { broker } = await cluster();
  const answer = await ask(broker, 'ElectLeaders', 2, { topics: [{ name: 'orders', partitions: [0] }] });
  expect(answer.topics[0]!.partitions[0]).toMatchObject({ errorCode: ERRORS.ELECTION_NOT_NEEDED.code });
});

test('DescribeLogDirs tells of the partitions whose journals the broker leads', async () => {
  const { broker } = await cluster();
  const report = { bytesOf: ({ partition }: { partition: number }) => (partition % 3 === 0 ? 100 : null) };
  const led = { ...broker, report: report as unknown as typeof broker.report };
  const { results } = await ask(led, 'DescribeLogDirs', 4, { topics: [{ name: 'orders', partitions: [0, 1, 2, 3] }] });
  expect(results[0]!.topics[0]!.partitions.map(({ index }) => index)).toEqual([0, 3]);
});
