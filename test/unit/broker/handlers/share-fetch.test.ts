import { expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { versionsOf } from '../door.ts';
import { shareHandlers } from './share-world.ts';

const handlers = shareHandlers();

const fetchOf = (more: object = {}) => ({
  groupId: 'g',
  memberId: 'm1',
  shareSessionEpoch: 0,
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 1_000_000,
  maxRecords: 500,
  batchSize: 500,
  topics: [{ topicId: handlers.topicId, partitions: [{ index: 0, acknowledgementBatches: [] }] }],
  forgottenTopics: [],
  ...more,
});
const fetch = (more: object = {}, version = 2) => handlers.world.ask('ShareFetch', version, fetchOf(more));

test.each(versionsOf('ShareFetch'))('v%i gives records and which of them are acquired', async (version) => {
  await handlers.join();
  const answer = await fetch({}, version);
  expect(answer).toMatchObject({
    errorCode: 0,
    errorMessage: null,
    acquisitionLockTimeoutMs: 30_000,
    topics: [
      {
        topicId: handlers.topicId,
        partitions: [
          {
            index: 0,
            errorCode: 0,
            errorMessage: null,
            acknowledgeErrorCode: 0,
            currentLeader: { leaderId: -1, leaderEpoch: -1 },
            acquiredRecords: [{ firstOffset: 0, lastOffset: 2, deliveryCount: 1 }],
          },
        ],
      },
    ],
    nodeEndpoints: [],
  });
  expect(answer.topics[0]!.partitions[0]!.records!.length).toBeGreaterThan(61);
});

test('what has neither records nor errors is left out', async () => {
  await handlers.join();
  const topics = [{ topicId: handlers.topicId, partitions: [{ index: 1, acknowledgementBatches: [] }] }];
  expect(await fetch({ topics })).toMatchObject({ errorCode: 0, topics: [] });
});

test('unknown topics and partitions are told, and fetched again when they are there', async () => {
  await handlers.join();
  const stranger = 'BBBBBBBBQACAAAAAAAAAAA';
  const partitions = [{ index: 0, acknowledgementBatches: [] }];
  const topics = [
    { topicId: stranger, partitions },
    { topicId: handlers.topicId, partitions: [{ index: 9, acknowledgementBatches: [] }] },
  ];
  const answer = await fetch({ topics, maxWaitMs: 10_000 });
  expect(answer.topics).toMatchObject([
    { topicId: stranger, partitions: [{ errorCode: ERRORS.UNKNOWN_TOPIC_ID.code }] },
    { topicId: handlers.topicId, partitions: [{ index: 9, errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code }] },
  ]);
});

test('who is no share group gets no records', async () => {
  const answer = await fetch();
  expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(ERRORS.GROUP_ID_NOT_FOUND.code);
});

test('forgotten partitions are fetched no more', async () => {
  await handlers.join();
  await fetch({ maxRecords: 1, shareAcquireMode: 1 });
  const forgottenTopics = [{ topicId: handlers.topicId, partitions: [0] }];
  expect((await fetch({ shareSessionEpoch: 1, topics: [], forgottenTopics })).topics).toEqual([]);
});

test('the last request of a session acknowledges, and fetches nothing', async () => {
  await handlers.join();
  await fetch();
  const acknowledgementBatches = [{ firstOffset: 0, lastOffset: 0, acknowledgeTypes: [1] }];
  const topics = [{ topicId: handlers.topicId, partitions: [{ index: 0, acknowledgementBatches }] }];
  const last = await fetch({ shareSessionEpoch: -1, topics });
  expect(last.topics[0]!.partitions).toMatchObject([{ errorCode: 0, acknowledgeErrorCode: 0, acquiredRecords: [] }]);
  expect((await fetch({ shareSessionEpoch: 1 })).errorCode).toBe(ERRORS.SHARE_SESSION_NOT_FOUND.code);
});

test.each([
  ['no group', { groupId: null }],
  ['no member', { memberId: null }],
  ['a member id that is too long', { memberId: 'm'.repeat(37) }],
  ['a renewal that fetches', { isRenewAck: true }],
])('%s is an INVALID_REQUEST', async (_, more) => {
  await handlers.join();
  const answer = await fetch(more);
  expect(answer).toMatchObject({ errorCode: ERRORS.INVALID_REQUEST.code, topics: [] });
  expect(answer.errorMessage).not.toBe('');
});

test('no records or no bytes are a wish for nothing', async () => {
  await handlers.join();
  expect((await fetch({ maxRecords: 0, maxWaitMs: 60_000 })).topics).toEqual([]);
  expect((await fetch({ shareSessionEpoch: 1, maxBytes: 0, maxWaitMs: 60_000 })).topics).toEqual([]);
});

test('more sessions than the broker may have are refused, after the time that the fetch would have waited', async () => {
  await handlers.join();
  for (let member = 0; member < 2_000; member++) await fetch({ memberId: `s${member}`, maxRecords: 0 });
  const refused = fetch({ maxWaitMs: 500 });
  await handlers.runtime.advance(499);
  await handlers.runtime.advance(1);
  expect((await refused).errorCode).toBe(ERRORS.SHARE_SESSION_LIMIT_REACHED.code);
});
