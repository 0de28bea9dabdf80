/**
 * Two clients joined a new group at once, and the first was refused: the group that nobody was in was about to be forgotten
 * when the second made it again, and its placement was deleted from under it. With records and without a placement a group is
 * sought elsewhere as soon as there are more journals: its consumers would begin anew there.
 */
import { expect, test } from 'vitest';
import { groupOwner } from '../../src/coordinator/owner.ts';
import { placementKey } from '../../src/storage/keys.ts';
import { subscription } from '../bench/member.ts';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import { GROUP, openSuccession, sync } from '../unit/coordinator/succession.ts';

test('a group that is made while another one of its name is forgotten keeps its placement', async () => {
  const { world } = await openSuccession();
  const join = (protocols: { name: string; metadata: Buffer }[]) =>
    world.ask('JoinGroup', 3, {
      ...{ groupId: GROUP, memberId: '', sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 20_000 },
      ...{ protocolType: 'consumer', protocols },
    });
  const [refused, joined] = await Promise.all([join([]), join([{ name: 'range', metadata: subscription('orders') }])]);
  expect(errorName(refused.errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
  const { memberId, generationId } = joined;
  expect(await sync(world.ask, { memberId, generationId, groupInstanceId: null }, 'all')).toBe('NONE');
  const { clusterId } = world.broker;
  expect(await world.metadata.get(placementKey(clusterId, groupOwner(GROUP)), { cause: 'placements' })).not.toBeNull();
  await world.close();
});
