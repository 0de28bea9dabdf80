import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { shareHandlers } from './share-world.ts';

const handlers = shareHandlers();
const alter = (groupId: string, name: string, ...partitions: { index: number; startOffset: number }[]) =>
  handlers.world.ask('AlterShareGroupOffsets', 0, { groupId, topics: [{ name, partitions }] });

test('v0 moves a group that has no members, and makes one that is not there', async () => {
  expect(await alter('new', 'orders', { index: 0, startOffset: 2 })).toMatchObject({
    errorCode: 0,
    topics: [{ name: 'orders', topicId: handlers.topicId, partitions: [{ index: 0, errorCode: 0 }] }],
  });
  const consumer = await handlers.join('m1', 'new');
  expect(await consumer.fetch()).toMatchObject([{ values: ['c'] }]);
  expect(await alter('new', 'orders', { index: 0, startOffset: 0 })).toMatchObject({
    errorCode: ERRORS.NON_EMPTY_GROUP.code,
    topics: [],
  });
});

test('partitions that cannot be moved are told one by one', async () => {
  const [places] = (
    await alter(
      'new',
      'orders',
      { index: 9, startOffset: 2 },
      { index: 0, startOffset: -1 },
      { index: 1, startOffset: 5 },
    )
  ).topics;
  expect(places!.partitions).toMatchObject([
    { index: 9, errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code },
    { index: 0, errorCode: ERRORS.INVALID_REQUEST.code },
    { index: 1, errorCode: 0 },
  ]);
  const [unknown] = (await alter('new', 'none', { index: 0, startOffset: 2 })).topics;
  expect(unknown!.partitions).toMatchObject([{ errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code }]);
  expect((await alter('', 'orders')).errorCode).toBe(ERRORS.INVALID_GROUP_ID.code);
});
