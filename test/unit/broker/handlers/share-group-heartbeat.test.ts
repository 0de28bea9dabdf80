import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { shareHandlers } from './share-world.ts';

const handlers = shareHandlers();
const beat = (more: object) =>
  handlers.world.ask('ShareGroupHeartbeat', 1, { groupId: 'g', memberId: 'm1', memberEpoch: 0, ...more });

test('v1 joins, keeps alive and leaves', async () => {
  expect(await beat({ subscribedTopicNames: ['orders', 'later'] })).toMatchObject({
    errorCode: 0,
    memberId: 'm1',
    memberEpoch: 1,
    heartbeatIntervalMs: 5_000,
    assignment: { topicPartitions: [{ topicId: handlers.topicId, partitions: [0, 1] }] },
  });
  expect(await beat({ memberEpoch: 1 })).toMatchObject({ errorCode: 0, memberEpoch: 1, assignment: null });
  expect(await beat({ memberEpoch: -1 })).toMatchObject({ errorCode: 0, memberId: 'm1', memberEpoch: -1 });
  expect(await beat({ memberEpoch: 1 })).toMatchObject({ errorCode: ERRORS.UNKNOWN_MEMBER_ID.code, assignment: null });
});

test.each([
  ['an empty member id', { memberId: '' }],
  ['a member id that is too long', { memberId: 'm'.repeat(37) }],
  ['an empty group id', { groupId: '' }],
  ['an empty rack', { rackId: '' }],
  ['an epoch below -1', { memberEpoch: -2 }],
  ['nothing to subscribe to', { subscribedTopicNames: [] }],
  ['no word on what to subscribe to', {}],
])('%s is an INVALID_REQUEST', async (_, more) => {
  const answer = await beat({
    ...('memberId' in more || 'groupId' in more ? { subscribedTopicNames: ['x'] } : {}),
    ...more,
  });
  expect(answer.errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});

test('who goes on without having joined is told so', async () => {
  expect((await beat({ groupId: 'none', memberEpoch: 3 })).errorCode).toBe(ERRORS.GROUP_ID_NOT_FOUND.code);
  expect((await beat({ groupId: 'none', memberEpoch: -1 })).errorCode).toBe(ERRORS.GROUP_ID_NOT_FOUND.code);
  await beat({ subscribedTopicNames: ['orders'] });
  expect((await beat({ memberId: 'm2', memberEpoch: 1 })).errorCode).toBe(ERRORS.UNKNOWN_MEMBER_ID.code);
  expect((await beat({ memberEpoch: 9 })).errorCode).toBe(ERRORS.FENCED_MEMBER_EPOCH.code);
});

test('the group takes no more members than group.share.max.size', async () => {
  for (let member = 0; member < 200; member++) await handlers.join(`m${member}`);
  const answer = await beat({ memberId: 'one more', subscribedTopicNames: ['orders'] });
  expect(answer.errorCode).toBe(ERRORS.GROUP_MAX_SIZE_REACHED.code);
});
