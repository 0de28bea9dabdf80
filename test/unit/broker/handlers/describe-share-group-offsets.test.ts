import { expect, test } from 'vitest';
import { versionsOf } from '../door.ts';
import { shareHandlers } from './share-world.ts';

const handlers = shareHandlers();

test.each(
  versionsOf('DescribeShareGroupOffsets'),
)('v%i tells where a group begins, and -1 where it does not', async (version) => {
  const consumer = await handlers.join();
  await consumer.fetch();
  await consumer.acknowledge({ first: 0, last: 0, types: [1] });
  const topics = [
    { name: 'orders', partitions: [0, 7] },
    { name: 'none', partitions: [0] },
  ];
  const { groups } = await handlers.world.ask('DescribeShareGroupOffsets', version, {
    groups: [
      { groupId: 'g', topics },
      { groupId: 'none', topics: null },
    ],
  });
  const lag = (value: number) => (version >= 1 ? value : -1);
  expect(groups).toMatchObject([
    {
      groupId: 'g',
      errorCode: 0,
      topics: [
        {
          name: 'orders',
          topicId: handlers.topicId,
          partitions: [
            { index: 0, startOffset: 1, leaderEpoch: 1, lag: lag(2), errorCode: 0 },
            { index: 7, startOffset: -1, leaderEpoch: 0, lag: -1, errorCode: 0 },
          ],
        },
        { name: 'none', partitions: [{ index: 0, startOffset: -1 }] },
      ],
    },
    { groupId: 'none', errorCode: 0, topics: [] },
  ]);
});

test('null topics are all that the group has used', async () => {
  await (await handlers.join()).fetch();
  const { groups } = await handlers.world.ask('DescribeShareGroupOffsets', 1, {
    groups: [{ groupId: 'g', topics: null }],
  });
  expect(groups[0]!.topics).toMatchObject([
    {
      name: 'orders',
      partitions: [
        { index: 0, startOffset: 0, lag: 3 },
        { index: 1, startOffset: 0, lag: 0 },
      ],
    },
  ]);
});
