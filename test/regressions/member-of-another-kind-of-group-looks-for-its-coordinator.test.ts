/**
 * Whoever said that it was a classic member of a group that has no such members, an empty consumer group or a share group,
 * was told to look for another coordinator, and found the same one for ever.
 */
import { expect, test } from 'vitest';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import {
  askToJoin,
  consumerHeartbeat,
  GROUP,
  openSuccession,
  shareHeartbeat,
  sync,
} from '../unit/coordinator/succession.ts';

const member = { memberId: 'm', generationId: 1, groupInstanceId: null };

test('an empty consumer group does not know who joins again', async () => {
  const { world } = await openSuccession();
  await world.ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m1', 0));
  await world.ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m1', -1));
  expect(errorName((await askToJoin(world.ask, 'm')).errorCode)).toBe('UNKNOWN_MEMBER_ID');
  await world.close();
});

test('a share group has no classic members', async () => {
  const { world } = await openSuccession();
  await world.ask('ShareGroupHeartbeat', 1, shareHeartbeat('m1', 0));
  const { errorCode } = await world.ask('Heartbeat', 3, { groupId: GROUP, ...member });
  expect(errorName(errorCode)).toBe('UNKNOWN_MEMBER_ID');
  expect(await sync(world.ask, member)).toBe('UNKNOWN_MEMBER_ID');
  const { members } = await world.ask('LeaveGroup', 3, { groupId: GROUP, members: [member] });
  expect(errorName(members[0]!.errorCode)).toBe('UNKNOWN_MEMBER_ID');
  expect(errorName((await askToJoin(world.ask, 'm')).errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
  await world.close();
});
