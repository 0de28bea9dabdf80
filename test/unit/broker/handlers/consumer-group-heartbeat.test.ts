import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type BrokerWorld, errorName, openBroker } from '../../coordinator/group/consumer/broker-world.ts';
import { versionsOf } from '../door.ts';

let world: BrokerWorld;
let orders: string;
beforeEach(async () => {
  world = await openBroker();
  orders = await world.topic('orders', 2);
});
afterEach(() => world.close());

type Fields = Parameters<typeof world.ask<'ConsumerGroupHeartbeat'>>[2];

const joining = { groupId: 'g', memberId: 'm', memberEpoch: 0, rebalanceTimeoutMs: 1_000, topicPartitions: [] };

async function send(version: number, fields: Partial<Fields>) {
  const answer = await world.ask('ConsumerGroupHeartbeat', version, {
    ...joining,
    subscribedTopicNames: ['orders'],
    ...fields,
  });
  return { ...answer, error: errorName(answer.errorCode) };
}

test.each(versionsOf('ConsumerGroupHeartbeat'))('v%i joins, heartbeats and leaves', async (version) => {
  const joined = await send(version, {});
  expect(joined).toMatchObject({
    errorCode: 0,
    errorMessage: null,
    throttleTimeMs: 0,
    memberId: 'm',
    memberEpoch: 1,
    heartbeatIntervalMs: 5_000,
    assignment: { topicPartitions: [{ topicId: orders, partitions: [0, 1] }] },
  });
  const quiet = { rebalanceTimeoutMs: -1, subscribedTopicNames: null, topicPartitions: null };
  expect(await send(version, { ...quiet, memberEpoch: 1 })).toMatchObject({
    errorCode: 0,
    memberEpoch: 1,
    assignment: null,
  });
  expect(await send(version, { ...quiet, memberEpoch: -1 })).toMatchObject({
    errorCode: 0,
    memberId: 'm',
    memberEpoch: -1,
  });
  expect((await send(version, { ...quiet, memberEpoch: 1 })).error).toBe('UNKNOWN_MEMBER_ID');
});

test('in v0 a member without an id is given one, since v1 it has to bring its own', async () => {
  const { memberId, errorCode } = await send(0, { memberId: '' });
  expect([errorCode, memberId?.length]).toEqual([0, 22]);
  expect(await send(1, { memberId: '' })).toMatchObject({
    error: 'INVALID_REQUEST',
    errorMessage: "MemberId can't be empty.",
  });
});

describe('a request that cannot be', () => {
  test.each<[string, Partial<Fields>]>([
    ["GroupId can't be empty.", { groupId: ' ' }],
    ["InstanceId can't be empty.", { instanceId: '' }],
    ["RackId can't be empty.", { rackId: '' }],
    ["MemberId can't be empty.", { memberId: '', memberEpoch: 4 }],
    ["MemberId can't be empty.", { memberId: '', memberEpoch: -1 }],
    ['RebalanceTimeoutMs must be provided in first request.', { rebalanceTimeoutMs: -1 }],
    ['TopicPartitions must be empty when (re-)joining.', { topicPartitions: null }],
    [
      'TopicPartitions must be empty when (re-)joining.',
      { topicPartitions: [{ topicId: 'AAAAAAAAQACAAAAAAAAAAA', partitions: [0] }] },
    ],
    [
      'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.',
      { subscribedTopicNames: null },
    ],
    ["InstanceId can't be null.", { memberEpoch: -2 }],
    ['MemberEpoch is invalid.', { memberEpoch: -3 }],
  ])('is INVALID_REQUEST: %s', async (errorMessage, fields) => {
    for (const version of versionsOf('ConsumerGroupHeartbeat')) {
      expect(await send(version, fields)).toMatchObject({ error: 'INVALID_REQUEST', errorMessage, assignment: null });
    }
    expect([...world.core.coordinators.groups.list()]).toEqual([]);
  });

  test.each([
    'sticky',
    'uniform,range',
    '',
    'constructor',
  ])('is UNSUPPORTED_ASSIGNOR for "%s"', async (serverAssignor) => {
    const { error, errorMessage } = await send(1, { serverAssignor });
    expect([error, errorMessage]).toEqual([
      'UNSUPPORTED_ASSIGNOR',
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: uniform, range.`,
    ]);
  });

  test.each(['[', '(?=a)', 'a{1001}', '\\1'])('is INVALID_REGULAR_EXPRESSION for %s', async (subscribedTopicRegex) => {
    const { error, errorMessage } = await send(1, { subscribedTopicRegex });
    expect(error).toBe('INVALID_REGULAR_EXPRESSION');
    expect(errorMessage).toContain(subscribedTopicRegex);
  });

  test('is INVALID_GROUP_ID when the group id is too long', async () => {
    expect((await send(1, { groupId: 'g'.repeat(600) })).error).toBe('INVALID_GROUP_ID');
  });
});

test('an assignor that the broker does not offer is not supported', async () => {
  await world.close();
  world = await openBroker({ given: { 'group.consumer.assignors': 'range' } });
  expect((await send(1, { serverAssignor: 'uniform' })).error).toBe('UNSUPPORTED_ASSIGNOR');
  expect((await send(1, { serverAssignor: 'range' })).error).toBe('NONE');
});

test('a member that changes its mind about the assignor is counted once', async () => {
  await send(1, { serverAssignor: 'range' });
  await send(1, { serverAssignor: 'uniform' });
  const request = { groupIds: ['g'], includeAuthorizedOperations: false };
  expect((await world.ask('ConsumerGroupDescribe', 1, request)).groups[0]!.assignorName).toBe('uniform');
});

test('a heartbeat of a group or member that is not there says so', async () => {
  expect(await send(1, { memberEpoch: 3 })).toMatchObject({
    error: 'GROUP_ID_NOT_FOUND',
    errorMessage: 'Group g not found.',
  });
  await send(1, {});
  expect((await send(1, { memberId: 'x', memberEpoch: 3 })).error).toBe('UNKNOWN_MEMBER_ID');
  expect((await send(1, { memberEpoch: 3 })).error).toBe('FENCED_MEMBER_EPOCH');
});

test('a group takes so many members and no more', async () => {
  await world.close();
  world = await openBroker({ given: { 'group.consumer.max.size': '2' } });
  for (const memberId of ['a', 'b']) expect((await send(1, { memberId })).error).toBe('NONE');
  expect((await send(1, { memberId: 'c' })).error).toBe('GROUP_MAX_SIZE_REACHED');
});

test('without the feature the APIs are not served', async () => {
  await world.core.configs.features.update([{ feature: 'group.version', level: 0, upgradeType: 'SAFE_DOWNGRADE' }]);
  expect((await send(1, {})).error).toBe('UNSUPPORTED_VERSION');
});
