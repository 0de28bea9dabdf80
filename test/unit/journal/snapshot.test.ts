import { afterEach, describe, expect, test, vi } from 'vitest';
import { emptyPartition } from '../../../src/journal/append.ts';
import { SharedExtentList } from '../../../src/journal/extent-list.ts';
import { JournalStore } from '../../../src/journal/journal-store.ts';
import { laneKey } from '../../../src/journal/lanes.ts';
import type { Extent } from '../../../src/journal/partition-state.ts';
import { producerKey } from '../../../src/journal/producers.ts';
import { SharedList } from '../../../src/journal/shared-list.ts';
import { decodeSnapshot, decodeSnapshotInTurns } from '../../../src/journal/snapshot-decoder.ts';
import { captureState, encodeSnapshot } from '../../../src/journal/snapshot-encoder.ts';
import { JournalState, partitionKey } from '../../../src/journal/state.ts';
import { NONE_ABORTED } from '../../../src/journal/transactions.ts';
import { memoryStores, segmentReference, TOPIC } from './harness.ts';

const LARGE = 50_000;

/** One partition with as many extents as a large journal has. */
function stateWith(count: number): JournalState {
  const state = new JournalState(0);
  state.lastSeq = 9;
  const extents: Extent[] = [];
  for (let at = 0; at < count; at++) {
    const source =
      at % 10 === 0
        ? ({ type: 'inline', seq: 1 + (at % 7), entryId: 'ab'.repeat(16) } as const)
        : ({ type: 'segment', segmentId: `s${at % 100}` } as const);
    extents.push({
      ...{
        baseOffset: 2 * at,
        endOffset: 2 * at + 2,
        source,
        position: 100 * at,
        length: 100 + (at % 5),
        batchCount: 1,
      },
      ...{
        maxTimestamp: 1_763_683_200_000 + at,
        leaderEpoch: 1,
        absolute: at % 3 === 0,
        appendedAt: 1_763_683_200_000,
      },
    });
    if (source.type === 'inline') state.inlineUses.set(source.seq, (state.inlineUses.get(source.seq) ?? 0) + 1);
    else {
      const use = state.segmentsById.get(source.segmentId) ?? {
        ...segmentReference(source.segmentId),
        extentCount: 0,
        liveBytes: 0,
      };
      const { extentCount, liveBytes } = use;
      state.segmentsById.set(use.id, {
        ...use,
        extentCount: extentCount + 1,
        liveBytes: liveBytes + extents[at]!.length,
      });
    }
  }
  state.partitionsByKey.set(partitionKey(TOPIC, 0), {
    ...{ topicId: TOPIC, partition: 0, logStartOffset: 0, nextOffset: 2 * count, lastStableOffset: 2 * count },
    ...{ unstable: [], abortedTransactions: NONE_ABORTED, extents: SharedExtentList.of(extents), epochs: [] },
    bytes: extents.reduce((sum, { length }) => sum + length, 0),
  });
  return state;
}

const SLICE_BYTES = 32 * 1024;

const COUNT = 20_000;

/** So many of one thing each. */
const MUCH: Record<string, (state: JournalState) => void> = {
  segments: (state) => {
    for (let at = 0; at < COUNT; at++) {
      state.segmentsById.set(`s${at}`, { ...segmentReference(`s${at}`), extentCount: 0, liveBytes: 0 });
    }
  },
  'condemned segments': (state) => {
    for (let at = 0; at < COUNT; at++)
      state.condemnedById.set(`segment-${at}`, { segmentId: `segment-${at}`, seq: at });
  },
  fences: (state) => {
    state.fences = Array.from({ length: COUNT }, (_, at) => 1_000_000 + at);
  },
  partitions: (state) => {
    for (let partition = 0; partition < COUNT; partition++) {
      state.partitionsByKey.set(partitionKey(TOPIC, partition), emptyPartition(TOPIC, partition));
    }
  },
  'answers of one lane': (state) => {
    const answers = Array.from({ length: COUNT }, (_, number) => ({ type: 'skipped' as const, number }));
    const lane = { brokerId: 1, brokerEpoch: 1, lane: 1, last: COUNT, answers: SharedList.of(answers) };
    state.lanes.set(laneKey(1, 1), lane);
  },
  producers: (state) => {
    const partition = partitionKey(TOPIC, 0);
    state.partitionsByKey.set(partition, emptyPartition(TOPIC, 0));
    for (let producerId = 0; producerId < COUNT; producerId++) {
      state.producersByKey.set(producerKey(partition, producerId), {
        ...{ partitionKey: partition, producerId, producerEpoch: 0, lastAppendAt: 1_763_683_200_000, open: null },
        ...{ coordinatorEpoch: -1, endedTransaction: -1, batches: [] },
      });
    }
  },
  'idempotency keys': (state) => {
    for (let at = 0; at < COUNT; at++) {
      const key = `key-${at}`;
      state.idempotencyKeys.set(key, { key, fingerprint: at, rememberedAt: 1_763_683_200_000, answers: [] });
    }
  },
  'records of one owner': (state) => {
    const records = Array.from({ length: COUNT }, (_, at) => [`o:${at}`, `value ${at}`] as const);
    state.recordsByOwner.set('group:g', new Map(records));
  },
  'owners with a record each': (state) => {
    for (let at = 0; at < COUNT; at++) state.recordsByOwner.set(`group:${at}`, new Map([['o', `value ${at}`]]));
  },
};

const encoded = (state: JournalState): Buffer => Buffer.concat([...encodeSnapshot(captureState(state))]);
const extentsOf = (state: JournalState) => [...state.partition(TOPIC, 0)!.extents];

describe('a large snapshot', () => {
  test('is decoded in many turns to the same state, uses counted', async () => {
    const state = stateWith(LARGE);
    const bytes = encoded(state);
    let turns = 0;
    const decoded = await decodeSnapshotInTurns('s', bytes, async () => {
      turns++;
    });
    expect(turns).toBeGreaterThan(LARGE / 5_000);
    expect(extentsOf(decoded)).toEqual(extentsOf(state));
    expect(decoded.inlineUses).toEqual(state.inlineUses);
    expect([...decoded.segments()]).toEqual([...state.segments()]);
    expect(encoded(decoded).equals(bytes)).toBe(true);
    expect(encoded(decodeSnapshot('s', bytes)).equals(bytes)).toBe(true);
  });

  describe('of much of one kind', () => {
    /** The smallest take a dozen bytes each. */
    const INSERTED_PER_TURN_MAX = 3_000;

    afterEach(() => {
      vi.restoreAllMocks();
    });

    test.each(Object.entries(MUCH))('(%s) gives others a turn before there is much of it', async (_, fill) => {
      const state = new JournalState(0);
      fill(state);
      const bytes = encoded(state);
      const set = vi.spyOn(Map.prototype, 'set');
      const inserted: number[] = [];
      const decoded = await decodeSnapshotInTurns('s', bytes, async () => {
        inserted.push(set.mock.calls.length);
        set.mockClear();
      });
      inserted.push(set.mock.calls.length);
      set.mockRestore();
      expect(inserted.length).toBeGreaterThan(Math.floor(bytes.length / SLICE_BYTES));
      expect(Math.max(...inserted)).toBeLessThan(INSERTED_PER_TURN_MAX);
      expect(encoded(decoded).equals(bytes)).toBe(true);
    });

    test('(extents of one partition) counts them in turns as well as it decodes them', async () => {
      const bytes = encoded(stateWith(LARGE));
      let turns = 0;
      await decodeSnapshotInTurns('s', bytes, async () => {
        turns++;
      });
      expect(turns).toBeGreaterThanOrEqual(2 * Math.floor(LARGE / 4_096));
    });
  });

  test('is refused when damaged, also in turns', async () => {
    const bytes = encoded(stateWith(LARGE));
    bytes[bytes.length >>> 1]! ^= 1;
    await expect(decodeSnapshotInTurns('s', bytes, async () => {})).rejects.toThrow(/snapshot s: its checksum/);
  });

  test('is read in several ranges at once, and known to be gone or too short', async () => {
    const stores = memoryStores();
    const store = new JournalStore(stores.metadata, stores.objects, 'c', 0, new AbortController().signal);
    const body = Buffer.alloc(10 * 1024 * 1024 + 7);
    for (let at = 0; at < body.length; at += 1_000) body[at] = at % 251;
    const key = store.snapshotKey(1, 'x');
    await store.createSnapshot(key, [body]);
    expect((await store.readSnapshot({ key, bytes: body.length }))!.equals(body)).toBe(true);
    await expect(store.readSnapshot({ key, bytes: body.length + 1 })).rejects.toThrow(/has \d+ bytes/);
    await store.deleteSnapshots([key]);
    expect(await store.readSnapshot({ key, bytes: body.length })).toBeNull();
  });
});

describe('extents of a snapshot that nobody has looked at', () => {
  const listOf = (count: number) =>
    decodeSnapshot('s', encoded(stateWith(count))).partition(TOPIC, 0)!.extents as SharedExtentList;

  test.each([0, 1, 4, 5, 100, 4_096, 4_097])('are the same as ever, %i of them', (count) => {
    const expected = extentsOf(stateWith(count));
    const untouched = () => listOf(count);
    const added = { ...extentsOf(stateWith(1))[0]!, baseOffset: 2 * count, endOffset: 2 * count + 2 };
    expect(untouched().length).toBe(count);
    expect([...untouched()]).toEqual(expected);
    expect(untouched().at(count - 1)).toEqual(expected.at(count - 1));
    expect(untouched().at(count)).toBeUndefined();
    expect(untouched().indexOf(count)).toBe(expected.filter(({ endOffset }) => endOffset <= count).length);
    expect([...untouched().append(added)]).toEqual([...expected, added]);
    const longer = untouched().append(added);
    expect([longer.at(0), longer.at(count), longer.at(count + 1), longer.at(-1)]).toEqual([
      expected[0] ?? added,
      added,
      undefined,
      undefined,
    ]);
    expect([...longer.splice(count, 1, [])]).toEqual(expected);
    const dropped = Math.floor(count / 2);
    expect([...untouched().dropFirst(dropped)]).toEqual(expected.slice(dropped));
    if (count > 2) expect([...untouched().splice(1, 1, [added])]).toEqual(expected.toSpliced(1, 1, added));
  });

  test('do not change when a later version does', () => {
    const list = listOf(100);
    const before = [...list];
    const grown = list.append({ ...before[0]!, baseOffset: 200, endOffset: 202 });
    expect(grown.length).toBe(101);
    expect(list.length).toBe(100);
    expect([...list]).toEqual(before);
    expect(list.at(50)).toBe(grown.at(50));
    expect([...grown.dropFirst(100)]).toHaveLength(1);
  });

  test('with timestamps that no number of ours should have come back all the same', () => {
    const state = stateWith(50);
    const partition = state.partition(TOPIC, 0)!;
    const extents = [...partition.extents].map((extent, at) => ({
      ...extent,
      maxTimestamp: [2 ** 53 - 1, -(2 ** 53) + 1, -1, 2 ** 52][at % 4]!,
      appendedAt: at % 3 === 0 ? 2 ** 53 - 1 : extent.appendedAt,
    }));
    state.partitionsByKey.set(partitionKey(TOPIC, 0), { ...partition, extents: SharedExtentList.of(extents) });
    const decoded = decodeSnapshot('s', encoded(state));
    expect(extentsOf(decoded)).toEqual(extents);
    expect(encoded(decoded).equals(encoded(state))).toBe(true);
  });
});
