/**
 * A broker that had not heard of its successor answered SyncGroup of a classic member in a consumer group from its old
 * records: partitions that the successor had given to another member by then.
 */
import { expect, test } from 'vitest';
import type { Broker } from '../../src/broker/handler.ts';
import { subscription } from '../bench/member.ts';
import { ask } from '../unit/broker/door.ts';
import { createTopic, errorName } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { openCoordinatorWorld } from '../unit/coordinator/world.ts';

const heartbeat = (memberId: string) => ({
  groupId: 'g',
  memberId,
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: 10_000,
  subscribedTopicNames: ['orders'],
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: [],
});

test('a broker that does not know of its successor hands out no assignment to a classic member', async () => {
  const world = await openCoordinatorWorld(steppedRuntime());
  await createTopic(world, 'orders', 2);
  await world.ask('ConsumerGroupHeartbeat', 1, heartbeat('m1'));
  const join = (memberId: string) =>
    world.ask('JoinGroup', 5, {
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 20_000,
      memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('orders') }],
    });
  const { memberId } = await join('');
  const { generationId, errorCode } = await join(memberId);
  expect(errorCode).toBe(0);
  const sync = async (broker: Broker) => {
    const body = { groupId: 'g', generationId, memberId, groupInstanceId: null, assignments: [] };
    return errorName((await ask(broker, 'SyncGroup', 3, body)).errorCode);
  };
  const before = await world.takeOver();
  expect(await sync(world.broker)).toBe('NONE');
  expect(await sync(before)).toBe('NOT_COORDINATOR');
  await world.close();
});
