import { describe, expect, test } from 'vitest';
import { SharedExtentList } from '../../../src/journal/extent-list.ts';
import { JournalStore } from '../../../src/journal/journal-store.ts';
import type { Extent } from '../../../src/journal/partition-state.ts';
import { decodeSnapshot, decodeSnapshotInTurns } from '../../../src/journal/snapshot-decoder.ts';
import { captureState, encodeSnapshot } from '../../../src/journal/snapshot-encoder.ts';
import { JournalState, partitionKey } from '../../../src/journal/state.ts';
import { NONE_ABORTED } from '../../../src/journal/transactions.ts';
import { memoryStores, segmentReference, TOPIC } from './harness.ts';

const EXTENTS = 50_000;

/** One partition with as many extents as a large journal has. */
function largeState(): JournalState {
  const state = new JournalState(0);
  state.lastSeq = 9;
  const extents: Extent[] = [];
  for (let at = 0; at < EXTENTS; at++) {
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
    ...{ topicId: TOPIC, partition: 0, logStartOffset: 0, nextOffset: 2 * EXTENTS, lastStableOffset: 2 * EXTENTS },
    ...{ unstable: [], abortedTransactions: NONE_ABORTED, extents: SharedExtentList.of(extents), epochs: [] },
    bytes: extents.reduce((sum, { length }) => sum + length, 0),
  });
  return state;
}

const encoded = (state: JournalState): Buffer => Buffer.concat([...encodeSnapshot(captureState(state))]);
const extentsOf = (state: JournalState) => [...state.partition(TOPIC, 0)!.extents];

describe('a large snapshot', () => {
  test('is decoded in many turns to the same state, uses counted', async () => {
    const state = largeState();
    const bytes = encoded(state);
    let turns = 0;
    const decoded = await decodeSnapshotInTurns('s', bytes, async () => {
      turns++;
    });
    expect(turns).toBeGreaterThan(bytes.length / 100_000);
    expect(extentsOf(decoded)).toEqual(extentsOf(state));
    expect(decoded.inlineUses).toEqual(state.inlineUses);
    expect([...decoded.segments()]).toEqual([...state.segments()]);
    expect(encoded(decoded).equals(bytes)).toBe(true);
    expect(encoded(decodeSnapshot('s', bytes)).equals(bytes)).toBe(true);
  });

  test('is refused when damaged, also in turns', async () => {
    const bytes = encoded(largeState());
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
