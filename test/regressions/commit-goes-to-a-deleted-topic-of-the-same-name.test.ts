/**
 * A coordinator that had not heard that a topic was deleted and made anew committed offsets by its name under the old id. The
 * client was told that they were committed, and nobody ever found them: consumers began at what was committed before.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StorageUnavailableError } from '../../src/errors.ts';
import { type ClusterWorld, openClusterWorld } from '../unit/coordinator/cluster-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';

let world: ClusterWorld;
let missed: (() => Promise<void>) | null = null;

beforeEach(async () => {
  missed = null;
  const runtime = steppedRuntime();
  const topicsCurrent = (brokerId: number) => (brokerId === 1 ? (missed?.() ?? null) : null);
  world = await openClusterWorld({ runtime, journals: 1, untold: true, topicsCurrent });
  await world.lead(1, 0);
  const [stale, other] = [world.of(1).broker.topics, world.of(2).broker.topics];
  await stale.create({ name: 'orders', partitions: 1, config: {} });
  await other.find('orders');
  await other.delete('orders');
  await other.create({ name: 'orders', partitions: 1, config: {} });
});
afterEach(() => world.close());

const readAll = async () => world.registryOf(1).refreshAll();

async function commit(offset: number, version: 7 | 9 = 7): Promise<number> {
  const partitions = [{ index: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null }];
  const answer = await world.of(1).ask('OffsetCommit', version, {
    groupId: 'readers',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: 'orders', partitions }],
  });
  return answer.topics[0]!.partitions[0]!.errorCode;
}

async function committedOffset() {
  await readAll();
  const [topic] = world.of(1).broker.topics.byName('orders')!.partitions;
  const query = { groupId: 'readers', memberId: null, memberEpoch: -1, places: [topic!] };
  const [found] = await world.of(1).coordinators.offsets.fetch(query);
  return found!.committed?.offset ?? null;
}

test('an offset that is committed by name goes to the topic that has the name', async () => {
  missed = readAll;
  expect(await commit(5)).toBe(0);
  expect(await committedOffset()).toBe(5);
});

test('offsets that are committed while the broker asks keep their order', async () => {
  missed = readAll;
  expect(await Promise.all([commit(5), commit(6), commit(7)])).toEqual([0, 0, 0]);
  expect(await committedOffset()).toBe(7);
});

test('what is committed for a name is fetched for the topic that has it', async () => {
  expect(await commit(5)).toBe(0); // The broker believes that nothing was missed.
  missed = readAll;
  const topics = [{ name: 'orders', partitionIndexes: [0] }];
  const answer = await world
    .of(1)
    .ask('OffsetFetch', 7, { groupId: 'readers', topics, groups: [], requireStable: true });
  expect(answer.topics[0]!.partitions[0]!.committedOffset).toBe(-1);
});

test('a store that does not answer refuses the commit, and the client tries again', async () => {
  missed = () => Promise.reject(new StorageUnavailableError('away'));
  expect(await commit(5)).toBe(15); // COORDINATOR_NOT_AVAILABLE
  expect(await committedOffset()).toBeNull();
});
