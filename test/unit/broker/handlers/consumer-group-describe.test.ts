import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BrokerWorld, errorName, openBroker } from '../../coordinator/group/consumer/broker-world.ts';
import { versionsOf } from '../door.ts';

let world: BrokerWorld;
let orders: string;
let payments: string;
beforeEach(async () => {
  world = await openBroker();
  orders = await world.topic('orders', 2);
  payments = await world.topic('payments', 1);
});
afterEach(() => world.close());

const describeGroups = async (version: number, ...groupIds: string[]) =>
  (await world.ask('ConsumerGroupDescribe', version, { groupIds, includeAuthorizedOperations: true })).groups;

const join = (memberId: string, more: object) =>
  world.ask('ConsumerGroupHeartbeat', 1, {
    groupId: 'g',
    memberId,
    memberEpoch: 0,
    rebalanceTimeoutMs: 1_000,
    topicPartitions: [],
    ...more,
  });

test.each(
  versionsOf('ConsumerGroupDescribe'),
)('v%i shows members with what they have and are to have', async (version) => {
  await join('a', { subscribedTopicNames: ['orders', 'missing'], instanceId: 'i', rackId: 'r' });
  await join('b', { subscribedTopicRegex: '(orders|payments)', serverAssignor: 'range' });
  const shown = (...topics: [string, string, number[]][]) => ({
    topicPartitions: topics.map(([topicId, topicName, partitions]) => ({ topicId, topicName, partitions })),
  });
  const common = { clientId: 'test', clientHost: '/127.0.0.1', memberType: version === 0 ? -1 : 1 };
  expect(await describeGroups(version, 'g')).toEqual([
    {
      errorCode: 0,
      errorMessage: null,
      groupId: 'g',
      groupState: 'Reconciling',
      groupEpoch: 2,
      assignmentEpoch: 2,
      assignorName: 'range',
      members: [
        {
          ...common,
          memberId: 'a',
          instanceId: 'i',
          rackId: 'r',
          memberEpoch: 1,
          subscribedTopicNames: ['missing', 'orders'],
          subscribedTopicRegex: null,
          assignment: shown([orders, 'orders', [0, 1]]),
          targetAssignment: shown([orders, 'orders', [0]]),
        },
        {
          ...common,
          memberId: 'b',
          instanceId: null,
          rackId: null,
          memberEpoch: 2,
          subscribedTopicNames: [],
          subscribedTopicRegex: '(orders|payments)',
          assignment: shown([payments, 'payments', [0]]),
          targetAssignment: shown([orders, 'orders', [1]], [payments, 'payments', [0]]),
        },
      ],
      authorizedOperations: -2_147_483_648,
    },
  ]);
});

test.each(
  versionsOf('ConsumerGroupDescribe'),
)('v%i does not know groups that are not there or of another kind', async (version) => {
  await world.ask('OffsetCommit', 8, {
    groupId: 'classic',
    topics: [{ name: 'orders', partitions: [{ index: 0, committedOffset: 1, committedMetadata: '' }] }],
  });
  const found = await describeGroups(version, 'missing', 'classic');
  expect(found.map(({ groupId, errorCode, errorMessage }) => [groupId, errorName(errorCode), errorMessage])).toEqual([
    ['missing', 'GROUP_ID_NOT_FOUND', 'Group missing not found.'],
    ['classic', 'GROUP_ID_NOT_FOUND', 'Group classic is not a consumer group.'],
  ]);
});

test('topics that were deleted are not shown', async () => {
  await join('a', { subscribedTopicNames: ['orders', 'payments'] });
  await world.core.topics.delete('orders');
  const [group] = await describeGroups(1, 'g');
  expect(group!.members[0]!.assignment.topicPartitions).toEqual([
    { topicId: payments, topicName: 'payments', partitions: [0] },
  ]);
});
