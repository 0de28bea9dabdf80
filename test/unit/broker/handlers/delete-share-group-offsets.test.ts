import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { shareHandlers } from './share-world.ts';

const handlers = shareHandlers();
const remove = (groupId: string, ...names: string[]) =>
  handlers.world.ask('DeleteShareGroupOffsets', 0, { groupId, topics: names.map((name) => ({ name })) });

test('v0 forgets topics of a group without members', async () => {
  const consumer = await handlers.join();
  await consumer.fetch();
  expect((await remove('g', 'orders')).errorCode).toBe(ERRORS.NON_EMPTY_GROUP.code);
  await consumer.close();
  await consumer.leave();
  expect(await remove('g', 'orders', 'none')).toMatchObject({
    errorCode: 0,
    topics: [
      { name: 'orders', topicId: handlers.topicId, errorCode: 0 },
      { name: 'none', errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code },
    ],
  });
  expect(await remove('g', 'orders')).toMatchObject({
    topics: [{ name: 'orders', errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code }],
  });
});

test('a group that is not there has nothing to forget', async () => {
  expect(await remove('none', 'orders')).toMatchObject({ errorCode: ERRORS.GROUP_ID_NOT_FOUND.code, topics: [] });
});
