/**
 * A broker that took a group over and had not heard of its topic yet answered OffsetFetch with "nothing committed", or looked
 * under the id of a deleted topic of the same name: consumers began anew. The look for expired offsets took the topic for a
 * deleted one.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ClusterWorld, openClusterWorld } from '../unit/coordinator/cluster-world.ts';
import { type SteppedRuntime, steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';

let runtime: SteppedRuntime;
let world: ClusterWorld;

beforeEach(async () => {
  runtime = steppedRuntime();
  world = await openClusterWorld({ runtime, journals: 1, untold: true });
  await world.lead(1, 0);
});
afterEach(() => world.close());

async function commit(offset: number): Promise<void> {
  const partitions = [{ index: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null }];
  const answer = await world.of(1).ask('OffsetCommit', 7, {
    groupId: 'readers',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: 'orders', partitions }],
  });
  expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(0);
}

async function committedAt(brokerId: number, version: 7 | 8) {
  const topics = [{ name: 'orders', partitionIndexes: [0] }];
  const body = { groupId: 'readers', topics, groups: [{ groupId: 'readers', topics }], requireStable: true };
  const answer = await world.of(brokerId).ask('OffsetFetch', version, body);
  const found = version === 7 ? answer.topics : answer.groups[0]!.topics;
  return found[0]!.partitions[0]!.committedOffset;
}

test.each([
  7, 8,
] as const)('a coordinator finds what is committed of a topic that it has not heard of, v%d', async (version) => {
  await world.of(1).broker.topics.create({ name: 'orders', partitions: 1, config: {} });
  await commit(5);
  await world.lead(2, 0);
  expect(await committedAt(2, version)).toBe(5);
});

test('a coordinator finds what is committed of a topic that was made anew', async () => {
  await world.of(1).broker.topics.create({ name: 'orders', partitions: 1, config: {} });
  await world.of(2).broker.topics.find('orders');
  await world.of(1).broker.topics.delete('orders');
  await world.of(1).broker.topics.create({ name: 'orders', partitions: 1, config: {} });
  await commit(5);
  await world.lead(2, 0);
  expect(await committedAt(2, 7)).toBe(5);
});

test('offsets of a topic that a broker has not heard of do not expire', async () => {
  await world.of(1).broker.topics.create({ name: 'orders', partitions: 1, config: {} });
  await commit(5);
  await world.lead(2, 0);
  await runtime.advance(21 * 60_000);
  expect(await committedAt(2, 7)).toBe(5);
});
