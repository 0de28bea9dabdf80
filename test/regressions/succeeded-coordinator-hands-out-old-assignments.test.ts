/**
 * A broker that had not heard of its successor answered SyncGroup from its old records, of a classic member in a consumer
 * group and of one in a classic group: partitions that the successor had given to another member by then. A member of a share
 * group was told what it shared before, too.
 */
import { expect, test } from 'vitest';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import { consumerHeartbeat, join, openSuccession, shareHeartbeat, sync, to } from '../unit/coordinator/succession.ts';

test.each(['consumer', 'classic'])('a broker that was succeeded hands out no assignment (%s group)', async (kind) => {
  const { world } = await openSuccession(2);
  if (kind === 'consumer') await world.ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m1', 0));
  const member = await join(world.ask);
  const assignment = kind === 'classic' ? 'all' : null;
  expect(await sync(world.ask, member, assignment)).toBe('NONE');
  const before = await world.takeOver();
  expect(await sync(world.ask, member, assignment)).toBe('NONE');
  expect(await sync(to(before), member, assignment)).toBe('NOT_COORDINATOR');
  await world.close();
});

test('a broker that was succeeded tells no member of a share group what it shares', async () => {
  const { world } = await openSuccession(2);
  const { memberEpoch } = await world.ask('ShareGroupHeartbeat', 1, shareHeartbeat('m1', 0));
  const before = await world.takeOver();
  // Partitions are dealt out anew. The answer that tells it so is lost, and the member says everything to the broker that it knew.
  await world.ask('ShareGroupHeartbeat', 1, shareHeartbeat('m2', 0));
  const lost = await world.ask('ShareGroupHeartbeat', 1, shareHeartbeat('m1', memberEpoch));
  expect(lost.assignment?.topicPartitions[0]?.partitions).toHaveLength(1);
  const told = await to(before)('ShareGroupHeartbeat', 1, shareHeartbeat('m1', memberEpoch));
  expect(errorName(told.errorCode)).toBe('NOT_COORDINATOR');
  await world.close();
});
