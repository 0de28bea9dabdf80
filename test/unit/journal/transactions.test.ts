/** Guards, transactional batches and markers as a leader decides on them, and what a partition then shows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AppendRequest, CoordinatorCommand } from '../../../src/journal/journal.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import type { AbortedTransaction } from '../../../src/journal/partition-state.ts';
import { abortedWithin } from '../../../src/journal/transactions.ts';
import { ENDED_TRANSACTION_MS_MIN, OPEN_TRANSACTIONS_PER_JOURNAL_MAX } from '../../../src/limits.ts';
import { buildControlBatch, CONTROL_BATCH_BYTES } from '../../../src/record/control-batch.ts';
import { sleep } from '../../../src/runtime/clock.ts';
import { virtualRuntime } from '../storage/virtual-runtime.ts';
import {
  type BatchWish,
  brief,
  createTopic,
  inlineAppend,
  lane,
  memoryStores,
  OTHER_TOPIC,
  open,
  segmentAppend,
  TOPIC,
  uploadedAppend,
} from './harness.ts';

const EPOCH = 1_000;
const PRODUCER = 7;
let runtime = virtualRuntime();
let stores = memoryStores();
let journal: OpenedJournal;
let number = 0;

beforeEach(async () => {
  runtime = virtualRuntime();
  stores = memoryStores();
  journal = await open(stores, { brokerEpoch: EPOCH, runtime });
  number = 0;
  await createTopic(journal, [0, 1]);
});
afterEach(() => journal.close());

interface Wish {
  readonly epoch?: number;
  readonly partition?: number;
  readonly producerId?: number;
  readonly topicId?: string;
}

const fields = (transaction: number, wish: Wish) => ({
  topicId: wish.topicId ?? TOPIC,
  partition: wish.partition ?? 0,
  producerId: wish.producerId ?? PRODUCER,
  producerEpoch: wish.epoch ?? 0,
  transaction,
});
const guardOf = (transaction: number, wish: Wish = {}): CoordinatorCommand => ({
  type: 'transactionGuarded',
  ...fields(transaction, wish),
});
const markerOf = (transaction: number, committed: boolean, wish: Wish = {}): CoordinatorCommand => ({
  type: 'transactionMarked',
  coordinatorEpoch: 3,
  committed,
  ...fields(transaction, wish),
});
const coordinate = (...commands: CoordinatorCommand[]) => journal.coordinate(() => ({ commands, answer: null }));
const guard = (transaction: number, wish?: Wish) => coordinate(guardOf(transaction, wish));
const commit = (transaction: number, wish?: Wish) => coordinate(markerOf(transaction, true, wish));
const abort = (transaction: number, wish?: Wish) => coordinate(markerOf(transaction, false, wish));

const TRANSACTIONAL = 0x10;
const batch = (baseSequence: number, wish: Wish = {}): BatchWish => ({
  producerId: wish.producerId ?? PRODUCER,
  producerEpoch: wish.epoch ?? 0,
  baseSequence,
  attributes: TRANSACTIONAL,
});
const append = async (batches: readonly BatchWish[], more: Partial<AppendRequest> = {}) => {
  const at = { lane: lane(EPOCH), number: number++ };
  return brief((await journal.append(segmentAppend(at, [{ batches }], more))).answers);
};
const send = (baseSequence: number, wish?: Wish) => append([batch(baseSequence, wish)]);
const plain = (count = 1) => append([{ count }]);

const partition = () => journal.state.partition(TOPIC, 0)!;
const producer = (producerId = PRODUCER) =>
  [...journal.state.producers(TOPIC, 0)].find((each) => each.producerId === producerId);
const aborted = () =>
  [...partition().abortedTransactions].map(
    ({ producerId, firstOffset, lastOffset, lastStableOffset }) =>
      `${producerId}: ${firstOffset}-${lastOffset} (${lastStableOffset})`,
  );

describe('a transactional batch', () => {
  test('is refused without a guard', async () => {
    expect(await send(0)).toBe('INVALID_TXN_STATE');
  });

  test('is accepted under the guard of its epoch', async () => {
    await guard(1);
    expect(await send(0)).toBe('@0');
    expect(await send(1)).toBe('@1');
  });

  test('is refused on a partition without a guard of its own', async () => {
    await guard(1, { partition: 1 });
    expect(await send(0)).toBe('INVALID_TXN_STATE');
  });

  test('of a newer epoch than the guard is refused, of an older one fenced', async () => {
    await guard(1, { epoch: 5 });
    expect(await send(0, { epoch: 6 })).toBe('INVALID_TXN_STATE');
    expect(await send(0, { epoch: 4 })).toBe('INVALID_PRODUCER_EPOCH');
  });

  test('is refused after the marker, as late as it may come', async () => {
    await guard(1);
    await send(0);
    await abort(1);
    expect(await send(1)).toBe('INVALID_TXN_STATE');
  });

  test('that was appended is answered as a duplicate also after the marker', async () => {
    await guard(1);
    await plain(5);
    await send(0);
    await commit(1);
    expect(await send(0)).toBe('=5');
  });

  test('goes on with its sequences in the next transaction of the same epoch', async () => {
    await guard(1);
    await send(0);
    await commit(1);
    await guard(2);
    expect(await send(2)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
    expect(await send(1)).toBe('@2');
  });

  test('starts at sequence 0 of the new epoch after a marker that raised it', async () => {
    await guard(1);
    await send(0);
    await commit(1, { epoch: 1 });
    await guard(2, { epoch: 1 });
    expect(await send(1, { epoch: 1 })).toBe('UNKNOWN_PRODUCER_ID');
    expect(await send(0, { epoch: 1 })).toBe('@2');
  });

  test('of the transaction in which it was sent is refused in the next one of the same epoch', async () => {
    await guard(1);
    await send(0);
    await abort(1);
    await guard(2);
    const conditions = (transaction: number) => [{ partitionIndex: 0, batchIndex: 0, transaction }];
    expect(await append([batch(1)], { conditions: conditions(1) })).toBe('INVALID_TXN_STATE');
    expect(await append([batch(1)], { conditions: conditions(2) })).toBe('@2');
  });

  test('is refused as such, not for its sequence', async () => {
    expect(await send(17)).toBe('INVALID_TXN_STATE');
  });
});

test('an ordinary batch of a producer with an open transaction is refused, of others not', async () => {
  await guard(1);
  expect(await append([{ producerId: PRODUCER, baseSequence: 0 }])).toBe('INVALID_TXN_STATE');
  expect(await append([{ producerId: 8, baseSequence: 0 }, {}])).toBe('@0 @1');
  await commit(1);
  expect(await append([{ producerId: PRODUCER, baseSequence: 0 }])).toBe('@3');
});

describe('a guard', () => {
  test('that comes again changes nothing and writes nothing', async () => {
    await guard(1);
    await send(0);
    const { lastSeq } = journal.state;
    await guard(1);
    expect(journal.state.lastSeq).toBe(lastSeq);
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)).toMatchObject({ transaction: 1, firstOffset: 0 });
  });

  test('that comes after its abort opens nothing', async () => {
    await guard(1);
    await abort(1);
    await guard(1);
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)).toBeUndefined();
    expect(await send(0)).toBe('INVALID_TXN_STATE');
  });

  test('of an older epoch than the producer has opens nothing', async () => {
    await guard(1, { epoch: 3 });
    await abort(1, { epoch: 4 });
    await guard(2, { epoch: 3 });
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)).toBeUndefined();
  });

  test('of a newer epoch fences the older one, also for batches outside of transactions', async () => {
    await append([{ producerId: PRODUCER, baseSequence: 0 }]);
    await guard(1, { epoch: 2 });
    await abort(1, { epoch: 2 });
    expect(await append([{ producerId: PRODUCER, producerEpoch: 1, baseSequence: 1 }])).toBe('INVALID_PRODUCER_EPOCH');
  });

  test('is refused with all of its decision while an earlier transaction of the producer is open', async () => {
    await guard(1);
    const both = coordinate(guardOf(2), guardOf(1, { partition: 1 }));
    await expect(both).rejects.toMatchObject({ error: 'CONCURRENT_TRANSACTIONS' });
    expect(journal.state.openTransaction(TOPIC, 1, PRODUCER)).toBeUndefined();
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)?.transaction).toBe(1);
  });

  test('is refused while too many transactions are open in the journal, until some have ended', async () => {
    const ids = Array.from({ length: OPEN_TRANSACTIONS_PER_JOURNAL_MAX }, (_, id) => 1_000 + id);
    for (let from = 0; from < ids.length; from += 2_000) {
      await coordinate(...ids.slice(from, from + 2_000).map((producerId) => guardOf(1, { producerId })));
    }
    await expect(guard(1)).rejects.toMatchObject({ error: 'CONCURRENT_TRANSACTIONS' });
    await guard(1, { producerId: 1_000 });
    await abort(1, { producerId: 1_000 });
    await guard(1);
    expect(await send(0)).toBe('@1');
  });

  test('for a partition that does not exist is left out', async () => {
    const { lastSeq } = journal.state;
    await guard(1, { topicId: OTHER_TOPIC });
    await commit(1, { topicId: OTHER_TOPIC });
    expect(journal.state.lastSeq).toBe(lastSeq);
  });
});

describe('a marker', () => {
  test('takes one offset and lies in its entry as a control batch', async () => {
    await guard(1);
    await send(0);
    await commit(1, { epoch: 2 });
    expect(partition().nextOffset).toBe(2);
    const extent = partition().extents.at(1)!;
    expect(extent).toMatchObject({ baseOffset: 1, endOffset: 2, length: CONTROL_BATCH_BYTES, batchCount: 1 });
    const written = { producerId: PRODUCER, producerEpoch: 2, coordinatorEpoch: 3, committed: true };
    expect(await journal.readInline(extent)).toEqual(buildControlBatch(written, extent.appendedAt));
  });

  test('lies behind the inline records that came before it in the entry, and before the next ones', async () => {
    await guard(1);
    const inline = (letter: string) =>
      inlineAppend({ lane: lane(EPOCH), number: number++ }, [{ batches: [{}] }], letter);
    const [first, , second] = await Promise.all([journal.append(inline('a')), abort(1), journal.append(inline('b'))]);
    expect([brief(first.answers), brief(second.answers)]).toEqual(['@0', '@2']);
    const bodies = [...partition().extents].map((extent) => journal.readInline(extent));
    const [before, marker, after] = await Promise.all(bodies);
    expect(before?.toString()).toBe('a'.repeat(100));
    expect(marker?.length).toBe(CONTROL_BATCH_BYTES);
    expect(after?.toString()).toBe('b'.repeat(100));
  });

  test('that comes twice ends nothing: not even the next transaction', async () => {
    await guard(1);
    await send(0);
    await commit(1);
    await guard(2);
    await send(1);
    const { nextOffset } = partition();
    await commit(1);
    await abort(1, { epoch: 9 });
    expect(partition().nextOffset).toBe(nextOffset);
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)?.transaction).toBe(2);
    expect(await send(2)).toBe('@3');
  });

  test('that overtakes its guard takes no offset, and the guard opens nothing', async () => {
    await abort(1, { epoch: 2 });
    expect(partition().nextOffset).toBe(0);
    await guard(1);
    await guard(1, { epoch: 2 });
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)).toBeUndefined();
    expect(await send(0)).toBe('INVALID_PRODUCER_EPOCH');
    await guard(2, { epoch: 2 });
    expect(await send(0, { epoch: 2 })).toBe('@0');
  });

  test('of a partition that was deleted and created again is left out', async () => {
    await guard(1);
    await send(0);
    await journal.propose({ type: 'deletePartitions', topicId: TOPIC, partitions: [0] });
    await createTopic(journal);
    await commit(1);
    expect(partition()).toMatchObject({ nextOffset: 0, lastStableOffset: 0, unstable: [] });
  });

  test('of a transaction without records takes an offset and lists nothing', async () => {
    await guard(1);
    await abort(1);
    expect(partition()).toMatchObject({ nextOffset: 1, lastStableOffset: 1 });
    expect(aborted()).toEqual([]);
  });

  test('ends the transaction of its decision together with the records', async () => {
    await guard(1);
    const changes = [{ key: 'state', value: 'CompleteCommit' }];
    await coordinate({ type: 'recordsChanged', owner: 'transaction/a', changes }, markerOf(1, true));
    expect(journal.state.record('transaction/a', 'state')).toBe('CompleteCommit');
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)).toBeUndefined();
  });
});

test('a decision sees what is open', async () => {
  const seen = () => journal.coordinate((view) => ({ commands: [], answer: view.openTransaction(TOPIC, 0, PRODUCER) }));
  expect(await seen()).toBeUndefined();
  const [, inTheSameEntry] = await Promise.all([guard(4, { epoch: 2 }), seen()]);
  expect(inTheSameEntry).toMatchObject({ transaction: 4, producerEpoch: 2, firstOffset: -1 });
  await plain(3);
  await send(0, { epoch: 2 });
  expect(await seen()).toMatchObject({ transaction: 4, producerEpoch: 2, firstOffset: 3 });
});

describe('the last stable offset', () => {
  test('stays at the first record of the oldest open transaction, and moves on with its marker', async () => {
    await guard(1);
    await guard(1, { producerId: 8 });
    await plain(2);
    expect(partition().lastStableOffset).toBe(2);
    await send(0);
    await send(0, { producerId: 8 });
    await plain();
    expect(partition()).toMatchObject({ lastStableOffset: 2, nextOffset: 5 });
    await commit(1);
    expect(partition()).toMatchObject({ lastStableOffset: 3, nextOffset: 6 });
    await abort(1, { producerId: 8 });
    expect(partition()).toMatchObject({ lastStableOffset: 7, nextOffset: 7 });
    expect(aborted()).toEqual(['8: 3-6 (7)']);
  });

  test('never lies below the log start', async () => {
    await guard(1);
    await send(0);
    await plain(5);
    await journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 4 });
    expect(partition().lastStableOffset).toBe(4);
    await abort(1);
    expect(partition().lastStableOffset).toBe(7);
    expect(aborted()).toEqual(['7: 0-6 (7)']);
  });

  test('aborted transactions are listed until the log start passes their markers', async () => {
    for (const transaction of [1, 2, 3]) {
      await guard(transaction);
      await send(transaction - 1);
      await abort(transaction);
    }
    expect(aborted()).toEqual(['7: 0-1 (2)', '7: 2-3 (4)', '7: 4-5 (6)']);
    await journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 3 });
    expect(aborted()).toEqual(['7: 2-3 (4)', '7: 4-5 (6)']);
    await journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 4 });
    expect(aborted()).toEqual(['7: 4-5 (6)']);
  });
});

describe('aborted transactions of a range', () => {
  // 1 aborts within 2, which aborts within 3.
  const list: readonly AbortedTransaction[] = [
    { producerId: 1, firstOffset: 4, lastOffset: 6, lastStableOffset: 0 },
    { producerId: 2, firstOffset: 2, lastOffset: 8, lastStableOffset: 0 },
    { producerId: 3, firstOffset: 0, lastOffset: 10, lastStableOffset: 11 },
    { producerId: 1, firstOffset: 12, lastOffset: 14, lastStableOffset: 15 },
  ];
  test.each([
    [0, 1, [3]],
    [0, 3, [2, 3]],
    [0, 4, [2, 3]],
    [0, 5, [1, 2, 3]],
    [6, 7, [1, 2, 3]],
    [7, 8, [2, 3]],
    [9, 12, [3]],
    [9, 13, [3, 1]],
    [11, 12, []],
    [14, 20, [1]],
    [15, 20, []],
  ])('[%i, %i) are of producers %j', (start, end, producers) => {
    expect(abortedWithin(list, start, end).map(({ producerId }) => producerId)).toEqual(producers);
  });
});

describe('what is kept', () => {
  const HOUR_MS = 3_600_000;
  const expireAll = () => journal.propose({ type: 'expire', before: runtime.clock.now() + HOUR_MS, keysBefore: 0 });

  test('a producer with an open transaction does not expire, others do', async () => {
    await guard(1);
    await append([{ producerId: 8, baseSequence: 0 }]);
    await sleep(runtime.timers, HOUR_MS);
    await expireAll();
    expect([...journal.state.producers(TOPIC, 0)].map(({ producerId }) => producerId)).toEqual([PRODUCER]);
  });

  test('that a transaction ended is remembered for a while, whatever the settings say', async () => {
    await guard(1);
    await abort(1);
    await expireAll();
    await guard(1);
    expect(journal.state.openTransaction(TOPIC, 0, PRODUCER)).toBeUndefined();
    await sleep(runtime.timers, ENDED_TRANSACTION_MS_MIN + 1);
    await expireAll();
    expect(producer()).toBeUndefined();
  });

  test('everything comes back with a takeover, from entries and from a snapshot', async () => {
    await guard(1, { epoch: 2 });
    number++; // The segment of the first append must be there to be read back.
    const wishes = [{ batches: [batch(0, { epoch: 2 })] }];
    const at = { lane: lane(EPOCH), number: 0, segmentId: '019aa3b5ec00-1-1-1-00000000' };
    await journal.append(await uploadedAppend(stores, at, wishes));
    await abort(1, { epoch: 3 });
    await guard(2, { epoch: 3 });
    const inline = inlineAppend({ lane: lane(EPOCH), number: number++ }, [{ batches: [batch(0, { epoch: 3 })] }]);
    await journal.append(inline);
    const before = { producer: producer(), aborted: aborted(), ...partition(), extents: [...partition().extents] };
    for (const snapshot of [false, true]) {
      if (snapshot) journal.requestSnapshot();
      await journal.close();
      journal = await open(stores, { runtime });
      const after = { producer: producer(), aborted: aborted(), ...partition(), extents: [...partition().extents] };
      expect({ ...after, abortedTransactions: [] }).toEqual({ ...before, abortedTransactions: [] });
      expect(after).toMatchObject({ lastStableOffset: 2, nextOffset: 3 });
    }
    await commit(2, { epoch: 4 });
    expect(partition()).toMatchObject({ lastStableOffset: 4, nextOffset: 4 });
  });
});
