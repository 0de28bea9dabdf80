/**
 * A broker that had not heard of its successor said that there was no group where the successor had made one: consumers take
 * that for the end. It is to be sure that it leads before it says so.
 */
import { expect, test } from 'vitest';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import { consumerHeartbeat, offsetCommit, openSuccession, shareHeartbeat, to } from '../unit/coordinator/succession.ts';

const KINDS = [
  { name: 'ConsumerGroupHeartbeat', heartbeat: consumerHeartbeat },
  { name: 'ShareGroupHeartbeat', heartbeat: shareHeartbeat },
] as const;

test('a broker that does not know of its successor does not deny that a group changed its kind', async () => {
  const { world } = await openSuccession();
  expect(await world.ask('OffsetCommit', 8, offsetCommit('', -1, null))).toMatchObject({
    topics: [{ partitions: [{ errorCode: 0 }] }],
  });
  const before = await world.takeOver();
  const { errorCode, memberEpoch } = await world.ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m1', 0));
  expect(errorName(errorCode)).toBe('NONE');
  const denied = await to(before)('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m1', memberEpoch));
  expect(errorName(denied.errorCode)).toBe('NOT_COORDINATOR');
  await world.close();
});

test.each(KINDS)('$name: a broker that does not know of its successor does not deny its groups', async (kind) => {
  const { name, heartbeat } = kind;
  const { world } = await openSuccession();
  const before = await world.takeOver();
  const joined = await world.ask(name, 1, heartbeat('m1', 0));
  expect(errorName(joined.errorCode)).toBe('NONE');
  const denied = await to(before)(name, 1, heartbeat('m1', joined.memberEpoch));
  expect(errorName(denied.errorCode)).toBe('NOT_COORDINATOR');
  await world.close();
});
