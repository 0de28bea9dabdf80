import { expect, test } from 'vitest';
import { createTopic, ShareConsumer } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { openCoordinatorWorld } from '../unit/coordinator/world.ts';

test('a broker that stops tells members of share groups to ask another one, not that there is no group', async () => {
  const world = await openCoordinatorWorld(steppedRuntime());
  await createTopic(world, 'orders');
  const consumer = new ShareConsumer(world, 'g', 'm1');
  expect(await consumer.heartbeat(['orders'])).toBe('NONE');
  expect(await consumer.fetch()).toEqual([]);
  await world.core.coordinators.close();
  expect(await consumer.heartbeat()).toBe('NOT_COORDINATOR');
  expect(await consumer.fetch()).toMatchObject([{ error: 'NOT_LEADER_OR_FOLLOWER' }]);
  expect(await consumer.leave()).toBe('NOT_COORDINATOR');
  await world.close();
});
