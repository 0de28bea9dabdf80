/** A broker that did not run reads the heartbeats that waited after its timers: nobody was silent but itself. */
import { expect, test } from 'vitest';
import { createTopic, ShareConsumer } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { openCoordinatorWorld } from '../unit/coordinator/world.ts';

const SESSION_MS = 45_000;

test('members of a share group stay in it when the broker was frozen for longer than their sessions', async () => {
  const runtime = steppedRuntime();
  const world = await openCoordinatorWorld(runtime);
  await createTopic(world, 'orders', 2);
  const member = new ShareConsumer(world, 'g', 'm1');
  expect(await member.heartbeat(['orders'])).toBe('NONE');
  runtime.stall(2 * SESSION_MS);
  await runtime.advance(0);
  expect(await member.heartbeat()).toBe('NONE');
  await runtime.advance(2 * SESSION_MS);
  expect(await member.heartbeat()).toBe('UNKNOWN_MEMBER_ID');
  await world.close();
});
