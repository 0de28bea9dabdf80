/** Groups of the consumer protocol over the Kafka port of a whole broker: they join, share, live through a restart, leave. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { startTestBroker, type TestBroker } from './kafka-broker.ts';
import type { KafkaClient } from './kafka-client.ts';

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker();
});
afterAll(() => broker.stop());

class Member {
  readonly memberId: string;
  readonly groupId: string;
  memberEpoch = 0;
  owned: { topicId: string; partitions: number[] }[] = [];

  constructor(memberId: string, groupId: string) {
    this.memberId = memberId;
    this.groupId = groupId;
  }

  async beat(client: KafkaClient): Promise<number> {
    const { memberId, groupId, memberEpoch, owned } = this;
    const joining = memberEpoch === 0 && { rebalanceTimeoutMs: 5_000, subscribedTopicRegex: 'orders-.*' };
    const request = { groupId, memberId, memberEpoch, topicPartitions: owned, ...joining };
    const answer = await client.call('ConsumerGroupHeartbeat', 1, request);
    if (answer.errorCode !== 0) return answer.errorCode;
    this.memberEpoch = answer.memberEpoch;
    this.owned =
      answer.assignment?.topicPartitions.map((one) => ({ ...one, partitions: [...one.partitions] })) ?? owned;
    return 0;
  }

  get partitions(): string[] {
    return this.owned.flatMap(({ topicId, partitions }) => partitions.map((partition) => `${topicId}/${partition}`));
  }
}

async function createTopic(client: KafkaClient, name: string, numPartitions: number): Promise<void> {
  const topics = [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }];
  const answer = await client.call('CreateTopics', 7, { topics, timeoutMs: 1_000, validateOnly: false });
  expect(answer.topics[0]!.errorCode).toBe(0);
}

test('members share what a regular expression matches, before and after a restart, and get a topic that comes later', async () => {
  let client = await broker.connect();
  await createTopic(client, 'orders-eu', 4);
  const members = ['a', 'b'].map((memberId) => new Member(memberId, 'g'));
  const settle = async () => {
    for (let round = 0; round < 6; round++) {
      for (const member of members) expect(await member.beat(client)).toBe(0);
    }
    const owned = members.flatMap(({ partitions }) => partitions);
    expect(new Set(owned).size).toBe(owned.length);
    return members.map(({ partitions }) => partitions.length);
  };
  expect(await settle()).toEqual([2, 2]);
  const epochs = members.map(({ memberEpoch }) => memberEpoch);

  await broker.restart();
  client = await broker.connect();
  expect(await settle()).toEqual([2, 2]);
  expect(members.map(({ memberEpoch }) => memberEpoch)).toEqual(epochs);

  await createTopic(client, 'orders-us', 4);
  expect(await settle()).toEqual([4, 4]);

  const leaving = { groupId: 'g', memberId: 'b', memberEpoch: -1 };
  expect((await client.call('ConsumerGroupHeartbeat', 1, leaving)).errorCode).toBe(0);
  members.pop();
  expect(await settle()).toEqual([8]);
});

test('the feature that clients look for is finalized', async () => {
  const client = await broker.connect();
  const software = { clientSoftwareName: 'test', clientSoftwareVersion: '1' };
  const { apiKeys, finalizedFeatures } = await client.call('ApiVersions', 4, software);
  expect(apiKeys.filter(({ apiKey }) => apiKey === 68 || apiKey === 69)).toEqual([
    { apiKey: 68, minVersion: 0, maxVersion: 1 },
    { apiKey: 69, minVersion: 0, maxVersion: 1 },
  ]);
  expect(finalizedFeatures).toContainEqual({ name: 'group.version', maxVersionLevel: 1, minVersionLevel: 1 });
});

test('a member of a consumer group commits with its epoch and no other', async () => {
  const client = await broker.connect();
  const member = new Member('committer', 'commits');
  await member.beat(client);
  const commit = async (generationIdOrMemberEpoch: number) => {
    const partitions = [{ index: 0, committedOffset: 3, committedMetadata: null }];
    const request = { groupId: 'commits', memberId: 'committer', generationIdOrMemberEpoch };
    const answer = await client.call('OffsetCommit', 9, { ...request, topics: [{ name: 'orders-eu', partitions }] });
    return answer.topics[0]!.partitions[0]!.errorCode;
  };
  expect(await commit(member.memberEpoch)).toBe(0);
  expect(await commit(member.memberEpoch + 1)).toBe(ERRORS.STALE_MEMBER_EPOCH.code);
});
