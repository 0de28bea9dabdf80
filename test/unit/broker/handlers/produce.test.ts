import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import { buildBatch } from '../../../../src/record/records.ts';
import { requestBytes } from '../../../integration/kafka-client.ts';
import { ask, door, peer, routerOf, versionsOf } from '../door.ts';

const batch = (value = 'v') => buildBatch([{ key: 'k', value }], { timestamp: 1 });

async function withTopic() {
  const broker = door();
  const topic = await broker.topics.create({ name: 'orders', partitions: 2, config: {} });
  const topics = (...partitions: { index: number; records: Buffer | null }[]) => [
    { name: 'orders', topicId: topic.topicId, partitions },
  ];
  return { broker, topic, topics };
}

test.each(versionsOf('Produce'))('v%i appends and answers the offsets', async (version) => {
  const { broker, topic, topics } = await withTopic();
  const first = { index: 0, records: batch() };
  await ask(broker, 'Produce', version, { acks: -1, timeoutMs: 1, topics: topics(first) });
  const answer = await ask(broker, 'Produce', version, {
    acks: 1,
    timeoutMs: 1,
    topics: topics(first, { index: 1, records: batch() }),
  });
  expect(answer.topics[0]?.[version >= 13 ? 'topicId' : 'name']).toBe(version >= 13 ? topic.topicId : 'orders');
  expect(answer.topics[0]?.partitions).toMatchObject([
    { index: 0, errorCode: 0, baseOffset: 1, logAppendTimeMs: -1 },
    { index: 1, errorCode: 0, baseOffset: 0, logAppendTimeMs: -1 },
  ]);
});

describe('refusals', () => {
  const codes = async (version: number, body: Parameters<typeof ask<'Produce'>>[3]) => {
    const { broker } = await withTopic();
    const { topics } = await ask(broker, 'Produce', version, body);
    return topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  };
  const at = (name: string, ...indexes: number[]) => ({
    name,
    partitions: indexes.map((index) => ({ index, records: batch() })),
  });

  test('a topic and a partition that are missing do not keep the others from being written', async () => {
    const topics = [at('missing', 0), at('orders', 0, 2, -1, 1)];
    const unknown = ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code;
    expect(await codes(9, { acks: -1, timeoutMs: 1, topics })).toEqual([unknown, 0, unknown, unknown, 0]);
  });

  test('an unknown topic id is UNKNOWN_TOPIC_ID', async () => {
    const topics = [{ topicId: 'BBBBBBBBBBBBBBBBBBBBBA', partitions: [{ index: 0, records: batch() }] }];
    expect(await codes(13, { acks: -1, timeoutMs: 1, topics })).toEqual([ERRORS.UNKNOWN_TOPIC_ID.code]);
  });

  test.each([2, -2, 32_767])('acks %i is INVALID_REQUIRED_ACKS', async (acks) => {
    expect(await codes(9, { acks, timeoutMs: 1, topics: [at('orders', 0)] })).toEqual([
      ERRORS.INVALID_REQUIRED_ACKS.code,
    ]);
  });

  test.each([
    [9, ERRORS.INVALID_TXN_STATE.code],
    [11, ERRORS.TRANSACTION_ABORTABLE.code],
  ])('a batch outside of a transaction gets in v%i the error code %i', async (version, code) => {
    const producer = { producerId: 5, producerEpoch: 0, baseSequence: 0 };
    const records = buildBatch([{ key: 'k', value: 'v' }], { timestamp: 1, transactional: true, ...producer });
    const topics = [{ name: 'orders', partitions: [{ index: 0, records }] }];
    expect(await codes(version, { transactionalId: 'tx', acks: -1, timeoutMs: 1, topics })).toEqual([code]);
  });

  test('the reason is told since v8', async () => {
    const { broker } = await withTopic();
    const { topics } = await ask(broker, 'Produce', 8, { acks: -1, timeoutMs: 1, topics: [at('orders', 9)] });
    expect(topics[0]?.partitions[0]).toMatchObject({
      baseOffset: -1,
      errorMessage: 'topic "orders" has 2 partitions, there is no 9',
    });
  });

  test('a request without topics is answered', async () => {
    expect(await codes(9, { acks: -1, timeoutMs: 1, topics: [] })).toEqual([]);
  });
});

describe('acks 0', () => {
  const outcome = async (name: string) => {
    const { broker } = await withTopic();
    const topics = [{ name, partitions: [{ index: 0, records: batch() }] }];
    const bytes = requestBytes('Produce', 9, { acks: 0, timeoutMs: 1, topics });
    return { broker, outcome: await routerOf(broker).handle(bytes.subarray(4), peer) };
  };

  test('is written and not answered', async () => {
    const { broker, outcome: silent } = await outcome('orders');
    expect(silent).toEqual({ type: 'silent', throttleMs: 0 });
    expect(broker.log.produced).toHaveLength(1);
  });

  test('closes the connection on an error, so that the producer notices', async () => {
    const { outcome: closed } = await outcome('missing');
    expect(closed.type).toBe('close');
  });
});

test('the bytes reach the log before the handler first waits, so that the read buffer may be used again', async () => {
  const { broker } = await withTopic();
  const topics = [{ name: 'orders', partitions: [{ index: 0, records: batch('keep me') }] }];
  const frame = Buffer.from(requestBytes('Produce', 9, { acks: -1, timeoutMs: 1, topics }).subarray(4));
  broker.log.hold();
  const outcome = routerOf(broker).handle(frame, peer);
  frame.fill(0xff);
  broker.log.letGo();
  expect((await outcome).type).toBe('respond');
  const { topics: fetched } = await ask(broker, 'Fetch', 12, {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [{ name: 'orders', partitions: [{ index: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] }],
  });
  expect(fetched[0]?.partitions[0]?.records?.toString('latin1')).toContain('keep me');
});

describe('records at fault', () => {
  test.each([7, 8, 13])('are told one by one since v8: v%i', async (version) => {
    const { broker, topic } = await withTopic();
    const recordErrors = [{ index: 3, message: 'no key' }];
    broker.log.produce = async () => [
      {
        error: 'INVALID_RECORD',
        message: 'refused',
        nextOffset: -1,
        noSideEffects: true,
        logStartOffset: -1,
        recordErrors,
      },
    ];
    const topics = [{ name: 'orders', topicId: topic.topicId, partitions: [{ index: 0, records: batch() }] }];
    const answer = await ask(broker, 'Produce', version, { acks: -1, timeoutMs: 1, topics });
    expect(answer.topics[0]?.partitions[0]).toMatchObject({
      errorCode: ERRORS.INVALID_RECORD.code,
      recordErrors: version < 8 ? [] : [{ batchIndex: 3, message: 'no key' }],
    });
  });
});

describe('records that are not durable in time', () => {
  test('are REQUEST_TIMED_OUT, those that were refused at once keep their error', async () => {
    const { broker, topic } = await withTopic();
    broker.log.hold();
    const partitions = [0, 9].map((index) => ({ index, records: batch() }));
    const topics = [{ name: 'orders', topicId: topic.topicId, partitions }];
    const from = performance.now();
    const answer = await ask(broker, 'Produce', 9, { acks: -1, timeoutMs: 1_100, topics });
    expect(performance.now() - from).toBeGreaterThan(1_000);
    expect(answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([
      ERRORS.REQUEST_TIMED_OUT.code,
      ERRORS.UNKNOWN_TOPIC_OR_PARTITION.code,
    ]);
    broker.log.letGo();
  });
});
