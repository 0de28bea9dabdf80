import { expect, test } from 'vitest';
import type { ShareFetchRequest } from '../../src/coordinator/share/shares.ts';
import { createTopic, fromTheStart, produce, ShareConsumer } from '../unit/coordinator/share/share-world.ts';
import { steppedRuntime } from '../unit/coordinator/stepped-runtime.ts';
import { openCoordinatorWorld } from '../unit/coordinator/world.ts';

test('a broker that learned of its successor gives no records of share groups', async () => {
  const world = await openCoordinatorWorld(steppedRuntime(), { journals: '4' });
  const topicId = await createTopic(world, 'orders', 4);
  await fromTheStart(world, 'g');
  const { shares, groups } = world.core.coordinators;
  await new ShareConsumer(world, 'g', 'm1').heartbeat(['orders']);
  // The records stay with a journal of which it learns nothing.
  const journal = groups.find('g')!.journal.id;
  const partition = world.core.topics.byName('orders')!.partitions.findIndex((each) => each.journal !== journal);
  await produce(world, topicId, partition, ['a', 'b']);
  const connection = new AbortController().signal;
  const fetch = async (memberId: string, acknowledged: boolean) => {
    const batches = [{ firstOffset: 0, lastOffset: 1, acknowledgeTypes: [1] }];
    const request: ShareFetchRequest = {
      groupId: 'g',
      memberId,
      epoch: acknowledged ? 1 : 0,
      acknowledgements: acknowledged ? [{ topicId, partition, batches }] : [],
      typeMax: 3,
      renews: acknowledged,
      places: [{ topicId, partition }],
      forgotten: [],
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 100_000,
      maxRecords: 10,
      batchSize: 10,
      mode: 'batch_optimized',
    };
    const { partitions, release } = await shares.fetch(request, connection);
    release();
    return partitions;
  };
  expect(await fetch('m1', false)).toMatchObject([{ error: 'NONE', ranges: [{ first: 0, last: 1 }] }]);
  await world.takeOver();
  expect(await fetch('m1', true)).toMatchObject([{ acknowledged: { error: 'NOT_LEADER_OR_FOLLOWER' } }]);
  expect(await fetch('m2', false)).toMatchObject([{ error: 'NOT_LEADER_OR_FOLLOWER', ranges: [] }]);
  await world.close();
});
