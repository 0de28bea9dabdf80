/**
 * A broker that had not heard of its successor said that there was no group where the successor had made one: consumers take
 * that for the end. It is to be sure that it leads before it says so.
 */
import { expect, test } from 'vitest';
import { ask } from '../unit/broker/door.ts';
import { createTopic, errorName } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { openCoordinatorWorld } from '../unit/coordinator/world.ts';

const consumer = (memberId: string, memberEpoch: number) => ({
  groupId: 'consumers',
  memberId,
  memberEpoch,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: 10_000,
  subscribedTopicNames: ['orders'],
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: [],
});

const sharer = (memberId: string, memberEpoch: number) => ({
  groupId: 'sharers',
  memberId,
  memberEpoch,
  rackId: null,
  subscribedTopicNames: ['orders'],
});

const KINDS = [
  { name: 'ConsumerGroupHeartbeat', heartbeat: consumer },
  { name: 'ShareGroupHeartbeat', heartbeat: sharer },
] as const;

const offsets = (groupId: string) => ({
  groupId,
  generationIdOrMemberEpoch: -1,
  memberId: '',
  groupInstanceId: null,
  topics: [{ name: 'orders', partitions: [{ index: 0, committedOffset: 0, committedMetadata: null }] }],
});

test('a broker that does not know of its successor does not deny that a group changed its kind', async () => {
  const world = await openCoordinatorWorld(steppedRuntime());
  await createTopic(world, 'orders');
  expect(await world.ask('OffsetCommit', 8, offsets('consumers'))).toMatchObject({
    topics: [{ partitions: [{ errorCode: 0 }] }],
  });
  const before = await world.takeOver();
  const { errorCode, memberEpoch } = await world.ask('ConsumerGroupHeartbeat', 1, consumer('m1', 0));
  expect(errorName(errorCode)).toBe('NONE');
  const denied = await ask(before, 'ConsumerGroupHeartbeat', 1, consumer('m1', memberEpoch));
  expect(errorName(denied.errorCode)).toBe('NOT_COORDINATOR');
  await world.close();
});

test.each(KINDS)('$name: a broker that does not know of its successor does not deny its groups', async (kind) => {
  const { name, heartbeat } = kind;
  const world = await openCoordinatorWorld(steppedRuntime());
  await createTopic(world, 'orders');
  const before = await world.takeOver();
  const joined = await world.ask(name, 1, heartbeat('m1', 0));
  expect(errorName(joined.errorCode)).toBe('NONE');
  const denied = await ask(before, name, 1, heartbeat('m1', joined.memberEpoch));
  expect(errorName(denied.errorCode)).toBe('NOT_COORDINATOR');
  await world.close();
});
