import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { requestBytes } from '../../../integration/kafka-client.ts';
import { ask, door, peer, routerOf, versionsOf } from '../door.ts';
import { LEADER_EPOCH } from '../memory-log.ts';

async function withRecords() {
  const broker = door();
  const topic = await broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  const batches = ['a', 'b', 'c'].map((value) =>
    buildBatch(
      [
        { key: null, value },
        { key: null, value },
      ],
      { timestamp: 1 },
    ),
  );
  await broker.log.produce(batches.map((records) => ({ topicId: topic.topicId, partition: 0, records })));
  return { broker, topic, batchBytes: batches[0]!.length };
}

const limits = { maxWaitMs: 0, minBytes: 1 };
const at = (fetchOffset: number, rest = {}) => ({ index: 0, fetchOffset, partitionMaxBytes: 1_000_000, ...rest });

test.each(versionsOf('Fetch'))('v%i gives whole batches and the state of the partition', async (version) => {
  const { broker, topic, batchBytes } = await withRecords();
  const topics = [{ name: 'orders', topicId: topic.topicId, partitions: [at(0), { ...at(0), index: 1 }] }];
  const answer = await ask(broker, 'Fetch', version, { ...limits, topics });
  expect(answer).toMatchObject({ errorCode: 0, sessionId: 0 });
  expect(answer.topics[0]?.[version >= 13 ? 'topicId' : 'name']).toBe(version >= 13 ? topic.topicId : 'orders');
  const [full, empty] = answer.topics[0]!.partitions;
  expect(full).toMatchObject({
    index: 0,
    errorCode: 0,
    highWatermark: 6,
    lastStableOffset: 6,
    abortedTransactions: null,
  });
  expect(full?.records).toHaveLength(3 * batchBytes);
  expect(empty).toMatchObject({ index: 1, errorCode: 0, highWatermark: 0 });
  // Clients take null for a broken answer.
  expect(empty?.records).toHaveLength(0);
  expect(broker.log.unreleased).toBe(0);
});

test('an offset in the middle of a batch gives the whole batch', async () => {
  const { broker, batchBytes } = await withRecords();
  const { topics } = await ask(broker, 'Fetch', 11, { ...limits, topics: [{ name: 'orders', partitions: [at(3)] }] });
  const records = topics[0]!.partitions[0]!.records!;
  expect(records).toHaveLength(2 * batchBytes);
  expect(records.readBigInt64BE(0)).toBe(2n);
});

test('a first batch that is larger than the limits is given all the same', async () => {
  const { broker, batchBytes } = await withRecords();
  const topics = [{ name: 'orders', partitions: [at(0, { partitionMaxBytes: 1 })] }];
  const answer = await ask(broker, 'Fetch', 11, { ...limits, maxBytes: 1, topics });
  expect(answer.topics[0]!.partitions[0]!.records).toHaveLength(batchBytes);
});

test.each([
  [1, [{ producerId: 5, firstOffset: 2 }]],
  [0, null],
])('isolation level %i gets as aborted transactions %j', async (isolationLevel, aborted) => {
  const { broker } = await withRecords();
  const topics = [{ name: 'orders', partitions: [at(0)] }];
  const answer = await ask(broker, 'Fetch', 11, { ...limits, isolationLevel, topics });
  expect(answer.topics[0]!.partitions[0]!.abortedTransactions).toEqual(aborted);
});

describe('errors', () => {
  const code = async (version: number, topics: Parameters<typeof ask<'Fetch'>>[3]['topics'], maxWaitMs = 0) => {
    const { broker } = await withRecords();
    const answer = await ask(broker, 'Fetch', version, { ...limits, maxWaitMs, topics });
    return answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  };

  test.each([7, 100, -1])('offset %i is OFFSET_OUT_OF_RANGE', async (offset) => {
    expect(await code(11, [{ name: 'orders', partitions: [at(offset)] }])).toEqual([ERRORS.OFFSET_OUT_OF_RANGE.code]);
  });

  test('a missing topic or partition answers at once, whatever the wait', async () => {
    const partitions = [{ ...at(0), index: 5 }];
    const topics = [
      { name: 'orders', partitions },
      { name: 'missing', partitions: [at(0)] },
      { name: 'orders', partitions: [{ ...at(0), index: 1 }] },
    ];
    const unknown = ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code;
    expect(await code(12, topics, 60_000)).toEqual([unknown, unknown, 0]);
  });

  test('an unknown topic id is UNKNOWN_TOPIC_ID', async () => {
    const topics = [{ topicId: 'BBBBBBBBBBBBBBBBBBBBBA', partitions: [at(0)] }];
    expect(await code(13, topics)).toEqual([ERRORS.UNKNOWN_TOPIC_ID.code]);
  });

  test('an epoch that is over tells who leads now', async () => {
    const { broker } = await withRecords();
    const topics = [
      {
        name: 'orders',
        topicId: broker.topics.byName('orders')!.topicId,
        partitions: [at(0, { currentLeaderEpoch: 1 })],
      },
    ];
    const answer = await ask(broker, 'Fetch', 16, { ...limits, topics });
    expect(answer.topics[0]?.partitions[0]).toMatchObject({
      errorCode: ERRORS.FENCED_LEADER_EPOCH.code,
      currentLeader: { leaderId: 7, leaderEpoch: LEADER_EPOCH },
    });
    expect(answer.nodeEndpoints).toEqual([{ nodeId: 7, host: '127.0.0.1', port: 9092, rack: 'zone-a' }]);
  });

  test.each([
    [5, 2],
    [0, 1],
  ])('session %i at epoch %i was never given: FETCH_SESSION_ID_NOT_FOUND', async (sessionId, sessionEpoch) => {
    const { broker } = await withRecords();
    const answer = await ask(broker, 'Fetch', 11, { ...limits, sessionId, sessionEpoch, topics: [] });
    expect(answer).toMatchObject({ errorCode: ERRORS.FETCH_SESSION_ID_NOT_FOUND.code, sessionId: 0 });
  });
});

test('a client that ends a session gets what it asks for', async () => {
  const { broker } = await withRecords();
  const topics = [{ name: 'orders', partitions: [at(0)] }];
  const answer = await ask(broker, 'Fetch', 11, { ...limits, sessionId: 5, sessionEpoch: -1, topics });
  expect(answer).toMatchObject({ errorCode: 0, sessionId: 0 });
  expect(answer.topics).toHaveLength(1);
});

test('a client that asks for a session is told that there is none: session 0, everything every time', async () => {
  const { broker } = await withRecords();
  const topics = [{ name: 'orders', partitions: [at(0)] }];
  const answer = await ask(broker, 'Fetch', 11, { ...limits, sessionId: 0, sessionEpoch: 0, topics });
  expect(answer).toMatchObject({ errorCode: 0, sessionId: 0 });
  expect(answer.topics).toHaveLength(1);
});

test('no topics are answered at once with none', async () => {
  const { broker } = await withRecords();
  expect((await ask(broker, 'Fetch', 11, { ...limits, maxWaitMs: 60_000, topics: [] })).topics).toEqual([]);
});

test('an answer is released when its response is, and when its response cannot be made', async () => {
  const { broker } = await withRecords();
  const topics = [{ name: 'orders', partitions: [at(0)] }];
  const outcome = await routerOf(broker).handle(requestBytes('Fetch', 11, { ...limits, topics }).subarray(4), peer);
  expect(broker.log.unreleased).toBe(1);
  if (outcome.type === 'respond') outcome.response.release?.();
  expect(broker.log.unreleased).toBe(0);

  const whole = broker.log.fetch.bind(broker.log);
  broker.log.fetch = async (request, signal) => {
    const answer = await whole(request, signal);
    return { ...answer, partitions: answer.partitions.map((p) => ({ ...p, highWatermark: Number.NaN })) };
  };
  const refused = await ask(broker, 'Fetch', 11, { ...limits, topics });
  expect(refused.topics[0]?.partitions[0]?.errorCode).toBe(ERRORS.UNKNOWN_SERVER_ERROR.code);
  expect(broker.log.unreleased).toBe(0);
});
