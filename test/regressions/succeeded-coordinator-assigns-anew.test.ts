import { expect, test } from 'vitest';
import type { HeartbeatRequest } from '../../src/coordinator/group/consumer/heartbeat-request.ts';
import { createTopic } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { openCoordinatorWorld } from '../unit/coordinator/world.ts';

const everything = (memberId: string, memberEpoch: number, owned: HeartbeatRequest['topicPartitions']) => ({
  groupId: 'g',
  memberId,
  memberEpoch,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: 10_000,
  subscribedTopicNames: ['orders'],
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: owned,
  clientId: 'client',
  clientHost: '/127.0.0.1',
});

test('a broker that does not know of its successor tells no member what to own', async () => {
  const world = await openCoordinatorWorld(steppedRuntime());
  const topicId = await createTopic(world, 'orders', 2);
  const both = new Map([[topicId, [0, 1]]]);
  const one = await world.core.coordinators.consumerGroups.heartbeat(everything('m1', 0, []), 1);
  expect(one.assignment).toEqual(both);
  const before = (await world.takeOver()).coordinators.consumerGroups;
  const after = world.core.coordinators.consumerGroups;
  const { memberEpoch } = one;
  // The successor takes a partition from it. Its answer to that is lost, and the member asks the broker that it knew.
  await after.heartbeat(everything('m2', 0, []), 1);
  const owned = [{ topicId, partitions: [0, 1] }];
  expect((await after.heartbeat(everything('m1', memberEpoch, owned), 1)).assignment).not.toEqual(both);
  await expect(before.heartbeat(everything('m1', memberEpoch, owned), 1)).rejects.toThrow(/took over|not lead/);
  await world.close();
});
