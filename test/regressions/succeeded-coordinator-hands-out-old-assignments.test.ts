/**
 * A broker that had not heard of its successor answered SyncGroup from its old records, of a classic member in a consumer
 * group and of one in a classic group: partitions that the successor had given to another member by then.
 */
import { expect, test } from 'vitest';
import type { Broker } from '../../src/broker/handler.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { subscription } from '../bench/member.ts';
import { ask } from '../unit/broker/door.ts';
import { createTopic, errorName } from '../unit/coordinator/share/share-world.ts';
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

test.each(['consumer', 'classic'])('a broker that was succeeded hands out no assignment (%s group)', async (kind) => {
  const world = await openCoordinatorWorld(systemRuntime(silentLogger));
  await createTopic(world, 'orders', 2);
  if (kind === 'consumer') await world.ask('ConsumerGroupHeartbeat', 1, heartbeat('m1'));
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
    const assignments = kind === 'classic' ? [{ memberId, assignment: Buffer.from('all') }] : [];
    const body = { groupId: 'g', generationId, memberId, groupInstanceId: null, assignments };
    return errorName((await ask(broker, 'SyncGroup', 3, body)).errorCode);
  };
  expect(await sync(world.broker)).toBe('NONE');
  const before = await world.takeOver();
  expect(await sync(world.broker)).toBe('NONE');
  expect(await sync(before)).toBe('NOT_COORDINATOR');
  await world.close();
});
