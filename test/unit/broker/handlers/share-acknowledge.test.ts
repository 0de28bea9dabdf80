import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { shareHandlers } from './share-world.ts';

const handlers = shareHandlers();

const acknowledge = (version: number, firstOffset: number, types: number[], more: object = {}) =>
  handlers.world.ask('ShareAcknowledge', version, {
    groupId: 'g',
    memberId: 'm1',
    shareSessionEpoch: 1,
    topics: [
      {
        topicId: handlers.topicId,
        partitions: [
          {
            index: 0,
            acknowledgementBatches: [
              { firstOffset, lastOffset: firstOffset + types.length - 1, acknowledgeTypes: types },
            ],
          },
        ],
      },
    ],
    ...more,
  });

test.each(versionsOf('ShareAcknowledge'))('v%i is answered per partition', async (version) => {
  await (await handlers.join()).fetch();
  expect(await acknowledge(version, 0, [1, 2, 3])).toMatchObject({
    errorCode: 0,
    acquisitionLockTimeoutMs: version >= 2 ? 30_000 : 0,
    topics: [
      {
        topicId: handlers.topicId,
        partitions: [{ index: 0, errorCode: 0, errorMessage: null, currentLeader: { leaderId: -1, leaderEpoch: -1 } }],
      },
    ],
    nodeEndpoints: [],
  });
  const again = await acknowledge(version, 2, [1], { shareSessionEpoch: 2 });
  expect(again.topics[0]!.partitions).toMatchObject([{ errorCode: ERRORS.INVALID_RECORD_STATE.code }]);
});

test.each([
  ['types that do not exist', 1, 0, [4]],
  ['a renewal that is not announced', 2, 0, [4]],
  ['records that nobody has', 2, 3, [1]],
])('%s are an INVALID_REQUEST for the partition', async (_, version, first, types) => {
  await (await handlers.join()).fetch();
  const answer = await acknowledge(version, first, types);
  expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(ERRORS.INVALID_REQUEST.code);
});

test('a session is needed, and not opened here', async () => {
  await handlers.join();
  expect((await acknowledge(2, 0, [1])).errorCode).toBe(ERRORS.SHARE_SESSION_NOT_FOUND.code);
  const opening = await acknowledge(2, 0, [1], { shareSessionEpoch: 0 });
  expect(opening).toMatchObject({ errorCode: ERRORS.INVALID_SHARE_SESSION_EPOCH.code, topics: [] });
});

test('unknown topics are told by partition', async () => {
  await (await handlers.join()).fetch();
  const acknowledgementBatches = [{ firstOffset: 0, lastOffset: 0, acknowledgeTypes: [1] }];
  const topics = [{ topicId: 'BBBBBBBBQACAAAAAAAAAAA', partitions: [{ index: 0, acknowledgementBatches }] }];
  const answer = await acknowledge(2, 0, [1], { topics });
  expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(ERRORS.UNKNOWN_TOPIC_ID.code);
});
