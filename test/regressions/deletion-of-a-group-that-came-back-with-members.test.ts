/**
 * The store was slow to say where a group is placed that was to be deleted. Meanwhile another broker led its journal, members
 * joined there, and the journal came back: the group was deleted with its members and their offsets.
 */
import { expect, test } from 'vitest';
import { openClusterWorld } from '../unit/coordinator/cluster-world.ts';
import { errorName } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { consumerHeartbeat, GROUP, offsetCommit } from '../unit/coordinator/succession.ts';

test('a deletion that another leadership came between deletes nothing', async () => {
  const runtime = steppedRuntime();
  const world = await openClusterWorld({ runtime });
  for (const journal of [0, 1]) await world.lead(1, journal);
  await world.topics.create({ name: 'orders', partitions: 1, config: {} });
  const committed = await world.of(1).ask('OffsetCommit', 9, offsetCommit('', -1, null));
  expect(errorName(committed.topics[0]!.partitions[0]!.errorCode)).toBe('NONE');
  const { id: journal } = await world.of(1).coordinators.groups.place(GROUP, null);
  await world.lead(2, journal);
  await world.lead(1, journal);

  const { store, coordinators } = world.of(1);
  const { promise: late, resolve: answer } = Promise.withResolvers<void>();
  const get = store.get;
  Object.assign(store, { get: (...args: Parameters<typeof get>) => late.then(() => get(...args)) });
  const deleting = world.of(1).ask('DeleteGroups', 2, { groupsNames: [GROUP] });
  await runtime.settle();
  Object.assign(store, { get });

  await world.lead(2, journal);
  const joined = await world.of(2).ask('ConsumerGroupHeartbeat', 1, consumerHeartbeat('m', 0));
  expect(errorName(joined.errorCode)).toBe('NONE');
  await world.lead(1, journal);
  answer();
  expect(errorName((await deleting).results[0]!.errorCode)).toBe('NOT_COORDINATOR');
  await runtime.settle();
  expect(coordinators.consumerGroups.find(GROUP)?.memberCount).toBe(1);
  await world.close();
});
