/** KIP-951 and KIP-392: where clients are sent; the broker that is asked is 7, in zone-a. */
import { describe, expect, test } from 'vitest';
import { ERRORS, KafkaError } from '../../../../src/errors.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { FakeCluster, memberOf } from '../../cluster/cluster-of.ts';
import { ask, type Door, door, versionsOf } from '../door.ts';

const PARTITIONS = 12;

async function cluster() {
  const members = new FakeCluster(
    [memberOf(7, { zone: 'zone-a' }), memberOf(8, { zone: 'zone-b' }), memberOf(9, { zone: 'zone-b' })],
    { 0: { brokerId: 9, epoch: 4 } },
  );
  const broker: Door = { ...door(), members, leaders: members };
  await broker.topics.create({ name: 'orders', partitions: PARTITIONS, config: {} });
  const records = buildBatch([{ key: null, value: 'v' }], { timestamp: 1 });
  const { topicId } = broker.topics.byName('orders')!;
  await broker.log.produce(Array.from({ length: PARTITIONS }, (_, partition) => ({ topicId, partition, records })));
  return { broker, members, topicId };
}

const all = <T>(make: (index: number) => T): T[] => Array.from({ length: PARTITIONS }, (_, index) => make(index));
const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000 };

const fetchOf = (topicId: string, rackId: string, changes: object = {}) => ({
  ...limits,
  rackId,
  topics: [
    {
      name: 'orders',
      topicId,
      partitions: all((index) => ({ index, fetchOffset: 0, partitionMaxBytes: 100_000, ...changes })),
    },
  ],
});

const metadataLeaders = async (broker: Door) => {
  const { topics } = await ask(broker, 'Metadata', 12, { topics: [{ name: 'orders' }] });
  return topics[0]!.partitions.map(({ leaderId }) => leaderId);
};

describe('an error that tells a client to look for the leader names the one that Metadata names', () => {
  test.each(versionsOf('Produce'))('Produce v%i', async (version) => {
    const { broker, topicId } = await cluster();
    broker.log.produce = async (batches) =>
      batches.map(() => ({
        error: 'NOT_LEADER_OR_FOLLOWER',
        message: 'moved',
        nextOffset: -1,
        noSideEffects: true,
        logStartOffset: -1,
      }));
    const records = buildBatch([{ key: null, value: 'v' }], { timestamp: 1 });
    const partitions = all((index) => ({ index, records }));
    const topics = [{ name: 'orders', topicId, partitions }];
    const answer = await ask(broker, 'Produce', version, { acks: -1, timeoutMs: 1_000, topics });
    const told = answer.topics[0]!.partitions;
    expect(told.map(({ errorCode }) => errorCode)).toEqual(all(() => ERRORS.NOT_LEADER_OR_FOLLOWER.code));
    const leaderIds = told.map(({ currentLeader }) => currentLeader.leaderId);
    expect(leaderIds).toEqual(version >= 10 ? await metadataLeaders(broker) : all(() => -1));
    if (version < 10) return;
    expect(told[0]!.currentLeader.leaderEpoch).toBe(4);
    expect(answer.nodeEndpoints.map(({ nodeId, host }) => [nodeId, host]).sort()).toEqual([
      [7, '127.0.0.1'],
      [8, 'broker-8'],
      [9, 'broker-9'],
    ]);
  });

  test.each(versionsOf('Fetch').slice(5))('Fetch v%i', async (version) => {
    const { broker, topicId } = await cluster();
    const answer = await ask(broker, 'Fetch', version, fetchOf(topicId, '', { currentLeaderEpoch: 1 }));
    const told = answer.topics[0]!.partitions;
    expect(told[0]!.errorCode).toBe(ERRORS.FENCED_LEADER_EPOCH.code);
    const leaderIds = told.map(({ currentLeader }) => currentLeader.leaderId);
    expect(leaderIds).toEqual(version >= 12 ? await metadataLeaders(broker) : all(() => -1));
    expect(answer.nodeEndpoints.length).toBe(version >= 16 ? 3 : 0);
  });

  test('Fetch that failed as a whole', async () => {
    const { broker, topicId } = await cluster();
    broker.log.failure = new KafkaError('NOT_LEADER_OR_FOLLOWER', 'gone');
    const answer = await ask(broker, 'Fetch', 16, fetchOf(topicId, ''));
    const told = answer.topics[0]!.partitions;
    expect(told.map(({ currentLeader }) => currentLeader.leaderId)).toEqual(await metadataLeaders(broker));
  });

  test('other errors name nobody', async () => {
    const { broker, topicId } = await cluster();
    const answer = await ask(broker, 'Fetch', 16, fetchOf(topicId, '', { fetchOffset: 99 }));
    expect(answer.topics[0]!.partitions[0]).toMatchObject({
      errorCode: ERRORS.OFFSET_OUT_OF_RANGE.code,
      currentLeader: { leaderId: -1 },
    });
    expect(answer.nodeEndpoints).toEqual([]);
  });

  test('nobody is named while nobody leads the journal', async () => {
    const { broker, members, topicId } = await cluster();
    members.lead(0, null);
    const answer = await ask(broker, 'Fetch', 16, fetchOf(topicId, '', { currentLeaderEpoch: 1 }));
    expect(answer.topics[0]!.partitions[0]).toMatchObject({ currentLeader: { leaderId: -1, leaderEpoch: -1 } });
  });
});

describe('a consumer that names its rack', () => {
  const replicas = (answer: Awaited<ReturnType<typeof ask<'Fetch'>>>) =>
    answer.topics[0]!.partitions.map(({ preferredReadReplica }) => preferredReadReplica);
  const bytes = (answer: Awaited<ReturnType<typeof ask<'Fetch'>>>) =>
    answer.topics[0]!.partitions.map(({ records }) => records?.length ?? 0);

  test.each(
    versionsOf('Fetch').slice(7),
  )('v%i: in another zone is told a broker of it, and given nothing', async (v) => {
    const { broker, topicId } = await cluster();
    const answer = await ask(broker, 'Fetch', v, fetchOf(topicId, 'zone-b'));
    expect(new Set(replicas(answer))).toEqual(new Set([8, 9]));
    expect(bytes(answer)).toEqual(all(() => 0));
    expect(answer.topics[0]!.partitions.every(({ errorCode }) => errorCode === 0)).toBe(true);
  });

  test('is told at once, however long it would wait', async () => {
    const { broker, topicId } = await cluster();
    const answer = await ask(broker, 'Fetch', 12, { ...fetchOf(topicId, 'zone-b'), maxWaitMs: 60_000 });
    expect(replicas(answer)).not.toContain(-1);
  });

  test('is told the same broker as Metadata tells a client of that zone', async () => {
    const { broker, topicId } = await cluster();
    const asked = { topics: [{ name: 'orders' }] };
    const { topics } = await ask(broker, 'Metadata', 12, asked, { clientId: 'zone=zone-b' });
    const answer = await ask(broker, 'Fetch', 12, fetchOf(topicId, 'zone-b'));
    expect(replicas(answer)).toEqual(topics[0]!.partitions.map(({ leaderId }) => leaderId));
  });

  test.each([
    ['the zone of the broker', 'zone-a'],
    ['a zone without brokers', 'zone-c'],
    ['none', ''],
  ])('that is %s reads from here', async (_, rackId) => {
    const { broker, topicId } = await cluster();
    const answer = await ask(broker, 'Fetch', 12, fetchOf(topicId, rackId));
    expect(replicas(answer)).toEqual(all(() => -1));
    expect(Math.min(...bytes(answer))).toBeGreaterThan(0);
  });

  test('whose zone has only brokers that drain reads from here', async () => {
    const { broker, members, topicId } = await cluster();
    members.change(8, { draining: true });
    members.change(9, { draining: true });
    const answer = await ask(broker, 'Fetch', 12, fetchOf(topicId, 'zone-b'));
    expect(replicas(answer)).toEqual(all(() => -1));
  });

  test('is never sent on by the broker that it was sent to', async () => {
    const { broker, topicId, members } = await cluster();
    const [chosen] = replicas(await ask(broker, 'Fetch', 12, fetchOf(topicId, 'zone-b')));
    const there = new FakeCluster(
      members.live().toSorted((a, b) => Number(b.brokerId === chosen) - Number(a.brokerId === chosen)),
      { 0: { brokerId: 9, epoch: 4 } },
    );
    const answer = await ask({ ...broker, members: there, leaders: there }, 'Fetch', 12, fetchOf(topicId, 'zone-b'));
    expect(replicas(answer)).toEqual(all(() => -1));
  });

  test('reads what exists and is told of the rest in one answer', async () => {
    const { broker, topicId } = await cluster();
    const asked = fetchOf(topicId, 'zone-b');
    const partitions = [
      ...asked.topics[0]!.partitions.slice(0, 1),
      { index: 99, fetchOffset: 0, partitionMaxBytes: 1 },
    ];
    const answer = await ask(broker, 'Fetch', 12, { ...asked, topics: [{ ...asked.topics[0]!, partitions }] });
    expect(answer.topics[0]!.partitions).toMatchObject([
      { errorCode: 0 },
      { errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code, preferredReadReplica: -1 },
    ]);
  });
});
