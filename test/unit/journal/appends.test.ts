/** What a leader answers to appends, and what it then shows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AppendRequest } from '../../../src/journal/journal.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import { APPEND_BATCHES_MAX, LEADER_EPOCHS_KEPT } from '../../../src/limits.ts';
import {
  brief,
  createTopic,
  inlineAppend,
  lane,
  memoryStores,
  OTHER_TOPIC,
  open,
  type PartitionWish,
  segmentAppend,
  TOPIC,
} from './harness.ts';

const EPOCH = 1_000;
let stores = memoryStores();
let journal: OpenedJournal;
let number = 0;

beforeEach(async () => {
  stores = memoryStores();
  journal = await open(stores, { brokerEpoch: EPOCH });
  number = 0;
  await createTopic(journal, [0, 1]);
});
afterEach(() => journal.close());

const next = () => ({ lane: lane(EPOCH), number: number++ });
const send = async (wishes: readonly PartitionWish[], more: Partial<AppendRequest> = {}): Promise<string> =>
  brief((await journal.append(segmentAppend(next(), wishes, more))).answers);
const extents = (partition = 0) =>
  [...journal.state.partition(TOPIC, partition)!.extents].map((extent) => [
    extent.baseOffset,
    extent.endOffset,
    extent.position,
    extent.length,
  ]);

describe('offsets and extents', () => {
  test('batches of one partition that lie together become one extent', async () => {
    expect(
      await send([
        {
          batches: [
            { count: 2, length: 70 },
            { count: 3, length: 80, maxTimestamp: 99 },
          ],
        },
      ]),
    ).toBe('@0 @2');
    expect(extents()).toEqual([[0, 5, 0, 150]]);
    expect(journal.state.partition(TOPIC, 0)!.extents.at(0)).toMatchObject({
      batchCount: 2,
      maxTimestamp: 1_763_683_200_000,
      leaderEpoch: 1,
      absolute: false,
      source: { type: 'segment', segmentId: 's-1000-0-0' },
    });
  });

  test('a refused batch leaves a hole in the bytes, not in the offsets', async () => {
    expect(await send([{ batches: [{}, { attributes: 0x20 }, {}] }])).toBe('@0 INVALID_RECORD @1');
    expect(extents()).toEqual([
      [0, 1, 0, 100],
      [1, 2, 200, 100],
    ]);
  });

  test('partitions count for themselves', async () => {
    expect(
      await send([
        { partition: 0, batches: [{}] },
        { partition: 1, batches: [{ count: 4 }] },
      ]),
    ).toBe('@0 | @0');
    expect(await send([{ partition: 1, batches: [{}] }])).toBe('@4');
    expect(journal.state.segment('s-1000-0-0')).toMatchObject({ extentCount: 2, liveBytes: 200 });
  });

  test('an inline body is found again, also when several share an entry', async () => {
    const answers = await Promise.all(
      ['x', 'y', 'z'].map((letter) => journal.append(inlineAppend(next(), [{ batches: [{}, {}] }], letter))),
    );
    expect(answers.map(({ inlinePosition }) => inlinePosition)).toEqual([0, 200, 400]);
    expect(new Set(answers.map(({ seq }) => seq)).size).toBe(1);
    const bodies = await Promise.all(
      [...journal.state.partition(TOPIC, 0)!.extents].map((each) => journal.readInline(each)),
    );
    expect(bodies.map(String)).toEqual(['x'.repeat(200), 'y'.repeat(200), 'z'.repeat(200)]);
  });

  test('an inline body is copied before append returns', async () => {
    const request = inlineAppend(next(), [{ batches: [{}] }], 'a');
    const appended = journal.append(request);
    if (request.source.type === 'inline') request.source.parts[0]!.fill(0x62);
    await appended;
    expect(String(await journal.readInline(journal.state.partition(TOPIC, 0)!.extents.at(0)!))).toBe('a'.repeat(100));
  });

  test('the first offset of each leader epoch is kept', async () => {
    await send([{ batches: [{ count: 5 }] }]);
    await journal.close();
    journal = await open(stores, { brokerEpoch: EPOCH + 1 });
    await journal.append(segmentAppend({ lane: lane(EPOCH + 1), number: 0 }, [{ batches: [{}] }]));
    expect(journal.state.partition(TOPIC, 0)!.epochs).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 5 },
    ]);
  });

  test('of very many leader epochs the last ones are kept', async () => {
    const [first, last] = [2, LEADER_EPOCHS_KEPT + 4];
    for (let epoch = first; epoch <= last; epoch++) {
      await journal.close();
      journal = await open(stores, { brokerEpoch: EPOCH + epoch });
      await journal.append(segmentAppend({ lane: lane(EPOCH + epoch), number: 0 }, [{ batches: [{}] }]));
    }
    const kept = journal.state.partition(TOPIC, 0)!.epochs;
    expect(kept).toHaveLength(LEADER_EPOCHS_KEPT);
    expect(kept.at(-1)).toEqual({ epoch: last, startOffset: last - first });
    expect(kept[0]!.epoch).toBe(last - LEADER_EPOCHS_KEPT + 1);
  });
});

describe('partitions', () => {
  test('an append to a partition that does not exist is refused, and the others are not', async () => {
    expect(
      await send([
        { partition: 0, batches: [{}] },
        { partition: 7, batches: [{}] },
      ]),
    ).toBe('@0 | UNKNOWN_TOPIC_OR_PARTITION');
    expect(await send([{ topicId: OTHER_TOPIC, batches: [{}] }])).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  });

  test('what arrives with the deletion or after it is refused', async () => {
    const before = send([{ batches: [{}] }]);
    const deleted = journal.propose({ type: 'deletePartitions', topicId: TOPIC, partitions: [0] });
    const after = send([{ batches: [{}] }]);
    expect([await before, await deleted, await after]).toEqual(['@0', { type: 'done' }, 'UNKNOWN_TOPIC_OR_PARTITION']);
    expect(journal.state.partition(TOPIC, 0)).toBeUndefined();
  });
});

describe('idempotent producers', () => {
  const batches = (baseSequence: number, more = {}) => [{ producerId: 9, baseSequence, count: 2, ...more }];

  test('a repeat gets its first offset, in the same entry, a later one, and after a restart', async () => {
    const answers = await Promise.all([send([{ batches: batches(0) }]), send([{ batches: batches(0) }])]);
    expect(answers).toEqual(['@0', '=0']);
    expect(await send([{ batches: batches(2) }])).toBe('@2');
    expect(await send([{ batches: batches(0) }])).toBe('=0');
    await journal.close();
    journal = await open(stores, { brokerEpoch: EPOCH + 1 });
    const again = await journal.append(segmentAppend({ lane: lane(EPOCH + 1), number: 0 }, [{ batches: batches(2) }]));
    expect(brief(again.answers)).toBe('=2');
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(4);
  });

  test('several batches of one producer in one append follow one another', async () => {
    expect(await send([{ batches: [...batches(0), ...batches(2), ...batches(2), ...batches(6), ...batches(4)] }])).toBe(
      '@0 @2 =2 OUT_OF_ORDER_SEQUENCE_NUMBER @4',
    );
  });

  test('a repeat behind five others is told that it is there, and again after a restart', async () => {
    for (let sequence = 0; sequence < 12; sequence += 2) await send([{ batches: batches(sequence) }]);
    const repeated = { lane: lane(EPOCH, 1), number: 0 };
    const wishes = [{ batches: [...batches(0), ...batches(2)] }];
    expect(brief((await journal.append(segmentAppend(repeated, wishes))).answers)).toBe('DUPLICATE_SEQUENCE_NUMBER =2');
    await journal.close();
    journal = await open(stores, { brokerEpoch: EPOCH });
    expect(brief((await journal.append(segmentAppend(repeated, wishes))).answers)).toBe('DUPLICATE_SEQUENCE_NUMBER =2');
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(12);
  });

  test('each partition has its own sequence', async () => {
    expect(
      await send([
        { partition: 0, batches: batches(0) },
        { partition: 1, batches: batches(5) },
      ]),
    ).toBe('@0 | UNKNOWN_PRODUCER_ID');
    expect([...journal.state.producers(TOPIC, 0)]).toMatchObject([
      { producerId: 9, producerEpoch: 0, batches: [{ lastSequence: 1 }] },
    ]);
    expect([...journal.state.producers(TOPIC, 1)]).toEqual([]);
  });

  test('a duplicate says where the log starts now', async () => {
    await send([{ batches: batches(0) }, { partition: 1, batches: [{}] }]);
    await journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 2 });
    const { answers } = await journal.append(segmentAppend(next(), [{ batches: batches(0) }]));
    expect(answers[0]![0]).toMatchObject({ type: 'duplicate', baseOffset: 0, logStartOffset: 2 });
  });

  test('transactions are refused for now', async () => {
    expect(await send([{ batches: [{ producerId: 9, baseSequence: 0, attributes: 0x10 }] }])).toBe('INVALID_TXN_STATE');
  });
});

describe('compare-and-append', () => {
  const expecting = (expectedOffset: number, batchIndex = 0) => ({
    conditions: [{ partitionIndex: 0, batchIndex, expectedOffset }],
  });

  test('appends at the expected offset only, and tells the next one', async () => {
    expect(await send([{ batches: [{ count: 3 }] }], expecting(0))).toBe('@0');
    const { answers } = await journal.append(segmentAppend(next(), [{ batches: [{}] }], expecting(0)));
    expect(answers[0]![0]).toMatchObject({ type: 'refused', error: 'OFFSET_MISMATCH', nextOffset: 3 });
    expect(await send([{ batches: [{}] }], expecting(3))).toBe('@3');
  });

  test('of two that expect the same offset at once, one wins', async () => {
    const answers = await Promise.all([
      send([{ batches: [{}] }], expecting(0)),
      send([{ batches: [{}] }], expecting(0)),
    ]);
    expect(answers).toEqual(['@0', 'OFFSET_MISMATCH']);
  });

  test('counts what the same append put before', async () => {
    expect(await send([{ batches: [{ count: 2 }, {}] }], expecting(2, 1))).toBe('@0 @2');
  });
});

describe('Idempotency-Keys', () => {
  const keyed = (key: string, fingerprint = 1, places = [[0, 0]]) => ({
    key,
    fingerprint,
    batches: places.map(([partitionIndex, batchIndex]) => ({
      partitionIndex: partitionIndex!,
      batchIndex: batchIndex!,
    })),
  });

  test('a repeat gets the first answers, in the same entry, a later one, and after a restart', async () => {
    const wishes = [
      { partition: 0, batches: [{}] },
      { partition: 1, batches: [{ count: 2 }] },
    ];
    const idempotency = [
      keyed('k', 1, [
        [0, 0],
        [1, 0],
      ]),
    ];
    const answers = await Promise.all([send(wishes, { idempotency }), send(wishes, { idempotency })]);
    expect(answers).toEqual(['@0 | @0', '=0 | =0']);
    expect(
      await send(wishes, {
        idempotency: [
          keyed('other', 1, [
            [0, 0],
            [1, 0],
          ]),
        ],
      }),
    ).toBe('@1 | @2');
    expect(await send(wishes, { idempotency })).toBe('=0 | =0');
    await journal.close();
    journal = await open(stores, { brokerEpoch: EPOCH + 1 });
    const again = await journal.append(segmentAppend({ lane: lane(EPOCH + 1), number: 0 }, wishes, { idempotency }));
    expect(brief(again.answers)).toBe('=0 | =0');
  });

  test('two requests with one key in one append are one', async () => {
    const idempotency = [keyed('k', 1, [[0, 0]]), keyed('k', 1, [[0, 1]]), keyed('k', 2, [[0, 2]])];
    expect(await send([{ batches: [{}, {}, {}] }], { idempotency })).toBe('@0 =0 IDEMPOTENCY_KEY_REUSED');
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(1);
  });

  test('another request under the same key is refused', async () => {
    await send([{ batches: [{}] }], { idempotency: [keyed('k', 1)] });
    expect(await send([{ batches: [{}] }], { idempotency: [keyed('k', 2)] })).toBe('IDEMPOTENCY_KEY_REUSED');
    expect(
      await send([{ batches: [{}, {}] }], {
        idempotency: [
          keyed('k', 1, [
            [0, 0],
            [0, 1],
          ]),
        ],
      }),
    ).toBe('IDEMPOTENCY_KEY_REUSED IDEMPOTENCY_KEY_REUSED');
  });

  test('a request that was refused whole is forgotten, so that it may be tried again', async () => {
    const idempotency = [keyed('k')];
    expect(await send([{ partition: 7, batches: [{}] }], { idempotency })).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    await createTopic(journal, [7]);
    expect(await send([{ partition: 7, batches: [{}] }], { idempotency })).toBe('@0');
  });

  test('of a request that was refused in part, the refusals are remembered too', async () => {
    const idempotency = [
      keyed('k', 1, [
        [0, 0],
        [1, 0],
      ]),
    ];
    const wishes = [
      { partition: 0, batches: [{}] },
      { partition: 7, batches: [{}] },
    ];
    expect(await send(wishes, { idempotency })).toBe('@0 | UNKNOWN_TOPIC_OR_PARTITION');
    await createTopic(journal, [7]);
    expect(await send(wishes, { idempotency })).toBe('=0 | UNKNOWN_TOPIC_OR_PARTITION');
  });
});

describe('lanes', () => {
  test('a repeated append gets its first answer, and nothing is appended twice', async () => {
    const request = segmentAppend(next(), [{ batches: [{ count: 3 }, { attributes: 0x20 }] }]);
    const [first, joined] = await Promise.all([journal.append(request), journal.append(request)]);
    expect(joined).toEqual(first);
    expect(await journal.append(request)).toEqual(first);
    expect(brief(first.answers)).toBe('@0 INVALID_RECORD');
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(3);
  });

  test('a gap is refused for the sender to go back, and costs nothing', async () => {
    const seq = journal.state.lastSeq;
    const early = segmentAppend({ lane: lane(EPOCH), number: 1 }, [{ batches: [{}] }]);
    await expect(journal.append(early)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER', noSideEffects: true });
    expect(journal.state.lastSeq).toBe(seq);
    expect(await send([{ batches: [{}] }])).toBe('@0');
    expect(brief((await journal.append(early)).answers)).toBe('@1');
  });

  test('a skipped number lets later ones pass and is never appended', async () => {
    await journal.skip(lane(EPOCH), number);
    await journal.skip(lane(EPOCH), number);
    const late = segmentAppend(next(), [{ batches: [{}] }]);
    expect(await send([{ batches: [{}] }])).toBe('@0');
    expect(brief((await journal.append(late)).answers)).toBe('KAFKA_STORAGE_ERROR');
    await expect(journal.skip(lane(EPOCH), 9)).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
  });

  test('skipping what was appended all the same settles it, and takes nothing away', async () => {
    expect(await send([{ batches: [{}] }])).toBe('@0');
    const seq = journal.state.lastSeq;
    await journal.skip(lane(EPOCH), 0);
    expect(journal.state.lastSeq).toBe(seq);
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(1);
    expect(await send([{ batches: [{}] }])).toBe('@1');
  });

  test('an older life of the broker is refused from the first sign of the newer one', async () => {
    await send([{ batches: [{}] }]);
    await journal.append(segmentAppend({ lane: lane(EPOCH + 1, 5), number: 0 }, [{ batches: [{}] }]));
    await expect(journal.append(segmentAppend(next(), [{ batches: [{}] }]))).rejects.toMatchObject({
      error: 'STALE_BROKER_EPOCH',
    });
    await expect(journal.skip(lane(EPOCH), 3)).rejects.toMatchObject({ error: 'STALE_BROKER_EPOCH' });
  });

  test('an append of a broker that started again is refused once it leads', async () => {
    await journal.close();
    journal = await open(stores, { brokerEpoch: EPOCH + 1 });
    await expect(journal.append(segmentAppend(next(), [{ batches: [{}] }]))).rejects.toMatchObject({
      error: 'STALE_BROKER_EPOCH',
    });
  });
});

test('an append that cannot fit an entry is refused before it waits', async () => {
  const batches = Array.from({ length: APPEND_BATCHES_MAX + 1 }, () => ({}));
  await expect(journal.append(segmentAppend({ lane: lane(EPOCH), number: 0 }, [{ batches }]))).rejects.toMatchObject({
    error: 'INVALID_REQUEST',
  });
  const long = inlineAppend({ lane: lane(EPOCH), number: 0 }, [{ batches: [{ length: 200_000 }] }]);
  await expect(journal.append(long)).rejects.toMatchObject({ error: 'INVALID_REQUEST' });
  expect(await send([{ batches: [{}] }])).toBe('@0');
});
