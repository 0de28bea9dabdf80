/** Changes by somebody who is not a member: checkpoints that compare, resets, deletions. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OffsetWrite } from '../../../../../src/coordinator/group/offsets/change-offsets.ts';
import { endGroupTransaction, guardGroup } from '../../../../../src/coordinator/group/offsets/transactional-offsets.ts';
import { groupOwner } from '../../../../../src/coordinator/owner.ts';
import { committer, memoryStores, type OffsetsWorld, openOffsets, TOPIC } from './offsets-world.ts';

let world: OffsetsWorld;
beforeEach(async () => {
  world = await openOffsets();
});
afterEach(() => world.close());

const client = { groupId: 'orders', client: 'test' };
const write = (offset: number, more: Partial<OffsetWrite> = {}): OffsetWrite => ({
  topicId: TOPIC,
  partition: 0,
  offset,
  leaderEpoch: -1,
  metadata: '',
  ...more,
});
const place = (partition: number, topicName = 'orders') => ({ topicId: TOPIC, partition, topicName });

test('a checkpoint counts when what it expects is committed, and makes the group', async () => {
  expect(await world.offsets.write(client, [write(5, { expected: null })])).toEqual([]);
  expect(await world.offsets.write(client, [write(9, { expected: 5 })])).toEqual([]);
  expect(await world.committed('orders')).toEqual({ 0: 9 });
});

test('a checkpoint that expects something else changes nothing and tells what is there', async () => {
  await world.offsets.write(client, [write(5), write(5, { partition: 1 })]);
  const mismatches = await world.offsets.write(client, [
    write(9, { expected: 5 }),
    write(9, { partition: 1, expected: 4 }),
    write(9, { partition: 2, expected: 1 }),
  ]);
  expect(mismatches).toEqual([
    { topicId: TOPIC, partition: 1, expected: 4, actual: 5 },
    { topicId: TOPIC, partition: 2, expected: 1, actual: null },
  ]);
  expect(await world.committed('orders')).toEqual({ 0: 5, 1: 5 });
});

test('a checkpoint that expects something of a group that does not exist makes none', async () => {
  expect(await world.offsets.write(client, [write(9, { expected: 5 }), write(9, { partition: 1 })])).toEqual([
    { topicId: TOPIC, partition: 0, expected: 5, actual: null },
  ]);
  expect(await world.placements.locate(groupOwner('orders'))).toMatchObject({ exists: false });
});

test('offsets of a transaction are refused where no guard was written, and make no group', async () => {
  const producer = { producerId: 7, producerEpoch: 0, knowsAbortable: true };
  const commit = world.offsets.commitTransactional(client, committer(-1, true), producer, [write(1)]);
  await expect(commit).rejects.toMatchObject({ error: 'TRANSACTION_ABORTABLE' });
  expect(await world.placements.locate(groupOwner('orders'))).toMatchObject({ exists: false });
});

test('offsets of a transaction count once it ends', async () => {
  await world.commit('orders', 1);
  const journal = world.group('orders').journal;
  await journal.coordinate((view) => ({ commands: guardGroup(view, 'orders', 7, 0, 1), answer: null }));
  const producer = { producerId: 7, producerEpoch: 0, knowsAbortable: true };
  expect(await world.offsets.commitTransactional(client, committer(-1, true), producer, [write(5)])).toEqual([null]);
  const query = { groupId: 'orders', memberId: null, memberEpoch: -1, places: null };
  expect(await world.offsets.fetch(query)).toMatchObject([{ committed: { offset: 1 }, unstable: true }]);
  const ended = { producerId: 7, producerEpoch: 0, transaction: 1, committed: true };
  await journal.coordinate((view) => ({ commands: endGroupTransaction(view, 'orders', ended), answer: null }));
  expect(await world.offsets.fetch(query)).toMatchObject([{ committed: { offset: 5 }, unstable: false }]);
});

test('of checkpoints that race from the same offset exactly one counts', async () => {
  await world.offsets.write(client, [write(0)]);
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, (_, index) => world.offsets.write(client, [write(index + 1, { expected: 0 })])),
  );
  expect(outcomes.filter(({ length }) => length === 0)).toHaveLength(1);
});

test('a group with members is not moved', async () => {
  await world.commit('orders', 1);
  world.group('orders').generation = 3;
  await expect(world.offsets.write(client, [write(0)])).rejects.toMatchObject({ error: 'NON_EMPTY_GROUP' });
  expect(await world.committed('orders')).toEqual({ 0: 1 });
});

test('offsets are deleted where no member subscribes', async () => {
  await world.offsets.write(client, [write(1), write(2, { partition: 1 })]);
  expect(await world.offsets.delete('orders', [place(1), place(7)])).toEqual([null, null]);
  expect(await world.committed('orders')).toEqual({ 0: 1 });
  const group = world.group('orders');
  group.generation = 3;
  group.protocolType = 'consumer';
  group.subscribed = ['orders'];
  const [refusal] = await world.offsets.delete('orders', [place(0)]);
  expect(refusal).toMatchObject({ error: 'GROUP_SUBSCRIBED_TO_TOPIC' });
  expect(await world.offsets.delete('orders', [place(0, 'other')])).toEqual([null]);
});

test('members of another protocol keep all offsets', async () => {
  await world.commit('orders', 1);
  const group = world.group('orders');
  group.generation = 3;
  group.protocolType = 'connect';
  await expect(world.offsets.delete('orders', [place(0)])).rejects.toMatchObject({ error: 'NON_EMPTY_GROUP' });
});

test('of a group that does not exist nothing can be deleted', async () => {
  await expect(world.offsets.delete('none', [place(0)])).rejects.toMatchObject({ error: 'GROUP_ID_NOT_FOUND' });
});

test('a group is gone with its last offset', async () => {
  await world.commit('orders', 1);
  await world.offsets.delete('orders', [place(0)]);
  expect(world.groups.find('orders')).toBeUndefined();
  expect(await world.commit('orders', 0)).toBe('NONE');
});

test('a deposed coordinator tells no mismatch', async () => {
  const stores = memoryStores();
  const old = await openOffsets({ stores });
  await old.offsets.write(client, [write(5)]);
  const young = await openOffsets({ stores, brokerId: 2 });
  await young.offsets.write(client, [write(6)]);
  await expect(old.offsets.write(client, [write(7, { expected: 6 })])).rejects.toMatchObject({
    error: 'NOT_COORDINATOR',
  });
  await old.close();
  await young.close();
});
