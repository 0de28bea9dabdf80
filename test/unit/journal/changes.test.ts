/** What a leader answers to changes that are not appends, and what it then shows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Change, ChangeOutcome, ExtentSwap } from '../../../src/journal/journal.ts';
import type { OpenedJournal } from '../../../src/journal/open-journal.ts';
import type { Extent } from '../../../src/journal/partition-state.ts';
import {
  brief,
  createTopic,
  inlineAppend,
  lane,
  memoryStores,
  open,
  segmentAppend,
  segmentReference,
  TOPIC,
  uploadedAppend,
} from './harness.ts';

const EPOCH = 2_000;
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
const segmentId = (place: number) => `019aa3b5ec00-1-${EPOCH}-${place}-00000000`;
/** One batch of `count` in each given partition, from a segment with this number. */
const append = (place: number, count = 1, partitions = [0]) =>
  journal.append(
    segmentAppend(
      { ...next(), segmentId: segmentId(place) },
      partitions.map((partition) => ({ partition, batches: [{ count }] })),
    ),
  );
const extents = (partition = 0): Extent[] => [...journal.state.partition(TOPIC, partition)!.extents];
const ranges = (partition = 0) => extents(partition).map(({ baseOffset, endOffset }) => [baseOffset, endOffset]);
const refusal = (error: string) => ({ type: 'refused', error });

async function reopen(): Promise<void> {
  await journal.close();
  journal = await open(stores);
}

describe('partitions', () => {
  test('creating and deleting are safe to repeat and leave the rest alone', async () => {
    await append(0, 3);
    const seq = journal.state.lastSeq;
    await createTopic(journal, [0, 1]);
    expect(journal.state.lastSeq).toBe(seq);
    await createTopic(journal, [0, 1, 2]);
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(3);
    const deletion: Change = { type: 'deletePartitions', topicId: TOPIC, partitions: [0, 2, 9] };
    expect(await journal.propose(deletion)).toEqual({ type: 'done' });
    expect(await journal.propose(deletion)).toEqual({ type: 'done' });
    expect([...journal.state.partitions()].map(({ partition }) => partition)).toEqual([1]);
  });

  test('deleting releases the segments and forgets the producers', async () => {
    await journal.append(
      segmentAppend({ ...next(), segmentId: segmentId(0) }, [{ batches: [{ producerId: 5, baseSequence: 0 }] }]),
    );
    const released: string[] = [];
    journal.subscribe((applied) => released.push(...applied.releasedSegments));
    await journal.propose({ type: 'deletePartitions', topicId: TOPIC, partitions: [0] });
    expect(released).toEqual([segmentId(0)]);
    expect(journal.state.segment(segmentId(0))).toBeUndefined();
    await createTopic(journal, [0]);
    expect([...journal.state.producers(TOPIC, 0)]).toEqual([]);
  });

  test('a text that is no topic id is refused', async () => {
    const change: Change = { type: 'createPartitions', topicId: 'orders', partitions: [0] };
    expect(await journal.propose(change)).toMatchObject(refusal('INVALID_REQUEST'));
    const odd: Change = { ...change, topicId: 'AAAAAAAAQACAAAAAAAAAAB' };
    expect(await journal.propose(odd)).toMatchObject(refusal('INVALID_REQUEST'));
  });
});

describe('the log start', () => {
  const advance = (logStartOffset: number, partition = 0): Promise<ChangeOutcome> =>
    journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition, logStartOffset });

  test('drops what lies wholly below, never goes back, never passes the end', async () => {
    for (let place = 0; place < 3; place++) await append(place, 10);
    expect(await advance(15)).toEqual({ type: 'logStart', logStartOffset: 15 });
    expect(ranges()).toEqual([
      [10, 20],
      [20, 30],
    ]);
    expect(journal.state.partition(TOPIC, 0)).toMatchObject({ logStartOffset: 15, nextOffset: 30, bytes: 200 });
    expect(await advance(5)).toEqual({ type: 'logStart', logStartOffset: 15 });
    expect(await advance(31)).toMatchObject(refusal('OFFSET_OUT_OF_RANGE'));
    expect(await advance(30)).toEqual({ type: 'logStart', logStartOffset: 30 });
    expect(ranges()).toEqual([]);
    expect(await advance(0, 9)).toMatchObject(refusal('UNKNOWN_TOPIC_OR_PARTITION'));
    await append(3, 5);
    expect(ranges()).toEqual([[30, 35]]);
  });

  test('forgets leader epochs that ended before it', async () => {
    for (let life = 0; life < 3; life++) {
      await journal.append(segmentAppend({ lane: lane(EPOCH + life), number: 0 }, [{ batches: [{ count: 10 }] }]));
      await journal.close();
      journal = await open(stores, { brokerEpoch: EPOCH + life + 1 });
    }
    await advance(25);
    expect(journal.state.partition(TOPIC, 0)!.epochs).toEqual([{ epoch: 3, startOffset: 20 }]);
  });
});

describe('merges', () => {
  const merged = segmentReference(segmentId(100), 5_000);
  const whole = (remove: readonly Extent[], more: Partial<Extent> = {}): Extent => ({
    ...remove[0]!,
    endOffset: remove.at(-1)!.endOffset,
    source: { type: 'segment', segmentId: merged.id },
    position: 0,
    length: 250,
    absolute: true,
    ...more,
  });
  const merge = (swaps: readonly Partial<ExtentSwap>[], segments = [merged]): Promise<ChangeOutcome> =>
    journal.propose({
      type: 'merge',
      segments,
      swaps: swaps.map((swap) => ({ topicId: TOPIC, partition: 0, remove: [], add: [], ...swap })),
    });

  test('swap exactly the extents that were read, and release what nothing points into', async () => {
    for (let place = 0; place < 4; place++) await append(place, 10, place === 1 ? [0, 1] : [0]);
    await journal.append(inlineAppend(next(), [{ batches: [{ count: 5 }] }]));
    const remove = extents().slice(1, 4);
    const released: string[] = [];
    journal.subscribe((applied) => released.push(...applied.releasedSegments));
    expect(await merge([{ remove, add: [whole(remove)] }])).toEqual({ type: 'done' });
    expect(ranges()).toEqual([
      [0, 10],
      [10, 40],
      [40, 45],
    ]);
    expect(released).toEqual([segmentId(2), segmentId(3)]);
    expect(journal.state.segment(segmentId(1))).toMatchObject({ extentCount: 1 });
    expect(journal.state.segment(merged.id)).toEqual({ ...merged, extentCount: 1, liveBytes: 250 });
    expect(journal.state.partition(TOPIC, 0)!.bytes).toBe(100 + 250 + 100);
    await reopen();
    expect(ranges()).toEqual([
      [0, 10],
      [10, 40],
      [40, 45],
    ]);
  });

  test('may leave offsets out and fill several partitions', async () => {
    await append(0, 10, [0, 1]);
    const swaps = [0, 1].map((partition) => {
      const remove = extents(partition);
      const [first, second] = [whole(remove, { endOffset: 4 }), whole(remove, { baseOffset: 6, position: 250 })];
      return { partition, remove, add: partition === 0 ? [first, second] : [] };
    });
    expect(await merge(swaps)).toEqual({ type: 'done' });
    expect(ranges(0)).toEqual([
      [0, 4],
      [6, 10],
    ]);
    expect(ranges(1)).toEqual([]);
    expect(journal.state.partition(TOPIC, 1)!.nextOffset).toBe(10);
  });

  test('are refused whole when an extent changed meanwhile', async () => {
    await append(0, 10);
    await append(1, 10, [0, 1]);
    const [mine, theirs] = [extents(0), extents(1)];
    await journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 10 });
    const swaps = [
      { partition: 0, remove: mine, add: [whole(mine)] },
      { partition: 1, remove: theirs, add: [whole(theirs)] },
    ];
    expect(await merge(swaps)).toMatchObject(refusal('INVALID_REQUEST'));
    expect(ranges(1)).toEqual([[0, 10]]);
    expect(journal.state.segment(merged.id)).toBeUndefined();
  });

  test.each<[string, (remove: Extent[]) => Partial<ExtentSwap>]>([
    ['nothing to remove', () => ({ remove: [] })],
    ['a partition that does not exist', (remove) => ({ partition: 9, remove })],
    ['an extent beyond the removed ones', (remove) => ({ remove, add: [whole(remove, { endOffset: 21 })] })],
    ['an extent before the removed ones', (remove) => ({ remove: remove.slice(1), add: [whole(remove)] })],
    ['extents that overlap', (remove) => ({ remove, add: [whole(remove), whole(remove)] })],
    ['an empty extent', (remove) => ({ remove, add: [whole(remove, { endOffset: 0 })] })],
    ['another segment', (remove) => ({ remove, add: [remove[0]!] })],
    ['extents that are not neighbours', (remove) => ({ remove: [remove[0]!, remove[0]!], add: [] })],
  ])('with %s are refused', async (_what, swap) => {
    await append(0, 10);
    await append(1, 10);
    expect(await merge([swap(extents())])).toMatchObject(refusal('INVALID_REQUEST'));
    expect(ranges()).toHaveLength(2);
  });

  test('into a segment that was given up are refused', async () => {
    await append(0, 10);
    await journal.propose({ type: 'condemn', segmentIds: [merged.id] });
    const remove = extents();
    expect(await merge([{ remove, add: [whole(remove)] }])).toMatchObject(refusal('KAFKA_STORAGE_ERROR'));
    await journal.propose({ type: 'forget', segmentIds: [merged.id] });
    expect(await merge([{ remove, add: [whole(remove)] }])).toMatchObject(refusal('KAFKA_STORAGE_ERROR'));
  });
});

describe('reclaim', () => {
  const condemn = async (...places: number[]): Promise<readonly string[]> => {
    const outcome = await journal.propose({ type: 'condemn', segmentIds: places.map(segmentId) });
    return outcome.type === 'condemned' ? outcome.segmentIds : [outcome.type];
  };

  test('condemns what nothing points into, and says so again when asked again', async () => {
    await append(0);
    expect(await condemn(0, 1, 2)).toEqual([segmentId(1), segmentId(2)]);
    expect(await condemn(0, 1, 2)).toEqual([segmentId(1), segmentId(2)]);
    expect([...journal.state.condemned()].map((each) => each.segmentId)).toEqual([segmentId(1), segmentId(2)]);
    expect(journal.state.isCondemned(segmentId(1))).toBe(true);
  });

  test('an append that names a condemned segment is refused, and after a restart too', async () => {
    await condemn(7);
    expect(brief((await append(7)).answers)).toBe('KAFKA_STORAGE_ERROR');
    await reopen();
    expect(journal.state.isCondemned(segmentId(7))).toBe(true);
  });

  test('an append that names a forgotten segment, or one dispatched before it, is refused however late', async () => {
    await condemn(7);
    await journal.propose({ type: 'forget', segmentIds: [segmentId(7)] });
    expect(journal.state.isCondemned(segmentId(7))).toBe(false);
    expect(brief((await append(7)).answers)).toBe('KAFKA_STORAGE_ERROR');
    expect(brief((await append(6)).answers)).toBe('KAFKA_STORAGE_ERROR');
    expect(brief((await append(8)).answers)).toBe('@0');
  });

  test('a segment that a waiting append names is left alone, whoever came first', async () => {
    const [, condemned] = await Promise.all([append(3), condemn(3, 4), append(4)]);
    expect(condemned).toEqual([]);
    expect(journal.state.partition(TOPIC, 0)!.nextOffset).toBe(2);
  });

  test('a segment is left alone until a snapshot covers the entry that names it, though nothing points into it', async () => {
    await journal.close();
    journal = await open(stores, { brokerEpoch: EPOCH + 1, limits: { snapshotEntryBytes: 1_500 } });
    const at = { lane: lane(EPOCH + 1), number: 0, segmentId: segmentId(5) };
    const many = Array.from({ length: 200 }, () => ({}));
    await journal.append(await uploadedAppend(stores, at, [{ batches: many }]));
    await journal.propose({ type: 'advanceLogStart', topicId: TOPIC, partition: 0, logStartOffset: 200 });
    expect(journal.state.segment(segmentId(5))).toBeUndefined();
    expect(await condemn(5)).toEqual([]);
    await reopenWith(EPOCH + 2);
    expect(await condemn(5)).toEqual([]);
    for (let created = 2; created < 40; created++) await createTopic(journal, [created]);
    await expect.poll(() => condemn(5)).toEqual([segmentId(5)]);
  });

  async function reopenWith(brokerEpoch: number): Promise<void> {
    await journal.close();
    journal = await open(stores, { brokerEpoch, limits: { snapshotEntryBytes: 1_500 } });
  }
});

describe('expiry', () => {
  test('forgets idle producers and old keys, and writes nothing when there are none', async () => {
    const clocked = segmentAppend(next(), [{ batches: [{ producerId: 5, baseSequence: 0 }] }], {
      idempotency: [{ key: 'k', fingerprint: 1, batches: [{ partitionIndex: 0, batchIndex: 0 }] }],
    });
    await journal.append(clocked);
    const { lastAppendAt } = [...journal.state.producers(TOPIC, 0)][0]!;
    const seq = journal.state.lastSeq;
    await journal.propose({ type: 'expire', before: lastAppendAt, keysBefore: lastAppendAt });
    expect(journal.state.lastSeq).toBe(seq);
    await journal.propose({ type: 'expire', before: lastAppendAt + 1, keysBefore: lastAppendAt + 1 });
    expect(journal.state.lastSeq).toBe(seq + 1);
    expect([...journal.state.producers(TOPIC, 0)]).toEqual([]);
    const repeat = { ...clocked, ...next() };
    expect(brief((await journal.append(repeat)).answers)).toBe('@1');
  });
});

test('blocks of producer ids never overlap, across restarts too', async () => {
  const allocate = () => journal.propose({ type: 'allocateProducerIds', count: 100 });
  expect(await Promise.all([allocate(), allocate()])).toEqual([
    { type: 'producerIds', first: 0, count: 100 },
    { type: 'producerIds', first: 100, count: 100 },
  ]);
  await reopen();
  expect(await allocate()).toEqual({ type: 'producerIds', first: 200, count: 100 });
  expect(await journal.propose({ type: 'allocateProducerIds', count: 0 })).toMatchObject(refusal('INVALID_REQUEST'));
});

test('a change that cannot fit an entry is refused', async () => {
  const segmentIds = Array.from({ length: 10_000 }, (_, place) => segmentId(place));
  expect(await journal.propose({ type: 'condemn', segmentIds })).toMatchObject(refusal('INVALID_REQUEST'));
});

test('listeners hear of each entry in order, when the state has it', async () => {
  const heard: string[] = [];
  const stop = journal.subscribe(({ seq, partitions }) => {
    heard.push(`${seq}: ${partitions.map(({ partition }) => partition)} of ${journal.state.lastSeq}`);
  });
  await append(0, 1, [0, 1]);
  await journal.propose({ type: 'deletePartitions', topicId: TOPIC, partitions: [1] });
  stop();
  await append(1);
  expect(heard).toEqual(['3: 0,1 of 3', '4: 1 of 4']);
});
