import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { shareHandlers } from './share-world.ts';

const handlers = shareHandlers();

test('v1 tells members and what they have, and which groups are none', async () => {
  await handlers.join();
  const { groups } = await handlers.world.ask('ShareGroupDescribe', 1, {
    groupIds: ['g', 'none', ''],
    includeAuthorizedOperations: true,
  });
  expect(groups).toMatchObject([
    {
      errorCode: 0,
      groupId: 'g',
      groupState: 'Stable',
      groupEpoch: 1,
      assignmentEpoch: 1,
      assignorName: 'simple',
      members: [
        {
          memberId: 'm1',
          memberEpoch: 1,
          clientHost: '/127.0.0.1',
          subscribedTopicNames: ['orders'],
          assignment: { topicPartitions: [{ topicId: handlers.topicId, topicName: 'orders', partitions: [0, 1] }] },
        },
      ],
      authorizedOperations: -(2 ** 31),
    },
    { groupId: 'none', errorCode: ERRORS.GROUP_ID_NOT_FOUND.code, members: [] },
    { groupId: '', errorCode: ERRORS.INVALID_GROUP_ID.code },
  ]);
});

test('share groups are listed as such', async () => {
  await handlers.join();
  const listed = await handlers.world.ask('ListGroups', 5, { statesFilter: [], typesFilter: ['share'] });
  expect(listed.groups).toMatchObject([
    { groupId: 'g', protocolType: 'share', groupState: 'Stable', groupType: 'share' },
  ]);
});
